// SPDX-License-Identifier: GPL-2.0
//! The firmware's resets, and the status registers that show them; the same in every personality.

use std::time::Duration;

use serde_json::json;

use crate::faults::Fault;
use crate::hw::{Event, Hw};

/// How long the firmware is down after it found the host's state impossible.
pub const SELF_RESET: Duration = Duration::from_millis(10);

/// Whether the firmware is up.
#[derive(Debug, Default)]
pub struct Boot {
    /// When it becomes ready, while it is down.
    ready_at: Option<Duration>,
    /// HFS 1 to 6, if they do not follow the state.
    hfs: Option<[u32; 6]>,
}

impl Boot {
    /// Whether the firmware is in reset.
    pub fn is_down(&self) -> bool {
        self.ready_at.is_some()
    }

    /// The firmware is ready and tells nobody.
    pub fn power_on(&mut self, hw: &mut Hw) {
        self.ready_at = None;
        hw.regs.set_firmware_ready();
        self.show_status(hw);
    }

    /// The host resets the firmware, after the link was forgotten. A reset of its own that takes
    /// longer is not shortened.
    pub fn host_reset(&mut self, hw: &mut Hw) {
        hw.counters.resets.host += 1;
        hw.note("host_reset", || json!({}));
        let latency = Duration::from_micros(hw.settings.ready_latency_us);
        let ready_at = self.ready_at.unwrap_or_default();
        let down = latency.max(ready_at.saturating_sub(hw.clock.now));
        self.go_down(hw, false, down);
    }

    /// The firmware resets itself for `down`, after the link was forgotten. The caller interrupts
    /// the host.
    pub fn reset(&mut self, hw: &mut Hw, down: Duration) {
        hw.counters.resets.firmware += 1;
        hw.note(
            "firmware_reset",
            || json!({"down_us": down.as_micros() as u64}),
        );
        self.go_down(hw, true, down);
    }

    fn go_down(&mut self, hw: &mut Hw, announced: bool, down: Duration) {
        hw.regs.set_firmware_down(announced);
        self.ready_at = Some(hw.clock.now + down);
        hw.later(down, Event::Ready);
        self.show_status(hw);
    }

    /// The reset is over; false if a fault keeps the firmware down. The caller interrupts the host.
    pub fn become_ready(&mut self, hw: &mut Hw) -> bool {
        if hw.fault(Fault::ReadyNever).is_some() {
            return false;
        }
        if let Some(ms) = hw.fault(Fault::ReadyLate) {
            let late = Duration::from_millis(ms);
            self.ready_at = Some(hw.clock.now + late);
            hw.later(late, Event::Ready);
            return false;
        }
        self.power_on(hw);
        true
    }

    /// Fixes the firmware status registers, which otherwise follow the state.
    pub fn set_hfs(&mut self, hw: &mut Hw, values: [u32; 6]) {
        self.hfs = Some(values);
        self.show_status(hw);
    }

    /// HFS 1 carries the working state in bits 3:0 (1 initialising, 5 normal), bit 9 once
    /// initialisation is complete, and bit 31 for D0i3; the others are constant.
    fn show_status(&self, hw: &mut Hw) {
        let working = match self.is_down() {
            true => 0x9000_0001,
            false => 0x9000_0245,
        };
        let follow = [working, 0x3985_0106, 0x20, 0x4000, 0x0004_1f03, 0x87e0_03ce];
        hw.config.set_hfs(self.hfs.unwrap_or(follow));
    }
}
