// SPDX-License-Identifier: GPL-2.0

//! Algorithms and their bits. Source: DSP0274, "NEGOTIATE_ALGORITHMS request message format".

#![forbid(unsafe_code)]

use core::fmt;

/// Longest digest, in bytes.
pub const DIGEST_MAX: usize = 64;

/// Longest signature, in bytes: RSA of 4096 bits.
pub const SIGNATURE_MAX: usize = 512;

/// A hash algorithm of BaseHashAlgo. SM3 is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
    /// SHA3-256
    Sha3_256,
    /// SHA3-384
    Sha3_384,
    /// SHA3-512
    Sha3_512,
}

impl HashAlgorithm {
    /// All of them, in the order of their bits.
    pub const ALL: [Self; 6] = [
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// The bit in BaseHashAlgo.
    pub const fn bit(self) -> u32 {
        match self {
            Self::Sha256 => 1 << 0,
            Self::Sha384 => 1 << 1,
            Self::Sha512 => 1 << 2,
            Self::Sha3_256 => 1 << 3,
            Self::Sha3_384 => 1 << 4,
            Self::Sha3_512 => 1 << 5,
        }
    }

    /// The algorithm of a single bit.
    pub fn from_bit(bit: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.bit() == bit)
    }

    /// Bytes of a digest.
    pub const fn size(self) -> usize {
        match self {
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    /// Bits of security against collisions, for comparison with a floor.
    pub const fn strength(self) -> u16 {
        match self {
            Self::Sha256 | Self::Sha3_256 => 128,
            Self::Sha384 | Self::Sha3_384 => 192,
            Self::Sha512 | Self::Sha3_512 => 256,
        }
    }

    /// The name as the kernel writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha3_256 => "sha3-256",
            Self::Sha3_384 => "sha3-384",
            Self::Sha3_512 => "sha3-512",
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a signature is made of, apart from the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5
    Pkcs1,
    /// RSASSA-PSS, MGF1 and salt as long as the digest
    Pss,
    /// ECDSA over a NIST curve; the signature is r and s, big endian, each as long as the field
    Ecdsa,
}

/// A signature algorithm of BaseAsymAlgo. SM2 and EdDSA are not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsymAlgorithm {
    /// RSASSA, 2048 bits
    RsaSsa2048,
    /// RSA-PSS, 2048 bits
    RsaPss2048,
    /// RSASSA, 3072 bits
    RsaSsa3072,
    /// RSA-PSS, 3072 bits
    RsaPss3072,
    /// ECDSA, P-256
    EcdsaP256,
    /// RSASSA, 4096 bits
    RsaSsa4096,
    /// RSA-PSS, 4096 bits
    RsaPss4096,
    /// ECDSA, P-384
    EcdsaP384,
    /// ECDSA, P-521
    EcdsaP521,
}

impl AsymAlgorithm {
    /// All of them, in the order of their bits.
    pub const ALL: [Self; 9] = [
        Self::RsaSsa2048,
        Self::RsaPss2048,
        Self::RsaSsa3072,
        Self::RsaPss3072,
        Self::EcdsaP256,
        Self::RsaSsa4096,
        Self::RsaPss4096,
        Self::EcdsaP384,
        Self::EcdsaP521,
    ];

    /// The bit in BaseAsymAlgo.
    pub const fn bit(self) -> u32 {
        match self {
            Self::RsaSsa2048 => 1 << 0,
            Self::RsaPss2048 => 1 << 1,
            Self::RsaSsa3072 => 1 << 2,
            Self::RsaPss3072 => 1 << 3,
            Self::EcdsaP256 => 1 << 4,
            Self::RsaSsa4096 => 1 << 5,
            Self::RsaPss4096 => 1 << 6,
            Self::EcdsaP384 => 1 << 7,
            Self::EcdsaP521 => 1 << 8,
        }
    }

    /// The algorithm of a single bit.
    pub fn from_bit(bit: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.bit() == bit)
    }

    /// Bytes of a signature.
    pub const fn signature_size(self) -> usize {
        match self {
            Self::RsaSsa2048 | Self::RsaPss2048 => 256,
            Self::RsaSsa3072 | Self::RsaPss3072 => 384,
            Self::RsaSsa4096 | Self::RsaPss4096 => 512,
            Self::EcdsaP256 => 64,
            Self::EcdsaP384 => 96,
            Self::EcdsaP521 => 132,
        }
    }

    /// The scheme.
    pub const fn scheme(self) -> Scheme {
        match self {
            Self::RsaSsa2048 | Self::RsaSsa3072 | Self::RsaSsa4096 => Scheme::Pkcs1,
            Self::RsaPss2048 | Self::RsaPss3072 | Self::RsaPss4096 => Scheme::Pss,
            Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521 => Scheme::Ecdsa,
        }
    }

    /// Bits of security, for comparison with a floor. Source: NIST SP 800-57 part 1, table 2; 4096
    /// bits of RSA stand between its 3072 and 7680.
    pub const fn strength(self) -> u16 {
        match self {
            Self::RsaSsa2048 | Self::RsaPss2048 => 112,
            Self::RsaSsa3072 | Self::RsaPss3072 | Self::EcdsaP256 => 128,
            Self::RsaSsa4096 | Self::RsaPss4096 => 140,
            Self::EcdsaP384 => 192,
            Self::EcdsaP521 => 256,
        }
    }

    /// The name as the specification writes it, without its `TPM_ALG_` prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaSsa2048 => "RSASSA_2048",
            Self::RsaPss2048 => "RSAPSS_2048",
            Self::RsaSsa3072 => "RSASSA_3072",
            Self::RsaPss3072 => "RSAPSS_3072",
            Self::EcdsaP256 => "ECDSA_ECC_NIST_P256",
            Self::RsaSsa4096 => "RSASSA_4096",
            Self::RsaPss4096 => "RSAPSS_4096",
            Self::EcdsaP384 => "ECDSA_ECC_NIST_P384",
            Self::EcdsaP521 => "ECDSA_ECC_NIST_P521",
        }
    }
}

impl fmt::Display for AsymAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the responder hashes what it measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasurementHash {
    /// Not at all: measurements are raw bit streams.
    RawOnly,
    /// With one of the hash algorithms.
    Hash(HashAlgorithm),
    /// With SM3, which is recognised because the responder alone chooses here.
    Sm3,
}

impl MeasurementHash {
    /// The algorithm of a single bit of MeasurementHashAlgo.
    pub fn from_bit(bit: u32) -> Option<Self> {
        match bit {
            0x01 => Some(Self::RawOnly),
            0x80 => Some(Self::Sm3),
            _ => HashAlgorithm::from_bit(bit >> 1)
                .filter(|algorithm| algorithm.bit() << 1 == bit)
                .map(Self::Hash),
        }
    }

    /// Bytes of a digest, if measurements are hashed.
    pub const fn size(self) -> Option<usize> {
        match self {
            Self::RawOnly => None,
            Self::Hash(algorithm) => Some(algorithm.size()),
            Self::Sm3 => Some(32),
        }
    }

    /// Bits of security, for comparison with a floor. A raw bit stream loses nothing.
    pub const fn strength(self) -> u16 {
        match self {
            Self::RawOnly => u16::MAX,
            Self::Hash(algorithm) => algorithm.strength(),
            Self::Sm3 => 128,
        }
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RawOnly => "raw",
            Self::Hash(algorithm) => algorithm.name(),
            Self::Sm3 => "sm3",
        }
    }
}
