// SPDX-License-Identifier: GPL-2.0

//! Measurement blocks, for people and programs.

use serde::Serialize;
use spdm::algorithms::MeasurementHash;
use spdm::blocks::Block;

use crate::evidence::{Negotiated, SignedMeasurements};

/// A measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measurement {
    /// Its index, 1 to 254.
    pub index: u8,
    /// What is measured, a number of DSP0274.
    pub r#type: u8,
    /// The same in words, if the number is known.
    pub type_name: Option<&'static str>,
    /// The hash algorithm, if the value is a digest.
    pub digest_algorithm: Option<&'static str>,
    /// The value, in hexadecimal.
    pub value: String,
    /// The security version number, if it is one.
    pub svn: Option<u64>,
    /// The device mode, if it is one.
    pub device_mode: Option<Mode>,
}

/// The device mode in words. A bit without a word is a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mode {
    /// What it could be in.
    pub operational_capabilities: Vec<String>,
    /// What it is in.
    pub operational_state: Vec<String>,
    /// What it could be in.
    pub debug_capabilities: Vec<String>,
    /// What it is in, or was.
    pub debug_state: Vec<String>,
}

/// Bits of the operational modes, from 0. Source: DSP0274, "Device mode field".
const OPERATIONAL: &[&str] = &[
    "manufacturing",
    "validation",
    "normal",
    "recovery",
    "return merchandise authorization",
    "decommissioned",
];

/// Bits of the debug modes, from 0.
const DEBUG: &[&str] = &[
    "non-invasive debug active",
    "invasive debug active",
    "non-invasive debug was active",
    "invasive debug was active",
    "invasive debug was active after manufacturing",
];

/// All blocks, in their order.
pub fn list(measurements: &SignedMeasurements<'_>, negotiated: &Negotiated) -> Vec<Measurement> {
    let hash = negotiated.connection.selection.measurement_hash;
    let responses = measurements.exchanges.iter();
    let blocks = responses.flat_map(|(_, response)| response.record.blocks());
    blocks.map(|block| Measurement::new(&block, hash)).collect()
}

impl Measurement {
    fn new(block: &Block<'_>, hash: Option<MeasurementHash>) -> Self {
        let hash = hash.filter(|_| !block.raw);
        let mode = block.device_mode().map(|mode| Mode {
            operational_capabilities: words(OPERATIONAL, mode.operational_capabilities),
            operational_state: words(OPERATIONAL, mode.operational_state),
            debug_capabilities: words(DEBUG, mode.debug_capabilities),
            debug_state: words(DEBUG, mode.debug_state),
        });
        Self {
            index: block.index,
            r#type: block.kind.0,
            type_name: block.kind.name(),
            digest_algorithm: hash.map(MeasurementHash::name),
            value: hex::encode(block.value),
            svn: block.svn(),
            device_mode: mode,
        }
    }

    /// What is measured, for people.
    pub fn what(&self) -> String {
        match self.type_name {
            Some(name) => name.to_owned(),
            None => format!("type {}, not in the table", self.r#type),
        }
    }

    /// A raw value that is text.
    fn printable(&self) -> Option<String> {
        let text = String::from_utf8(hex::decode(&self.value).ok()?).ok()?;
        let printable = text.chars().all(|letter| matches!(letter, ' '..='~'));
        (self.digest_algorithm.is_none() && printable && (1..=64).contains(&text.len()))
            .then_some(text)
    }

    /// The value, for people: long ones are shortened, and of modes what the engine is in.
    pub fn text(&self) -> String {
        /// Hexadecimal digits of the longest digest.
        const LONGEST: usize = 128;
        if let Some(svn) = self.svn {
            return svn.to_string();
        }
        if let Some(mode) = &self.device_mode {
            let or_none = |words: &[String]| match words {
                [] => "none".to_owned(),
                words => words.join(", "),
            };
            let state = or_none(&mode.operational_state);
            return format!("{state}; debug: {}", or_none(&mode.debug_state));
        }
        if let Some(text) = self.printable() {
            return format!("{} ({text:?})", self.value);
        }
        match self.value.get(..LONGEST / 2) {
            Some(begin) if self.value.len() > LONGEST => {
                format!("{begin}... ({} bytes)", self.value.len() / 2)
            }
            _ => self.value.clone(),
        }
    }
}

fn words(names: &[&str], bits: u32) -> Vec<String> {
    (0..u32::BITS)
        .filter(|bit| bits & (1 << bit) != 0)
        .map(|bit| {
            let name = usize::try_from(bit).ok().and_then(|bit| names.get(bit));
            name.map_or_else(|| format!("{:#x}", 1_u32 << bit), |name| (*name).to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use spdm::algorithms::HashAlgorithm;
    use spdm::blocks::Record;

    use super::*;

    const SHA384: Option<MeasurementHash> = Some(MeasurementHash::Hash(HashAlgorithm::Sha384));

    fn measurement(kind: u8, raw: bool, value: &[u8]) -> Measurement {
        let size = u16::try_from(value.len()).expect("a short value");
        let kind = if raw { kind | 0x80 } else { kind };
        let mut bytes = vec![1, 1];
        bytes.extend((size + 3).to_le_bytes());
        bytes.push(kind);
        bytes.extend(size.to_le_bytes());
        bytes.extend(value);
        let record = Record::new(&bytes, 1).expect("a record");
        let block = record.blocks().next().expect("a block");
        Measurement::new(&block, SHA384)
    }

    #[test]
    fn digests_and_raw_values() {
        let digest = measurement(0, false, &[0xab; 48]);
        assert_eq!(digest.digest_algorithm, Some("sha384"));
        assert_eq!(digest.text(), "ab".repeat(48));
        assert_eq!(digest.what(), "immutable ROM");
        let raw = measurement(4, true, &[0xcd; 300]);
        assert_eq!(raw.digest_algorithm, None);
        assert_eq!(raw.text(), format!("{}... (300 bytes)", "cd".repeat(32)));
        assert_eq!(raw.value.len(), 600);
        assert_eq!(measurement(4, true, &[]).text(), "");
        let text = measurement(6, true, b"1.2.3");
        assert_eq!(text.text(), "312e322e33 (\"1.2.3\")");
        assert_eq!(measurement(6, true, b"1\x1b").text(), "311b");
        assert_eq!(measurement(6, false, b"1.2.3").text(), "312e322e33");
    }

    #[test]
    fn numbers_and_modes() {
        let svn = measurement(7, true, &7_u64.to_le_bytes());
        assert_eq!((svn.svn, svn.text().as_str()), (Some(7), "7"));
        // Not as long as it should be: shown as it is.
        assert_eq!(measurement(7, true, &[7]).text(), "07");
        let mut mode = [0; 16];
        mode[0] = 0x3f;
        mode[4] = 0x04;
        mode[12] = 0x08;
        mode[15] = 0x80;
        let mode = measurement(5, true, &mode);
        let words = mode.device_mode.clone().expect("a mode");
        assert_eq!(words.operational_state, ["normal"]);
        assert_eq!(words.operational_capabilities.len(), 6);
        assert_eq!(
            words.debug_state,
            ["invasive debug was active", "0x80000000"]
        );
        assert_eq!(
            mode.text(),
            "normal; debug: invasive debug was active, 0x80000000"
        );
    }

    #[test]
    fn unknown_types_are_shown() {
        let unknown = measurement(0x2a, true, &[1, 2]);
        assert_eq!(unknown.type_name, None);
        assert_eq!(unknown.what(), "type 42, not in the table");
        assert_eq!(unknown.text(), "0102");
    }
}
