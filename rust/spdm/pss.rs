// SPDX-License-Identifier: GPL-2.0

//! The encoding of RSASSA-PSS, for crypto layers that have RSA without it. Source: RFC 8017, 9.1.2
//! (EMSA-PSS-VERIFY) and B.2.1 (MGF1); DSP0274 for the choices: MGF1 with the negotiated hash, and a
//! salt as long as a digest.

#![forbid(unsafe_code)]

use super::algorithms::{HashAlgorithm, DIGEST_MAX};
use super::crypto::{Context, Digest, Hash, Refusal};

/// The last byte.
const TRAILER: u8 = 0xbc;

/// Checks that `encoded` is an encoding of `digest`.
///
/// `encoded` is the signature after the RSA public key has been applied to it, as long as the
/// modulus, whose highest bit must be set.
///
/// # Errors
///
/// - [`Refusal::Wrong`]: it is not, or too short to be one.
/// - As [`Hash::start`].
pub fn verify<H: Hash>(
    hash: &H,
    algorithm: HashAlgorithm,
    digest: &[u8],
    encoded: &[u8],
) -> Result<(), Refusal> {
    let parts = Parts::split(algorithm, encoded).ok_or(Refusal::Wrong)?;
    let salt = parts.salt(hash, algorithm)?.ok_or(Refusal::Wrong)?;
    let expected = concatenated(hash, algorithm, [&[0; 8], digest, &salt])?;
    if *expected == *parts.expected {
        Ok(())
    } else {
        Err(Refusal::Wrong)
    }
}

/// An encoded message: the masked data block, H, and the trailer.
struct Parts<'a> {
    masked: &'a [u8],
    expected: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(algorithm: HashAlgorithm, encoded: &'a [u8]) -> Option<Self> {
        let (&trailer, rest) = encoded.split_last()?;
        let start = rest.len().checked_sub(algorithm.size())?;
        let (masked, expected) = rest.split_at_checked(start)?;
        // One bit less than the modulus has.
        let fits = masked.first()? & 0x80 == 0;
        (trailer == TRAILER && fits).then_some(Self { masked, expected })
    }

    /// The salt: what follows zeros and a one in the data block.
    fn salt<H: Hash>(&self, hash: &H, algorithm: HashAlgorithm) -> Result<Option<Digest>, Refusal> {
        let size = algorithm.size();
        let Some(padding) = self.masked.len().checked_sub(size) else {
            return Ok(None);
        };
        let mut salt = [0; DIGEST_MAX];
        let mut places = salt.iter_mut();
        let mut position = 0_usize;
        let mut counter = 0_u32;
        let mut wrong = padding == 0;

        for block in self.masked.chunks(size) {
            let mask = concatenated(
                hash,
                algorithm,
                [self.expected, &counter.to_be_bytes(), &[]],
            )?;
            counter = counter.saturating_add(1);
            for (masked, mask) in block.iter().zip(mask.iter()) {
                let bits = if position == 0 { 0x7f } else { 0xff };
                let byte = (masked ^ mask) & bits;
                position = position.saturating_add(1);
                if position <= padding {
                    wrong |= byte != u8::from(position == padding);
                } else if let Some(place) = places.next() {
                    *place = byte;
                }
            }
        }
        if wrong {
            return Ok(None);
        }
        Ok(salt.get(..size).and_then(Digest::from_slice))
    }
}

fn concatenated<H: Hash>(
    hash: &H,
    algorithm: HashAlgorithm,
    parts: [&[u8]; 3],
) -> Result<Digest, Refusal> {
    let mut context = hash.start(algorithm)?;
    for part in parts {
        context.update(part);
    }
    Ok(context.finish())
}
