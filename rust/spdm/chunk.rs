// SPDX-License-Identifier: GPL-2.0

//! CHUNK_SEND, CHUNK_SEND_ACK, CHUNK_GET and CHUNK_RESPONSE. From 1.2 on; 1.4 numbers chunks with 32
//! bits, which changes the length of two of the messages.

#![forbid(unsafe_code)]

use super::code::Code;
use super::error::{Error, Field, Reason};
use super::version::Version;
use super::wire::{Reader, Writer};

/// Bytes of CHUNK_SEND and CHUNK_RESPONSE before the chunk, but for chunk 0.
pub const CHUNK_FIXED: usize = 12;

/// Bytes more in chunk 0: the length of the message that the chunks make up.
pub const LARGE_SIZE: usize = 4;

/// Bit 0 of `param1` in CHUNK_SEND and CHUNK_RESPONSE.
const LAST: u8 = 1;

/// Bit 0 of `param1` in CHUNK_SEND_ACK.
const EARLY_ERROR: u8 = 1;

/// Room for the data of a chunk in a message of `size` bytes.
pub const fn room(size: usize, number: u32) -> usize {
    let fixed = if number == 0 {
        CHUNK_FIXED + LARGE_SIZE
    } else {
        CHUNK_FIXED
    };
    size.saturating_sub(fixed)
}

/// A chunk: CHUNK_SEND of the requester or CHUNK_RESPONSE of the responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Handle of the message.
    pub handle: u8,
    /// Number of the chunk, from 0.
    pub number: u32,
    /// Whether it is the last.
    pub last: bool,
    /// Length of the whole message, in chunk 0 only.
    pub large_size: Option<u32>,
    /// The data.
    pub data: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Writes CHUNK_SEND.
    ///
    /// # Errors
    ///
    /// - [`Reason::Room`]: the buffer is too short.
    pub fn write(&self, version: Version, buffer: &mut [u8]) -> Result<usize, Error> {
        let param1 = if self.last { LAST } else { 0 };
        let code = Code::CHUNK_SEND;
        let mut writer = Writer::new(buffer, version.byte(), code, param1, self.handle)?;
        let size = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        writer.put(&self.number.to_le_bytes())?;
        writer.put(&size.to_le_bytes())?;
        if let Some(large_size) = self.large_size {
            writer.put(&large_size.to_le_bytes())?;
        }
        writer.put(self.data)?;
        Ok(writer.length())
    }

    /// Reads CHUNK_SEND or CHUNK_RESPONSE.
    ///
    /// # Errors
    ///
    /// Another message, or too short.
    pub fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, Error> {
        let [param1, handle] = reader.header(version.byte())?;
        let number = read_number(reader, version)?;
        if version < Version::V14 {
            reader.take(2, Field::ChunkSeqNo)?;
        }
        let size = reader.u32(Field::ChunkSize)?;
        let large_size = if number == 0 {
            Some(reader.u32(Field::LargeMessageSize)?)
        } else {
            None
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Ok(Self {
            handle,
            number,
            last: param1 & LAST != 0,
            large_size,
            data: reader.take(size, Field::ChunkSize)?,
        })
    }
}

fn read_number(reader: &mut Reader<'_>, version: Version) -> Result<u32, Error> {
    if version >= Version::V14 {
        reader.u32(Field::ChunkSeqNo)
    } else {
        reader.u16(Field::ChunkSeqNo).map(u32::from)
    }
}

/// CHUNK_SEND_ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSendAck<'a> {
    /// Whether the responder found an error before the last chunk.
    pub early_error: bool,
    /// Handle of the message.
    pub handle: u8,
    /// Number of the chunk that is acknowledged.
    pub number: u32,
    /// The response to the whole message after its last chunk, or the early error.
    pub response: &'a [u8],
}

impl<'a> ChunkSendAck<'a> {
    /// Reads CHUNK_SEND_ACK.
    ///
    /// # Errors
    ///
    /// Another message, or too short.
    pub fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, Error> {
        let [param1, handle] = reader.header(version.byte())?;
        Ok(Self {
            early_error: param1 & EARLY_ERROR != 0,
            handle,
            number: read_number(reader, version)?,
            response: reader.rest(),
        })
    }
}

/// CHUNK_GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkGet {
    /// Handle of the message.
    pub handle: u8,
    /// Number of the chunk, from 0.
    pub number: u32,
}

impl ChunkGet {
    /// Writes the message.
    ///
    /// # Errors
    ///
    /// - [`Reason::Above`]: there is no such number in the version.
    /// - [`Reason::Room`]: the buffer is too short.
    pub fn write(&self, version: Version, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(buffer, version.byte(), Code::CHUNK_GET, 0, self.handle)?;
        if version >= Version::V14 {
            writer.put(&self.number.to_le_bytes())?;
        } else {
            let number = u16::try_from(self.number).map_err(|_| {
                let reason = Reason::Above {
                    limit: u16::MAX.into(),
                    actual: self.number,
                };
                Error::new(Code::CHUNK_GET, Field::ChunkSeqNo, reason)
            })?;
            writer.put(&number.to_le_bytes())?;
        }
        Ok(writer.length())
    }

    /// Reads the message.
    ///
    /// # Errors
    ///
    /// Another message, or too short.
    pub fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, Error> {
        let [_, handle] = reader.header(version.byte())?;
        Ok(Self {
            handle,
            number: read_number(reader, version)?,
        })
    }
}
