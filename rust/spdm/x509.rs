// SPDX-License-Identifier: GPL-2.0

//! X.509 certificates, as far as a chain of a responder needs them. Source: RFC 5280, RFC 5480,
//! DSP0274 "Certificates and certificate chains".
//!
//! Not looked at: dates, because the kernel has no clock to trust when it looks, and critical
//! extensions that are not known here, because DICE marks its own so.

#![forbid(unsafe_code)]

use core::fmt;

use super::algorithms::{AsymAlgorithm, HashAlgorithm, Scheme};
use super::crypto::Refusal;
use super::der::{self, Der};

/// What is wrong with a certificate, or with its place in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// Not DER, or not a certificate of version 3.
    Encoding,
    /// Signed with an algorithm that is too weak or not known: SHA-1, RSA-PSS, EdDSA and the like.
    SignatureAlgorithm,
    /// A key that is too short or of an unknown kind.
    PublicKey,
    /// Its key is not one for the negotiated algorithm.
    KeyMismatch,
    /// It signs another, but is not a certificate authority.
    NotCa,
    /// It signs another, but its key is not for that.
    NoKeyCertSign,
    /// More certificate authorities follow than it allows.
    PathLength,
    /// The last one, but a certificate authority.
    LeafIsCa,
    /// The last one, but its key is not for signatures.
    NoDigitalSignature,
    /// The last one, but for requesters only.
    RequesterOnly,
    /// Its issuer is not the one before it.
    Issuer,
    /// Its signature.
    Signature(Refusal),
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => "not an X.509 certificate of version 3 in DER",
            Self::SignatureAlgorithm => "signed with an algorithm that is too weak or not known",
            Self::PublicKey => "key too short or of an unknown kind",
            Self::KeyMismatch => "key does not fit the negotiated algorithm",
            Self::NotCa => "signs another certificate, but is no certificate authority",
            Self::NoKeyCertSign => "signs another certificate, but lacks keyCertSign",
            Self::PathLength => "has more certificate authorities below it than it allows",
            Self::LeafIsCa => "is the leaf, but a certificate authority",
            Self::NoDigitalSignature => "is the leaf, but lacks digitalSignature",
            Self::RequesterOnly => "is the leaf, but for requesters only",
            Self::Issuer => "was not issued by the one before it",
            Self::Signature(refusal) => return write!(f, "signature: {refusal}"),
        })
    }
}

/// A curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256
    P256,
    /// NIST P-384
    P384,
    /// NIST P-521
    P521,
}

impl Curve {
    /// Bytes of a field element.
    pub const fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKey<'a> {
    /// RSA of 2048 to 4096 bits.
    Rsa {
        /// RSAPublicKey in DER.
        key: &'a [u8],
        /// Modulus, big endian, without a leading zero.
        modulus: &'a [u8],
        /// Exponent, big endian, without a leading zero.
        exponent: &'a [u8],
    },
    /// A point on a curve.
    Ec {
        /// The curve.
        curve: Curve,
        /// 0x04, x and y.
        point: &'a [u8],
    },
}

impl PublicKey<'_> {
    /// The curve, if it is a point on one.
    pub fn curve(&self) -> Option<Curve> {
        match self {
            Self::Rsa { .. } => None,
            Self::Ec { curve, .. } => Some(*curve),
        }
    }

    /// Whether a signature algorithm can use this key.
    pub fn fits(&self, algorithm: AsymAlgorithm) -> bool {
        match self {
            Self::Rsa { modulus, .. } => {
                algorithm.scheme() != Scheme::Ecdsa && modulus.len() == algorithm.signature_size()
            }
            Self::Ec { curve, .. } => {
                algorithm.scheme() == Scheme::Ecdsa
                    && curve.size().saturating_mul(2) == algorithm.signature_size()
            }
        }
    }
}

/// One certificate.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// The whole certificate.
    pub der: &'a [u8],
    /// The part that is signed.
    pub tbs: &'a [u8],
    /// Name of the issuer, in DER.
    pub issuer: &'a [u8],
    /// Name of the subject, in DER.
    pub subject: &'a [u8],
    /// SubjectPublicKeyInfo, in DER.
    pub spki: &'a [u8],
    /// The key in it.
    pub key: PublicKey<'a>,
    /// How it is signed.
    pub scheme: Scheme,
    /// How it was hashed for that.
    pub hash: HashAlgorithm,
    /// The signature as it stands there.
    pub signature: &'a [u8],
    /// Whether it is a certificate authority.
    pub ca: bool,
    /// How many certificate authorities may follow it.
    pub path_length: Option<u32>,
    /// What its key is for, if it says: bit n of the extension is bit n here.
    pub key_usage: Option<u16>,
    /// Contents of the extended key usage.
    extended_key_usage: &'a [u8],
    /// Contents of DMTF's extension: a list of lists that begin with an OID.
    dmtf: &'a [u8],
}

/// keyUsage: digitalSignature.
const DIGITAL_SIGNATURE: u16 = 1 << 0;
/// keyUsage: keyCertSign.
const KEY_CERT_SIGN: u16 = 1 << 5;

/// 2.5.29.15
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// 2.5.29.19
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// 2.5.29.37
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];

macro_rules! dmtf {
    ($last:literal) => {
        &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0x1c, 0x82, 0x12, $last]
    };
}

/// 1.3.6.1.4.1.412.274.2
const HARDWARE_IDENTITY: &[u8] = dmtf!(2);
/// 1.3.6.1.4.1.412.274.3
const RESPONDER_AUTH: &[u8] = dmtf!(3);
/// 1.3.6.1.4.1.412.274.4
const REQUESTER_AUTH: &[u8] = dmtf!(4);
/// 1.3.6.1.4.1.412.274.6
const DMTF_EXTENSION: &[u8] = dmtf!(6);

/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.3.132.0.35
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

impl<'a> Certificate<'a> {
    /// Reads one certificate that fills the bytes.
    ///
    /// # Errors
    ///
    /// Encoding, signature algorithm or key.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CertificateFault> {
        let encoding = CertificateFault::Encoding;
        let mut outer = Der::new(bytes);
        let mut fields = outer.enter(der::SEQUENCE).ok_or(encoding)?;
        outer.end().ok_or(encoding)?;
        let tbs = fields.expect(der::SEQUENCE).ok_or(encoding)?;
        let algorithm = fields.expect(der::SEQUENCE).ok_or(encoding)?;
        let signature = fields.octets().ok_or(encoding)?;
        fields.end().ok_or(encoding)?;

        let parts = TbsParts::parse(tbs.value).ok_or(encoding)?;
        if parts.algorithm != algorithm.whole {
            return Err(CertificateFault::SignatureAlgorithm);
        }
        let (scheme, hash) =
            signature_algorithm(algorithm.value).ok_or(CertificateFault::SignatureAlgorithm)?;
        let key = public_key(parts.spki).ok_or(CertificateFault::PublicKey)?;
        let mut certificate = Self {
            der: bytes,
            tbs: tbs.whole,
            issuer: parts.issuer,
            subject: parts.subject,
            spki: parts.spki,
            key,
            scheme,
            hash,
            signature,
            ca: false,
            path_length: None,
            key_usage: None,
            extended_key_usage: &[],
            dmtf: &[],
        };
        certificate.extensions(parts.extensions).ok_or(encoding)?;
        Ok(certificate)
    }

    fn extensions(&mut self, bytes: &'a [u8]) -> Option<()> {
        let mut extensions = Der::new(bytes);
        let mut seen_constraints = false;
        while !extensions.is_empty() {
            let mut extension = extensions.enter(der::SEQUENCE)?;
            let id = extension.expect(der::OID)?.value;
            if extension.peek() == Some(der::BOOLEAN) {
                extension.boolean()?;
            }
            let value = extension.expect(der::OCTET_STRING)?.value;
            extension.end()?;
            match id {
                BASIC_CONSTRAINTS if seen_constraints => return None,
                BASIC_CONSTRAINTS => {
                    seen_constraints = true;
                    self.basic_constraints(value)?;
                }
                KEY_USAGE if self.key_usage.is_some() => return None,
                KEY_USAGE => self.key_usage = Some(key_usage(value)?),
                EXTENDED_KEY_USAGE if !self.extended_key_usage.is_empty() => return None,
                EXTENDED_KEY_USAGE => self.extended_key_usage = list(value)?,
                DMTF_EXTENSION if !self.dmtf.is_empty() => return None,
                DMTF_EXTENSION => self.dmtf = list(value)?,
                _ => {}
            }
        }
        Some(())
    }

    fn basic_constraints(&mut self, value: &'a [u8]) -> Option<()> {
        let mut constraints = Der::new(list(value)?);
        if constraints.peek() == Some(der::BOOLEAN) {
            self.ca = constraints.boolean()?;
        }
        if !constraints.is_empty() {
            let digits = constraints.unsigned()?;
            if !self.ca || digits.len() > 3 {
                return None;
            }
            self.path_length = Some(
                digits
                    .iter()
                    .fold(0, |length, digit| (length << 8) | u32::from(*digit)),
            );
        }
        constraints.end()
    }

    /// Whether subject and issuer are the same.
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether this certificate may sign another one. A trust anchor, which is self-issued, need
    /// not say what its key is for.
    ///
    /// # Errors
    ///
    /// - [`CertificateFault::NotCa`], [`CertificateFault::NoKeyCertSign`].
    pub fn check_signer(&self) -> Result<(), CertificateFault> {
        if !self.ca {
            return Err(CertificateFault::NotCa);
        }
        match self.key_usage {
            Some(usage) if usage & KEY_CERT_SIGN != 0 => Ok(()),
            None if self.is_self_issued() => Ok(()),
            _ => Err(CertificateFault::NoKeyCertSign),
        }
    }

    /// How many certificate authorities may follow, if this one follows where `inherited` more may.
    /// `None` if it may not follow itself; the inner one is no limit.
    pub(super) fn remaining_path(&self, inherited: Option<u32>) -> Option<Option<u32>> {
        let left = match inherited {
            Some(left) if !self.is_self_issued() => Some(left.checked_sub(1)?),
            inherited => inherited,
        };
        Some(match (left, self.path_length) {
            (Some(left), Some(own)) => Some(left.min(own)),
            (left, own) => left.or(own),
        })
    }

    /// Whether this certificate may be the leaf of a responder, for a signature algorithm.
    ///
    /// # Errors
    ///
    /// - [`CertificateFault::LeafIsCa`], [`CertificateFault::NoDigitalSignature`],
    ///   [`CertificateFault::RequesterOnly`], [`CertificateFault::KeyMismatch`].
    pub fn check_leaf(&self, algorithm: AsymAlgorithm) -> Result<(), CertificateFault> {
        if self.ca {
            return Err(CertificateFault::LeafIsCa);
        }
        if self.key_usage.unwrap_or(0) & DIGITAL_SIGNATURE == 0 {
            return Err(CertificateFault::NoDigitalSignature);
        }
        if self.has_usage(REQUESTER_AUTH) && !self.has_usage(RESPONDER_AUTH) {
            return Err(CertificateFault::RequesterOnly);
        }
        if !self.key.fits(algorithm) {
            return Err(CertificateFault::KeyMismatch);
        }
        Ok(())
    }

    fn has_usage(&self, usage: &[u8]) -> bool {
        let mut usages = Der::new(self.extended_key_usage);
        core::iter::from_fn(|| usages.expect(der::OID)).any(|oid| oid.value == usage)
    }

    /// Whether this is the certificate of the hardware itself, which new firmware does not change.
    pub fn is_hardware_identity(&self) -> bool {
        let mut entries = Der::new(self.dmtf);
        core::iter::from_fn(|| entries.enter(der::SEQUENCE))
            .filter_map(|mut entry| entry.expect(der::OID))
            .any(|oid| oid.value == HARDWARE_IDENTITY)
    }
}

/// The parts of TBSCertificate that matter here.
struct TbsParts<'a> {
    algorithm: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    extensions: &'a [u8],
}

impl<'a> TbsParts<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Der::new(bytes);
        let mut version = fields.enter(der::context(0))?;
        if version.unsigned()? != [2] {
            return None;
        }
        version.end()?;
        fields.expect(der::INTEGER)?;
        let algorithm = fields.expect(der::SEQUENCE)?.whole;
        let issuer = fields.expect(der::SEQUENCE)?.whole;
        fields.expect(der::SEQUENCE)?;
        let subject = fields.expect(der::SEQUENCE)?.whole;
        let spki = fields.expect(der::SEQUENCE)?.whole;
        // issuerUniqueID and subjectUniqueID
        fields.optional(0x81)?;
        fields.optional(0x82)?;
        let extensions = match fields.optional(der::context(3))? {
            Some(extensions) => list(extensions.value)?,
            None => &[],
        };
        fields.end()?;
        Some(Self {
            algorithm,
            issuer,
            subject,
            spki,
            extensions,
        })
    }
}

/// The contents of the one SEQUENCE in these bytes.
fn list(bytes: &[u8]) -> Option<&[u8]> {
    let mut outer = Der::new(bytes);
    let list = outer.expect(der::SEQUENCE)?;
    outer.end()?;
    Some(list.value)
}

fn key_usage(value: &[u8]) -> Option<u16> {
    let mut outer = Der::new(value);
    let bits = outer.expect(der::BIT_STRING)?;
    outer.end()?;
    match *bits.value {
        [unused, first] if unused < 8 => Some(first.reverse_bits().into()),
        [unused, first, second] if unused < 8 => Some(u16::from_le_bytes([
            first.reverse_bits(),
            second.reverse_bits(),
        ])),
        _ => None,
    }
}

/// Scheme and hash of an AlgorithmIdentifier. SHA-256 or better, RSA with PKCS #1 v1.5 or ECDSA.
fn signature_algorithm(value: &[u8]) -> Option<(Scheme, HashAlgorithm)> {
    let mut fields = Der::new(value);
    let oid = fields.expect(der::OID)?.value;
    let (scheme, hash) = match *oid {
        // 1.2.840.113549.1.1.n
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, n] => {
            let hash = match n {
                11 => HashAlgorithm::Sha256,
                12 => HashAlgorithm::Sha384,
                13 => HashAlgorithm::Sha512,
                _ => return None,
            };
            (Scheme::Pkcs1, hash)
        }
        // 1.2.840.10045.4.3.n
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, n] => {
            let hash = match n {
                2 => HashAlgorithm::Sha256,
                3 => HashAlgorithm::Sha384,
                4 => HashAlgorithm::Sha512,
                _ => return None,
            };
            (Scheme::Ecdsa, hash)
        }
        // 2.16.840.1.101.3.4.3.n
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, n] => match n {
            10 => (Scheme::Ecdsa, HashAlgorithm::Sha3_256),
            11 => (Scheme::Ecdsa, HashAlgorithm::Sha3_384),
            12 => (Scheme::Ecdsa, HashAlgorithm::Sha3_512),
            14 => (Scheme::Pkcs1, HashAlgorithm::Sha3_256),
            15 => (Scheme::Pkcs1, HashAlgorithm::Sha3_384),
            16 => (Scheme::Pkcs1, HashAlgorithm::Sha3_512),
            _ => return None,
        },
        _ => return None,
    };
    if scheme == Scheme::Pkcs1
        && fields
            .optional(der::NULL)?
            .is_some_and(|null| !null.value.is_empty())
    {
        return None;
    }
    fields.end()?;
    Some((scheme, hash))
}

fn public_key(spki: &[u8]) -> Option<PublicKey<'_>> {
    let mut fields = Der::new(list(spki)?);
    let mut algorithm = fields.enter(der::SEQUENCE)?;
    let key = fields.octets()?;
    fields.end()?;
    let kind = algorithm.expect(der::OID)?.value;
    if kind == RSA_ENCRYPTION {
        algorithm.optional(der::NULL)?;
        algorithm.end()?;
        let mut numbers = Der::new(list(key)?);
        let modulus = numbers.unsigned()?;
        let exponent = numbers.unsigned()?;
        numbers.end()?;
        let good_modulus = (256..=512).contains(&modulus.len())
            && modulus.first()? & 0x80 != 0
            && modulus.last()? & 1 != 0;
        let good_exponent = exponent != [1] && exponent.last()? & 1 != 0;
        return (good_modulus && good_exponent).then_some(PublicKey::Rsa {
            key,
            modulus,
            exponent,
        });
    }
    if kind != EC_PUBLIC_KEY {
        return None;
    }
    let curve = match algorithm.expect(der::OID)?.value {
        P256 => Curve::P256,
        P384 => Curve::P384,
        P521 => Curve::P521,
        _ => return None,
    };
    algorithm.end()?;
    let size = curve.size().saturating_mul(2).saturating_add(1);
    (key.len() == size && key.first() == Some(&4)).then_some(PublicKey::Ec { curve, point: key })
}
