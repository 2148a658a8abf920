// SPDX-License-Identifier: GPL-2.0
//! The firmware's answers to host bus messages.

use std::time::Duration;

use serde_json::json;

use super::ring::Ring;
use super::wire::{status, Address, Answer, Request, VERSION};
use super::{message, Mei};
use crate::firmware::Phase;
use crate::hw::{Event, Hw};

impl Mei {
    /// Acts on a host bus message. One that the firmware does not know has no effect.
    pub(super) fn bus_message(&mut self, hw: &mut Hw, bytes: &[u8]) {
        hw.counters.messages.bus_h2f += 1;
        hw.note("message_h2f", || {
            message(Address::default(), bytes.to_vec()).describe()
        });
        let Some(request) = Request::decode(bytes) else {
            hw.note("unknown_bus_message", || json!({}));
            return;
        };
        match request {
            Request::Start(version) => {
                self.enter(hw, Phase::Started);
                self.answer(hw, Answer::Start(version <= VERSION, VERSION));
            }
            Request::Stop => {
                self.forget_link(hw);
                self.enter(hw, Phase::Ready);
                self.answer(hw, Answer::Stop);
            }
            Request::Capabilities => self.answer(hw, Answer::Capabilities),
            Request::Ring(areas) => {
                let ring = match self.no_ring {
                    true => Err(status::NOT_ALLOWED),
                    false => Ring::new(areas, &hw.memory),
                };
                let status = ring.as_ref().err().copied().unwrap_or(status::SUCCESS);
                self.ring = ring.ok();
                self.answer(hw, Answer::Ring(status));
            }
            Request::Enumerate => {
                self.enter(hw, Phase::Up);
                let clients = u8::try_from(self.clients.len()).unwrap_or(u8::MAX);
                self.answer(hw, Answer::Enumerate(clients));
            }
            Request::Properties(me) => {
                let properties = self.properties(me);
                self.answer(hw, Answer::Properties(me, properties));
            }
            Request::Connect(address) => {
                let status = match self.client(address.me) {
                    Some(_) => self.connections.connect(address),
                    None => status::CLIENT_NOT_FOUND,
                };
                self.answer(hw, Answer::Connect(address, status));
                if status == status::SUCCESS {
                    self.answer(hw, Answer::FlowControl(address));
                }
            }
            Request::Disconnect(address) => {
                let status = match self.disconnect(hw, address) {
                    true => status::SUCCESS,
                    false => status::CLIENT_NOT_FOUND,
                };
                self.answer(hw, Answer::Disconnect(address, status));
            }
            Request::Disconnected => (),
            Request::FlowControl(address) => {
                if !self.connections.credit(address) {
                    hw.note(
                        "unknown_connection",
                        || json!({"fw_id": address.me, "host_id": address.host}),
                    );
                }
            }
            Request::PowerGate => self.answer(hw, Answer::PowerGate),
            Request::Notify(address, start) => {
                self.answer(hw, Answer::Notify(address, status::NOT_ALLOWED, start));
            }
        }
    }

    fn answer(&mut self, hw: &mut Hw, answer: Answer) {
        let latency = Duration::from_micros(hw.settings.response_latency_us);
        let message = message(Address::default(), answer.encode());
        hw.later(latency, Event::Send(message));
    }
}
