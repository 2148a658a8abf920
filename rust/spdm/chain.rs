// SPDX-License-Identifier: GPL-2.0

//! The chain of certificates in a slot: header, root hash, and link by link who signed whom.

#![forbid(unsafe_code)]

use super::algorithms::{AsymAlgorithm, HashAlgorithm, Scheme};
use super::code::Code;
use super::crypto::{Hash, Refusal, Verify};
use super::der::{self, Der};
use super::error::{Error, Field, Reason};
use super::version::Version;
use super::wire::{copy, Reader};
use super::x509::{Certificate, CertificateFault, Curve};

/// Longest ECDSA signature, in bytes: P-521.
const ECDSA_MAX: usize = 132;

/// What is known of the hash that a chain names as that of its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootHash {
    /// It is that of the first certificate.
    First,
    /// The root is not in the chain: whoever has it has to compare.
    Elsewhere,
}

/// A chain that holds together.
#[derive(Clone, Copy, Debug)]
pub struct Verified<K> {
    /// The key of the leaf.
    pub key: K,
    /// What is known of the root hash.
    pub root: RootHash,
    /// Number of certificates.
    pub count: usize,
}

/// A chain as it lies in a slot.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    whole: &'a [u8],
    root_hash: &'a [u8],
    certificates: &'a [u8],
}

fn error(field: Field, reason: Reason) -> Error {
    Error::new(Code::CERTIFICATE, field, reason)
}

impl<'a> Chain<'a> {
    /// Reads the header of a chain, with a root hash of `digest` bytes.
    ///
    /// # Errors
    ///
    /// The length in the header is not that of the chain, or there is no certificate.
    pub fn parse(bytes: &'a [u8], version: Version, digest: usize) -> Result<Self, Error> {
        let mut reader = Reader::new(Code::CERTIFICATE, bytes);
        let length = if version >= Version::V14 {
            reader.u32(Field::Length)?
        } else {
            let length = reader.u16(Field::Length)?;
            reader.take(2, Field::Length)?;
            length.into()
        };
        if usize::try_from(length) != Ok(bytes.len()) {
            let reason = Reason::Length {
                expected: bytes.len(),
                actual: usize::try_from(length).unwrap_or(usize::MAX),
            };
            return Err(reader.error(Field::Length, reason));
        }
        let root_hash = reader.take(digest, Field::RootHash)?;
        let certificates = reader.rest();
        if certificates.is_empty() {
            return Err(reader.error(Field::CertificateChain, Reason::Missing));
        }
        Ok(Self {
            whole: bytes,
            root_hash,
            certificates,
        })
    }

    /// The chain with its header, which its digest is over.
    pub const fn bytes(&self) -> &'a [u8] {
        self.whole
    }

    /// The hash that the chain names as that of its root.
    pub const fn root_hash(&self) -> &'a [u8] {
        self.root_hash
    }

    /// The certificates in DER, root to leaf, one after the other.
    pub const fn der(&self) -> &'a [u8] {
        self.certificates
    }

    /// The certificates, root to leaf. Ends after the first that is no certificate.
    pub fn certificates(
        &self,
    ) -> impl Iterator<Item = Result<Certificate<'a>, CertificateFault>> + 'a {
        let mut rest = Der::new(self.certificates);
        let mut failed = false;
        core::iter::from_fn(move || {
            if failed || rest.is_empty() {
                return None;
            }
            let certificate = next_certificate(&mut rest);
            failed = certificate.is_err();
            Some(certificate)
        })
    }

    /// The certificates, in DER, that stay the same as long as the device is the same: all of them,
    /// or where the device makes the last ones itself (`alias`), and so anew with new firmware, those
    /// down to the first one of the hardware. If none says to be that, they are all of them again.
    pub fn identity(&self, alias: bool) -> &'a [u8] {
        let mut end = 0_usize;
        let found = self
            .certificates()
            .map_while(Result::ok)
            .inspect(|certificate| end = end.saturating_add(certificate.der.len()))
            .any(|certificate| alias && certificate.is_hardware_identity());
        let part = if found {
            self.certificates.get(..end)
        } else {
            None
        };
        part.unwrap_or(self.certificates)
    }

    /// Checks the chain link by link: every signer is a certificate authority whose key is for
    /// that, the leaf is none and signs with the negotiated algorithm, every signature is by the
    /// one before, the root's by itself. Whether the root is to be trusted is another question.
    ///
    /// # Errors
    ///
    /// - [`Reason::Certificate`]: which one, and what is wrong with it.
    /// - [`Reason::Differs`]: the root hash is not that of the root in the chain.
    /// - [`Reason::Crypto`]: hashing failed.
    pub fn verify<C: Hash + Verify>(
        &self,
        crypto: &C,
        hash: HashAlgorithm,
        asym: AsymAlgorithm,
    ) -> Result<Verified<C::Key>, Error> {
        let mut rest = Der::new(self.certificates);
        let mut issuer: Option<(Certificate<'a>, C::Key)> = None;
        let mut path_length: Option<u32> = None;
        let mut root = RootHash::Elsewhere;
        let mut index: usize = 0;

        loop {
            let fault = |fault| {
                let reason = Reason::Certificate { index, fault };
                error(Field::CertificateChain, reason)
            };
            let certificate = next_certificate(&mut rest).map_err(fault)?;
            let key = crypto
                .key(&certificate)
                .map_err(|refusal| fault(CertificateFault::Signature(refusal)))?;
            match &issuer {
                Some((issuer, key)) if issuer.subject == certificate.issuer => {
                    verify_signature(crypto, issuer.key.curve(), key, &certificate)
                        .map_err(fault)?;
                }
                Some(_) => return Err(fault(CertificateFault::Issuer)),
                None => {
                    root = self.check_root(crypto, hash, &certificate)?;
                    if certificate.is_self_issued() {
                        verify_signature(crypto, certificate.key.curve(), &key, &certificate)
                            .map_err(fault)?;
                    }
                }
            }
            let count = index.saturating_add(1);
            if rest.is_empty() {
                certificate.check_leaf(asym).map_err(fault)?;
                return Ok(Verified { key, root, count });
            }
            certificate.check_signer().map_err(fault)?;
            path_length = certificate
                .remaining_path(path_length)
                .ok_or(fault(CertificateFault::PathLength))?;
            issuer = Some((certificate, key));
            index = count;
        }
    }

    fn check_root<H: Hash>(
        &self,
        crypto: &H,
        hash: HashAlgorithm,
        first: &Certificate<'_>,
    ) -> Result<RootHash, Error> {
        let digest = crypto
            .digest(hash, first.der)
            .map_err(|refusal| error(Field::RootHash, Reason::Crypto(refusal)))?;
        if *digest == *self.root_hash {
            return Ok(RootHash::First);
        }
        if first.is_self_issued() {
            return Err(error(Field::RootHash, Reason::Differs));
        }
        Ok(RootHash::Elsewhere)
    }
}

fn next_certificate<'a>(rest: &mut Der<'a>) -> Result<Certificate<'a>, CertificateFault> {
    let element = rest.element().ok_or(CertificateFault::Encoding)?;
    Certificate::parse(element.whole)
}

/// Whether `key`, which is an RSA key or a point on `curve`, signed `certificate`.
///
/// # Errors
///
/// - [`CertificateFault::Signature`], also when the scheme does not fit the key.
pub fn verify_signature<C: Hash + Verify>(
    crypto: &C,
    curve: Option<Curve>,
    key: &C::Key,
    certificate: &Certificate<'_>,
) -> Result<(), CertificateFault> {
    let digest = crypto
        .digest(certificate.hash, certificate.tbs)
        .map_err(CertificateFault::Signature)?;
    let mut raw = [0; ECDSA_MAX];
    let wrong = CertificateFault::Signature(Refusal::Wrong);
    let signature = match (certificate.scheme, curve) {
        (Scheme::Pkcs1, None) => certificate.signature,
        (Scheme::Ecdsa, Some(curve)) => {
            raw_ecdsa(certificate.signature, curve, &mut raw).ok_or(wrong)?
        }
        _ => return Err(wrong),
    };
    crypto
        .verify(
            key,
            certificate.scheme,
            certificate.hash,
            &digest,
            signature,
        )
        .map_err(CertificateFault::Signature)
}

/// Turns r and s in DER into r and s as long as the field.
fn raw_ecdsa<'r>(signature: &[u8], curve: Curve, raw: &'r mut [u8; ECDSA_MAX]) -> Option<&'r [u8]> {
    let mut outer = Der::new(signature);
    let mut numbers = outer.enter(der::SEQUENCE)?;
    outer.end()?;
    let raw = raw.get_mut(..curve.size().checked_mul(2)?)?;
    for half in raw.chunks_exact_mut(curve.size()) {
        let number = numbers.unsigned()?;
        let start = half.len().checked_sub(number.len())?;
        copy(half.get_mut(start..)?, number);
    }
    numbers.end()?;
    Some(raw)
}
