// SPDX-License-Identifier: GPL-2.0

//! The files of an evidence directory. Those that were received hold everything; the others are
//! made of them, so that `openssl` and other tools can be used at once.

use der::asn1::UintRef;
use der::pem::{self, LineEnding};
use der::{Encode, Sequence};
use spdm::algorithms::Scheme;
use spdm::chain::Chain;
use spdm::der::Der;

use super::{Evidence, Negotiated, SignedMeasurements, Transcript, Unreadable};

/// Describes the others, and is written last.
pub const DESCRIPTION: &str = "evidence.json";
/// It, before it is complete.
pub const DESCRIPTION_ASIDE: &str = ".evidence.json";
/// GET_VERSION to ALGORITHMS.
pub const VCA: &str = "vca.bin";
/// GET_MEASUREMENTS to MEASUREMENTS, with the signature.
pub const MEASUREMENTS: &str = "measurements.bin";
/// 32 bytes.
pub const NONCE: &str = "nonce";
/// What is hashed.
pub const TRANSCRIPT: &str = "transcript.bin";
/// What is signed.
pub const SIGNED: &str = "signed.bin";
/// The signature as on the wire.
pub const SIGNATURE: &str = "signature.bin";
/// An ECDSA signature in DER.
pub const SIGNATURE_DER: &str = "signature.der";
/// All certificates of the slot that signs, root first.
pub const CHAIN_PEM: &str = "chain.pem";
/// The last of them.
pub const LEAF_PEM: &str = "leaf.pem";

/// Slots that there are.
pub const SLOTS: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

/// The chain of a slot as it was received: header, hash of the root, certificates.
pub fn slot(slot: u8) -> String {
    format!("slot{slot}.bin")
}

/// The certificates of a slot alone.
pub fn slot_der(slot: u8) -> String {
    format!("slot{slot}.der")
}

/// Whether evidence can have a file of this name.
pub fn is_known(name: &str) -> bool {
    let fixed = [
        DESCRIPTION,
        DESCRIPTION_ASIDE,
        VCA,
        MEASUREMENTS,
        NONCE,
        TRANSCRIPT,
        SIGNED,
        SIGNATURE,
        SIGNATURE_DER,
        CHAIN_PEM,
        LEAF_PEM,
    ];
    let is_slot = |number| name == slot(number) || name == slot_der(number);
    fixed.contains(&name) || SLOTS.into_iter().any(is_slot)
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl File {
    fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// What was received.
pub fn received(evidence: &Evidence) -> Vec<File> {
    let mut files = vec![
        File::new(VCA, &*evidence.vca),
        File::new(MEASUREMENTS, &*evidence.measurements),
    ];
    let chains = evidence.chains.iter();
    files.extend(chains.map(|(number, chain)| File::new(slot(*number), &**chain)));
    files
}

/// What is made of it.
///
/// # Errors
///
/// A part cannot be read.
pub fn derived(
    evidence: &Evidence,
    negotiated: &Negotiated,
    measurements: &SignedMeasurements<'_>,
) -> Result<Vec<File>, Unreadable> {
    let transcript = Transcript::new(&evidence.vca, measurements, negotiated);
    let transcript = transcript.map_err(|refusal| Unreadable {
        text: refusal.to_string(),
        unsupported: true,
    })?;
    let mut files = vec![
        File::new(NONCE, measurements.nonce),
        File::new(TRANSCRIPT, transcript.transcript),
        File::new(SIGNED, transcript.signed),
        File::new(SIGNATURE, measurements.signature),
    ];
    if negotiated.asym.scheme() == Scheme::Ecdsa {
        let der = ecdsa_der(measurements.signature);
        let der = der.map_err(|error| Unreadable::wrong(format!("Signature: {error}")))?;
        files.push(File::new(SIGNATURE_DER, der));
    }
    for (number, chain) in &evidence.chains {
        let chain = Chain::parse(chain, negotiated.version(), negotiated.hash.size())?;
        files.push(File::new(slot_der(*number), chain.der()));
        if *number == measurements.slot {
            let certificates = split(chain.der());
            let all: String = certificates.iter().map(|der| to_pem(der)).collect();
            files.push(File::new(CHAIN_PEM, all));
            if let Some(leaf) = certificates.last() {
                files.push(File::new(LEAF_PEM, to_pem(leaf)));
            }
        }
    }
    Ok(files)
}

/// Certificates that lie one after the other. Ends at the first that is not DER.
pub fn split(certificates: &[u8]) -> Vec<&[u8]> {
    let mut rest = Der::new(certificates);
    std::iter::from_fn(|| rest.element())
        .map(|element| element.whole)
        .collect()
}

/// A certificate in PEM.
pub fn to_pem(der: &[u8]) -> String {
    // Fails for lengths only that memory cannot hold.
    pem::encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default()
}

/// Two numbers, as X9.62 has them.
#[derive(Sequence)]
struct EcdsaSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

fn ecdsa_der(raw: &[u8]) -> der::Result<Vec<u8>> {
    let (r, s) = raw.split_at(raw.len() / 2);
    EcdsaSignature {
        r: UintRef::new(r)?,
        s: UintRef::new(s)?,
    }
    .to_der()
}
