// SPDX-License-Identifier: GPL-2.0

//! Evidence: what an engine said of itself, byte for byte, and how it is read.

use std::collections::BTreeMap;

use spdm::algorithms::{AsymAlgorithm, HashAlgorithm};
use spdm::config::Connection;
use spdm::crypto::{Hash, Refusal};
use spdm::evidence::{read_vca, Exchanges};
use spdm::host::RustCrypto;
use spdm::measurements::{GetMeasurements, Measurements};
use spdm::signing::{prefix, Purpose};
use spdm::version::Version;
use spdm::wire::{CONTEXT_SIZE, HEADER_SIZE, NONCE_SIZE};

use crate::nonce::Nonce;

pub mod description;
pub mod directory;
pub mod files;

/// What the driver hands out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// GET_VERSION to ALGORITHMS.
    pub vca: Vec<u8>,
    /// GET_MEASUREMENTS to MEASUREMENTS, with the signature at the end.
    pub measurements: Vec<u8>,
    /// Certificate chains by slot, each with the header that SPDM puts before it.
    pub chains: BTreeMap<u8, Vec<u8>>,
}

/// Why evidence cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Unreadable {
    /// Which message, which field, and why.
    pub text: String,
    /// It is not known here, which does not say that it is wrong.
    pub unsupported: bool,
}

impl Unreadable {
    fn wrong(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            unsupported: false,
        }
    }
}

impl From<spdm::error::Error> for Unreadable {
    fn from(error: spdm::error::Error) -> Self {
        Self {
            text: error.to_string(),
            unsupported: error.could_not_check(),
        }
    }
}

/// What was negotiated, with algorithms that sign.
#[derive(Clone, Copy, Debug)]
pub struct Negotiated {
    /// All of it.
    pub connection: Connection,
    /// The signature algorithm.
    pub asym: AsymAlgorithm,
    /// The hash algorithm.
    pub hash: HashAlgorithm,
}

impl Negotiated {
    /// Reads the messages from GET_VERSION to ALGORITHMS.
    ///
    /// # Errors
    ///
    /// They are cut short, contradict each other, or no algorithms for signatures were selected.
    pub fn read(vca: &[u8]) -> Result<Self, Unreadable> {
        let (connection, length) = read_vca(vca)?;
        if length != vca.len() {
            let extra = vca.len().saturating_sub(length);
            return Err(Unreadable::wrong(format!(
                "{extra} bytes follow ALGORITHMS"
            )));
        }
        let selection = &connection.selection;
        let (Some(asym), Some(hash)) = (selection.asym, selection.hash) else {
            return Err(Unreadable {
                text: "ALGORITHMS: the engine selected no algorithms for signatures".into(),
                unsupported: true,
            });
        };
        Ok(Self {
            connection,
            asym,
            hash,
        })
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.connection.version
    }

    /// Whether the transcript that is signed begins with the negotiation.
    pub fn signs_negotiation(&self) -> bool {
        self.version() >= Version::V12
    }
}

/// Measurements with a signature at the end.
#[derive(Debug)]
pub struct SignedMeasurements<'a> {
    /// Requests and responses.
    pub exchanges: Vec<(GetMeasurements, Measurements<'a>)>,
    /// The nonce that is signed.
    pub nonce: Nonce,
    /// The slot of the key that signs.
    pub slot: u8,
    /// The messages up to the signature.
    pub body: &'a [u8],
    /// Where in them the nonce lies.
    pub nonce_offset: usize,
    /// The signature, as on the wire.
    pub signature: &'a [u8],
}

impl<'a> SignedMeasurements<'a> {
    /// Reads requests and responses.
    ///
    /// # Errors
    ///
    /// They are cut short or not well formed, or nothing asks for a signature.
    pub fn read(bytes: &'a [u8], negotiated: &Negotiated) -> Result<Self, Unreadable> {
        let size = negotiated.asym.signature_size();
        let (body, signature) = bytes
            .len()
            .checked_sub(size)
            .and_then(|length| bytes.split_at_checked(length))
            .ok_or_else(|| {
                let length = bytes.len();
                Unreadable::wrong(format!(
                    "MEASUREMENTS: {length} bytes are less than the signature of {size}"
                ))
            })?;
        let exchanges: Vec<_> =
            Exchanges::new(&negotiated.connection, body).collect::<Result<_, _>>()?;
        let last = exchanges.last();
        let Some((signed, response)) = last.and_then(|(request, response)| {
            let signed = request.signed?;
            Some((signed, response))
        }) else {
            return Err(Unreadable::wrong(
                "GET_MEASUREMENTS: does not ask for a signature",
            ));
        };
        let request_length = request_length(negotiated.version());
        let nonce_offset = body
            .len()
            .saturating_sub(response.signed_length)
            .saturating_sub(request_length)
            .saturating_add(HEADER_SIZE);
        Ok(Self {
            nonce: signed.nonce,
            slot: signed.slot,
            body,
            nonce_offset,
            signature,
            exchanges,
        })
    }
}

/// Bytes of a GET_MEASUREMENTS that asks for a signature.
fn request_length(version: Version) -> usize {
    let slot = usize::from(version >= Version::V11);
    let context = if version >= Version::V13 {
        CONTEXT_SIZE
    } else {
        0
    };
    HEADER_SIZE
        .saturating_add(NONCE_SIZE)
        .saturating_add(slot)
        .saturating_add(context)
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// What is hashed: from 1.2 on it begins with the negotiation.
    pub transcript: Vec<u8>,
    /// What the signature is over. From 1.2 on a prefix and the digest of the transcript, before
    /// that the transcript itself.
    pub signed: Vec<u8>,
    /// Where in the transcript the nonce lies.
    pub nonce_offset: usize,
}

impl Transcript {
    /// The transcript of measurements.
    ///
    /// # Errors
    ///
    /// - [`Refusal::Unsupported`]: the hash algorithm.
    pub fn new(
        vca: &[u8],
        measurements: &SignedMeasurements<'_>,
        negotiated: &Negotiated,
    ) -> Result<Self, Refusal> {
        let begin: &[u8] = if negotiated.signs_negotiation() {
            vca
        } else {
            &[]
        };
        let transcript = [begin, measurements.body].concat();
        let signed = match prefix(negotiated.version(), Purpose::Measurements) {
            Some(prefix) => {
                let digest = RustCrypto.digest(negotiated.hash, &transcript)?;
                [&prefix[..], &digest].concat()
            }
            None => transcript.clone(),
        };
        Ok(Self {
            nonce_offset: begin.len().saturating_add(measurements.nonce_offset),
            transcript,
            signed,
        })
    }
}
