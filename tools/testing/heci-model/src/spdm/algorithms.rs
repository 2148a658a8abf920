// SPDX-License-Identifier: GPL-2.0
//! Versions and algorithms, with their bits and sizes (DSP0274, NEGOTIATE_ALGORITHMS).

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use sha2::digest::DynDigest;

/// A version of SPDM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
pub enum Version {
    /// 1.0
    #[value(name = "1.0")]
    #[serde(rename = "1.0")]
    V10 = 0x10,
    /// 1.1
    #[value(name = "1.1")]
    #[serde(rename = "1.1")]
    V11 = 0x11,
    /// 1.2
    #[value(name = "1.2")]
    #[serde(rename = "1.2")]
    V12 = 0x12,
    /// 1.3
    #[value(name = "1.3")]
    #[serde(rename = "1.3")]
    V13 = 0x13,
    /// 1.4
    #[value(name = "1.4")]
    #[serde(rename = "1.4")]
    V14 = 0x14,
}

impl Version {
    /// As it stands in a header: major and minor number in the high and the low nibble.
    pub fn byte(self) -> u8 {
        self as u8
    }
}

/// A hash algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Hash {
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
    /// SHA3-256
    #[serde(rename = "sha3-256")]
    #[value(name = "sha3-256")]
    Sha3_256,
    /// SHA3-384
    #[serde(rename = "sha3-384")]
    #[value(name = "sha3-384")]
    Sha3_384,
    /// SHA3-512
    #[serde(rename = "sha3-512")]
    #[value(name = "sha3-512")]
    Sha3_512,
    /// SHA-1, which SPDM does not have: only for certificates that must be refused.
    #[serde(skip)]
    #[value(skip)]
    Sha1,
}

impl Hash {
    /// Its bit in `BaseHashAlgo`.
    pub fn bit(self) -> u32 {
        match self {
            Self::Sha256 => 1 << 0,
            Self::Sha384 => 1 << 1,
            Self::Sha512 => 1 << 2,
            Self::Sha3_256 => 1 << 3,
            Self::Sha3_384 => 1 << 4,
            Self::Sha3_512 => 1 << 5,
            Self::Sha1 => 0,
        }
    }

    /// Its bit in `MeasurementHashAlgo`, where bit 0 means raw bit streams only.
    pub fn measurement_bit(self) -> u32 {
        self.bit() << 1
    }

    /// Bytes of a digest.
    pub fn size(self) -> usize {
        self.hasher().output_size()
    }

    fn hasher(self) -> Box<dyn DynDigest> {
        match self {
            Self::Sha256 => Box::new(sha2::Sha256::default()),
            Self::Sha384 => Box::new(sha2::Sha384::default()),
            Self::Sha512 => Box::new(sha2::Sha512::default()),
            Self::Sha3_256 => Box::new(sha3::Sha3_256::default()),
            Self::Sha3_384 => Box::new(sha3::Sha3_384::default()),
            Self::Sha3_512 => Box::new(sha3::Sha3_512::default()),
            Self::Sha1 => Box::new(sha1::Sha1::default()),
        }
    }

    /// Digest of all parts, one after the other.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut hasher = self.hasher();
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finalize().into_vec()
    }
}

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Asym {
    /// ECDSA over P-256
    #[value(name = "ecdsa-p256")]
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// ECDSA over P-384
    #[value(name = "ecdsa-p384")]
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    /// ECDSA over P-521
    #[value(name = "ecdsa-p521")]
    #[serde(rename = "ecdsa-p521")]
    EcdsaP521,
    /// RSASSA-PKCS1-v1_5, 2048 bits
    #[value(name = "rsassa-2048")]
    #[serde(rename = "rsassa-2048")]
    Rsassa2048,
    /// RSASSA-PKCS1-v1_5, 3072 bits
    #[value(name = "rsassa-3072")]
    #[serde(rename = "rsassa-3072")]
    Rsassa3072,
    /// RSASSA-PKCS1-v1_5, 4096 bits
    #[value(name = "rsassa-4096")]
    #[serde(rename = "rsassa-4096")]
    Rsassa4096,
    /// RSASSA-PSS, 2048 bits
    #[value(name = "rsapss-2048")]
    #[serde(rename = "rsapss-2048")]
    Rsapss2048,
    /// RSASSA-PSS, 3072 bits
    #[value(name = "rsapss-3072")]
    #[serde(rename = "rsapss-3072")]
    Rsapss3072,
    /// RSASSA-PSS, 4096 bits
    #[value(name = "rsapss-4096")]
    #[serde(rename = "rsapss-4096")]
    Rsapss4096,
}

impl Asym {
    /// Its bit in `BaseAsymAlgo`.
    pub fn bit(self) -> u32 {
        match self {
            Self::Rsassa2048 => 1 << 0,
            Self::Rsapss2048 => 1 << 1,
            Self::Rsassa3072 => 1 << 2,
            Self::Rsapss3072 => 1 << 3,
            Self::EcdsaP256 => 1 << 4,
            Self::Rsassa4096 => 1 << 5,
            Self::Rsapss4096 => 1 << 6,
            Self::EcdsaP384 => 1 << 7,
            Self::EcdsaP521 => 1 << 8,
        }
    }

    /// Bytes of a signature.
    pub fn signature_size(self) -> usize {
        match self {
            Self::EcdsaP256 => 64,
            Self::EcdsaP384 => 96,
            Self::EcdsaP521 => 132,
            Self::Rsassa2048 | Self::Rsapss2048 => 256,
            Self::Rsassa3072 | Self::Rsapss3072 => 384,
            Self::Rsassa4096 | Self::Rsapss4096 => 512,
        }
    }

    /// Whether the signature is RSASSA-PSS.
    pub fn is_pss(self) -> bool {
        matches!(self, Self::Rsapss2048 | Self::Rsapss3072 | Self::Rsapss4096)
    }
}

/// The first of `ours` whose bit stands in `offered`: ours stand in the order of preference.
pub(super) fn select<T: Copy>(ours: &[T], bit: fn(T) -> u32, offered: u32) -> Option<T> {
    ours.iter().copied().find(|one| bit(*one) & offered != 0)
}

/// The bits of all.
pub(super) fn mask<T: Copy>(all: &[T], bit: fn(T) -> u32) -> u32 {
    all.iter().fold(0, |mask, one| mask | bit(*one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_has_a_bit_of_its_own() {
        let hashes: Vec<Hash> = Hash::value_variants().to_vec();
        assert_eq!(mask(&hashes, Hash::bit), 0x3f);
        assert_eq!(mask(&hashes, Hash::measurement_bit), 0x7e);
        assert_eq!(mask(Asym::value_variants(), Asym::bit), 0x1ff);
    }

    #[test]
    fn the_first_common_one_is_selected() {
        let ours = [Hash::Sha512, Hash::Sha256];
        assert_eq!(select(&ours, Hash::bit, 0x7), Some(Hash::Sha512));
        assert_eq!(select(&ours, Hash::bit, 0x3), Some(Hash::Sha256));
        assert_eq!(select(&ours, Hash::bit, 0x2), None);
    }

    #[test]
    fn digests_have_the_sizes_of_their_algorithms() {
        for (hash, size) in Hash::value_variants().iter().zip([32, 48, 64, 32, 48, 64]) {
            assert_eq!(hash.size(), size);
            assert_eq!(hash.digest(&[b"a", b"bc"]), hash.digest(&[b"abc"]));
            assert_eq!(hash.digest(&[b"abc"]).len(), size);
        }
    }
}
