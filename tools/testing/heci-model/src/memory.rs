// SPDX-License-Identifier: GPL-2.0
//! Guest memory as the function reaches it by DMA: the regions that the vfio-user client hands
//! over as file descriptors. Every address comes from the guest and is checked on every access.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::sync::atomic::Ordering;
use std::sync::Arc;

use vm_memory::{
    Bytes, FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryError, GuestMemoryMmap,
    GuestMemoryRegion, GuestRegionMmap, MmapRegion,
};

/// An access that did not stay inside mapped guest memory, or was not aligned.
pub type DmaError = GuestMemoryError;

/// The guest memory that is mapped now.
#[derive(Debug, Default)]
pub struct GuestMemory {
    map: GuestMemoryMmap,
}

impl GuestMemory {
    /// Maps `size` bytes of `file` from `offset` on at guest address `address`.
    ///
    /// # Errors
    ///
    /// The range is empty, longer than the file, overlaps another, or cannot be mapped.
    pub fn map(&mut self, file: File, offset: u64, address: u64, size: u64) -> Result<(), Error> {
        let end = offset.checked_add(size);
        if size == 0 || end.is_none_or(|end| file.metadata().is_ok_and(|meta| meta.len() < end)) {
            let text = format!("DMA region of {size} bytes at offset {offset} is not in its file");
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        let size = usize::try_from(size).map_err(Error::other)?;
        let mapping = MmapRegion::from_file(FileOffset::new(file, offset), size);
        let region = GuestRegionMmap::new(mapping.map_err(Error::other)?, GuestAddress(address))
            .ok_or_else(|| Error::other("DMA region ends above 2^64"))?;
        self.map = self
            .map
            .insert_region(Arc::new(region))
            .map_err(Error::other)?;
        Ok(())
    }

    /// Unmaps every region that lies within `size` bytes from `address` on.
    pub fn unmap(&mut self, address: u64, size: u64) {
        let last = address.saturating_add(size.saturating_sub(1));
        let gone: Vec<(GuestAddress, u64)> = self
            .map
            .iter()
            .filter(|region| region.start_addr().0 >= address && region.last_addr().0 <= last)
            .map(|region| (region.start_addr(), region.len()))
            .collect();
        for (start, len) in gone {
            if let Ok((rest, _)) = self.map.remove_region(start, len) {
                self.map = rest;
            }
        }
    }

    /// Unmaps everything.
    pub fn unmap_all(&mut self) {
        self.map = GuestMemoryMmap::default();
    }

    /// Whether `len` bytes from `address` on are all mapped.
    pub fn contains(&self, address: u64, len: u64) -> bool {
        usize::try_from(len).is_ok_and(|len| self.map.check_range(GuestAddress(address), len))
    }

    /// Reads into `bytes`.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), DmaError> {
        self.map.read_slice(bytes, GuestAddress(address))
    }

    /// Writes `bytes`.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), DmaError> {
        self.map.write_slice(bytes, GuestAddress(address))
    }

    /// Loads an aligned little-endian dword; later reads stay behind it.
    pub fn load(&self, address: u64) -> Result<u32, DmaError> {
        let load = self.map.load(GuestAddress(address), Ordering::Acquire);
        load.map(u32::from_le)
    }

    /// Stores an aligned little-endian dword; earlier accesses stay before it.
    pub fn store(&self, address: u64, value: u32) -> Result<(), DmaError> {
        self.map
            .store(value.to_le(), GuestAddress(address), Ordering::Release)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(len: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(len).unwrap();
        file
    }

    fn memory() -> GuestMemory {
        let mut memory = GuestMemory::default();
        memory.map(file(0x2000), 0, 0x1000, 0x2000).unwrap();
        memory
    }

    #[test]
    fn access_stays_inside_the_mapping() {
        let memory = memory();
        assert!(memory.write(0x2ffe, &[1, 2]).is_ok());
        assert!(memory.write(0x2ffe, &[1, 2, 3]).is_err());
        assert!(memory.read(0xfff, &mut [0]).is_err());
        assert!(memory.read(u64::MAX, &mut [0, 0]).is_err());
        assert!(memory.contains(0x1000, 0x2000));
        assert!(!memory.contains(0x1000, 0x2001));
        assert!(!memory.contains(0x1000, u64::MAX));
    }

    #[test]
    fn a_misaligned_counter_is_an_error() {
        assert!(memory().load(0x1001).is_err());
    }

    #[test]
    fn a_region_longer_than_its_file_is_refused() {
        assert!(memory().map(file(0x1000), 0, 0x8000, 0x2000).is_err());
        assert!(memory().map(file(0x1000), u64::MAX, 0x8000, 1).is_err());
    }

    #[test]
    fn an_overlapping_region_is_refused() {
        assert!(memory().map(file(0x1000), 0, 0x2000, 0x1000).is_err());
    }

    #[test]
    fn unmapped_memory_is_out_of_reach() {
        let mut memory = memory();
        memory.map(file(0x1000), 0, 0x8000, 0x1000).unwrap();
        memory.unmap(0x1000, 0x2000);
        assert!(memory.load(0x1000).is_err());
        assert!(memory.load(0x8000).is_ok());
        memory.unmap_all();
        assert!(memory.load(0x8000).is_err());
    }
}
