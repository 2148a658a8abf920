// SPDX-License-Identifier: GPL-2.0
//! The firmware: resets, the setup exchange, bus messages, and the traffic of its clients.
//!
//! It acts when it becomes ready, when the host rings the doorbell, and when an answer is due;
//! never by itself otherwise (unless it is set to poll).

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use serde_json::{json, Value};

use crate::clients::{FirmwareClient, Properties};
use crate::faults::{apply, Fault};
use crate::ham::{Ham, Incoming};
use crate::hw::{Event, Hw, FAULT_PERIOD};
use crate::memory::DmaError;
use crate::settings::Notify;
use crate::wire::{
    status, BusRequest, ClientRow, Header, Message, SetupRequest, SETUP_DWORDS, SETUP_REQUEST,
    VERSION,
};

/// Messages that may wait for the host to take the one before; more are dropped.
const OUTGOING_MAX: usize = 2048;

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

/// See the module.
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
                self.reset(hw, Duration::from_millis(10));
                Ok(true)
            }
        }
    }

    /// Takes dwords from the circular buffer; true if a setup request was complete.
    fn set_up(&mut self, hw: &mut Hw) -> bool {
        if hw.regs.host_buffer.overflowed() {
            hw.note("host_buffer_overflow", || json!({}));
            self.reset(hw, Duration::from_millis(10));
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

    /// Takes the message that waits in shared memory and acts on it.
    fn take(&mut self, hw: &mut Hw) -> Result<(), DmaError> {
        if hw.fault(Fault::NotConsumed).is_some() {
            self.deaf = true;
            return Ok(());
        }
        let Some(ham) = &mut self.ham else {
            return Ok(());
        };
        let message = ham.copy(&hw.memory)?;
        let step = apply::consume_step(hw);
        ham.consume(&hw.memory, step)?;
        if message.is_bus() {
            hw.counters.messages.bus_h2f += 1;
        } else {
            hw.counters.messages.h2f += 1;
        }
        hw.note("message_h2f", || describe(&message));
        if hw.settings.notify != Notify::Response {
            hw.raise();
        }
        if !self.reset_by(hw, Fault::ResetAfterConsumption) {
            self.answer(hw, message);
        }
        Ok(())
    }

    fn answer(&mut self, hw: &mut Hw, message: Message) {
        let Header { fw_id, host_id, .. } = message.header;
        if message.header.status == status::CORRUPTED_HEADER || (fw_id == 0) != (host_id == 0) {
            let error = Message::new(fw_id, host_id, status::CORRUPTED_HEADER, Vec::new());
            self.answer_with(hw, error, Duration::ZERO);
        } else if message.is_bus() {
            self.answer_bus(hw, &message.payload);
        } else {
            self.answer_client(hw, fw_id, host_id, &message.payload);
        }
    }

    fn answer_with(&mut self, hw: &mut Hw, message: Message, after: Duration) {
        let latency = Duration::from_micros(hw.settings.response_latency_us);
        hw.later(latency + after, Event::Send(message));
    }

    fn answer_bus(&mut self, hw: &mut Hw, payload: &[u8]) {
        let error = |status| Some(Message::new(0, 0, status, Vec::new()));
        let response = match BusRequest::decode(payload) {
            Err(status) => error(status),
            Ok(BusRequest::Start(version)) if version != VERSION => {
                error(status::UNSUPPORTED_PROTOCOL)
            }
            Ok(BusRequest::Start(_)) => {
                if self.reset_by(hw, Fault::ResetAtStart) {
                    return;
                }
                self.enter(hw, Phase::Started);
                apply::start(hw, self.version)
            }
            Ok(BusRequest::Clients) if self.phase < Phase::Started => {
                error(status::CORRUPTED_BUS_MESSAGE)
            }
            Ok(BusRequest::Clients) => {
                if self.reset_by(hw, Fault::ResetAtClients) {
                    return;
                }
                self.enter(hw, Phase::Up);
                apply::clients(hw, self.rows())
            }
        };
        if let Some(response) = response {
            self.answer_with(hw, response, Duration::ZERO);
        }
    }

    fn answer_client(&mut self, hw: &mut Hw, fw_id: u16, host_id: u16, payload: &[u8]) {
        let index = usize::from(fw_id).wrapping_sub(1);
        let error = match self
            .clients
            .get_mut(index)
            .filter(|_| self.phase == Phase::Up)
        {
            None => status::NO_CLIENT,
            Some(client) if payload.len() > client.properties().mtu as usize => status::TOO_BIG,
            Some(client) => {
                for reply in client.message(payload) {
                    let message = Message::new(fw_id, host_id, status::SUCCESS, reply.payload);
                    self.answer_with(hw, message, reply.after);
                }
                return;
            }
        };
        let message = Message::new(fw_id, host_id, error, Vec::new());
        self.answer_with(hw, message, Duration::ZERO);
    }

    /// The rows of the clients response.
    pub fn rows(&self) -> Vec<ClientRow> {
        let properties = self.clients.iter().map(|client| client.properties());
        let row = |(id, properties): (u16, Properties)| ClientRow {
            id,
            version: properties.version,
            uuid: properties.uuid,
            mtu: properties.mtu,
            flags: 0,
        };
        (1..).zip(properties).map(row).collect()
    }

    /// Queues a message, with the faults that concern it, and publishes what can be.
    fn say(&mut self, hw: &mut Hw, message: Message) -> Result<bool, DmaError> {
        let Some(ham) = &self.ham else {
            return Ok(false);
        };
        let messages = if message.is_bus() {
            vec![message]
        } else {
            let index = usize::from(message.header.fw_id).wrapping_sub(1);
            let room = ham.f2h_payload();
            let client = self.clients.get(index);
            let mtu = client.map_or(room, |client| client.properties().mtu);
            apply::message(hw, message, mtu, room)
        };
        for message in messages {
            if self.outgoing.len() < OUTGOING_MAX {
                self.outgoing.push_back(message);
            } else {
                hw.note("message_dropped", || describe(&message));
            }
        }
        self.publish(hw)
    }

    /// Publishes the next message if there is one and the section is free; true if it did.
    fn publish(&mut self, hw: &mut Hw) -> Result<bool, DmaError> {
        let Some(ham) = &mut self.ham else {
            return Ok(false);
        };
        if self.outgoing.is_empty() || !ham.vacant(&hw.memory)? {
            return Ok(false);
        }
        let Some(mut message) = self.outgoing.pop_front() else {
            return Ok(false);
        };
        if message.payload.len() > ham.f2h_payload() as usize {
            let Header { fw_id, host_id, .. } = message.header;
            message = Message::new(fw_id, host_id, status::TOO_BIG, Vec::new());
        }
        let step = apply::publish_step(hw);
        ham.publish(&hw.memory, &message, step)?;
        let address = ham.f2h_address();
        if message.is_bus() {
            hw.counters.messages.bus_f2h += 1;
        } else {
            hw.counters.messages.f2h += 1;
        }
        hw.note("message_f2h", || describe(&message));
        if let Some(left) = hw.fault(Fault::HeaderChanges) {
            let values = apply::header_lengths(&message.header);
            hw.later(
                FAULT_PERIOD,
                Event::Rewrite {
                    address,
                    values,
                    left,
                },
            );
        }
        hw.raise();
        self.reset_by(hw, Fault::ResetAfterResponse);
        Ok(true)
    }

    /// Says something that nobody asked for.
    ///
    /// # Errors
    ///
    /// There is no shared memory, or the message does not fit its section.
    pub fn send(&mut self, hw: &mut Hw, message: Message) -> Result<(), String> {
        let Some(ham) = &self.ham else {
            return Err("no shared memory: the link is not set up".into());
        };
        if message.payload.len() > ham.f2h_payload() as usize {
            return Err(format!("at most {} bytes of data fit", ham.f2h_payload()));
        }
        hw.later(Duration::ZERO, Event::Send(message));
        Ok(())
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
        let clients = rows.iter().map(|row| {
            json!({"id": row.id, "uuid": print_uuid(&row.uuid), "version": row.version,
                "mtu": row.mtu, "flags": row.flags})
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

fn describe(message: &Message) -> Value {
    let Header {
        length,
        fw_id,
        host_id,
        flags,
        status,
        ..
    } = message.header;
    let data: String = message
        .payload
        .iter()
        .take(32)
        .map(|b| format!("{b:02x}"))
        .collect();
    json!({"length": length, "fw_id": fw_id, "host_id": host_id, "flags": flags,
        "status": status, "data": data})
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
