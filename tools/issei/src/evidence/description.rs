// SPDX-License-Identifier: GPL-2.0

//! `evidence.json`: what an evidence directory holds. Its form is in
//! `schema/issei-evidence-1.schema.json`.
//!
//! It is not signed, so nothing in it is relied on: it tells whether files are whole, and
//! programs what to do with them.

use der::DateTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use spdm::algorithms::Scheme;
use spdm::signing::Purpose;

use super::files::File;
use super::Negotiated;

/// The form of [`Description`].
pub const SCHEMA: &str = "issei-evidence/1";

/// The file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// [`SCHEMA`]
    pub schema: String,
    /// When the evidence was collected, in the form of RFC 3339.
    pub collected: String,
    /// The engine.
    pub device: Device,
    /// The generation of the driver's results.
    pub generation: u32,
    /// What was negotiated.
    pub spdm: Spdm,
    /// The slot of the key that signed.
    pub slot: u8,
    /// The nonce, in hexadecimal.
    pub nonce: String,
    /// Where in `transcript.bin` it lies, in bytes.
    pub nonce_offset: usize,
    /// How to verify the signature.
    pub signature: Signature,
    /// The other files.
    pub files: Vec<Entry>,
}

/// The engine that gave the evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name on that machine.
    pub name: String,
    /// `vendor:device`, if known.
    pub pci_id: Option<String>,
    /// The version of its firmware, if known.
    pub firmware_version: Option<String>,
}

/// What was negotiated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spdm {
    /// `1.2`
    pub version: String,
    /// The signature algorithm, as DSP0274 names it.
    pub signature_algorithm: String,
    /// The hash algorithm of transcripts.
    pub hash_algorithm: String,
    /// The hash algorithm of measurements, `raw` if there is none.
    pub measurement_hash_algorithm: Option<String>,
}

/// How to verify the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// `ecdsa`, `rsassa-pkcs1-v1_5` or `rsassa-pss` (MGF1 and salt as the digest).
    pub scheme: String,
    /// The digest of `signed.bin` that is signed.
    pub digest: String,
    /// The context that ends the prefix of `signed.bin`; none up to SPDM 1.1.
    pub context: Option<String>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// How long it is.
    pub bytes: usize,
    /// Its digest, in hexadecimal.
    pub sha256: String,
}

impl From<&File> for Entry {
    fn from(file: &File) -> Self {
        Self {
            name: file.name.clone(),
            bytes: file.bytes.len(),
            sha256: hex::encode(Sha256::digest(&file.bytes)),
        }
    }
}

/// What is known beside the evidence.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// The engine.
    pub device: Device,
    /// The generation of the driver's results.
    pub generation: u32,
    /// When.
    pub now: DateTime,
}

impl Spdm {
    /// The names of what was negotiated.
    pub fn new(negotiated: &Negotiated) -> Self {
        let selection = &negotiated.connection.selection;
        Self {
            version: negotiated.version().to_string(),
            signature_algorithm: negotiated.asym.to_string(),
            hash_algorithm: negotiated.hash.to_string(),
            measurement_hash_algorithm: selection.measurement_hash.map(|hash| hash.name().into()),
        }
    }
}

impl Signature {
    /// How a signature over measurements is verified.
    pub fn new(negotiated: &Negotiated) -> Self {
        let scheme = match negotiated.asym.scheme() {
            Scheme::Ecdsa => "ecdsa",
            Scheme::Pkcs1 => "rsassa-pkcs1-v1_5",
            Scheme::Pss => "rsassa-pss",
        };
        let prefixed = negotiated.signs_negotiation();
        Self {
            scheme: scheme.into(),
            digest: negotiated.hash.to_string(),
            context: prefixed.then(|| Purpose::Measurements.context().into()),
        }
    }
}
