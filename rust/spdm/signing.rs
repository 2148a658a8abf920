// SPDX-License-Identifier: GPL-2.0

//! What is signed. Up to 1.1 it is the transcript; from 1.2 on a prefix with version and purpose, and
//! the digest of the transcript.

#![forbid(unsafe_code)]

use super::algorithms::HashAlgorithm;
use super::crypto::{Context, Digest, Hash, Refusal};
use super::version::Version;
use super::wire::copy;

/// Bytes of the prefix, `combined_spdm_prefix`.
pub const PREFIX_SIZE: usize = 100;

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// CHALLENGE_AUTH.
    Challenge,
    /// MEASUREMENTS.
    Measurements,
}

impl Purpose {
    /// The signing context.
    pub const fn context(self) -> &'static str {
        match self {
            Self::Challenge => "responder-challenge_auth signing",
            Self::Measurements => "responder-measurements signing",
        }
    }
}

/// The prefix of a version: four times `dmtf-spdm-vX.Y.*`, zeros, and the signing context at the
/// end. `None` up to 1.1.
pub fn prefix(version: Version, purpose: Purpose) -> Option<[u8; PREFIX_SIZE]> {
    if version < Version::V12 {
        return None;
    }
    let mut name = *b"dmtf-spdm-vX.Y.*";
    for (place, number) in [(11, version.byte() >> 4), (13, version.byte() & 0xf)] {
        *name.get_mut(place)? = b'0'.checked_add(number)?;
    }
    let mut prefix = [0; PREFIX_SIZE];
    for part in prefix.chunks_exact_mut(name.len()).take(4) {
        copy(part, &name);
    }
    let context = purpose.context().as_bytes();
    let start = PREFIX_SIZE.checked_sub(context.len())?;
    copy(prefix.get_mut(start..)?, context);
    Some(prefix)
}

/// The digest that is signed, of the digest of a transcript.
///
/// # Errors
///
/// As [`Hash::start`].
pub fn signed_digest<H: Hash>(
    hash: &H,
    algorithm: HashAlgorithm,
    version: Version,
    purpose: Purpose,
    transcript: Digest,
) -> Result<Digest, Refusal> {
    let Some(prefix) = prefix(version, purpose) else {
        return Ok(transcript);
    };
    let mut context = hash.start(algorithm)?;
    context.update(&prefix);
    context.update(&transcript);
    Ok(context.finish())
}
