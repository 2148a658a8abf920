// SPDX-License-Identifier: GPL-2.0
//! The accesses of a MEI host without a driver.
//!
//! The layouts are written out here once more, on purpose not taken from the model.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use heci_model::clients;
use heci_model::device::Device;
use heci_model::mei::{Mei, DEVICE_ID};
use heci_model::settings::Settings;
use heci_model::trace::Trace;

use crate::machine::Machine;
pub(crate) use crate::machine::{dword, RAM};

pub(crate) const H_CB_WW: u64 = 0x0;
pub(crate) const H_CSR: u64 = 0x4;
pub(crate) const ME_CB_RW: u64 = 0x8;
pub(crate) const ME_CSR_HA: u64 = 0xc;
pub(crate) const H_D0I3C: u64 = 0x800;

pub(crate) const D0I3_IS: u32 = 1 << 6;
pub(crate) const D0I3_IE: u32 = 1 << 5;
pub(crate) const RST: u32 = 1 << 4;
pub(crate) const RDY: u32 = 1 << 3;
pub(crate) const IG: u32 = 1 << 2;
pub(crate) const IS: u32 = 1 << 1;
pub(crate) const IE: u32 = 1 << 0;

/// Addresses of clients.
pub(crate) const SPDM: u8 = 1;
pub(crate) const ECHO: u8 = 4;
pub(crate) const LATE: u8 = 5;
/// The largest message of [`ECHO`].
pub(crate) const MTU: usize = 0x1_0000 - 20;

/// Where [`Guest::offer_ring`] lays the rings and their control block.
pub(crate) const HOST_RING: u64 = RAM + 0x2_0000;
pub(crate) const DEVICE_RING: u64 = RAM + 0x4_0000;
pub(crate) const RING_SIZE: u32 = 0x2_0000;
pub(crate) const CONTROL: u64 = RAM + 0x6_0000;

/// A message, or a part of one, as it stands in the circular buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) me: u8,
    pub(crate) host: u8,
    pub(crate) ring: bool,
    pub(crate) complete: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Packet {
    pub(crate) fn new(me: u8, host: u8, bytes: &[u8]) -> Self {
        Self {
            me,
            host,
            ring: false,
            complete: true,
            bytes: bytes.to_vec(),
        }
    }
}

/// A host of a MEI function.
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
    /// A guest whose firmware is ready 1 ms after a reset and otherwise acts at once.
    pub(crate) fn new() -> Self {
        Self::with(false, |_| ())
    }

    /// The same with other settings, or without the DMA ring.
    pub(crate) fn with(no_ring: bool, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            ready_latency_us: 1000,
            ..Settings::default()
        };
        change(&mut settings);
        let clients = clients::all(Some(clients::spdm()), Duration::from_millis(300));
        let firmware = Box::new(Mei::new(clients, no_ring));
        let version = [1, 2, 3, 4];
        Self(Machine::new(Device::with(
            firmware,
            DEVICE_ID,
            version,
            settings,
            Trace::default(),
        )))
    }

    /// A guest whose link is up, with the ring.
    pub(crate) fn up() -> Self {
        let mut guest = Self::new();
        guest.handshake();
        guest.start();
        assert_eq!(guest.offer_ring(), 0);
        guest.enumerate();
        guest
    }

    /// `H_CSR` without depth and pointers.
    pub(crate) fn h_csr(&mut self) -> u32 {
        self.read(H_CSR) & 0xff
    }

    /// `RST` and `RDY` of `ME_CSR_HA`.
    pub(crate) fn firmware(&mut self) -> u32 {
        self.read(ME_CSR_HA) & (RST | RDY)
    }

    /// Rings; acknowledges nothing.
    pub(crate) fn ring(&mut self) {
        self.write(H_CSR, D0I3_IE | IE | RDY | IG);
    }

    /// Acknowledges both interrupts.
    pub(crate) fn acknowledge(&mut self) {
        self.write(H_CSR, D0I3_IS | D0I3_IE | IE | RDY | IS);
    }

    /// Reset until both sides are ready.
    pub(crate) fn handshake(&mut self) {
        self.write(H_CSR, D0I3_IS | D0I3_IE | IE | RST | IG | IS);
        assert_eq!(self.h_csr() & (RST | RDY), RST);
        assert_eq!(self.firmware(), 0);
        self.interrupts();
        self.pass_ms(1);
        assert_eq!(self.interrupts(), 1);
        assert_eq!(self.firmware(), RDY);
        self.write(H_CSR, D0I3_IS | D0I3_IE | IE | IS | IG);
        self.write(H_CSR, D0I3_IE | IE | IG | RDY);
        self.interrupts();
    }

    /// Writes a packet and rings.
    pub(crate) fn submit(&mut self, packet: &Packet) {
        let header = u32::from(packet.me)
            | u32::from(packet.host) << 8
            | (packet.bytes.len() as u32) << 16
            | u32::from(packet.ring) << 29
            | u32::from(packet.complete) << 31;
        self.write(H_CB_WW, header);
        for slot in packet.bytes.chunks(4) {
            let mut dword = [0; 4];
            dword[..slot.len()].copy_from_slice(slot);
            self.write(H_CB_WW, u32::from_le_bytes(dword));
        }
        self.ring();
    }

    /// The next packet of the firmware, if there is one; rings when it is read.
    pub(crate) fn take(&mut self) -> Option<Packet> {
        if filled(self.read(ME_CSR_HA)) == 0 {
            return None;
        }
        let header = self.read(ME_CB_RW);
        assert_eq!(header >> 25 & 0xf, 0, "reserved, extended");
        let length = (header >> 16 & 0x1ff) as usize;
        let mut bytes = Vec::new();
        for _ in 0..length.div_ceil(4) {
            bytes.extend(self.read(ME_CB_RW).to_le_bytes());
        }
        bytes.truncate(length);
        self.ring();
        Some(Packet {
            me: header as u8,
            host: (header >> 8) as u8,
            ring: header & 1 << 29 != 0,
            complete: header & 1 << 31 != 0,
            bytes,
        })
    }

    /// All packets that the firmware has for the host.
    pub(crate) fn drain(&mut self) -> Vec<Packet> {
        std::iter::from_fn(|| self.take()).collect()
    }

    /// A host bus message, and the only answer.
    pub(crate) fn bus(&mut self, request: &[u8]) -> Vec<u8> {
        self.submit(&Packet::new(0, 0, request));
        let answers = self.drain();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0], Packet::new(0, 0, &answers[0].bytes));
        answers[0].bytes.clone()
    }

    pub(crate) fn start(&mut self) {
        assert_eq!(self.bus(&[0x01, 0, 2, 2]), [0x81, 1, 2, 2]);
        assert_eq!(self.bus(&[0x13, 7, 0, 0]), [0x93, 0, 0, 0]);
    }

    pub(crate) fn enumerate(&mut self) {
        let answer = self.bus(&[0x04, 3, 0, 0]);
        assert_eq!(answer[..5], [0x84, 0, 0, 0, 0x7e]);
        assert_eq!(answer[5..], [0; 31]);
    }

    /// Offers the DMA ring; returns the status.
    pub(crate) fn offer_ring(&mut self) -> u8 {
        self.poke(CONTROL, &[0; 32]);
        let mut request = vec![0x12, 0, 0, 0];
        let areas = [
            (HOST_RING, RING_SIZE),
            (DEVICE_RING, RING_SIZE),
            (CONTROL, 4096),
        ];
        for (address, size) in areas {
            for dword in [(address >> 32) as u32, address as u32, size] {
                request.extend(dword.to_le_bytes());
            }
        }
        let answer = self.bus(&request);
        assert_eq!([answer[0], answer[2], answer[3]], [0x92, 0, 0]);
        answer[1]
    }

    /// Connects, and takes the credit.
    pub(crate) fn connect(&mut self, me: u8, host: u8) {
        self.submit(&Packet::new(0, 0, &[0x06, me, host, 0]));
        let expected = [
            Packet::new(0, 0, &[0x86, me, host, 0]),
            Packet::new(0, 0, &[0x08, me, host, 0, 0, 0, 0, 0]),
        ];
        assert_eq!(self.drain(), expected);
    }

    /// Gives the firmware a credit.
    pub(crate) fn credit(&mut self, me: u8, host: u8) {
        self.submit(&Packet::new(0, 0, &[0x08, me, host, 0, 0, 0, 0, 0]));
    }

    /// Writes a message into the host's ring; returns the packet that announces it.
    pub(crate) fn write_ring(&mut self, me: u8, host: u8, bytes: &[u8]) -> Packet {
        let written = dword(&self.peek(CONTROL, 4), 0);
        let at = u64::from(written % (RING_SIZE / 4)) * 4;
        let first = bytes.len().min(RING_SIZE as usize - at as usize);
        self.poke(HOST_RING + at, &bytes[..first]);
        self.poke(HOST_RING, &bytes[first..]);
        let written = written.wrapping_add(bytes.len().div_ceil(4) as u32);
        self.poke(CONTROL, &written.to_le_bytes());
        let length = (bytes.len() as u32).to_le_bytes();
        Packet {
            ring: true,
            ..Packet::new(me, host, &length)
        }
    }

    /// Reads what a packet announces from the firmware's ring.
    pub(crate) fn read_ring(&mut self, packet: &Packet) -> Vec<u8> {
        assert!(packet.ring);
        let length = dword(&packet.bytes, 0) as usize;
        let read = dword(&self.peek(CONTROL + 24, 4), 0);
        let at = u64::from(read % (RING_SIZE / 4)) * 4;
        let first = length.min(RING_SIZE as usize - at as usize);
        let mut bytes = self.peek(DEVICE_RING + at, first);
        bytes.extend(self.peek(DEVICE_RING, length - first));
        let read = read.wrapping_add(length.div_ceil(4) as u32);
        self.poke(CONTROL + 24, &read.to_le_bytes());
        bytes
    }
}

/// Filled slots by the pointers of a control and status register.
pub(crate) fn filled(csr: u32) -> u8 {
    ((csr >> 16) as u8).wrapping_sub((csr >> 8) as u8)
}

/// Bytes that differ from message to message.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| (n * 7 + (n >> 8) + length) as u8)
        .collect()
}
