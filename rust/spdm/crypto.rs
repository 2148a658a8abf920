// SPDX-License-Identifier: GPL-2.0

//! What is asked of a crypto layer: two traits. The kernel has its own, the host RustCrypto.

#![forbid(unsafe_code)]

use core::fmt;
use core::ops::Deref;

use super::algorithms::{HashAlgorithm, Scheme, DIGEST_MAX};
use super::wire::copy;
use super::x509::Certificate;

/// Why the crypto layer did not say yes. Only [`Refusal::Wrong`] says that something was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The signature is wrong.
    Wrong,
    /// The algorithm is not there.
    Unsupported,
    /// The key or the certificate is on a list of those not to be used.
    Blacklisted,
    /// Something failed, with the error number of the layer.
    Failed(i32),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong => f.write_str("wrong signature"),
            Self::Unsupported => f.write_str("algorithm not supported here"),
            Self::Blacklisted => f.write_str("blacklisted"),
            Self::Failed(error) => write!(f, "could not be checked, error {error}"),
        }
    }
}

/// Hashing. Any number of contexts may be alive at the same time.
pub trait Hash {
    /// A running hash.
    type Context: Context;

    /// Begins a hash.
    ///
    /// # Errors
    ///
    /// - [`Refusal::Unsupported`], [`Refusal::Failed`].
    fn start(&self, algorithm: HashAlgorithm) -> Result<Self::Context, Refusal>;

    /// Hashes bytes that lie together.
    ///
    /// # Errors
    ///
    /// As [`Hash::start`].
    fn digest(&self, algorithm: HashAlgorithm, bytes: &[u8]) -> Result<Digest, Refusal> {
        let mut context = self.start(algorithm)?;
        context.update(bytes);
        Ok(context.finish())
    }
}

/// A running hash.
pub trait Context {
    /// Appends bytes.
    fn update(&mut self, bytes: &[u8]);

    /// The digest of all bytes.
    fn finish(self) -> Digest;
}

/// Verification of signatures.
pub trait Verify {
    /// A public key, taken out of a certificate and ready for use.
    type Key;

    /// Takes the public key out of a certificate. This is the place to look into a blacklist.
    ///
    /// # Errors
    ///
    /// - [`Refusal::Unsupported`]: keys of this kind or size.
    /// - [`Refusal::Blacklisted`], [`Refusal::Failed`].
    fn key(&self, certificate: &Certificate<'_>) -> Result<Self::Key, Refusal>;

    /// Verifies a signature over a digest, of a message or of the signed part of a certificate.
    ///
    /// RSA signatures are big endian and as long as the modulus. ECDSA signatures are r and s, big
    /// endian, each as long as the field; also those of certificates, which have been decoded.
    ///
    /// # Errors
    ///
    /// - [`Refusal::Wrong`]: the signature is not by this key over this digest.
    /// - [`Refusal::Unsupported`]: the scheme, or not for this key.
    /// - [`Refusal::Failed`].
    fn verify(
        &self,
        key: &Self::Key,
        scheme: Scheme,
        hash: HashAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal>;
}

/// A digest of any of the algorithms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    bytes: [u8; DIGEST_MAX],
    size: usize,
}

impl Digest {
    /// A digest of zeros, to be filled with [`Digest::bytes_mut`]; of at most [`DIGEST_MAX`] bytes.
    pub fn zeroed(size: usize) -> Self {
        Self {
            bytes: [0; DIGEST_MAX],
            size: size.min(DIGEST_MAX),
        }
    }

    /// A copy of a digest of at most [`DIGEST_MAX`] bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut digest = Self {
            bytes: [0; DIGEST_MAX],
            size: bytes.len(),
        };
        copy(digest.bytes.get_mut(..bytes.len())?, bytes);
        Some(digest)
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.size).unwrap_or_default()
    }
}

impl Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.size).unwrap_or_default()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
