// SPDX-License-Identifier: GPL-2.0

//! GET_CERTIFICATE and CERTIFICATE: a portion of the chain in a slot.

#![forbid(unsafe_code)]

use super::code::Code;
use super::digests::CertificateModel;
use super::error::{Error, Field, Reason};
use super::version::Version;
use super::wire::{Reader, Writer};

/// Bytes of CERTIFICATE before the portion.
pub const CERTIFICATE_FIXED: u32 = 8;

/// GET_CERTIFICATE. Large chains of 1.4, above 64 KiB, are not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetCertificate {
    /// The slot, 0 to 7.
    pub slot: u8,
    /// Where the portion begins in the chain, in bytes.
    pub offset: u16,
    /// Longest portion, in bytes.
    pub length: u16,
}

impl GetCertificate {
    /// Writes the message.
    ///
    /// # Errors
    ///
    /// - [`Reason::Room`]: the buffer is too short.
    pub fn write(&self, version: Version, buffer: &mut [u8]) -> Result<usize, Error> {
        let code = Code::GET_CERTIFICATE;
        let mut writer = Writer::new(buffer, version.byte(), code, self.slot, 0)?;
        writer.put(&self.offset.to_le_bytes())?;
        writer.put(&self.length.to_le_bytes())?;
        Ok(writer.length())
    }

    /// Reads the message.
    ///
    /// # Errors
    ///
    /// Another message, or too short.
    pub fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, Error> {
        let [slot, _] = reader.header(version.byte())?;
        Ok(Self {
            slot: slot & 0xf,
            offset: reader.u16(Field::Length)?,
            length: reader.u16(Field::Length)?,
        })
    }
}

/// CERTIFICATE.
#[derive(Clone, Copy, Debug)]
pub struct CertificatePortion<'a> {
    /// The slot.
    pub slot: u8,
    /// Who made the certificates, if the version tells.
    pub model: CertificateModel,
    /// The portion.
    pub portion: &'a [u8],
    /// Bytes of the chain after the portion.
    pub remainder: u16,
}

/// Bit 7 of `param1` in 1.4: lengths of 32 bits follow.
const LARGE: u8 = 0x80;

impl<'a> CertificatePortion<'a> {
    /// Reads CERTIFICATE.
    ///
    /// # Errors
    ///
    /// Another message or too short, a model that is not defined, the large form of 1.4.
    pub fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, Error> {
        let [param1, param2] = reader.header(version.byte())?;
        if version >= Version::V14 && param1 & LARGE != 0 {
            return Err(reader.error(Field::Param1, Reason::NotOffered(LARGE.into())));
        }
        let model = if version >= Version::V13 {
            CertificateModel::from_bits(param2)
        } else {
            Some(CertificateModel::None)
        };
        let model = model
            .ok_or(reader.error(Field::CertificateInfo, Reason::Value((param2 & 7).into())))?;
        let length = reader.u16(Field::PortionLength)?;
        let remainder = reader.u16(Field::RemainderLength)?;
        Ok(Self {
            slot: param1 & 0xf,
            model,
            portion: reader.take(length.into(), Field::CertificateChain)?,
            remainder,
        })
    }
}
