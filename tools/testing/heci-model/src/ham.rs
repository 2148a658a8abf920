// SPDX-License-Identifier: GPL-2.0
//! The shared memory: two sections of one message each and a control block of four counters.
//!
//! The host may change any of it at any moment. The firmware keeps the two counters that it owns
//! to itself, reads a header once, and never trusts a length before it has checked its own copy.

use serde::Serialize;

use crate::memory::{DmaError, GuestMemory};
use crate::wire::{status, Header, Message, SetupRequest};

/// Smallest section that is accepted, in bytes.
const SECTION_MIN: u32 = 1024;
/// Largest section that is accepted, in bytes.
const SECTION_MAX: u32 = 1 << 20;
/// Bytes of the four counters.
const CONTROL_MIN: u32 = 16;

/// What stands in the host-to-firmware section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Nothing new.
    Nothing,
    /// One message.
    Message,
    /// Counters that no correct host can have written.
    Impossible,
}

/// The shared memory of one link, from setup to the next reset.
#[derive(Clone, Debug, Serialize)]
pub struct Ham {
    /// Guest address of the host-to-firmware section.
    address: u64,
    /// Bytes of the host-to-firmware section.
    h2f: u32,
    /// Bytes of the firmware-to-host section.
    f2h: u32,
    /// Host messages taken.
    h2f_rd: u32,
    /// Firmware messages published.
    f2h_wr: u32,
}

impl Ham {
    /// Accepts the memory that the host offers; both sides begin with counters of zero.
    ///
    /// # Errors
    ///
    /// The status to refuse with: sizes out of range, misaligned, or not all guest memory.
    pub fn new(request: &SetupRequest, memory: &GuestMemory) -> Result<Self, u32> {
        let section = SECTION_MIN..=SECTION_MAX;
        let total = [request.h2f, request.f2h, request.control];
        let aligned = request.address % 4 == 0 && total.iter().all(|bytes| bytes % 4 == 0);
        if !(section.contains(&request.h2f)
            && section.contains(&request.f2h)
            && request.control >= CONTROL_MIN
            && aligned
            && memory.contains(request.address, total.iter().map(|b| u64::from(*b)).sum()))
        {
            return Err(status::UNSUPPORTED_MEMORY);
        }
        Ok(Self {
            address: request.address,
            h2f: request.h2f,
            f2h: request.f2h,
            h2f_rd: 0,
            f2h_wr: 0,
        })
    }

    fn counter(&self, index: u64) -> u64 {
        self.f2h_address() + u64::from(self.f2h) + 4 * index
    }

    /// Guest address of the firmware-to-host section.
    pub fn f2h_address(&self) -> u64 {
        self.address + u64::from(self.h2f)
    }

    /// Largest payload to the host.
    pub fn f2h_payload(&self) -> u32 {
        self.f2h - Header::SIZE
    }

    /// `h2f_wr`, `h2f_rd`, `f2h_wr`, `f2h_rd` as they stand in memory.
    pub fn counters(&self, memory: &GuestMemory) -> Result<[u32; 4], DmaError> {
        let mut values = [0; 4];
        for (index, value) in values.iter_mut().enumerate() {
            *value = memory.load(self.counter(index as u64))?;
        }
        Ok(values)
    }

    /// Looks for a message of the host.
    pub fn incoming(&self, memory: &GuestMemory) -> Result<Incoming, DmaError> {
        let written = memory.load(self.counter(0))?;
        Ok(match written.wrapping_sub(self.h2f_rd) {
            0 => Incoming::Nothing,
            1 => Incoming::Message,
            _ => Incoming::Impossible,
        })
    }

    /// Copies the message that [`Incoming::Message`] announced. One whose length does not fit the
    /// section comes without payload and with [`status::CORRUPTED_HEADER`] in its header.
    pub fn copy(&self, memory: &GuestMemory) -> Result<Message, DmaError> {
        let mut bytes = [0; Header::SIZE as usize];
        memory.read(self.address, &mut bytes)?;
        let mut header = Header::decode(bytes);
        let mut payload = Vec::new();
        if header.length > self.h2f - Header::SIZE {
            header.status = status::CORRUPTED_HEADER;
        } else {
            payload.resize(header.length as usize, 0);
            memory.read(self.address + u64::from(Header::SIZE), &mut payload)?;
        }
        Ok(Message { header, payload })
    }

    /// Advances `h2f_rd` by 1, and shows the host a value that is `step` higher than before;
    /// anything but 1 is a fault, which the firmware itself does not fall for.
    pub fn consume(&mut self, memory: &GuestMemory, step: u32) -> Result<(), DmaError> {
        let shown = self.h2f_rd.wrapping_add(step);
        self.h2f_rd = self.h2f_rd.wrapping_add(1);
        memory.store(self.counter(1), shown)
    }

    /// Whether the host has taken the last message.
    pub fn vacant(&self, memory: &GuestMemory) -> Result<bool, DmaError> {
        Ok(memory.load(self.counter(3))? == self.f2h_wr)
    }

    /// The number of the last message: `f2h_wr`.
    pub fn last(&self) -> u32 {
        self.f2h_wr
    }

    /// Whether this message is the last, and the host has not taken it.
    pub fn holds(&self, memory: &GuestMemory, message: u32) -> Result<bool, DmaError> {
        Ok(self.f2h_wr == message && !self.vacant(memory)?)
    }

    /// Writes a message, then advances `f2h_wr` by `step`; anything but 1 is a fault, after which
    /// the host's counter has to follow before there is another message.
    pub fn publish(
        &mut self,
        memory: &GuestMemory,
        message: &Message,
        step: u32,
    ) -> Result<(), DmaError> {
        let payload = self.f2h_address() + u64::from(Header::SIZE);
        memory.write(self.f2h_address(), &message.header.encode())?;
        memory.write(payload, &message.payload)?;
        self.f2h_wr = self.f2h_wr.wrapping_add(step);
        memory.store(self.counter(2), self.f2h_wr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> GuestMemory {
        let file = tempfile::tempfile().unwrap();
        file.set_len(0x10000).unwrap();
        let mut memory = GuestMemory::default();
        memory.map(file, 0, 0, 0x10000).unwrap();
        memory
    }

    fn request() -> SetupRequest {
        SetupRequest {
            id: 0,
            version: 1,
            address: 0x1000,
            h2f: 0x1000,
            f2h: 0x2000,
            control: 0x1000,
        }
    }

    #[test]
    fn memory_that_cannot_serve_is_refused() {
        let memory = memory();
        let refused = |change: fn(&mut SetupRequest)| {
            let mut request = request();
            change(&mut request);
            Ham::new(&request, &memory).err() == Some(status::UNSUPPORTED_MEMORY)
        };
        assert!(!refused(|_| ()));
        assert!(!refused(|r| r.h2f = SECTION_MIN));
        assert!(refused(|r| r.h2f = SECTION_MIN - 4));
        assert!(refused(|r| r.f2h = SECTION_MIN - 4));
        assert!(refused(|r| r.f2h = SECTION_MAX + 4));
        assert!(refused(|r| r.control = CONTROL_MIN - 4));
        assert!(refused(|r| r.address = 0x1002));
        assert!(refused(|r| r.h2f = 0x1002));
        assert!(!refused(|r| r.address = 0xc000));
        assert!(refused(|r| r.address = 0xc004));
        assert!(refused(|r| r.address = u64::MAX - 3));
        assert!(refused(|r| r.control = u32::MAX - 3));
    }

    #[test]
    fn counters_wrap_at_32_bits() {
        let memory = memory();
        let mut ham = Ham::new(&request(), &memory).unwrap();
        ham.h2f_rd = u32::MAX;
        ham.f2h_wr = u32::MAX;
        memory.store(ham.counter(0), 0).unwrap();
        memory.store(ham.counter(3), u32::MAX).unwrap();
        assert_eq!(ham.incoming(&memory).unwrap(), Incoming::Message);
        ham.consume(&memory, 1).unwrap();
        assert_eq!(ham.incoming(&memory).unwrap(), Incoming::Nothing);
        assert!(ham.vacant(&memory).unwrap());
        ham.publish(&memory, &Message::new(1, 2, 0, vec![3]), 1)
            .unwrap();
        assert!(!ham.vacant(&memory).unwrap());
        assert_eq!(ham.counters(&memory).unwrap(), [0, 0, 0, u32::MAX]);
    }

    #[test]
    fn the_largest_message_fits_and_one_byte_more_is_a_corrupted_header() {
        let memory = memory();
        let ham = Ham::new(&request(), &memory).unwrap();
        for (length, expected) in [(0x1000 - 20, status::SUCCESS), (0x1000 - 19, 0x07)] {
            memory.write(0x1000, &[0; 20]).unwrap();
            memory.store(0x1000, length).unwrap();
            let message = ham.copy(&memory).unwrap();
            assert_eq!(message.header.status, expected);
            assert_eq!(message.payload.is_empty(), expected != 0);
        }
    }

    #[test]
    fn counters_that_jump_or_run_back_are_impossible() {
        let memory = memory();
        let ham = Ham::new(&request(), &memory).unwrap();
        for written in [2, u32::MAX] {
            memory.store(ham.counter(0), written).unwrap();
            assert_eq!(ham.incoming(&memory).unwrap(), Incoming::Impossible);
        }
    }
}
