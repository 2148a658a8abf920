// SPDX-License-Identifier: GPL-2.0

//! The encoding of RSASSA-PSS: signatures of OpenSSL, and an encoder written from RFC 8017, 9.1.1.

use proptest::prelude::*;
use rsa::BigUint;

use super::cases;
use super::host::signatures;
use crate::algorithms::{HashAlgorithm, Scheme};
use crate::crypto::{Hash, Refusal};
use crate::host::RustCrypto;
use crate::pss::verify;
use crate::x509::{Certificate, PublicKey};

/// Moduli, in bytes.
const SIZES: [usize; 3] = [256, 384, 512];

fn hash(algorithm: HashAlgorithm, bytes: &[u8]) -> Vec<u8> {
    let digest = RustCrypto.digest(algorithm, bytes).expect("a digest");
    digest.to_vec()
}

/// EMSA-PSS-ENCODE for a modulus of `size` bytes.
fn encode(algorithm: HashAlgorithm, digest: &[u8], salt: &[u8], size: usize) -> Vec<u8> {
    let h = hash(algorithm, &[&[0; 8], digest, salt].concat());
    let mut block = vec![0; size - h.len() - 1];
    let one = block.len() - salt.len() - 1;
    block[one] = 1;
    block[one + 1..].copy_from_slice(salt);

    let mut mask = Vec::new();
    for counter in 0_u32.. {
        if mask.len() >= block.len() {
            break;
        }
        mask.extend(hash(algorithm, &[&h[..], &counter.to_be_bytes()].concat()));
    }
    for (byte, mask) in block.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    block[0] &= 0x7f;
    [&block[..], &h, &[0xbc]].concat()
}

/// The signature of a message, with the public key applied to it.
fn encoded(certificate: &Certificate<'_>, signature: &[u8]) -> Vec<u8> {
    let PublicKey::Rsa {
        modulus, exponent, ..
    } = certificate.key
    else {
        panic!("not an RSA key");
    };
    let [signature, exponent, n] = [signature, exponent, modulus].map(BigUint::from_bytes_be);
    let number = signature.modpow(&exponent, &n).to_bytes_be();
    let mut encoded = vec![0; modulus.len() - number.len()];
    encoded.extend(number);
    encoded
}

#[test]
fn accepts_signatures_of_openssl_and_no_changed_bit() {
    let mut sizes = Vec::new();
    for (asym, algorithm, certificate, signature) in signatures() {
        if asym.scheme() != Scheme::Pss {
            continue;
        }
        let certificate = Certificate::parse(&certificate).expect("a certificate");
        let digest = hash(algorithm, b"issei");
        let mut encoded = encoded(&certificate, &signature);
        assert_eq!(verify(&RustCrypto, algorithm, &digest, &encoded), Ok(()));
        for bit in 0..encoded.len() * 8 {
            encoded[bit / 8] ^= 1 << (bit % 8);
            let result = verify(&RustCrypto, algorithm, &digest, &encoded);
            assert_eq!(result, Err(Refusal::Wrong), "{asym}, bit {bit}");
            encoded[bit / 8] ^= 1 << (bit % 8);
        }
        sizes.push(encoded.len());
    }
    sizes.sort_unstable();
    sizes.dedup();
    assert_eq!(sizes, SIZES);
}

#[test]
fn refuses_what_is_too_short() {
    for algorithm in HashAlgorithm::ALL {
        let digest = hash(algorithm, b"issei");
        let needed = 2 * digest.len() + 2;
        for size in 0..needed {
            let mut encoded = vec![0; size];
            if let Some(last) = encoded.last_mut() {
                *last = 0xbc;
            }
            let result = verify(&RustCrypto, algorithm, &digest, &encoded);
            assert_eq!(result, Err(Refusal::Wrong), "{algorithm}, {size} bytes");
        }
        let shortest = encode(algorithm, &digest, &digest, needed);
        assert_eq!(verify(&RustCrypto, algorithm, &digest, &shortest), Ok(()));
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn accepts_a_salt_of_the_size_of_a_digest_only(
        algorithm in prop::sample::select(&HashAlgorithm::ALL[..]),
        size in prop::sample::select(&SIZES[..]),
        message in any::<[u8; 16]>(),
        salt in any::<[u8; 100]>(),
        length in 0_usize..=100,
    ) {
        let digest = hash(algorithm, &message);
        let right = encode(algorithm, &digest, &salt[..digest.len()], size);
        prop_assert_eq!(verify(&RustCrypto, algorithm, &digest, &right), Ok(()));
        let other = encode(algorithm, &digest, &salt[..length], size);
        let expected = if length == digest.len() { Ok(()) } else { Err(Refusal::Wrong) };
        prop_assert_eq!(verify(&RustCrypto, algorithm, &digest, &other), expected);
    }

    #[test]
    fn refuses_another_digest_hash_or_length(
        algorithm in prop::sample::select(&HashAlgorithm::ALL[..]),
        other in prop::sample::select(&HashAlgorithm::ALL[..]),
        size in prop::sample::select(&SIZES[..]),
        salt in any::<[u8; 64]>(),
        bit in 0_usize..256,
    ) {
        let wrong = Err(Refusal::Wrong);
        let mut digest = hash(algorithm, b"issei");
        let encoded = encode(algorithm, &digest, &salt[..digest.len()], size);
        prop_assert_eq!(verify(&RustCrypto, algorithm, &digest, &encoded[1..]), wrong);
        prop_assert_eq!(verify(&RustCrypto, algorithm, &digest, &encoded[..size - 1]), wrong);
        let longer = [&[0], &encoded[..]].concat();
        prop_assert_eq!(verify(&RustCrypto, algorithm, &digest, &longer), wrong);
        if other != algorithm {
            prop_assert_eq!(verify(&RustCrypto, other, &digest, &encoded), wrong);
        }
        digest[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(verify(&RustCrypto, algorithm, &digest, &encoded), wrong);
    }
}
