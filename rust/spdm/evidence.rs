// SPDX-License-Identifier: GPL-2.0

//! Reading transcripts again, long after: what was negotiated, what was asked and answered. For
//! whoever checks evidence that somebody else collected.
//!
//! A transcript up to its signature: [`read_vca`] for its first part (which up to 1.1 has to be kept
//! beside that of measurements), [`Exchanges`] for what follows in a transcript of measurements,
//! then [`super::signing::signed_digest`] and [`super::crypto::Verify::verify`].

#![forbid(unsafe_code)]

use super::capabilities::{Capabilities, GetCapabilities};
use super::code::Code;
use super::config::Connection;
use super::error::{Error, Field, Reason};
use super::measurements::{GetMeasurements, Measurements, MeasurementsLayout};
use super::negotiate::{Offer, Selection};
use super::version::{Version, VersionResponse};
use super::wire::Reader;

/// Reads the exchanges from GET_VERSION to ALGORITHMS, at the beginning of a transcript. Returns
/// what they agreed on, and their length.
///
/// # Errors
///
/// The same as for a requester to which this is said, and a version that both spoke but a later
/// message does not carry.
pub fn read_vca(transcript: &[u8]) -> Result<(Connection, usize), Error> {
    let mut rest = Rest::new(transcript);
    rest.read(Code::GET_VERSION, |reader| {
        reader.header(Version::V10.byte())
    })?;
    let versions = rest.read(Code::VERSION, VersionResponse::read)?;
    let code = Code::GET_CAPABILITIES;
    let byte = rest.bytes.first().copied().unwrap_or_default();
    let spoken = |version: &Version| {
        versions
            .entries()
            .any(|entry| entry.to_be_bytes()[0] == version.byte())
    };
    let version = Version::from_byte(byte).filter(spoken).ok_or(Error::new(
        code,
        Field::SpdmVersion,
        Reason::Value(byte.into()),
    ))?;
    let request = rest.read(code, |reader| GetCapabilities::read(reader, version))?;
    let asked = request.supported_algorithms;
    let capabilities = rest.read(Code::CAPABILITIES, |reader| {
        Capabilities::read(reader, version, asked)
    })?;
    let (offer, multi_key) = rest.read(Code::NEGOTIATE_ALGORITHMS, |reader| {
        Offer::read(reader, version)
    })?;
    let selection = rest.read(Code::ALGORITHMS, |reader| {
        let supported = capabilities.supported.as_ref();
        Selection::read(reader, version, capabilities.flags, &offer, supported)
    })?;
    let connection = Connection {
        version,
        capabilities,
        selection,
        multi_key,
    };
    Ok((
        connection,
        transcript.len().saturating_sub(rest.bytes.len()),
    ))
}

/// What of a transcript is still to be read.
struct Rest<'a> {
    bytes: &'a [u8],
}

impl<'a> Rest<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    fn read<T>(
        &mut self,
        code: Code,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut reader = Reader::new(code, self.bytes);
        let message = read(&mut reader)?;
        self.bytes = self.bytes.get(reader.offset()..).unwrap_or_default();
        Ok(message)
    }
}

/// Requests for measurements and their responses, in their order, as a requester would accept them;
/// but for signatures, and what other messages have to do with it. The last response ends before its
/// signature; those before it have none, because one ends a transcript.
pub struct Exchanges<'a> {
    rest: Rest<'a>,
    connection: Connection,
}

impl<'a> Exchanges<'a> {
    /// The exchanges in a transcript of measurements, without its first part.
    pub fn new(connection: &Connection, transcript: &'a [u8]) -> Self {
        Self {
            rest: Rest::new(transcript),
            connection: *connection,
        }
    }

    fn exchange(&mut self) -> Result<(GetMeasurements, Measurements<'a>), Error> {
        let version = self.connection.version;
        let request = self.rest.read(Code::GET_MEASUREMENTS, |reader| {
            GetMeasurements::read(reader, version)
        })?;
        let layout = MeasurementsLayout {
            version,
            operation: request.operation,
            opaque: self.connection.selection.opaque,
            signature: 0,
        };
        let response = self.rest.read(Code::MEASUREMENTS, |reader| {
            Measurements::read(reader, &layout)
        })?;
        response.check(&request, &self.connection)?;
        if request.signed.is_some() && !self.rest.bytes.is_empty() {
            let reason = Reason::Length {
                expected: 0,
                actual: self.rest.bytes.len(),
            };
            return Err(Error::new(Code::MEASUREMENTS, Field::Message, reason));
        }
        Ok((request, response))
    }
}

impl<'a> Iterator for Exchanges<'a> {
    type Item = Result<(GetMeasurements, Measurements<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.bytes.is_empty() {
            return None;
        }
        let result = self.exchange();
        if result.is_err() {
            self.rest.bytes = &[];
        }
        Some(result)
    }
}
