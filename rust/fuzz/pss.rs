// SPDX-License-Identifier: GPL-2.0

//! The encoding of RSASSA-PSS.

use arbitrary::{Arbitrary, Unstructured};
use spdm::algorithms::HashAlgorithm;
use spdm::crypto::Hash;
use spdm::host::RustCrypto;
use spdm::pss::verify;

/// An encoding to be made, and how to change it.
#[derive(Arbitrary, Debug)]
struct Encoding {
    hash: u8,
    size: u16,
    salt: [u8; 64],
    changes: Vec<(u16, u8)>,
    length: Option<u16>,
}

/// An encoding that is right is accepted; once changed, it is not.
pub(crate) fn pss(input: &[u8]) {
    let mut unstructured = Unstructured::new(input);
    let Ok(encoding) = Encoding::arbitrary(&mut unstructured) else {
        return;
    };
    let hash = HashAlgorithm::ALL[usize::from(encoding.hash) % HashAlgorithm::ALL.len()];
    let message = unstructured.take_rest();
    let digest = digest(hash, message);
    assert!(!message.is_empty() || verify(&RustCrypto, hash, &digest, message).is_err());

    let least = 2 * hash.size() + 2;
    let size = least + usize::from(encoding.size) % (513 - least);
    let right = encode(hash, &digest, &encoding.salt[..hash.size()], size);
    assert_eq!(verify(&RustCrypto, hash, &digest, &right), Ok(()));

    let mut changed = right.clone();
    for (at, value) in encoding.changes {
        changed[usize::from(at) % size] ^= value;
    }
    if let Some(length) = encoding.length {
        changed.resize(usize::from(length) % 600, 0xbc);
    }
    let accepted = verify(&RustCrypto, hash, &digest, &changed).is_ok();
    assert_eq!(accepted, changed == right);
}

fn digest(hash: HashAlgorithm, bytes: &[u8]) -> Vec<u8> {
    RustCrypto.digest(hash, bytes).expect("a digest").to_vec()
}

/// EMSA-PSS-ENCODE of RFC 8017, 9.1.1, for moduli whose highest bit is set.
fn encode(hash: HashAlgorithm, message: &[u8], salt: &[u8], size: usize) -> Vec<u8> {
    let h = digest(hash, &[&[0; 8], message, salt].concat());
    let mut block = vec![0; size - h.len() - salt.len() - 2];
    block.push(1);
    block.extend(salt);
    let mask =
        (0_u32..).flat_map(|counter| digest(hash, &[&h[..], &counter.to_be_bytes()].concat()));
    for (byte, mask) in block.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    block[0] &= 0x7f;
    [&block[..], &h, &[0xbc]].concat()
}
