// SPDX-License-Identifier: GPL-2.0

//! The blocks of a measurement record, in the format of DMTF.

#![forbid(unsafe_code)]

use super::algorithms::MeasurementHash;
use super::crypto::{Context, Digest};
use super::error::{Field, Reason};
use super::measurements::Operation;
use super::negotiate::MEASUREMENT_SPEC_DMTF;

/// Index of the manifest, by convention.
pub const INDEX_MANIFEST: u8 = 0xfd;

/// Index of the device mode, by convention.
pub const INDEX_DEVICE_MODE: u8 = 0xfe;

/// What is measured: bits 6:0 of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u8);

impl Kind {
    /// The structured representation of the device mode.
    pub const DEVICE_MODE: Self = Self(5);
    /// Security version number.
    pub const SVN: Self = Self(7);

    /// The name, for people.
    pub const fn name(self) -> Option<&'static str> {
        match self.0 {
            0 => Some("immutable ROM"),
            1 => Some("mutable firmware"),
            2 => Some("hardware configuration"),
            3 => Some("firmware configuration"),
            4 => Some("freeform manifest"),
            5 => Some("device mode"),
            6 => Some("version"),
            7 => Some("security version number"),
            8 => Some("hash-extended"),
            9 => Some("informational"),
            10 => Some("structured manifest"),
            _ => None,
        }
    }
}

/// The device mode: what the device could be in, and what it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMode {
    /// Operational modes that the device has.
    pub operational_capabilities: u32,
    /// Operational mode it is in.
    pub operational_state: u32,
    /// Debug modes that the device has.
    pub debug_capabilities: u32,
    /// Debug modes it is or was in.
    pub debug_state: u32,
}

/// One measurement block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Index, 1 to 0xfe.
    pub index: u8,
    /// What is measured.
    pub kind: Kind,
    /// Whether the value is a raw bit stream, not a digest.
    pub raw: bool,
    /// The value.
    pub value: &'a [u8],
    /// The block as it lies in the record, with its headers.
    pub whole: &'a [u8],
}

impl Block<'_> {
    /// The security version number, if the block has one.
    pub fn svn(&self) -> Option<u64> {
        if !self.raw || self.kind != Kind::SVN {
            return None;
        }
        self.value.try_into().ok().map(u64::from_le_bytes)
    }

    /// The device mode, if the block has one.
    pub fn device_mode(&self) -> Option<DeviceMode> {
        if !self.raw || self.kind != Kind::DEVICE_MODE || self.value.len() != 16 {
            return None;
        }
        let word = |start: usize| {
            let bytes = self.value.get(start..)?.first_chunk()?;
            Some(u32::from_le_bytes(*bytes))
        };
        Some(DeviceMode {
            operational_capabilities: word(0)?,
            operational_state: word(4)?,
            debug_capabilities: word(8)?,
            debug_state: word(12)?,
        })
    }
}

/// Bytes before the value: index, specification, size; type, size.
const BLOCK_HEADER: usize = 4;
const DMTF_HEADER: usize = 3;

/// Bit 7 of the type: a raw bit stream.
const RAW: u8 = 0x80;

/// A checked list of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    bytes: &'a [u8],
    count: u8,
}

type Fault = (Field, Reason);

impl<'a> Record<'a> {
    /// Checks a record that is said to hold `count` blocks.
    ///
    /// # Errors
    ///
    /// The blocks do not fill the record, one has another specification, a size that contradicts
    /// itself, or an index that is reserved or occurs twice.
    pub fn new(bytes: &'a [u8], count: u8) -> Result<Self, Fault> {
        let mut rest = bytes;
        let mut seen = [0_u128; 2];
        for _ in 0..count {
            let (block, after) = split(rest)?;
            let [low, high] = &mut seen;
            let half = if block.index < 0x80 { low } else { high };
            let bit = 1_u128 << (block.index & 0x7f);
            if *half & bit != 0 {
                return Err((Field::MeasurementIndex, Reason::Twice(block.index.into())));
            }
            *half |= bit;
            rest = after;
        }
        if !rest.is_empty() {
            let expected = bytes.len().saturating_sub(rest.len());
            let actual = bytes.len();
            let reason = Reason::Length { expected, actual };
            return Err((Field::MeasurementRecordLength, reason));
        }
        Ok(Self { bytes, count })
    }

    /// The record as it lies in the message.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Number of blocks.
    pub const fn count(&self) -> u8 {
        self.count
    }

    /// The blocks.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'a>> + 'a {
        let mut rest = self.bytes;
        core::iter::from_fn(move || {
            let (block, after) = split(rest).ok()?;
            rest = after;
            Some(block)
        })
    }

    /// The hash over all blocks in ascending order of their indices, with a hash that was begun. If
    /// there are no others, and raw bit streams were not asked for, it is what CHALLENGE_AUTH has as
    /// the summary of all measurements. Which of them the one of the trusted computing base is over,
    /// only the responder knows. Source: DSP0274, "CHALLENGE_AUTH response message format".
    pub fn summary<X: Context>(&self, mut context: X) -> Digest {
        let mut last = 0;
        let after = |last| self.blocks().filter(move |block| block.index > last);
        while let Some(block) = after(last).min_by_key(|block| block.index) {
            context.update(block.whole);
            last = block.index;
        }
        context.finish()
    }

    /// Whether the record is what was asked for.
    ///
    /// # Errors
    ///
    /// Blocks where only their number was asked for, none where there should be, or others.
    pub fn answers(&self, operation: Operation) -> Result<(), Fault> {
        let count = Err((Field::NumberOfBlocks, Reason::Value(self.count.into())));
        match operation {
            Operation::Count if self.count != 0 => count,
            Operation::Count => Ok(()),
            Operation::All if self.count == 0 => count,
            Operation::All => Ok(()),
            Operation::One(_) if self.count != 1 => count,
            Operation::One(index) => match self.blocks().next() {
                Some(block) if block.index == index => Ok(()),
                _ => Err((Field::MeasurementIndex, Reason::Differs)),
            },
        }
    }

    /// Whether every digest is as long as the hash algorithm says. Where measurements are raw
    /// only, there is no digest.
    ///
    /// # Errors
    ///
    /// A digest of another length.
    pub fn check_digests(&self, hash: MeasurementHash) -> Result<(), Fault> {
        let expected = hash.size().unwrap_or(0);
        for block in self.blocks() {
            let actual = block.value.len();
            if !block.raw && actual != expected {
                let reason = Reason::Length { expected, actual };
                return Err((Field::MeasurementBlock, reason));
            }
        }
        Ok(())
    }
}

fn split(bytes: &[u8]) -> Result<(Block<'_>, &[u8]), Fault> {
    let short = |expected: usize| {
        let actual = bytes.len();
        (Field::MeasurementBlock, Reason::Short { expected, actual })
    };
    let fixed = BLOCK_HEADER.saturating_add(DMTF_HEADER);
    let (header, rest) = bytes.split_first_chunk().ok_or(short(fixed))?;
    let [index, specification, s0, s1] = *header;
    let size = usize::from(u16::from_le_bytes([s0, s1]));
    let whole = BLOCK_HEADER.saturating_add(size);
    let (measurement, after) = rest.split_at_checked(size).ok_or(short(whole))?;
    let (header, value) = measurement.split_first_chunk().ok_or(short(fixed))?;
    let [kind, v0, v1] = *header;
    let length = usize::from(u16::from_le_bytes([v0, v1]));

    if index == 0 || index == u8::MAX {
        return Err((Field::MeasurementIndex, Reason::Value(index.into())));
    }
    if specification != MEASUREMENT_SPEC_DMTF {
        let reason = Reason::NotOffered(specification.into());
        return Err((Field::MeasurementSpecification, reason));
    }
    if length != value.len() {
        let reason = Reason::Length {
            expected: length,
            actual: value.len(),
        };
        return Err((Field::MeasurementBlock, reason));
    }
    let block = Block {
        index,
        kind: Kind(kind & !RAW),
        raw: kind & RAW != 0,
        value,
        whole: bytes.get(..whole).unwrap_or_default(),
    };
    Ok((block, after))
}
