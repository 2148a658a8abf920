// SPDX-License-Identifier: GPL-2.0
//! The MEI personality: a management engine of Lunar Lake's generation (Linux `mei_me`,
//! configuration `pch15`), as far as its driver needs it: host bus messages 2.2, connections with
//! flow control, circular buffers, the DMA ring, D0i3. Facts from Linux `drivers/misc/mei`.
//!
//! It acts when it becomes ready, when the host rings the doorbell, and when an answer is due. It
//! interrupts the host when it has taken something, when it has said something, and when a change
//! of D0i3 is complete; the driver cannot do without any of them.

mod bus;
pub mod connections;
pub mod d0i3;
pub mod outgoing;
pub mod ring;
pub mod wire;

use std::time::Duration;

use serde_json::{json, Value};

use crate::boot::{Boot, SELF_RESET};
use crate::clients::{print_uuid, FirmwareClient, Properties};
use crate::csr::{Register, Registers};
use crate::faults::Fault;
use crate::firmware::Phase;
use crate::hw::{Event, Hw};
use crate::personality::Personality;
use crate::settings::Notify;
use crate::wire::Message;

use connections::{Connections, TooLong};
use d0i3::D0i3;
use outgoing::Outgoing;
use ring::{Broken, Ring};
use wire::{slots, Address, Answer, Header};

/// PCI device ID of Lunar Lake M's.
pub const DEVICE_ID: u16 = 0xa870;

/// Dwords of each circular buffer: the largest message that the driver reads in one piece.
const DEPTH: u8 = 128;

/// The firmware behind one function, with the link to the host as it knows it.
pub struct Mei {
    boot: Boot,
    phase: Phase,
    d0i3: D0i3,
    ring: Option<Ring>,
    /// The DMA ring is refused.
    no_ring: bool,
    connections: Connections,
    outgoing: Outgoing,
    clients: Vec<Box<dyn FirmwareClient>>,
}

impl Mei {
    /// Firmware with these clients, in reset; with `no_ring` it refuses the DMA ring.
    pub fn new(clients: Vec<Box<dyn FirmwareClient>>, no_ring: bool) -> Self {
        Self {
            boot: Boot::default(),
            phase: Phase::Down,
            d0i3: D0i3::default(),
            ring: None,
            no_ring,
            connections: Connections::default(),
            outgoing: Outgoing::default(),
            clients,
        }
    }

    /// Drops all that belongs to the link, answers under way included.
    fn forget_link(&mut self, hw: &mut Hw) {
        self.ring = None;
        self.connections.clear();
        self.outgoing.clear();
        hw.link += 1;
        hw.timeline.retain(|event| !event.belongs_to_link());
    }

    fn enter(&mut self, hw: &mut Hw, phase: Phase) {
        self.phase = phase;
        hw.note("link", || json!({"phase": phase}));
    }

    fn client(&mut self, me: u8) -> Option<&mut Box<dyn FirmwareClient>> {
        self.clients.get_mut(usize::from(me).wrapping_sub(1))
    }

    fn properties(&mut self, me: u8) -> Option<Properties> {
        self.client(me).map(|client| client.properties())
    }

    /// Takes what the host has written; true if there was something.
    fn take_all(&mut self, hw: &mut Hw) -> Result<bool, Broken> {
        let mut took = false;
        while let Some(dword) = hw.regs.host_buffer.peek() {
            let header = Header::decode(dword);
            let needed = 1 + slots(header.length.into());
            let depth = u32::from(hw.regs.host_buffer.depth());
            if hw.regs.host_buffer.overflowed() || needed > depth || header.extended {
                return Err(Broken::Impossible);
            }
            if u32::from(hw.regs.host_buffer.filled()) < needed {
                break;
            }
            hw.regs.host_buffer.pop();
            let dwords = (1..needed).map_while(|_| hw.regs.host_buffer.pop());
            let mut part: Vec<u8> = dwords.flat_map(u32::to_le_bytes).collect();
            part.truncate(header.length.into());
            if header.ring {
                part = self.take_from_ring(hw, &part)?;
            }
            took = true;
            if header.address == Address::default() {
                self.bus_message(hw, &part);
            } else {
                self.client_message(hw, header, &part);
            }
        }
        Ok(took)
    }

    fn take_from_ring(&mut self, hw: &mut Hw, length: &[u8]) -> Result<Vec<u8>, Broken> {
        let length = length.try_into().map_err(|_| Broken::Impossible)?;
        let ring = self.ring.as_mut().ok_or(Broken::Impossible)?;
        hw.counters.ring.h2f += 1;
        ring.take(&hw.memory, u32::from_le_bytes(length))
    }

    fn client_message(&mut self, hw: &mut Hw, header: Header, part: &[u8]) {
        let address = header.address;
        let mtu = self.properties(address.me).map_or(0, |client| client.mtu);
        let received = self
            .connections
            .receive(address, part, header.complete, mtu);
        let message = match received {
            Ok(Some(payload)) => message(address, payload),
            Ok(None) if self.connections.contains(address) => return,
            Ok(None) => return note_dropped(hw, address),
            Err(TooLong) => {
                self.disconnect(hw, address);
                self.tell(hw, &Answer::RequestDisconnect(address));
                return;
            }
        };
        hw.counters.messages.h2f += 1;
        hw.note("message_h2f", || message.describe());
        self.tell(hw, &Answer::FlowControl(address));
        let Some(client) = self.client(address.me) else {
            return;
        };
        let latency = Duration::from_micros(hw.settings.response_latency_us);
        for reply in client.message(hw, &message) {
            let event = Event::Send(self::message(address, reply.payload));
            hw.later(latency + reply.after, event);
        }
    }

    /// Ends a connection, with all that is on its way to the host; false if there is none.
    fn disconnect(&mut self, hw: &mut Hw, address: Address) -> bool {
        self.outgoing.drop_all(address);
        hw.timeline.retain(
            |event| !matches!(event, Event::Send(message) if self::address(message) == Some(address)),
        );
        self.connections.disconnect(address)
    }

    /// A host bus message for the host, without delay.
    fn tell(&mut self, hw: &mut Hw, answer: &Answer) {
        self.say(hw, message(Address::default(), answer.encode()));
    }

    /// A message for the host.
    fn say(&mut self, hw: &mut Hw, message: Message) {
        let Some(address) = address(&message) else {
            return;
        };
        if message.is_bus() {
            hw.counters.messages.bus_f2h += 1;
            hw.note("message_f2h", || message.describe());
            self.outgoing.push(address, message.payload);
        } else if !self.connections.send(address, message.payload) {
            note_dropped(hw, address);
        }
    }

    /// Writes what the host has room for; true if there was something.
    fn flush(&mut self, hw: &mut Hw) -> Result<bool, Broken> {
        while let Some((address, payload)) = self.connections.take_ready() {
            hw.counters.messages.f2h += 1;
            hw.note("message_f2h", || {
                message(address, payload.clone()).describe()
            });
            self.outgoing.push(address, payload);
        }
        let mut wrote = false;
        while let Some(sent) =
            self.outgoing
                .write(&mut hw.regs.firmware_buffer, self.ring.as_mut(), &hw.memory)?
        {
            wrote = true;
            hw.counters.ring.f2h += u64::from(sent.ring);
        }
        Ok(wrote)
    }

    /// Takes what there is and says what can be said; true if there was something.
    fn work(&mut self, hw: &mut Hw) -> Result<bool, Broken> {
        if self.boot.is_down() || !hw.regs.host_ready() {
            return Ok(false);
        }
        if self.d0i3.asleep() {
            // The host wakes the function up when it is interrupted.
            return Ok(!self.outgoing.is_empty() || self.connections.ready());
        }
        let took = self.take_all(hw)?;
        let wrote = self.flush(hw)?;
        Ok(took || wrote)
    }

    fn work_and_tell(&mut self, hw: &mut Hw, always: bool) {
        match self.work(hw) {
            Ok(worked) => {
                if worked || always {
                    hw.raise();
                }
            }
            Err(Broken::Dma(error)) => {
                hw.counters.dma_errors += 1;
                hw.note("dma_error", || json!({"error": error.to_string()}));
                self.forget_link(hw);
                self.enter(hw, Phase::Ready);
            }
            Err(Broken::Impossible) => {
                hw.note("impossible_counters", || json!({}));
                self.reset(hw, SELF_RESET);
            }
        }
    }
}

fn note_dropped(hw: &mut Hw, address: Address) {
    hw.note(
        "message_dropped",
        || json!({"fw_id": address.me, "host_id": address.host}),
    );
}

/// A message of a connection as clients and events have it.
fn message(address: Address, payload: Vec<u8>) -> Message {
    Message::new(address.me.into(), address.host.into(), 0, payload)
}

/// Where a message belongs; nothing if its ids are none of MEI.
fn address(message: &Message) -> Option<Address> {
    Some(Address {
        me: message.header.fw_id.try_into().ok()?,
        host: message.header.host_id.try_into().ok()?,
    })
}

impl Personality for Mei {
    fn registers(&self) -> Registers {
        Registers::with_d0i3(DEPTH)
    }

    fn name(&self, register: Register) -> &'static str {
        match register {
            Register::HostWindow => "H_CB_WW",
            Register::HostCsr => "H_CSR",
            Register::FirmwareWindow => "ME_CB_RW",
            Register::FirmwareCsr => "ME_CSR_HA",
            Register::D0i3Control => "H_D0I3C",
            Register::Other => "other",
        }
    }

    fn power_on(&mut self, hw: &mut Hw) {
        self.forget_link(hw);
        self.d0i3 = D0i3::default();
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
        if self.boot.is_down() {
            hw.regs.acknowledge_firmware_reset();
        } else {
            let latency = Duration::from_micros(hw.settings.consume_latency_us);
            hw.later(latency, Event::Pickup);
        }
    }

    fn d0i3(&self) -> u32 {
        self.d0i3.value()
    }

    fn set_d0i3(&mut self, hw: &mut Hw, value: u32) {
        self.d0i3.write(hw, value);
    }

    fn event(&mut self, hw: &mut Hw, event: Event) {
        match event {
            Event::Ready => {
                if self.boot.become_ready(hw) {
                    self.enter(hw, Phase::Ready);
                    hw.raise();
                    if let Some(ms) = hw.fault(Fault::ReadyReset) {
                        self.reset(hw, Duration::from_millis(ms));
                    }
                }
            }
            Event::Pickup => {
                let always = hw.settings.notify == Notify::EveryDoorbell;
                self.work_and_tell(hw, always);
            }
            Event::Send(message) => {
                self.say(hw, message);
                self.work_and_tell(hw, false);
            }
            Event::D0i3 => {
                self.d0i3.complete(hw);
                if !self.d0i3.asleep() {
                    self.work_and_tell(hw, false);
                }
            }
            Event::Interrupt => hw.send_msi(),
            // Of shared memory, which MEI has not.
            Event::Poll | Event::Rewrite { .. } => (),
        }
    }

    fn set_hfs(&mut self, hw: &mut Hw, values: [u32; 6]) {
        self.boot.set_hfs(hw, values);
    }

    fn send(&mut self, hw: &mut Hw, message: Message) -> Result<(), String> {
        let address = address(&message).filter(|address| self.connections.contains(*address));
        if address.is_none() {
            return Err("there is no such connection".into());
        }
        hw.later(Duration::ZERO, Event::Send(message));
        Ok(())
    }

    fn state(&self, _: &Hw) -> Value {
        let clients = (1..).zip(&self.clients).map(|(id, client): (u8, _)| {
            let properties = client.properties();
            json!({"id": id, "uuid": print_uuid(&properties.uuid), "version": properties.version,
                "mtu": properties.mtu, "state": client.state()})
        });
        json!({
            "link": self.phase,
            "d0i3": self.d0i3.asleep(),
            "ring": self.ring,
            "clients": clients.collect::<Vec<_>>(),
            "connections": self.connections.describe(),
            "outgoing": self.outgoing.len(),
        })
    }
}
