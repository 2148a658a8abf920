// SPDX-License-Identifier: GPL-2.0

//! GET_VERSION and VERSION. Both always carry version 1.0 in their header.

#![forbid(unsafe_code)]

use core::fmt;

use super::code::Code;
use super::error::{Error, Field, Reason};
use super::wire::{Reader, Writer};

/// A version of the specification that this requester speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Version {
    /// 1.0
    V10 = 0x10,
    /// 1.1
    V11 = 0x11,
    /// 1.2
    V12 = 0x12,
    /// 1.3
    V13 = 0x13,
    /// 1.4
    V14 = 0x14,
}

impl Version {
    /// All of them, ascending.
    pub const ALL: [Self; 5] = [Self::V10, Self::V11, Self::V12, Self::V13, Self::V14];

    /// The byte in a message header: major in the upper half, minor in the lower.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// The version of a message header.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.byte() == byte)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.byte() >> 4, self.byte() & 0xf)
    }
}

/// Writes GET_VERSION.
///
/// # Errors
///
/// - [`Reason::Room`]: the buffer is too short.
pub fn get_version(buffer: &mut [u8]) -> Result<usize, Error> {
    Ok(Writer::new(buffer, Version::V10.byte(), Code::GET_VERSION, 0, 0)?.length())
}

/// VERSION: the versions that a responder speaks.
#[derive(Clone, Copy, Debug)]
pub struct VersionResponse<'a> {
    entries: &'a [u8],
}

/// Bytes of an entry.
const ENTRY_SIZE: usize = 2;

impl<'a> VersionResponse<'a> {
    /// Reads VERSION.
    ///
    /// # Errors
    ///
    /// Another message, too short, or without an entry.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        reader.header(Version::V10.byte())?;
        let [_, count] = reader.array(Field::VersionNumberEntry)?;
        if count == 0 {
            return Err(reader.error(Field::VersionNumberEntry, Reason::Missing));
        }
        let length = usize::from(count).saturating_mul(ENTRY_SIZE);
        Ok(Self {
            entries: reader.take(length, Field::VersionNumberEntry)?,
        })
    }

    /// The entries: major, minor, update and alpha number, four bits each from the top.
    pub fn entries(&self) -> impl Iterator<Item = u16> + 'a {
        self.entries
            .chunks_exact(ENTRY_SIZE)
            .filter_map(|entry| Some(u16::from_le_bytes(entry.try_into().ok()?)))
    }

    /// The highest version in common, of those that are released (alpha number 0).
    ///
    /// # Errors
    ///
    /// - [`Reason::NothingInCommon`]: none of `lowest` to `highest` is there.
    /// - [`Reason::BelowFloor`]: there is one in common, but below `floor`.
    pub fn select(
        &self,
        lowest: Version,
        highest: Version,
        floor: Version,
    ) -> Result<Version, Error> {
        let error = |reason| Error::new(Code::VERSION, Field::VersionNumberEntry, reason);
        let version = self
            .entries()
            .filter(|entry| entry & 0xf == 0)
            .filter_map(|entry| Version::from_byte(entry.to_be_bytes()[0]))
            .filter(|version| (lowest..=highest).contains(version))
            .max()
            .ok_or(error(Reason::NothingInCommon))?;
        if version < floor {
            return Err(error(Reason::BelowFloor(version.byte().into())));
        }
        Ok(version)
    }
}
