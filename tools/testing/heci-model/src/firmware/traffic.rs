// SPDX-License-Identifier: GPL-2.0
//! Messages through the shared memory: taking, answering, publishing.

use std::time::Duration;

use super::{Firmware, Phase};
use crate::clients::Properties;
use crate::faults::{apply, Fault, On};
use crate::ham::Ham;
use crate::hw::{Event, Hw, FAULT_PERIOD};
use crate::memory::DmaError;
use crate::settings::Notify;
use crate::wire::{status, BusRequest, ClientRow, Header, Message, VERSION};

/// Messages that may wait for the host to take the one before; more are dropped.
const OUTGOING_MAX: usize = 2048;

impl Firmware {
    /// Takes the message that waits in shared memory and acts on it.
    pub(super) fn take(&mut self, hw: &mut Hw) -> Result<(), DmaError> {
        let Some(ham) = &mut self.ham else {
            return Ok(());
        };
        let message = ham.copy(&hw.memory)?;
        let on = On::Client(message.header.fw_id);
        if hw.fault_on(Fault::NotConsumed, on).is_some() {
            self.deaf = true;
            return Ok(());
        }
        let step = apply::consume_step(hw, on);
        ham.consume(&hw.memory, step)?;
        if message.is_bus() {
            hw.counters.messages.bus_h2f += 1;
        } else {
            hw.counters.messages.h2f += 1;
        }
        hw.note("message_h2f", || message.describe());
        if hw.settings.notify != Notify::Response {
            hw.raise();
        }
        let reset = hw.fault_on(Fault::ResetAfterConsumption, on);
        if !self.reset_for(hw, reset) {
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
            self.answer_client(hw, &message);
        }
    }

    fn answer_with(&mut self, hw: &mut Hw, message: Message, after: Duration) {
        let latency = Duration::from_micros(hw.settings.response_latency_us);
        let latency = hw.perhaps_later(latency + after);
        hw.later(latency, Event::Send(message));
    }

    fn answer_bus(&mut self, hw: &mut Hw, payload: &[u8]) {
        let error = |status| vec![Message::new(0, 0, status, Vec::new())];
        let responses = match BusRequest::decode(payload) {
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
        for response in responses {
            self.answer_with(hw, response, Duration::ZERO);
        }
    }

    fn answer_client(&mut self, hw: &mut Hw, request: &Message) {
        let Header { fw_id, host_id, .. } = request.header;
        let index = usize::from(fw_id).wrapping_sub(1);
        let error = match self
            .clients
            .get_mut(index)
            .filter(|_| self.phase == Phase::Up)
        {
            None => status::NO_CLIENT,
            Some(client) if request.payload.len() > client.properties().mtu as usize => {
                status::TOO_BIG
            }
            Some(client) => {
                for reply in client.message(hw, request) {
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
    pub(super) fn rows(&self) -> Vec<ClientRow> {
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
    pub(super) fn say(&mut self, hw: &mut Hw, message: Message) -> Result<bool, DmaError> {
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
            let (fw_id, before) = (message.header.fw_id, hw.fuzz.mutations());
            let messages = apply::message(hw, message, mtu, room);
            if hw.fuzz.mutations() != before {
                let ids = messages.iter().map(|message| message.header.fw_id);
                ids.chain([fw_id]).for_each(|id| hw.fuzz.touch(id));
            }
            messages
        };
        for message in messages {
            if self.outgoing.len() < OUTGOING_MAX {
                self.outgoing.push_back(message);
            } else {
                hw.note("message_dropped", || message.describe());
            }
        }
        self.publish(hw)
    }

    /// Publishes the next message if there is one and the section is free; true if it did.
    pub(super) fn publish(&mut self, hw: &mut Hw) -> Result<bool, DmaError> {
        let Some(ham) = &mut self.ham else {
            return Ok(false);
        };
        if self.outgoing.is_empty() || !ham.vacant(&hw.memory)? {
            return Ok(false);
        }
        let Some(mut message) = self.outgoing.pop_front() else {
            return Ok(false);
        };
        if hw.fuzz.message(&mut message) {
            hw.note("fuzz_message", || message.describe());
        }
        if message.payload.len() > ham.f2h_payload() as usize {
            let Header { fw_id, host_id, .. } = message.header;
            message = Message::new(fw_id, host_id, status::TOO_BIG, Vec::new());
        }
        let on = On::Client(message.header.fw_id);
        let step = apply::publish_step(hw, on);
        ham.publish(&hw.memory, &message, step)?;
        let (address, last) = (ham.f2h_address(), ham.last());
        if message.is_bus() {
            hw.counters.messages.bus_f2h += 1;
        } else {
            hw.counters.messages.f2h += 1;
        }
        hw.note("message_f2h", || message.describe());
        if let Some(left) = hw.fault_on(Fault::HeaderChanges, on) {
            let values = apply::header_lengths(&message.header);
            hw.later(
                FAULT_PERIOD,
                Event::Rewrite {
                    message: last,
                    address,
                    values,
                    left,
                },
            );
        }
        hw.raise();
        hw.perhaps_more();
        let reset = hw.fault_on(Fault::ResetAfterResponse, on);
        self.reset_for(hw, reset);
        Ok(true)
    }

    /// See [`Event::Rewrite`].
    pub(super) fn rewrite(
        &mut self,
        hw: &mut Hw,
        message: u32,
        address: u64,
        [first, second]: [u32; 2],
        left: u64,
    ) -> Result<(), DmaError> {
        let holds = |ham: &Ham| ham.holds(&hw.memory, message);
        if !self.ham.as_ref().map_or(Ok(false), holds)? {
            return Ok(());
        }
        hw.memory.store(address, first)?;
        hw.fuzz.touch_all();
        if let Some(left) = left.checked_sub(1) {
            let values = [second, first];
            let again = Event::Rewrite {
                message,
                address,
                values,
                left,
            };
            hw.later(FAULT_PERIOD, again);
        }
        Ok(())
    }
}
