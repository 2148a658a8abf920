// SPDX-License-Identifier: GPL-2.0

//! The crypto layer that `rust/spdm` asks for, over `rust/kapi`.

use crate::{
    kapi::{
        hash,
        keyring,
        signature::{
            Kind,
            PublicKey, //
        }, //
    },
    spdm::protocol::{
        algorithms::{
            HashAlgorithm,
            Scheme,
            SIGNATURE_MAX, //
        },
        crypto::{
            Context,
            Digest,
            Hash,
            Refusal,
            Verify, //
        },
        pss,
        x509::{
            self,
            Certificate,
            Curve, //
        }, //
    },
};
use kernel::prelude::*;

/// The kernel.
pub(crate) struct Kernel;

/// A running hash.
pub(crate) struct Running(hash::Hash);

/// A public key with bytes of its own.
pub(crate) struct Key {
    kind: Kind,
    bytes: KVec<u8>,
}

impl Key {
    /// Copies a public key.
    pub(crate) fn new(key: PublicKey<'_>) -> Result<Self> {
        let mut bytes = KVec::new();

        bytes.extend_from_slice(key.bytes, GFP_KERNEL)?;
        Ok(Self {
            kind: key.kind,
            bytes,
        })
    }

    fn public(&self) -> PublicKey<'_> {
        PublicKey {
            kind: self.kind,
            bytes: &self.bytes,
        }
    }
}

/// What the kernel calls an algorithm.
pub(crate) fn algorithm(algorithm: HashAlgorithm) -> hash::Algorithm {
    match algorithm {
        HashAlgorithm::Sha256 => hash::Algorithm::Sha256,
        HashAlgorithm::Sha384 => hash::Algorithm::Sha384,
        HashAlgorithm::Sha512 => hash::Algorithm::Sha512,
        HashAlgorithm::Sha3_256 => hash::Algorithm::Sha3_256,
        HashAlgorithm::Sha3_384 => hash::Algorithm::Sha3_384,
        HashAlgorithm::Sha3_512 => hash::Algorithm::Sha3_512,
    }
}

/// The key of a certificate.
pub(crate) fn public_key<'a>(certificate: &Certificate<'a>) -> PublicKey<'a> {
    match certificate.key {
        x509::PublicKey::Rsa { key, .. } => PublicKey {
            kind: Kind::Rsa,
            bytes: key,
        },
        x509::PublicKey::Ec { curve, point } => PublicKey {
            kind: match curve {
                Curve::P256 => Kind::P256,
                Curve::P384 => Kind::P384,
                Curve::P521 => Kind::P521,
            },
            bytes: point,
        },
    }
}

/// Whether the kernel has an algorithm.
///
/// # Errors
///
/// - `ENOMEM`
pub(crate) fn has(hash: HashAlgorithm) -> Result<bool> {
    match hash::Hash::new(algorithm(hash)) {
        Err(ENOENT) => Ok(false),
        started => started.map(|_| true),
    }
}

fn refusal(error: Error) -> Refusal {
    match error {
        // EINVAL: no key for the kernel, as a point off the curve, or an RSA key of 2560 bits.
        ENOENT | ENOPKG | EINVAL => Refusal::Unsupported,
        error => Refusal::Failed(error.to_errno()),
    }
}

impl Context for Running {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> Digest {
        let digest = self.0.finish();
        let mut copy = Digest::zeroed(digest.len());

        copy.bytes_mut().copy_from_slice(&digest);
        copy
    }
}

impl Hash for Kernel {
    type Context = Running;

    fn start(&self, hash: HashAlgorithm) -> Result<Running, Refusal> {
        hash::Hash::new(algorithm(hash))
            .map(Running)
            .map_err(refusal)
    }
}

impl Verify for Kernel {
    type Key = Key;

    fn key(&self, certificate: &Certificate<'_>) -> Result<Key, Refusal> {
        if keyring::is_blacklisted(certificate.tbs).map_err(refusal)? {
            return Err(Refusal::Blacklisted);
        }
        Key::new(public_key(certificate)).map_err(refusal)
    }

    fn verify(
        &self,
        key: &Key,
        scheme: Scheme,
        hash: HashAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let right = match (scheme, key.kind) {
            (Scheme::Pss, Kind::Rsa) => {
                let mut encoded = [0; SIGNATURE_MAX];
                let encoded = encoded.get_mut(..signature.len()).ok_or(Refusal::Wrong)?;

                if key.public().recover(signature, encoded).map_err(refusal)? {
                    return pss::verify(self, hash, digest, encoded);
                }
                false
            }
            (Scheme::Pkcs1, Kind::Rsa) | (Scheme::Ecdsa, Kind::P256 | Kind::P384 | Kind::P521) => {
                key.public()
                    .verify(algorithm(hash), digest, signature)
                    .map_err(refusal)?
            }
            _ => return Err(Refusal::Unsupported),
        };

        if right {
            Ok(())
        } else {
            Err(Refusal::Wrong)
        }
    }
}
