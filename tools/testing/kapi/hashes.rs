// SPDX-License-Identifier: GPL-2.0

//! Known answers of hash functions, from `vectors/hashes`.

use crate::{
    kapi::hash::{
        self,
        Algorithm,
        Hash, //
    },
    ktap::Ktap,
    spdm::{
        crypto,
        protocol::algorithms::HashAlgorithm, //
    }, //
};
use kernel::prelude::*;

/// As in `vectors/generate.py`.
const SIZES: [usize; 8] = [0, 3, 135, 136, 137, 200, 1000, 4097];

static DIGESTS: &[u8; SIZES.len() * 2 * (32 + 48 + 64)] = include_bytes!("vectors/hashes");

/// The first bytes of the message of all vectors.
pub(crate) fn pattern(size: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::with_capacity(size, GFP_KERNEL)?;

    for i in 0..size {
        // CAST: The rest is not wanted.
        bytes.push((i * 7 + 3) as u8, GFP_KERNEL)?;
    }
    Ok(bytes)
}

pub(crate) fn test(ktap: &mut Ktap) {
    let mut digests = &DIGESTS[..];

    for hash in HashAlgorithm::ALL {
        ktap.result(
            fmt!("{} is there", crypto::algorithm(hash).name()),
            crypto::has(hash),
        );
    }
    for size in SIZES {
        for algorithm in HashAlgorithm::ALL.map(crypto::algorithm) {
            let (expected, rest) = digests.split_at(algorithm.size());

            ktap.result(
                fmt!("{} of {} bytes", algorithm.name(), size),
                known(algorithm, size, expected),
            );
            digests = rest;
        }
    }
}

/// In one piece, in pieces of different size, and by clones.
fn known(algorithm: Algorithm, size: usize, expected: &[u8]) -> Result<bool> {
    let message = pattern(size)?;
    let mut right = *hash::digest(algorithm, &[&message])? == *expected;

    for step in [1, 7, 64, 1000] {
        let mut hash = Hash::new(algorithm)?;

        for part in message.chunks(step) {
            let mut astray = hash.clone();

            hash.update(part);
            astray.update(&[0xff]);
            right &= *astray.finish() != *expected;
        }
        right &= *hash.clone().finish() == *expected && *hash.finish() == *expected;
    }
    Ok(right)
}
