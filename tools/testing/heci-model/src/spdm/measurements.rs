// SPDX-License-Identifier: GPL-2.0
//! What the engine measures: blocks of the DMTF measurement specification.

use std::collections::BTreeMap;

use serde_json::{json, Value};

use super::algorithms::Hash;

/// Types of measurement values.
mod kind {
    pub(super) const ROM: u8 = 0;
    pub(super) const FIRMWARE: u8 = 1;
    pub(super) const HARDWARE_CONFIGURATION: u8 = 2;
    pub(super) const FIRMWARE_CONFIGURATION: u8 = 3;
    pub(super) const MANIFEST: u8 = 4;
    pub(super) const DEVICE_MODE: u8 = 5;
    pub(super) const VERSION: u8 = 6;
    pub(super) const SVN: u8 = 7;
    pub(super) const HASH_EXTEND: u8 = 8;
    pub(super) const INFORMATIONAL: u8 = 9;
    pub(super) const STRUCTURED_MANIFEST: u8 = 10;
}

/// The bit of a type that says: this is no digest.
const RAW: u8 = 0x80;
/// The measurement specification of a block: DMTF.
const DMTF: u8 = 1;
/// Index of the freeform manifest.
const MANIFEST: u8 = 0xfd;
/// Index of the device mode.
const DEVICE_MODE: u8 = 0xfe;
/// Largest value in bytes: a record has a length of 24 bits, a message has to hold it.
const VALUE_MAX: usize = 0xff00;
/// Operational mode normal, of normal and recovery; debug modes off, of four that exist.
const MODES: [u32; 4] = [0x0c, 0x04, 0x0f, 0x00];

/// One measurement: its type, and what was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Measurement {
    kind: u8,
    value: Vec<u8>,
}

impl Measurement {
    /// Whether it is given as a digest (`asked_raw`: the requester wants it raw if it can be).
    /// Types from 4 on are raw by nature, but for the hash that is extended, which never is.
    fn digested(&self, asked_raw: bool) -> bool {
        match self.kind {
            kind::HASH_EXTEND => true,
            kind::ROM..=kind::FIRMWARE_CONFIGURATION => !asked_raw,
            _ => false,
        }
    }

    /// The block with this index. Without a `hash` nothing is digested.
    fn block(&self, index: u8, hash: Option<Hash>, raw: bool) -> Vec<u8> {
        let hash = hash.filter(|_| self.digested(raw));
        let (kind, value) = match hash {
            Some(hash) => (self.kind, hash.digest(&[&self.value])),
            None => (self.kind | RAW, self.value.clone()),
        };
        let size = (value.len() as u16).to_le_bytes();
        let block_size = (value.len() as u16 + 3).to_le_bytes();
        let mut block = vec![index, DMTF, block_size[0], block_size[1]];
        block.extend([kind, size[0], size[1]]);
        block.extend(value);
        block
    }
}

/// All measurements by index, 1 to 0xfe.
#[derive(Clone, Debug)]
pub struct Measurements {
    all: BTreeMap<u8, Measurement>,
    /// Counts changes.
    generation: u64,
}

impl Measurements {
    /// Measurements of all types, of firmware with this version.
    pub fn new(version: [u16; 4]) -> Self {
        let version = version.map(|part| part.to_string()).join(".");
        let firmware = format!("firmware {version}");
        let modes: Vec<u8> = MODES.iter().flat_map(|mode| mode.to_le_bytes()).collect();
        let rows: [(u8, u8, &[u8]); 11] = [
            (1, kind::ROM, b"boot ROM"),
            (2, kind::FIRMWARE, firmware.as_bytes()),
            (3, kind::HARDWARE_CONFIGURATION, b"fuses"),
            (4, kind::FIRMWARE_CONFIGURATION, b"settings"),
            (5, kind::VERSION, version.as_bytes()),
            (6, kind::SVN, &7u64.to_le_bytes()),
            (7, kind::HASH_EXTEND, b"events"),
            (8, kind::INFORMATIONAL, b"emulated"),
            // The header of a standards body: DMTF, no vendor.
            (9, kind::STRUCTURED_MANIFEST, b"\0\0manifest"),
            (MANIFEST, kind::MANIFEST, b"This engine is emulated."),
            (DEVICE_MODE, kind::DEVICE_MODE, &modes),
        ];
        let measurement = |(index, kind, value): (u8, u8, &[u8])| {
            let value = value.to_vec();
            (index, Measurement { kind, value })
        };
        Self {
            all: rows.into_iter().map(measurement).collect(),
            generation: 0,
        }
    }

    /// Sets the measurement with this index, or removes it. Without a `kind` it keeps its type.
    ///
    /// # Errors
    ///
    /// A text for people: an index or a type that cannot be, or a value that is too long.
    pub fn set(&mut self, index: u8, kind: Option<u8>, value: Option<&[u8]>) -> Result<(), String> {
        let before = self.all.get(&index).map(|measurement| measurement.kind);
        if !(1..=0xfe).contains(&index) {
            return Err("index: 1 to 254".into());
        }
        match value {
            None => drop(self.all.remove(&index)),
            Some(value) if value.len() > VALUE_MAX => {
                return Err(format!("data: at most {VALUE_MAX} bytes"))
            }
            Some(value) => {
                let kind = kind.or(before).ok_or("type: needed for a new index")?;
                if kind >= RAW {
                    return Err("type: 0 to 127".into());
                }
                let value = value.to_vec();
                self.all.insert(index, Measurement { kind, value });
            }
        }
        self.generation += 1;
        Ok(())
    }

    /// How often anything was changed.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// How many there are.
    pub(super) fn count(&self) -> u8 {
        self.all.len() as u8
    }

    /// The block with this index.
    pub(super) fn block(&self, index: u8, hash: Option<Hash>, raw: bool) -> Option<Vec<u8>> {
        let measurement = self.all.get(&index)?;
        Some(measurement.block(index, hash, raw))
    }

    /// All blocks, in the order of their indices.
    pub(super) fn blocks(&self, hash: Option<Hash>, raw: bool) -> Vec<Vec<u8>> {
        let block =
            |(index, measurement): (&u8, &Measurement)| measurement.block(*index, hash, raw);
        self.all.iter().map(block).collect()
    }

    /// What a summary hash covers: the blocks of the trusted computing base (immutable ROM and
    /// mutable firmware), or all.
    pub(super) fn summary(&self, all: bool, hash: Option<Hash>) -> Vec<u8> {
        let trusted = |measurement: &Measurement| measurement.kind <= kind::FIRMWARE;
        let covered = self.all.iter().filter(|(_, one)| all || trusted(one));
        covered
            .flat_map(|(index, one)| one.block(*index, hash, false))
            .collect()
    }

    /// What was measured of the mutable firmware: the alias key follows from it.
    pub(super) fn firmware(&self) -> Vec<u8> {
        let firmware = self.all.values().filter(|m| m.kind == kind::FIRMWARE);
        let values: Vec<&[u8]> = firmware.map(|m| m.value.as_slice()).collect();
        Hash::Sha384.digest(&values)
    }

    /// For people: index, type, value in hexadecimal.
    pub fn describe(&self) -> Value {
        let row = |(index, one): (&u8, &Measurement)| json!({"index": index, "type": one.kind, "data": super::hex(&one.value)});
        self.all.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: Option<Hash> = Some(Hash::Sha256);

    #[test]
    fn a_block_is_laid_out_as_the_table_says() {
        let measurements = Measurements::new([1, 2, 3, 4]);
        let svn = [6, 1, 11, 0, 0x87, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(measurements.block(6, H, false).unwrap(), svn);
        let rom = measurements.block(1, H, false).unwrap();
        assert_eq!(rom[..7], [1, 1, 35, 0, 0, 32, 0]);
        assert_eq!(rom[7..], Hash::Sha256.digest(&[b"boot ROM"]));
        let raw = measurements.block(1, H, true).unwrap();
        assert_eq!(raw, *b"\x01\x01\x0b\x00\x80\x08\x00boot ROM");
        assert_eq!(raw, measurements.block(1, None, false).unwrap());
        assert_eq!(measurements.block(10, H, false), None);
    }

    #[test]
    fn a_hash_that_is_extended_is_never_raw() {
        let measurements = Measurements::new([1, 2, 3, 4]);
        assert_eq!(measurements.block(7, H, true).unwrap()[4], 8);
    }

    #[test]
    fn there_is_one_of_each_type() {
        let measurements = Measurements::new([1, 2, 3, 4]);
        let blocks = measurements.blocks(H, false);
        let mut types: Vec<u8> = blocks.iter().map(|block| block[4] & !RAW).collect();
        types.sort_unstable();
        assert_eq!(types, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert!(blocks.is_sorted());
        assert_eq!(usize::from(measurements.count()), blocks.len());
    }

    #[test]
    fn changes_are_checked_and_counted() {
        let mut measurements = Measurements::new([1, 2, 3, 4]);
        let firmware = measurements.firmware();
        for (index, kind, size) in [
            (0, None, 1),
            (255, None, 1),
            (2, Some(128), 1),
            (100, None, 1),
        ] {
            assert!(measurements.set(index, kind, Some(&vec![0; size])).is_err());
        }
        assert!(measurements
            .set(2, None, Some(&vec![0; VALUE_MAX + 1]))
            .is_err());
        assert_eq!(measurements.generation(), 0);
        measurements.set(2, None, Some(b"new")).unwrap();
        assert_eq!(
            measurements.block(2, H, true).unwrap()[4..],
            *b"\x81\x03\0new"
        );
        assert_ne!(measurements.firmware(), firmware);
        measurements.set(2, None, None).unwrap();
        assert_eq!(measurements.block(2, H, true), None);
        assert_eq!(measurements.generation(), 2);
    }
}
