// SPDX-License-Identifier: GPL-2.0
//! The accesses of a HECI host without a driver.
//!
//! The layouts are written out here once more, on purpose not taken from the model.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use heci_model::clients::{self, FirmwareClient};
use heci_model::device::Device;
use heci_model::settings::Settings;
use heci_model::trace::Trace;
use vfio_user::ServerBackend;

pub(crate) use crate::machine::{dword, RAM, RAM_SIZE};
use crate::machine::{Machine, MSI, TRIGGER};

pub(crate) const H_CB_WW: u64 = 0x0;
pub(crate) const H_CSR: u64 = 0x4;
pub(crate) const FW_CB_RW: u64 = 0x8;
pub(crate) const FW_CSR_HA: u64 = 0xc;

pub(crate) const RST: u32 = 1 << 4;
pub(crate) const RDY: u32 = 1 << 3;
pub(crate) const IG: u32 = 1 << 2;
pub(crate) const IS: u32 = 1 << 1;
pub(crate) const IE: u32 = 1 << 0;

/// The shared memory that [`Guest::set_up`] offers.
pub(crate) const SHARED: u64 = RAM + 0x4000;
pub(crate) const SECTION: u64 = 0x1_0000;
pub(crate) const CONTROL: u64 = SHARED + 2 * SECTION;

const DATA_NONE: u32 = 1;
const MASK: u32 = 8;
const UNMASK: u32 = 16;

/// Ids and contents of a message in shared memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) length: u32,
    pub(crate) fw_id: u16,
    pub(crate) host_id: u16,
    pub(crate) flags: u32,
    pub(crate) status: u32,
    pub(crate) reserved: u32,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    pub(crate) fn new(fw_id: u16, host_id: u16, payload: &[u8]) -> Self {
        Self {
            length: payload.len() as u32,
            fw_id,
            host_id,
            flags: 0,
            status: 0,
            reserved: 0,
            payload: payload.to_vec(),
        }
    }

    pub(crate) fn with_status(mut self, status: u32) -> Self {
        self.status = status;
        self
    }
}

/// A host of a HECI function.
pub(crate) struct Guest(Machine);

impl Deref for Guest {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.0
    }
}

impl DerefMut for Guest {
    fn deref_mut(&mut self) -> &mut Machine {
        &mut self.0
    }
}

impl Guest {
    /// A guest that has switched on memory, bus mastering and MSI, with a firmware that is ready
    /// 1 ms after a reset and otherwise acts at once.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// The same with other settings.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            ready_latency_us: 1000,
            ..Settings::default()
        };
        change(&mut settings);
        let clients = clients::all(Some(clients::spdm()), Duration::from_millis(300));
        Self::made(clients, settings)
    }

    /// The same with other clients.
    pub(crate) fn of(clients: Vec<Box<dyn FirmwareClient>>) -> Self {
        let settings = Settings {
            ready_latency_us: 1000,
            ..Settings::default()
        };
        Self::made(clients, settings)
    }

    /// The first of these, with a trace.
    pub(crate) fn traced(trace: Trace) -> Self {
        let clients = clients::all(Some(clients::spdm()), Duration::from_millis(300));
        let settings = Settings {
            ready_latency_us: 1000,
            ..Settings::default()
        };
        Self::traced_with(clients, settings, trace)
    }

    fn made(clients: Vec<Box<dyn FirmwareClient>>, settings: Settings) -> Self {
        Self::traced_with(clients, settings, Trace::default())
    }

    fn traced_with(
        clients: Vec<Box<dyn FirmwareClient>>,
        settings: Settings,
        trace: Trace,
    ) -> Self {
        let device = Device::new(0xa85d, [1, 2, 3, 4], clients, settings, trace);
        Self(Machine::new(device))
    }

    /// Masks or unmasks the vector the vfio way.
    pub(crate) fn mask_line(&mut self, masked: bool) {
        let flags = DATA_NONE | if masked { MASK } else { UNMASK };
        self.backend.set_irqs(MSI, flags, 0, 1, vec![]).unwrap();
    }

    /// Switches the vector off, or triggers it with a count of 1.
    pub(crate) fn trigger_line(&mut self, count: u32) {
        let flags = DATA_NONE | TRIGGER;
        self.backend.set_irqs(MSI, flags, 0, count, vec![]).unwrap();
    }

    /// `H_CSR` without depth, pointers and bits 7:5.
    pub(crate) fn h_csr(&mut self) -> u32 {
        self.read(H_CSR) & 0x1f
    }

    /// `RST` and `RDY` of `FW_CSR_HA`.
    pub(crate) fn firmware(&mut self) -> u32 {
        self.read(FW_CSR_HA) & (RST | RDY)
    }

    /// `h2f_wr`, `h2f_rd`, `f2h_wr`, `f2h_rd`.
    pub(crate) fn counters(&self) -> [u32; 4] {
        let bytes = self.peek(CONTROL, 16);
        [0, 1, 2, 3].map(|index| dword(&bytes, 4 * index))
    }

    pub(crate) fn set_counter(&mut self, index: u64, value: u32) {
        self.poke(CONTROL + 4 * index, &value.to_le_bytes());
    }

    /// Rings as a host does that knows its state.
    pub(crate) fn ring(&mut self) {
        self.write(H_CSR, 0x20 | IE | RDY | IG);
    }

    /// Acknowledges an interrupt.
    pub(crate) fn acknowledge(&mut self) {
        self.write(H_CSR, 0x20 | IE | RDY | IS);
    }

    /// Steps 1 and 2 of the bring-up.
    pub(crate) fn handshake(&mut self) {
        self.write(H_CSR, 0x20 | IE | RST | IG | IS);
        assert_eq!(self.firmware(), 0);
        self.poke(SHARED, &vec![0; 2 * SECTION as usize + 4096]);
        self.pass_ms(1);
        assert_eq!(self.firmware(), RDY);
        self.write(H_CSR, 0x20 | IE | IS | IG);
        self.write(H_CSR, 0x20 | IE | IG | RDY);
        self.interrupts();
    }

    /// Writes a setup request and rings.
    pub(crate) fn request_setup(&mut self, request: [u32; 7]) {
        for dword in request {
            self.write(H_CB_WW, dword);
        }
        self.ring();
    }

    /// The dwords that stand in the firmware buffer.
    pub(crate) fn drain(&mut self) -> Vec<u32> {
        let filled = filled(self.read(FW_CSR_HA));
        (0..filled).map(|_| self.read(FW_CB_RW)).collect()
    }

    /// Steps 1 to 3.
    pub(crate) fn set_up(&mut self) {
        self.handshake();
        self.request_setup(setup_request());
        assert_eq!(self.drain(), [0xcafe_8086, 0]);
        self.acknowledge();
    }

    /// The whole bring-up.
    pub(crate) fn bring_up(&mut self) {
        self.set_up();
        let start = self.exchange(&Message::new(0, 0, &START));
        assert_eq!(dword(&start.payload, 0), 0x80);
        let clients = self.exchange(&Message::new(0, 0, &CLIENTS));
        assert_eq!(dword(&clients.payload, 0), 0x81);
        self.interrupts();
    }

    /// Writes a message and rings.
    pub(crate) fn submit(&mut self, message: &Message) {
        self.publish(message);
        self.ring();
    }

    /// Writes a message and does not ring.
    pub(crate) fn publish(&mut self, message: &Message) {
        let mut bytes = message.length.to_le_bytes().to_vec();
        bytes.extend(message.fw_id.to_le_bytes());
        bytes.extend(message.host_id.to_le_bytes());
        for field in [message.flags, message.status, message.reserved] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(&message.payload);
        self.poke(SHARED, &bytes);
        let written = self.counters()[0].wrapping_add(1);
        self.set_counter(0, written);
    }

    /// The message that the firmware has published, if any; leaves it there.
    pub(crate) fn look(&self) -> Option<Message> {
        let [.., written, read] = self.counters();
        if written == read {
            return None;
        }
        let header = self.peek(SHARED + SECTION, 20);
        let length = dword(&header, 0);
        let fits = u64::from(length) <= SECTION - 20;
        let carried = if fits { length as usize } else { 0 };
        Some(Message {
            length,
            fw_id: dword(&header, 4) as u16,
            host_id: (dword(&header, 4) >> 16) as u16,
            flags: dword(&header, 8),
            status: dword(&header, 12),
            reserved: dword(&header, 16),
            payload: self.peek(SHARED + SECTION + 20, carried),
        })
    }

    /// Takes the message that the firmware has published, acknowledges and rings.
    pub(crate) fn take(&mut self) -> Option<Message> {
        let message = self.look()?;
        let read = self.counters()[3].wrapping_add(1);
        self.set_counter(3, read);
        self.write(H_CSR, 0x20 | IE | RDY | IS | IG);
        Some(message)
    }

    /// Sends a message and takes the answer, which must be there at once.
    pub(crate) fn exchange(&mut self, message: &Message) -> Message {
        self.submit(message);
        self.take().expect("no answer")
    }
}

/// The start request: version 1, no capabilities.
pub(crate) const START: [u8; 7] = [0, 0, 0, 0, 1, 0, 0];
/// The clients request.
pub(crate) const CLIENTS: [u8; 4] = [1, 0, 0, 0];

/// A correct setup request for [`SHARED`].
pub(crate) fn setup_request() -> [u32; 7] {
    [
        0x8086_cafe,
        1,
        SHARED as u32,
        (SHARED >> 32) as u32,
        0x1_0000,
        0x1_0000,
        0x1000,
    ]
}

/// Filled slots by the pointers of a control and status register.
pub(crate) fn filled(csr: u32) -> u8 {
    ((csr >> 16) as u8).wrapping_sub((csr >> 8) as u8)
}

pub(crate) fn word(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(bytes[offset..offset + 2].try_into().unwrap())
}
