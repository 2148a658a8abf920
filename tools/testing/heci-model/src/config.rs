// SPDX-License-Identifier: GPL-2.0
//! PCI configuration space of a HECI function: type 0 header, the host firmware status registers,
//! power management and MSI capabilities, laid out as on Intel's other HECI functions.
//!
//! Pure: byte-wise, so that any offset and length is right. A write reports what it changed.

use serde::Serialize;

use crate::csr::BAR_SIZE;

/// Size of the configuration space in bytes.
pub const CONFIG_SIZE: u64 = 256;
/// Offsets of the host firmware status registers HFS 1 to 6.
pub const HFS: [usize; 6] = [0x40, 0x48, 0x60, 0x64, 0x68, 0x6c];

const COMMAND: usize = 0x04;
const COMMAND_MEMORY: u8 = 1 << 1;
const COMMAND_MASTER: u8 = 1 << 2;
const BAR0: usize = 0x10;
const PM: usize = 0x50;
const PMCSR: usize = PM + 4;
const PMCSR_STATE: u8 = 0x03;
const PMCSR_NO_SOFT_RESET: u8 = 1 << 3;
const MSI: usize = 0x8c;
const MSI_CONTROL: usize = MSI + 2;
const MSI_ENABLE: u8 = 1 << 0;
const MSI_MASK: usize = MSI + 0x10;
const MSI_PENDING: usize = MSI + 0x14;

/// Power state of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Power {
    /// Working.
    D0,
    /// Off but for the configuration space.
    D3hot,
}

/// What a configuration write changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The power state that was entered.
    pub power: Option<Power>,
    /// The MSI vector was unmasked while a message was pending: it is due now.
    pub interrupt: bool,
}

/// The 256 bytes and which of their bits the host may write.
#[derive(Clone, Debug)]
pub struct ConfigSpace {
    bytes: [u8; CONFIG_SIZE as usize],
    writable: [u8; CONFIG_SIZE as usize],
}

impl ConfigSpace {
    /// Configuration space after power-on of the function with this device ID.
    pub fn new(device_id: u16) -> Self {
        let mut space = Self {
            bytes: [0; CONFIG_SIZE as usize],
            writable: [0; CONFIG_SIZE as usize],
        };
        let [id_low, id_high] = device_id.to_le_bytes();
        space.fix(0x00, &[0x86, 0x80, id_low, id_high]);
        space.allow(COMMAND, &[0x46, 0x05]);
        space.fix(0x06, &[0x10]); // status: capability list
        space.fix(0x08, &[0x00, 0x00, 0x80, 0x07]); // communication controller, other
        space.fix(BAR0, &[0x04]); // 64-bit memory
        let address_bits = !(BAR_SIZE - 1);
        space.allow(BAR0, &address_bits.to_le_bytes());
        space.fix(0x2c, &[0x86, 0x80, id_low, id_high]);
        space.fix(0x34, &[PM as u8]);
        space.allow(0x3c, &[0xff]); // interrupt line
        space.fix(PM, &[0x01, MSI as u8, 0x03, 0x00]);
        space.fix(PMCSR, &[PMCSR_NO_SOFT_RESET]);
        space.allow(PMCSR, &[PMCSR_STATE]);
        space.fix(MSI, &[0x05, 0x00, 0x80, 0x01]); // 64-bit address, maskable, one vector
        space.allow(MSI_CONTROL, &[0x70 | MSI_ENABLE]);
        space.allow(MSI + 4, &[0xfc, 0xff, 0xff, 0xff]);
        space.allow(MSI + 8, &[0xff; 6]); // upper address, data
        space.allow(MSI_MASK, &[0x01]);
        space
    }

    fn fix(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.bytes, offset, bytes);
    }

    fn allow(&mut self, offset: usize, bits: &[u8]) {
        put(&mut self.writable, offset, bits);
    }

    fn byte(&self, offset: usize) -> u8 {
        self.bytes.get(offset).copied().unwrap_or(0xff)
    }

    /// Reads `data.len()` bytes; those outside read as ones.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        for (at, byte) in (offset..=u64::MAX).zip(data) {
            *byte = usize::try_from(at).map_or(0xff, |at| self.byte(at));
        }
    }

    /// Writes `data`; read-only bits and bytes outside ignore it, and so does the power state if
    /// it is asked for D1 or D2, which the function does not have.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Change {
        let (power, masked) = (self.power(), self.msi_masked());
        let state = self.byte(PMCSR);
        for (at, byte) in (offset..=u64::MAX).zip(data) {
            let Ok(at) = usize::try_from(at) else { break };
            if let (Some(old), Some(bits)) = (self.bytes.get_mut(at), self.writable.get(at)) {
                *old = (*old & !bits) | (byte & bits);
            }
        }
        if !matches!(self.byte(PMCSR) & PMCSR_STATE, 0 | 3) {
            self.fix(PMCSR, &[state]);
        }
        let due = masked && !self.msi_masked() && self.byte(MSI_PENDING) != 0;
        if due {
            self.fix(MSI_PENDING, &[0]);
        }
        Change {
            power: (power != self.power()).then(|| self.power()),
            interrupt: due,
        }
    }

    /// The power state.
    pub fn power(&self) -> Power {
        match self.byte(PMCSR) & PMCSR_STATE {
            3 => Power::D3hot,
            _ => Power::D0,
        }
    }

    /// Whether the function answers in BAR 0: memory decoding on, and awake.
    pub fn decodes_memory(&self) -> bool {
        self.byte(COMMAND) & COMMAND_MEMORY != 0 && self.power() == Power::D0
    }

    /// Whether the function may access memory by itself: bus master, and awake.
    pub fn masters_bus(&self) -> bool {
        self.byte(COMMAND) & COMMAND_MASTER != 0 && self.power() == Power::D0
    }

    /// Whether the function may send its interrupt message: MSI on, bus master, and awake.
    pub fn sends_msi(&self) -> bool {
        self.byte(MSI_CONTROL) & MSI_ENABLE != 0 && self.masters_bus()
    }

    /// Whether the MSI vector is masked.
    pub fn msi_masked(&self) -> bool {
        self.byte(MSI_MASK) & 1 != 0
    }

    /// Notes that a message is due once the vector is unmasked.
    pub fn set_msi_pending(&mut self) {
        self.fix(MSI_PENDING, &[1]);
    }

    /// Values of HFS 1 to 6.
    pub fn hfs(&self) -> [u32; 6] {
        HFS.map(|offset| {
            let bytes = [0, 1, 2, 3].map(|index| self.byte(offset + index));
            u32::from_le_bytes(bytes)
        })
    }

    /// Sets HFS 1 to 6.
    pub fn set_hfs(&mut self, values: [u32; 6]) {
        for (offset, value) in HFS.into_iter().zip(values) {
            self.fix(offset, &value.to_le_bytes());
        }
    }
}

fn put(space: &mut [u8], offset: usize, bytes: &[u8]) {
    let to = space.iter_mut().skip(offset);
    to.zip(bytes).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dword(space: &ConfigSpace, offset: u64) -> u32 {
        let mut data = [0; 4];
        space.read(offset, &mut data);
        u32::from_le_bytes(data)
    }

    #[test]
    fn the_capability_list_ends() {
        let space = ConfigSpace::new(0xa85d);
        let mut seen = Vec::new();
        let mut at = space.byte(0x34);
        while at != 0 {
            seen.push(space.byte(at.into()));
            assert!(seen.len() < 4, "list does not end: {seen:x?}");
            at = space.byte(usize::from(at) + 1);
        }
        assert_eq!(seen, [0x01, 0x05]);
    }

    #[test]
    fn the_bar_answers_sizing() {
        let mut space = ConfigSpace::new(0xa85d);
        space.write(0x10, &[0xff; 8]);
        assert_eq!(dword(&space, 0x10), 0xffff_f004);
        assert_eq!(dword(&space, 0x14), 0xffff_ffff);
        space.write(0x18, &[0xff; 24]);
        assert_eq!(dword(&space, 0x18), 0);
    }

    #[test]
    fn every_offset_and_length_is_handled() {
        for offset in (0..300).chain(u64::MAX - 300..=u64::MAX) {
            for len in [0, 1, 2, 3, 4, 7, 8, 300] {
                let mut space = ConfigSpace::new(0xa85d);
                let mut data = vec![0x5a; len];
                space.read(offset, &mut data);
                space.write(offset, &data);
            }
        }
    }

    #[test]
    fn reads_outside_give_ones() {
        let space = ConfigSpace::new(0xa85d);
        let mut data = [0; 4];
        space.read(254, &mut data);
        assert_eq!(data, [0, 0, 0xff, 0xff]);
    }

    #[test]
    fn identity_is_read_only() {
        let mut space = ConfigSpace::new(0xa85d);
        space.write(0, &[0; 4]);
        space.write(0x40, &[0x11; 4]);
        assert_eq!(dword(&space, 0), 0xa85d_8086);
        assert_eq!(space.hfs()[0], 0);
    }

    #[test]
    fn d1_and_d2_leave_the_state_alone() {
        let mut space = ConfigSpace::new(0xa85d);
        assert_eq!(space.write(PMCSR as u64, &[1]).power, None);
        let change = space.write(PMCSR as u64, &[3]);
        assert_eq!(change.power, Some(Power::D3hot));
        assert_eq!(space.write(PMCSR as u64, &[2]).power, None);
        assert_eq!(space.power(), Power::D3hot);
        assert_eq!(space.write(PMCSR as u64, &[0]).power, Some(Power::D0));
        assert_eq!(space.byte(PMCSR), PMCSR_NO_SOFT_RESET);
    }

    #[test]
    fn unmasking_releases_a_pending_message_once() {
        let mut space = ConfigSpace::new(0xa85d);
        space.write(MSI_MASK as u64, &[1]);
        space.set_msi_pending();
        assert!(space.write(MSI_MASK as u64, &[0]).interrupt);
        space.write(MSI_MASK as u64, &[1]);
        assert!(!space.write(MSI_MASK as u64, &[0]).interrupt);
    }

    #[test]
    fn a_sleeping_function_neither_decodes_nor_masters() {
        let mut space = ConfigSpace::new(0xa85d);
        space.write(COMMAND as u64, &[0x06]);
        space.write(MSI_CONTROL as u64, &[0x01]);
        assert!(space.decodes_memory() && space.masters_bus() && space.sends_msi());
        space.write(PMCSR as u64, &[3]);
        assert!(!space.decodes_memory() && !space.masters_bus() && !space.sends_msi());
    }
}
