// SPDX-License-Identifier: GPL-2.0

//! The crypto traits over RustCrypto.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::digest::{Digest as _, FixedOutput};

use crate::algorithms::{HashAlgorithm, Scheme, DIGEST_MAX};
use crate::crypto::{Context, Digest, Hash, Refusal, Verify};
use crate::x509::{Certificate, Curve, PublicKey};

/// RustCrypto.
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

/// A running hash.
#[derive(Clone)]
pub enum HashContext {
    /// SHA-256
    Sha256(sha2::Sha256),
    /// SHA-384
    Sha384(sha2::Sha384),
    /// SHA-512
    Sha512(sha2::Sha512),
    /// SHA3-256
    Sha3_256(sha3::Sha3_256),
    /// SHA3-384
    Sha3_384(sha3::Sha3_384),
    /// SHA3-512
    Sha3_512(sha3::Sha3_512),
}

macro_rules! each_context {
    ($self:ident, $context:ident => $body:expr) => {
        match $self {
            HashContext::Sha256($context) => $body,
            HashContext::Sha384($context) => $body,
            HashContext::Sha512($context) => $body,
            HashContext::Sha3_256($context) => $body,
            HashContext::Sha3_384($context) => $body,
            HashContext::Sha3_512($context) => $body,
        }
    };
}

impl Context for HashContext {
    fn update(&mut self, bytes: &[u8]) {
        each_context!(self, context => context.update(bytes));
    }

    fn finish(self) -> Digest {
        each_context!(self, context => digest_of(context))
    }
}

fn digest_of<D: sha2::Digest + FixedOutput>(context: D) -> Digest {
    let output = context.finalize();
    let mut digest = Digest::zeroed(output.len());
    digest.bytes_mut().copy_from_slice(&output);
    digest
}

impl Hash for RustCrypto {
    type Context = HashContext;

    fn start(&self, algorithm: HashAlgorithm) -> Result<HashContext, Refusal> {
        Ok(match algorithm {
            HashAlgorithm::Sha256 => HashContext::Sha256(sha2::Sha256::new()),
            HashAlgorithm::Sha384 => HashContext::Sha384(sha2::Sha384::new()),
            HashAlgorithm::Sha512 => HashContext::Sha512(sha2::Sha512::new()),
            HashAlgorithm::Sha3_256 => HashContext::Sha3_256(sha3::Sha3_256::new()),
            HashAlgorithm::Sha3_384 => HashContext::Sha3_384(sha3::Sha3_384::new()),
            HashAlgorithm::Sha3_512 => HashContext::Sha3_512(sha3::Sha3_512::new()),
        })
    }
}

/// A public key.
#[derive(Clone)]
pub enum Key {
    /// RSA
    Rsa(RsaPublicKey),
    /// ECDSA, P-256
    P256(p256::ecdsa::VerifyingKey),
    /// ECDSA, P-384
    P384(p384::ecdsa::VerifyingKey),
    /// ECDSA, P-521
    P521(p521::ecdsa::VerifyingKey),
}

impl Verify for RustCrypto {
    type Key = Key;

    fn key(&self, certificate: &Certificate<'_>) -> Result<Key, Refusal> {
        let key = match certificate.key {
            PublicKey::Rsa { key, .. } => RsaPublicKey::from_pkcs1_der(key).ok().map(Key::Rsa),
            PublicKey::Ec { curve, point } => match curve {
                Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
                    .ok()
                    .map(Key::P256),
                Curve::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point)
                    .ok()
                    .map(Key::P384),
                Curve::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point)
                    .ok()
                    .map(Key::P521),
            },
        };
        key.ok_or(Refusal::Unsupported)
    }

    fn verify(
        &self,
        key: &Key,
        scheme: Scheme,
        hash: HashAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let is_right = match (key, scheme) {
            (Key::Rsa(key), Scheme::Pkcs1) => key.verify(pkcs1(hash), digest, signature).is_ok(),
            (Key::Rsa(key), Scheme::Pss) => key.verify(pss(hash), digest, signature).is_ok(),
            (Key::P256(key), Scheme::Ecdsa) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok()),
            (Key::P384(key), Scheme::Ecdsa) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok()),
            (Key::P521(key), Scheme::Ecdsa) => {
                // The crate refuses digests below half the field; with zeros in front they are
                // the same number.
                let mut padded = [0; DIGEST_MAX];
                let (_, end) = padded.split_at_mut(DIGEST_MAX - digest.len().min(DIGEST_MAX));
                end.copy_from_slice(digest.get(..end.len()).unwrap_or_default());
                p521::ecdsa::Signature::from_slice(signature)
                    .is_ok_and(|signature| key.verify_prehash(&padded, &signature).is_ok())
            }
            _ => return Err(Refusal::Unsupported),
        };
        if is_right {
            Ok(())
        } else {
            Err(Refusal::Wrong)
        }
    }
}

fn pkcs1(hash: HashAlgorithm) -> Pkcs1v15Sign {
    match hash {
        HashAlgorithm::Sha256 => Pkcs1v15Sign::new::<sha2::Sha256>(),
        HashAlgorithm::Sha384 => Pkcs1v15Sign::new::<sha2::Sha384>(),
        HashAlgorithm::Sha512 => Pkcs1v15Sign::new::<sha2::Sha512>(),
        HashAlgorithm::Sha3_256 => Pkcs1v15Sign::new::<sha3::Sha3_256>(),
        HashAlgorithm::Sha3_384 => Pkcs1v15Sign::new::<sha3::Sha3_384>(),
        HashAlgorithm::Sha3_512 => Pkcs1v15Sign::new::<sha3::Sha3_512>(),
    }
}

fn pss(hash: HashAlgorithm) -> Pss {
    match hash {
        HashAlgorithm::Sha256 => Pss::new::<sha2::Sha256>(),
        HashAlgorithm::Sha384 => Pss::new::<sha2::Sha384>(),
        HashAlgorithm::Sha512 => Pss::new::<sha2::Sha512>(),
        HashAlgorithm::Sha3_256 => Pss::new::<sha3::Sha3_256>(),
        HashAlgorithm::Sha3_384 => Pss::new::<sha3::Sha3_384>(),
        HashAlgorithm::Sha3_512 => Pss::new::<sha3::Sha3_512>(),
    }
}
