// SPDX-License-Identifier: GPL-2.0

//! GET_DIGESTS and DIGESTS.

#![forbid(unsafe_code)]

use super::code::Code;
use super::error::{Error, Field, Reason};
use super::version::Version;
use super::wire::{Reader, Writer};

/// Number of slots that can hold a certificate chain.
pub const SLOTS: usize = 8;

/// Who made the certificates of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateModel {
    /// Not known: the responder does not tell, or there is none.
    None,
    /// The leaf is a certificate for the device.
    Device,
    /// The device itself made the leaf, below a certificate for the device.
    Alias,
    /// Any other.
    Generic,
}

impl CertificateModel {
    /// The model of bits 2:0.
    pub fn from_bits(bits: u8) -> Option<Self> {
        match bits & 7 {
            0 => Some(Self::None),
            1 => Some(Self::Device),
            2 => Some(Self::Alias),
            3 => Some(Self::Generic),
            _ => None,
        }
    }
}

/// What a multi-key connection says of the key of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Number of the key pair, from 1.
    pub key_pair: u8,
    /// Who made the certificates.
    pub model: CertificateModel,
    /// What the key is for.
    pub usage: u16,
}

impl KeyInfo {
    /// The key signs CHALLENGE_AUTH.
    pub const CHALLENGE: u16 = 1 << 1;
    /// The key signs MEASUREMENTS.
    pub const MEASUREMENT: u16 = 1 << 2;
}

/// Writes GET_DIGESTS.
///
/// # Errors
///
/// - [`Reason::Room`]: the buffer is too short.
pub fn get_digests(version: Version, buffer: &mut [u8]) -> Result<usize, Error> {
    Ok(Writer::new(buffer, version.byte(), Code::GET_DIGESTS, 0, 0)?.length())
}

/// DIGESTS: the digest of the chain in each slot.
#[derive(Clone, Copy, Debug)]
pub struct Digests<'a> {
    /// Slots that could hold a chain; all of them where the version does not tell.
    pub supported: u8,
    /// Slots that do.
    pub provisioned: u8,
    digests: &'a [u8],
    size: usize,
    key_pairs: &'a [u8],
    models: &'a [u8],
    usages: &'a [u8],
}

impl<'a> Digests<'a> {
    /// Reads DIGESTS with digests of `size` bytes.
    ///
    /// # Errors
    ///
    /// Another message or too short, no slot at all, a slot that is not supported, a key pair
    /// without number or a model that is not defined.
    pub fn read(
        reader: &mut Reader<'a>,
        version: Version,
        size: usize,
        multi_key: bool,
    ) -> Result<Self, Error> {
        let [supported, provisioned] = reader.header(version.byte())?;
        if provisioned == 0 {
            return Err(reader.error(Field::SlotMask, Reason::Missing));
        }
        let supported = if version >= Version::V13 {
            supported
        } else {
            u8::MAX
        };
        if provisioned & !supported != 0 {
            let reason = Reason::Inconsistent(provisioned.into());
            return Err(reader.error(Field::SupportedSlotMask, reason));
        }
        let count = count(provisioned);
        let mut digests = Self {
            supported,
            provisioned,
            digests: reader.take(count.saturating_mul(size), Field::Digest)?,
            size,
            key_pairs: &[],
            models: &[],
            usages: &[],
        };
        if multi_key {
            digests.key_pairs = reader.take(count, Field::KeyPairId)?;
            digests.models = reader.take(count, Field::CertificateInfo)?;
            digests.usages = reader.take(count.saturating_mul(2), Field::KeyUsageMask)?;
            digests.check_keys(reader)?;
        }
        Ok(digests)
    }

    fn check_keys(&self, reader: &Reader<'_>) -> Result<(), Error> {
        if self.key_pairs.contains(&0) {
            return Err(reader.error(Field::KeyPairId, Reason::Value(0)));
        }
        for model in self.models {
            if CertificateModel::from_bits(*model).is_none() {
                let reason = Reason::Value((*model).into());
                return Err(reader.error(Field::CertificateInfo, reason));
            }
        }
        Ok(())
    }

    /// The digest of the chain in a slot, if there is one.
    pub fn digest(&self, slot: u8) -> Option<&'a [u8]> {
        let start = self.position(slot)?.checked_mul(self.size)?;
        self.digests.get(start..start.checked_add(self.size)?)
    }

    /// What is said of the key of a slot, in a multi-key connection.
    pub fn key(&self, slot: u8) -> Option<KeyInfo> {
        let position = self.position(slot)?;
        let usage = self.usages.get(position.checked_mul(2)?..)?;
        Some(KeyInfo {
            key_pair: *self.key_pairs.get(position)?,
            model: CertificateModel::from_bits(*self.models.get(position)?)?,
            usage: u16::from_le_bytes(*usage.first_chunk()?),
        })
    }

    /// Where a slot stands among those that are provisioned.
    fn position(&self, slot: u8) -> Option<usize> {
        let bit = 1_u8.checked_shl(slot.into())?;
        if self.provisioned & bit == 0 {
            return None;
        }
        Some(count(self.provisioned & bit.wrapping_sub(1)))
    }
}

fn count(mask: u8) -> usize {
    mask.count_ones() as usize
}
