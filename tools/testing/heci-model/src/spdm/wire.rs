// SPDX-License-Identifier: GPL-2.0
//! Numbers of DSP0274: message codes and error codes; reading a request, refusing one.

/// Bytes of every message's header: version, code, two parameters.
pub(super) const HEADER: usize = 4;
/// Smallest data transfer size that SPDM allows, in bytes.
pub(super) const TRANSFER_MIN: u32 = 42;
/// Bytes of every nonce.
pub(super) const NONCE: usize = 32;
/// Bytes of a requester's context (SPDM 1.3).
pub(super) const CONTEXT: usize = 8;

/// Request codes.
pub(super) mod request {
    pub(crate) const GET_DIGESTS: u8 = 0x81;
    pub(crate) const GET_CERTIFICATE: u8 = 0x82;
    pub(crate) const CHALLENGE: u8 = 0x83;
    pub(crate) const GET_VERSION: u8 = 0x84;
    pub(crate) const CHUNK_SEND: u8 = 0x85;
    pub(crate) const CHUNK_GET: u8 = 0x86;
    pub(crate) const GET_MEASUREMENTS: u8 = 0xe0;
    pub(crate) const GET_CAPABILITIES: u8 = 0xe1;
    pub(crate) const NEGOTIATE_ALGORITHMS: u8 = 0xe3;
    pub(crate) const RESPOND_IF_READY: u8 = 0xff;
}

/// The code of an ERROR.
pub(super) const ERROR: u8 = 0x7f;

/// Error codes.
pub(super) mod error {
    pub(crate) const INVALID_REQUEST: u8 = 0x01;
    pub(crate) const BUSY: u8 = 0x03;
    pub(crate) const UNEXPECTED_REQUEST: u8 = 0x04;
    pub(crate) const UNSPECIFIED: u8 = 0x05;
    pub(crate) const UNSUPPORTED_REQUEST: u8 = 0x07;
    pub(crate) const RESPONSE_TOO_LARGE: u8 = 0x0d;
    pub(crate) const REQUEST_TOO_LARGE: u8 = 0x0e;
    pub(crate) const LARGE_RESPONSE: u8 = 0x0f;
    pub(crate) const VERSION_MISMATCH: u8 = 0x41;
    pub(crate) const RESPONSE_NOT_READY: u8 = 0x42;
    pub(crate) const REQUEST_RESYNCH: u8 = 0x43;
}

/// Why a request does not get its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// An ERROR with its code, data and extended data.
    Error(u8, u8, Vec<u8>),
    /// No answer at all.
    Silence,
}

impl Refusal {
    /// An ERROR without data.
    pub(super) fn error(code: u8) -> Self {
        Self::Error(code, 0, Vec::new())
    }

    /// The request is malformed.
    pub(super) fn invalid() -> Self {
        Self::error(error::INVALID_REQUEST)
    }

    /// The request does not fit the state of the connection.
    pub(super) fn unexpected() -> Self {
        Self::error(error::UNEXPECTED_REQUEST)
    }

    /// The request with this code is not supported.
    pub(super) fn unsupported(code: u8) -> Self {
        Self::Error(error::UNSUPPORTED_REQUEST, code, Vec::new())
    }
}

/// What a request gets.
pub(super) type Answer = Result<Vec<u8>, Refusal>;

/// Reads a request from its first byte on.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Refusal::invalid())?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        self.take(N)?.try_into().map_err(|_| Refusal::invalid())
    }

    /// The next byte.
    pub(super) fn u8(&mut self) -> Result<u8, Refusal> {
        self.array().map(u8::from_le_bytes)
    }

    /// The next two bytes, little endian as all numbers.
    pub(super) fn u16(&mut self) -> Result<u16, Refusal> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four bytes.
    pub(super) fn u32(&mut self) -> Result<u32, Refusal> {
        self.array().map(u32::from_le_bytes)
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), Refusal> {
        match self.0 {
            [] => Ok(()),
            _ => Err(Refusal::invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_never_reads_beyond_the_end() {
        let mut reader = Reader(&[1, 2, 0, 3, 0, 0, 0, 9]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(reader.u16(), Err(Refusal::invalid()));
        assert_eq!(reader.end(), Err(Refusal::invalid()));
        assert_eq!(reader.take(1), Ok(&[9][..]));
        assert_eq!(reader.end(), Ok(()));
    }
}
