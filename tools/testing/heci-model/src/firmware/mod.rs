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

use crate::boot::{Boot, SELF_RESET};
use crate::clients::{self, FirmwareClient};
use crate::csr::{Register, Registers};
use crate::faults::{apply, Fault};
use crate::ham::{Ham, Incoming};
use crate::hw::{Event, Hw};
use crate::memory::DmaError;
use crate::personality::Personality;
use crate::settings::Notify;
use crate::wire::{status, Message, SetupRequest, SETUP_DWORDS, SETUP_REQUEST, VERSION};

/// Dwords of each circular buffer.
const DEPTH: u8 = 32;

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
    boot: Boot,
    phase: Phase,
    ham: Option<Ham>,
    outgoing: VecDeque<Message>,
    clients: Vec<Box<dyn FirmwareClient>>,
    version: [u16; 4],
    /// The `not-consumed` fault has fired since the last reset.
    deaf: bool,
}

impl Firmware {
    /// Firmware of this version with these clients, in reset.
    pub fn new(version: [u16; 4], clients: Vec<Box<dyn FirmwareClient>>) -> Self {
        Self {
            boot: Boot::default(),
            phase: Phase::Down,
            ham: None,
            outgoing: VecDeque::new(),
            clients,
            version,
            deaf: false,
        }
    }

    /// Drops all that belongs to the link, answers under way included.
    fn forget_link(&mut self, hw: &mut Hw) {
        self.ham = None;
        self.outgoing.clear();
        self.deaf = false;
        hw.link += 1;
        hw.timeline.retain(|event| !event.belongs_to_link());
    }

    fn enter(&mut self, hw: &mut Hw, phase: Phase) {
        self.phase = phase;
        hw.note("link", || json!({"phase": phase}));
    }

    fn become_ready(&mut self, hw: &mut Hw) {
        if self.boot.become_ready(hw) {
            self.enter(hw, Phase::Ready);
            hw.raise();
            self.reset_by(hw, Fault::ReadyReset);
        }
    }

    /// Resets the firmware if `fault` fires.
    fn reset_by(&mut self, hw: &mut Hw, fault: Fault) -> bool {
        let down = hw.fault(fault);
        self.reset_for(hw, down)
    }

    /// Resets the firmware if a fault has fired, for so many milliseconds.
    fn reset_for(&mut self, hw: &mut Hw, down: Option<u64>) -> bool {
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
        let mut response = apply::setup(hw, result);
        if hw.fuzz.dwords(&mut response) {
            hw.note("fuzz_setup", || json!({}));
        }
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
}

impl Personality for Firmware {
    fn registers(&self) -> Registers {
        Registers::new(DEPTH)
    }

    fn name(&self, register: Register) -> &'static str {
        match register {
            Register::HostWindow => "H_CB_WW",
            Register::HostCsr => "H_CSR",
            Register::FirmwareWindow => "FW_CB_RW",
            Register::FirmwareCsr => "FW_CSR_HA",
            Register::D0i3Control | Register::Other => "other",
        }
    }

    fn power_on(&mut self, hw: &mut Hw) {
        self.forget_link(hw);
        self.boot.power_on(hw);
        self.enter(hw, Phase::Ready);
    }

    fn host_reset(&mut self, hw: &mut Hw) {
        self.forget_link(hw);
        self.boot.host_reset(hw);
        self.enter(hw, Phase::Down);
    }

    fn reset(&mut self, hw: &mut Hw, down: Duration) {
        self.forget_link(hw);
        self.clients.iter_mut().for_each(|client| client.reset());
        self.boot.reset(hw, down);
        self.enter(hw, Phase::Down);
        hw.raise();
    }

    /// Memory is out of reach in D3hot, so the link is over.
    fn sleep(&mut self, hw: &mut Hw) {
        if self.phase > Phase::Ready {
            self.forget_link(hw);
            self.enter(hw, Phase::Ready);
        }
    }

    fn doorbell(&mut self, hw: &mut Hw) {
        if self.phase == Phase::Down {
            hw.regs.acknowledge_firmware_reset();
        } else if hw.fault(Fault::DoorbellLost).is_none() {
            let latency = Duration::from_micros(hw.settings.consume_latency_us);
            let latency = hw.perhaps_later(latency);
            hw.later(latency, Event::Pickup);
        }
    }

    fn event(&mut self, hw: &mut Hw, event: Event) {
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
                message,
                address,
                values,
                left,
            } => self.rewrite(hw, message, address, values, left),
            Event::Interrupt => {
                hw.send_msi();
                Ok(())
            }
            Event::D0i3 => Ok(()),
        };
        if let Err(error) = done {
            hw.counters.dma_errors += 1;
            hw.note("dma_error", || json!({"error": error.to_string()}));
            self.forget_link(hw);
            self.enter(hw, Phase::Ready);
        }
    }

    fn set_hfs(&mut self, hw: &mut Hw, values: [u32; 6]) {
        self.boot.set_hfs(hw, values);
    }

    fn send(&mut self, hw: &mut Hw, message: Message) -> Result<(), String> {
        let Some(ham) = &self.ham else {
            return Err("no shared memory: the link is not set up".into());
        };
        if message.payload.len() > ham.f2h_payload() as usize {
            return Err(format!("at most {} bytes of data fit", ham.f2h_payload()));
        }
        hw.later(Duration::ZERO, Event::Send(message));
        Ok(())
    }

    fn state(&self, hw: &Hw) -> Value {
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
            json!({"id": row.id, "uuid": clients::print_uuid(&row.uuid), "version": row.version,
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
