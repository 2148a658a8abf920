// SPDX-License-Identifier: GPL-2.0

//! Reading and writing bytes within bounds, and the header that every message begins with.

#![forbid(unsafe_code)]

use super::code::Code;
use super::error::{Error, Field, Reason};

/// Bytes of a message header: version, code and two parameters.
pub const HEADER_SIZE: usize = 4;

/// Bytes of a nonce.
pub const NONCE_SIZE: usize = 32;

/// Bytes of RequesterContext.
pub const CONTEXT_SIZE: usize = 8;

/// Longest opaque data, in bytes. Source: DSP0274, "OpaqueDataLength".
pub const OPAQUE_MAX: u16 = 1024;

/// Copies as many bytes as there are on both sides. Unlike the method of slices it has no way to
/// panic, so that none is left in the kernel.
pub fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Reads one message from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    code: Code,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader of a message that is expected to have this code. Errors name that message.
    pub const fn new(code: Code, bytes: &'a [u8]) -> Self {
        Self {
            code,
            bytes,
            offset: 0,
        }
    }

    /// Bytes read so far.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// An error in this message.
    pub const fn error(&self, field: Field, reason: Reason) -> Error {
        Error::new(self.code, field, reason)
    }

    /// Reads the header, and returns the two parameters.
    ///
    /// # Errors
    ///
    /// The message is shorter, or its version or code is another one.
    pub fn header(&mut self, version: u8) -> Result<[u8; 2], Error> {
        let [actual, code, param1, param2] = self.array(Field::Message)?;
        if actual != version {
            return Err(self.error(Field::SpdmVersion, Reason::Value(actual.into())));
        }
        if code != self.code.0 {
            return Err(self.error(Field::RequestResponseCode, Reason::Value(code.into())));
        }
        Ok([param1, param2])
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    ///
    /// The message ends before.
    pub fn take(&mut self, length: usize, field: Field) -> Result<&'a [u8], Error> {
        let end = self.offset.saturating_add(length);
        match self.bytes.get(self.offset..end) {
            Some(part) => {
                self.offset = end;
                Ok(part)
            }
            None => Err(self.error(
                field,
                Reason::Short {
                    expected: end,
                    actual: self.bytes.len(),
                },
            )),
        }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    ///
    /// The message ends before.
    pub fn array<const N: usize>(&mut self, field: Field) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        copy(&mut array, self.take(N, field)?);
        Ok(array)
    }

    /// One byte.
    ///
    /// # Errors
    ///
    /// The message ends before.
    pub fn u8(&mut self, field: Field) -> Result<u8, Error> {
        self.array(field).map(|[byte]| byte)
    }

    /// Two bytes.
    ///
    /// # Errors
    ///
    /// The message ends before.
    pub fn u16(&mut self, field: Field) -> Result<u16, Error> {
        self.array(field).map(u16::from_le_bytes)
    }

    /// Three bytes.
    ///
    /// # Errors
    ///
    /// The message ends before.
    pub fn u24(&mut self, field: Field) -> Result<u32, Error> {
        let [a, b, c] = self.array(field)?;
        Ok(u32::from_le_bytes([a, b, c, 0]))
    }

    /// Four bytes.
    ///
    /// # Errors
    ///
    /// The message ends before.
    pub fn u32(&mut self, field: Field) -> Result<u32, Error> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// Opaque data with its length.
    ///
    /// # Errors
    ///
    /// It is longer than [`OPAQUE_MAX`], there is some where none was negotiated, or the message
    /// ends before.
    pub fn opaque(&mut self, allowed: bool) -> Result<&'a [u8], Error> {
        let length = self.u16(Field::OpaqueDataLength)?;
        let limit = if allowed { OPAQUE_MAX } else { 0 };
        if length > limit {
            return Err(self.error(
                Field::OpaqueDataLength,
                Reason::Above {
                    limit: limit.into(),
                    actual: length.into(),
                },
            ));
        }
        self.take(length.into(), Field::OpaqueData)
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        self.offset = self.bytes.len();
        rest
    }

    /// The message ends here, but for at most `padding` bytes that the transport added. Returns the
    /// length without them.
    ///
    /// # Errors
    ///
    /// There is more.
    pub fn end(&self, padding: usize) -> Result<usize, Error> {
        let extra = self.bytes.len().saturating_sub(self.offset);
        if extra > padding {
            return Err(self.error(
                Field::Message,
                Reason::Length {
                    expected: self.offset,
                    actual: self.bytes.len(),
                },
            ));
        }
        Ok(self.offset)
    }
}

/// Writes one message into a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    code: Code,
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    /// A message with its header.
    ///
    /// # Errors
    ///
    /// - [`Reason::Room`]: the buffer is shorter than the header.
    pub fn new(
        buffer: &'a mut [u8],
        version: u8,
        code: Code,
        param1: u8,
        param2: u8,
    ) -> Result<Self, Error> {
        let mut writer = Self {
            code,
            buffer,
            length: 0,
        };
        writer.put(&[version, code.0, param1, param2])?;
        Ok(writer)
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// - [`Reason::Room`]: the buffer is full.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let end = self.length.saturating_add(bytes.len());
        let room = self.buffer.len();
        match self.buffer.get_mut(self.length..end) {
            Some(part) => {
                copy(part, bytes);
                self.length = end;
                Ok(())
            }
            None => Err(Error::new(
                self.code,
                Field::Message,
                Reason::Room { needed: end, room },
            )),
        }
    }

    /// Bytes written.
    pub const fn length(&self) -> usize {
        self.length
    }
}
