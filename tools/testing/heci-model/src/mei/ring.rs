// SPDX-License-Identifier: GPL-2.0
//! The DMA ring: two rings of slots in guest memory, one for each direction, and a control block
//! with four indices that never stop counting. Layout as in Linux `drivers/misc/mei/hw.h`
//! (`hbm_dma_ring_ctrl`), arithmetic as in `dma-ring.c`.
//!
//! The host may change any of it at any moment. The firmware keeps the two indices that it owns to
//! itself and checks the others against them.

use serde::Serialize;

use super::wire::{slots, status, Area, SLOT};
use crate::memory::{DmaError, GuestMemory};

/// Smallest ring that is accepted, in bytes.
const SIZE_MIN: u32 = 4096;
/// Largest ring that is accepted, in bytes.
const SIZE_MAX: u32 = 1 << 20;
/// Bytes of the control block.
const CONTROL_SIZE: u32 = 32;

/// What keeps the firmware from using the ring.
#[derive(Debug)]
pub enum Broken {
    /// Guest memory is gone.
    Dma(DmaError),
    /// The host's index or length cannot be.
    Impossible,
}

impl From<DmaError> for Broken {
    fn from(error: DmaError) -> Self {
        Self::Dma(error)
    }
}

/// One ring of slots.
#[derive(Clone, Copy, Debug, Serialize)]
struct Slots {
    address: u64,
    /// A power of two.
    depth: u32,
}

impl Slots {
    fn new(area: Area, memory: &GuestMemory) -> Option<Self> {
        let fits = (SIZE_MIN..=SIZE_MAX).contains(&area.size) && area.size.is_power_of_two();
        let aligned = area.address % SLOT as u64 == 0;
        (fits && aligned && memory.contains(area.address, area.size.into())).then_some(Self {
            address: area.address,
            depth: area.size / SLOT as u32,
        })
    }

    /// Filled slots; nothing if that is more than there are.
    fn filled(&self, write: u32, read: u32) -> Option<u32> {
        let filled = write.wrapping_sub(read);
        (filled <= self.depth).then_some(filled)
    }

    /// Where `bytes` from slot `index` on lie: up to the end of the ring, and from its beginning.
    fn pieces(&self, index: u32, bytes: usize) -> [(u64, std::ops::Range<usize>); 2] {
        let slot = index % self.depth;
        let first = bytes.min((self.depth - slot) as usize * SLOT);
        let start = self.address + u64::from(slot) * SLOT as u64;
        [(start, 0..first), (self.address, first..bytes)]
    }
}

/// The ring of one link, from setup to the next reset.
#[derive(Clone, Debug, Serialize)]
pub struct Ring {
    /// Host to firmware.
    host: Slots,
    /// Firmware to host.
    device: Slots,
    /// Guest address of the control block.
    control: u64,
    /// Slots taken from the host.
    host_read: u32,
    /// Slots written for the host.
    device_write: u32,
}

impl Ring {
    const HOST_WRITE: u64 = 0;
    const HOST_READ: u64 = 8;
    const DEVICE_WRITE: u64 = 16;
    const DEVICE_READ: u64 = 24;

    /// Accepts the memory that the host offers; all indices begin at zero.
    ///
    /// # Errors
    ///
    /// The status to refuse with: sizes out of range or no power of two, misaligned, or not all
    /// guest memory.
    pub fn new([host, device, control]: [Area; 3], memory: &GuestMemory) -> Result<Self, u8> {
        let fits = control.size >= CONTROL_SIZE
            && control.address % SLOT as u64 == 0
            && memory.contains(control.address, CONTROL_SIZE.into());
        let host = Slots::new(host, memory).filter(|_| fits);
        let device = Slots::new(device, memory);
        let (Some(host), Some(device)) = (host, device) else {
            return Err(status::INVALID_PARAMETER);
        };
        Ok(Self {
            host,
            device,
            control: control.address,
            host_read: 0,
            device_write: 0,
        })
    }

    /// Takes the next `length` bytes of the host.
    ///
    /// # Errors
    ///
    /// Memory is gone, or the host has not written that much.
    pub fn take(&mut self, memory: &GuestMemory, length: u32) -> Result<Vec<u8>, Broken> {
        let written = memory.load(self.control + Self::HOST_WRITE)?;
        let filled = self.host.filled(written, self.host_read);
        let taken = slots(length as usize);
        if filled.is_none_or(|filled| filled < taken) {
            return Err(Broken::Impossible);
        }
        let mut bytes = vec![0; length as usize];
        for (address, range) in self.host.pieces(self.host_read, bytes.len()) {
            if let Some(part) = bytes.get_mut(range) {
                memory.read(address, part)?;
            }
        }
        self.host_read = self.host_read.wrapping_add(taken);
        memory.store(self.control + Self::HOST_READ, self.host_read)?;
        Ok(bytes)
    }

    /// Bytes that fit for the host now.
    ///
    /// # Errors
    ///
    /// Memory is gone, or the host has read what was never written.
    pub fn room(&self, memory: &GuestMemory) -> Result<usize, Broken> {
        let read = memory.load(self.control + Self::DEVICE_READ)?;
        let filled = self.device.filled(self.device_write, read);
        let filled = filled.ok_or(Broken::Impossible)?;
        Ok((self.device.depth - filled) as usize * SLOT)
    }

    /// Writes `bytes` for the host, which must fit.
    ///
    /// # Errors
    ///
    /// Memory is gone.
    pub fn put(&mut self, memory: &GuestMemory, bytes: &[u8]) -> Result<(), Broken> {
        for (address, range) in self.device.pieces(self.device_write, bytes.len()) {
            if let Some(part) = bytes.get(range) {
                memory.write(address, part)?;
            }
        }
        self.device_write = self.device_write.wrapping_add(slots(bytes.len()));
        memory.store(self.control + Self::DEVICE_WRITE, self.device_write)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: u64 = 0x1_0000;
    const DEVICE: u64 = 0x2_0000;
    const CONTROL: u64 = 0x3_0000;

    fn memory() -> GuestMemory {
        let file = tempfile::tempfile().unwrap();
        file.set_len(0x4_0000).unwrap();
        let mut memory = GuestMemory::default();
        memory.map(file, 0, 0, 0x4_0000).unwrap();
        memory
    }

    fn areas() -> [Area; 3] {
        [(HOST, 4096), (DEVICE, 8192), (CONTROL, 4096)]
            .map(|(address, size)| Area { address, size })
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 7 + length) as u8).collect()
    }

    /// Writes as the host does.
    fn submit(memory: &GuestMemory, bytes: &[u8]) {
        let written = memory.load(CONTROL).unwrap();
        for (n, byte) in bytes.iter().enumerate() {
            let at = (written as usize * 4 + n) % 4096;
            memory.write(HOST + at as u64, &[*byte]).unwrap();
        }
        memory
            .store(CONTROL, written.wrapping_add(slots(bytes.len())))
            .unwrap();
    }

    #[test]
    fn messages_of_any_length_wrap_around_the_end() {
        let memory = memory();
        let mut ring = Ring::new(areas(), &memory).unwrap();
        for length in (0..4096).step_by(37).chain([4096, 1, 4095]) {
            submit(&memory, &pattern(length));
            assert_eq!(ring.take(&memory, length as u32).unwrap(), pattern(length));
            assert_eq!(
                memory.load(CONTROL + 8).unwrap(),
                memory.load(CONTROL).unwrap()
            );
        }
    }

    #[test]
    fn indices_wrap_at_32_bits() {
        let memory = memory();
        let mut ring = Ring::new(areas(), &memory).unwrap();
        ring.host_read = u32::MAX - 1;
        ring.device_write = u32::MAX;
        memory.store(CONTROL, u32::MAX - 1).unwrap();
        memory.store(CONTROL + 24, u32::MAX).unwrap();
        submit(&memory, &pattern(20));
        assert_eq!(ring.take(&memory, 20).unwrap(), pattern(20));
        assert_eq!(memory.load(CONTROL + 8).unwrap(), 3);
        assert_eq!(ring.room(&memory).unwrap(), 8192);
        ring.put(&memory, &pattern(12)).unwrap();
        assert_eq!(memory.load(CONTROL + 16).unwrap(), 2);
        assert_eq!(ring.room(&memory).unwrap(), 8192 - 12);
    }

    #[test]
    fn what_is_put_lies_behind_what_was_put_before() {
        let memory = memory();
        let mut ring = Ring::new(areas(), &memory).unwrap();
        ring.put(&memory, &pattern(8190)).unwrap();
        assert_eq!(ring.room(&memory).unwrap(), 0);
        memory.store(CONTROL + 24, 2047).unwrap();
        ring.device_write = 2047;
        ring.put(&memory, &pattern(6)).unwrap();
        let mut bytes = [0; 4];
        memory.read(DEVICE + 8188, &mut bytes).unwrap();
        assert_eq!(bytes, pattern(6)[..4]);
        memory.read(DEVICE, &mut bytes).unwrap();
        assert_eq!(bytes[..2], pattern(6)[4..]);
    }

    #[test]
    fn indices_that_cannot_be_are_found() {
        let memory = memory();
        let mut ring = Ring::new(areas(), &memory).unwrap();
        for (written, length) in [(0, 1), (1, 5), (1025, 4), (u32::MAX, 4), (1024, 4097)] {
            memory.store(CONTROL, written).unwrap();
            let result = ring.take(&memory, length);
            assert!(
                matches!(result, Err(Broken::Impossible)),
                "{written} {length}"
            );
        }
        memory.store(CONTROL + 24, 1).unwrap();
        assert!(matches!(ring.room(&memory), Err(Broken::Impossible)));
    }

    #[test]
    fn memory_that_does_not_serve_is_refused() {
        let memory = memory();
        for (index, address, size) in [
            (0, HOST, 2048),
            (0, HOST, 4096 + 4),
            (1, DEVICE, 0),
            (1, 0x3_f000, 8192),
            (0, HOST + 2, 4096),
            (2, CONTROL, 16),
            (2, 0x3_fff0, 4096),
            (0, u64::MAX - 3, 4096),
        ] {
            let mut areas = areas();
            areas[index] = Area { address, size };
            assert_eq!(
                Ring::new(areas, &memory).err(),
                Some(status::INVALID_PARAMETER)
            );
        }
    }
}
