// SPDX-License-Identifier: GPL-2.0
//! The firmware: resets, the setup exchange, and when to look for work; `traffic` is the rest.
//!
//! It acts when it becomes ready, when the host rings the doorbell, and when an answer is due;
//! never by itself otherwise (unless it is set to poll).

mod traffic;

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use serde_json::{json, Value};

use crate::clients::FirmwareClient;
use crate::faults::{apply, Fault};
use crate::ham::{Ham, Incoming};
use crate::hw::{Event, Hw, FAULT_PERIOD};
use crate::memory::DmaError;
use crate::settings::Notify;
use crate::wire::{status, Message, SetupRequest, SETUP_DWORDS, SETUP_REQUEST, VERSION};

/// How long the firmware is down after it found the host's state impossible.
const SELF_RESET: Duration = Duration::from_millis(10);

/// How far the link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The firmware is in reset.
    Down,
    /// It is ready, and waits for the host and its setup request.
    Ready,
    /// Shared memory is set up.
    Setup,
    /// The start request was answered.
    Started,
    /// The clients request was answered.
    Up,
}

/// The firmware behind one function, with the link to the host as it knows it.
pub struct Firmware {
    phase: Phase,
    ham: Option<Ham>,
    outgoing: VecDeque<Message>,
    clients: Vec<Box<dyn FirmwareClient>>,
    version: [u16; 4],
    /// The `not-consumed` fault has fired since the last reset.
    deaf: bool,
    /// When it becomes ready, while it is down.
    ready_at: Duration,
    /// HFS 1 to 6, if they do not follow the phase.
    hfs: Option<[u32; 6]>,
}

impl Firmware {
    /// Firmware of this version with these clients, in reset.
    pub fn new(version: [u16; 4], clients: Vec<Box<dyn FirmwareClient>>) -> Self {
        Self {
            phase: Phase::Down,
            ham: None,
            outgoing: VecDeque::new(),
            clients,
            version,
            deaf: false,
            ready_at: Duration::ZERO,
            hfs: None,
        }
    }

    /// The function was powered on or reset: the firmware is ready and tells nobody.
    pub fn power_on(&mut self, hw: &mut Hw) {
        self.forget_link(hw);
        hw.regs.set_firmware_ready();
        self.enter(hw, Phase::Ready);
    }

    /// The host has set `H_CSR.RST`.
    pub fn host_reset(&mut self, hw: &mut Hw) {
        hw.counters.resets.host += 1;
        hw.note("host_reset", || json!({}));
        let latency = Duration::from_micros(hw.settings.ready_latency_us);
        let down = self.remaining(hw).max(latency);
        self.go_down(hw, false, down);
    }

    /// The firmware resets itself and is ready again after `down`.
    pub fn reset(&mut self, hw: &mut Hw, down: Duration) {
        hw.counters.resets.firmware += 1;
        hw.note(
            "firmware_reset",
            || json!({"down_us": down.as_micros() as u64}),
        );
        self.clients.iter_mut().for_each(|client| client.reset());
        self.go_down(hw, true, down);
        hw.raise();
    }

    fn remaining(&self, hw: &Hw) -> Duration {
        match self.phase {
            Phase::Down => self.ready_at.saturating_sub(hw.clock.now),
            _ => Duration::ZERO,
        }
    }

    fn go_down(&mut self, hw: &mut Hw, announced: bool, down: Duration) {
        self.forget_link(hw);
        hw.regs.set_firmware_down(announced);
        self.enter(hw, Phase::Down);
        self.ready_at = hw.clock.now + down;
        hw.later(down, Event::Ready);
    }

    /// Drops all that belongs to the link, answers under way included.
    fn forget_link(&mut self, hw: &mut Hw) {
        self.ham = None;
        self.outgoing.clear();
        self.deaf = false;
        hw.link += 1;
        hw.timeline.retain(|event| !event.belongs_to_link());
    }

    /// The function went to D3hot: it cannot reach memory any more, so the link is over.
    pub fn sleep(&mut self, hw: &mut Hw) {
        if self.phase > Phase::Ready {
            self.forget_link(hw);
            self.enter(hw, Phase::Ready);
        }
    }

    fn enter(&mut self, hw: &mut Hw, phase: Phase) {
        self.phase = phase;
        hw.note("link", || json!({"phase": phase}));
        self.show_status(hw);
    }

    /// Fixes the firmware status registers, or lets them follow the state again.
    pub fn set_hfs(&mut self, hw: &mut Hw, values: [u32; 6]) {
        self.hfs = Some(values);
        self.show_status(hw);
    }

    /// HFS 1 carries the working state in bits 3:0 (1 initialising, 5 normal) and bit 9 once
    /// initialisation is complete; the others are constant.
    fn show_status(&self, hw: &mut Hw) {
        let working = match self.phase {
            Phase::Down => 0x9000_0001,
            _ => 0x9000_0245,
        };
        let follow = [working, 0x3985_0106, 0x20, 0x4000, 0x0004_1f03, 0x87e0_03ce];
        hw.config.set_hfs(self.hfs.unwrap_or(follow));
    }

    /// The host rang.
    pub fn doorbell(&mut self, hw: &mut Hw) {
        if self.phase == Phase::Down {
            hw.regs.acknowledge_firmware_reset();
        } else {
            let latency = Duration::from_micros(hw.settings.consume_latency_us);
            hw.later(latency, Event::Pickup);
        }
    }

    /// Handles an event of the timeline.
    pub fn event(&mut self, hw: &mut Hw, event: Event) {
        let done = match event {
            Event::Pickup | Event::Poll | Event::Send(_)
                if self.ham.is_some() && !hw.config.masters_bus() =>
            {
                Err(DmaError::HostAddressNotAvailable)
            }
            Event::Ready => {
                self.become_ready(hw);
                Ok(())
            }
            Event::Pickup => self.pick_up(hw).map(|worked| {
                if !worked && hw.settings.notify == Notify::EveryDoorbell {
                    hw.raise();
                }
            }),
            Event::Poll => {
                self.schedule_poll(hw);
                self.pick_up(hw).map(drop)
            }
            Event::Send(message) => self.say(hw, message).map(drop),
            Event::Rewrite {
                address,
                values: [first, second],
                left,
            } => hw.memory.store(address, first).map(|()| {
                let values = [second, first];
                if let Some(left) = left.checked_sub(1) {
                    let again = Event::Rewrite {
                        address,
                        values,
                        left,
                    };
                    hw.later(FAULT_PERIOD, again);
                }
            }),
            Event::Interrupt => {
                hw.send_msi();
                Ok(())
            }
        };
        if let Err(error) = done {
            hw.counters.dma_errors += 1;
            hw.note("dma_error", || json!({"error": error.to_string()}));
            self.forget_link(hw);
            self.enter(hw, Phase::Ready);
        }
    }

    fn become_ready(&mut self, hw: &mut Hw) {
        if hw.fault(Fault::ReadyNever).is_some() {
            return;
        }
        if let Some(ms) = hw.fault(Fault::ReadyLate) {
            self.ready_at = hw.clock.now + Duration::from_millis(ms);
            hw.timeline.push(self.ready_at, Event::Ready);
            return;
        }
        hw.regs.set_firmware_ready();
        self.enter(hw, Phase::Ready);
        hw.raise();
        self.reset_by(hw, Fault::ReadyReset);
    }

    /// Resets the firmware if `fault` fires.
    fn reset_by(&mut self, hw: &mut Hw, fault: Fault) -> bool {
        let down = hw.fault(fault);
        if let Some(ms) = down {
            self.reset(hw, Duration::from_millis(ms));
        }
        down.is_some()
    }

    /// Looks what there is to do; true if there was something.
    fn pick_up(&mut self, hw: &mut Hw) -> Result<bool, DmaError> {
        if self.phase == Phase::Down || !hw.regs.host_ready() {
            return Ok(false);
        }
        if hw.regs.host_buffer.filled() > 0 {
            return Ok(self.set_up(hw));
        }
        if self.phase == Phase::Ready {
            return Ok(self.reset_by(hw, Fault::ResetAtHostReady));
        }
        let published = self.publish(hw)?;
        let Some(ham) = self.ham.as_ref().filter(|_| !self.deaf) else {
            return Ok(published);
        };
        match ham.incoming(&hw.memory)? {
            Incoming::Nothing => Ok(published),
            Incoming::Message => self.take(hw).map(|()| true),
            Incoming::Impossible => {
                hw.note("impossible_counters", || json!({}));
                self.reset(hw, SELF_RESET);
                Ok(true)
            }
        }
    }

    /// Takes dwords from the circular buffer; true if a setup request was complete.
    fn set_up(&mut self, hw: &mut Hw) -> bool {
        if hw.regs.host_buffer.overflowed() {
            hw.note("host_buffer_overflow", || json!({}));
            self.reset(hw, SELF_RESET);
            return true;
        }
        if hw.regs.host_buffer.filled() < SETUP_DWORDS {
            return false;
        }
        let dwords = [(); SETUP_DWORDS as usize].map(|()| hw.regs.host_buffer.pop().unwrap_or(0));
        let request = SetupRequest::decode(dwords);
        hw.note("setup_request", || json!({"dwords": dwords}));
        if self.reset_by(hw, Fault::ResetAtSetup) {
            return true;
        }
        self.forget_link(hw);
        let ham = match request {
            SetupRequest { id, .. } if id != SETUP_REQUEST => Err(status::CORRUPTED_HEADER),
            SetupRequest { version, .. } if version != VERSION => Err(status::UNSUPPORTED_PROTOCOL),
            _ if !hw.config.masters_bus() => Err(status::UNSUPPORTED_MEMORY),
            _ => Ham::new(&request, &hw.memory),
        };
        let result = ham.as_ref().err().copied().unwrap_or(status::SUCCESS);
        self.ham = ham.ok();
        let up = self.ham.is_some();
        self.enter(hw, if up { Phase::Setup } else { Phase::Ready });
        let response = apply::setup(hw, result);
        hw.note("setup_response", || json!({"dwords": response}));
        let answered = !response.is_empty();
        for dword in response {
            hw.regs.firmware_buffer.push(dword);
        }
        if answered {
            hw.raise();
        }
        self.schedule_poll(hw);
        true
    }

    fn schedule_poll(&mut self, hw: &mut Hw) {
        if hw.settings.poll_us > 0 && self.ham.is_some() {
            let period = Duration::from_micros(hw.settings.poll_us);
            hw.later(period, Event::Poll);
        }
    }

    /// What the `state` command shows of the firmware.
    pub fn state(&self, hw: &Hw) -> Value {
        let counters = self
            .ham
            .as_ref()
            .and_then(|ham| ham.counters(&hw.memory).ok());
        let names = ["h2f_wr", "h2f_rd", "f2h_wr", "f2h_rd"];
        let counters: Option<serde_json::Map<String, Value>> = counters.map(|values| {
            names
                .map(String::from)
                .into_iter()
                .zip(values.map(Value::from))
                .collect()
        });
        let rows = self.rows();
        let clients = rows.iter().zip(&self.clients).map(|(row, client)| {
            json!({"id": row.id, "uuid": print_uuid(&row.uuid), "version": row.version,
                "mtu": row.mtu, "flags": row.flags, "state": client.state()})
        });
        json!({
            "link": self.phase,
            "fw_version": self.version,
            "shared_memory": self.ham,
            "counters": counters,
            "clients": clients.collect::<Vec<_>>(),
            "outgoing": self.outgoing.len(),
        })
    }
}

/// A UUID in its usual form.
fn print_uuid(uuid: &[u8; 16]) -> String {
    let mut text = String::new();
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
