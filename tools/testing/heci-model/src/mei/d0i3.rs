// SPDX-License-Identifier: GPL-2.0
//! D0i3: the host tells the function to sleep and to wake up, the function takes its time and can
//! interrupt the host when it is done. Bits as in Linux `drivers/misc/mei/hw-me-regs.h`.

use std::time::Duration;

use crate::hw::{Event, Hw};

/// A change is under way.
const CIP: u32 = 1 << 0;
/// Interrupt when it is complete.
const IR: u32 = 1 << 1;
/// Sleep.
const I3: u32 = 1 << 2;

/// How long a change takes.
const LATENCY: Duration = Duration::from_micros(50);

/// The D0i3 control register.
#[derive(Clone, Copy, Debug, Default)]
pub struct D0i3(u32);

impl D0i3 {
    /// What the host reads.
    pub fn value(self) -> u32 {
        self.0
    }

    /// Whether the function sleeps, or is about to. The firmware then says nothing.
    pub fn asleep(self) -> bool {
        self.0 & I3 != 0
    }

    /// The host writes.
    pub fn write(&mut self, hw: &mut Hw, value: u32) {
        let was = self.0;
        self.0 = was & CIP | value & (IR | I3);
        if (self.0 ^ was) & I3 == 0 {
            return;
        }
        if self.asleep() {
            hw.counters.d0i3 += 1;
        }
        if was & CIP == 0 {
            self.0 |= CIP;
            hw.later(LATENCY, Event::D0i3);
        }
    }

    /// The change is complete.
    pub fn complete(&mut self, hw: &mut Hw) {
        self.0 &= !CIP;
        if self.0 & IR != 0 {
            hw.raise_d0i3();
        }
    }
}
