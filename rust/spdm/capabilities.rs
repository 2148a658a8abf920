// SPDX-License-Identifier: GPL-2.0

//! GET_CAPABILITIES and CAPABILITIES.

#![forbid(unsafe_code)]

use super::code::Code;
use super::error::{Error, Field, Reason};
use super::negotiate::Offer;
use super::version::Version;
use super::wire::{Reader, Writer};

/// The least DataTransferSize, in bytes.
pub const DATA_TRANSFER_SIZE_MIN: u32 = 42;

/// The greatest CTExponent that stands for a time anybody would wait.
pub const CT_EXPONENT_MAX: u8 = 31;

/// Bit 0 of `param1`: the algorithms are asked for, or follow.
const SUPPORTED_ALGORITHMS: u8 = 1;

/// Capability flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// Certificates.
    pub const CERT: Self = Self(1 << 1);
    /// CHALLENGE.
    pub const CHAL: Self = Self(1 << 2);
    /// Measurements, without a signature.
    pub const MEAS_NO_SIG: Self = Self(1 << 3);
    /// Measurements, with a signature if asked for.
    pub const MEAS_SIG: Self = Self(2 << 3);
    /// Measurements are taken anew for each request.
    pub const MEAS_FRESH: Self = Self(1 << 5);
    /// Mutual authentication.
    pub const MUT_AUTH: Self = Self(1 << 8);
    /// KEY_EXCHANGE.
    pub const KEY_EX: Self = Self(1 << 9);
    /// A public key that was provisioned, in place of certificates.
    pub const PUB_KEY_ID: Self = Self(1 << 16);
    /// Messages in chunks.
    pub const CHUNK: Self = Self(1 << 17);
    /// The leaf certificate is made by the device itself and changes with its firmware.
    pub const ALIAS_CERT: Self = Self(1 << 18);
    /// SET_CERTIFICATE.
    pub const SET_CERT: Self = Self(1 << 19);
    /// GET_CSR.
    pub const CSR: Self = Self(1 << 20);
    /// Endpoint information with a signature.
    pub const EP_INFO_SIG: Self = Self(2 << 22);
    /// One key pair for each slot, always.
    pub const MULTI_KEY_ONLY: Self = Self(1 << 26);

    const MEAS: u32 = 3 << 3;
    const PSK: u32 = 3 << 10;
    const EP_INFO: u32 = 3 << 22;
    const MULTI_KEY: u32 = 3 << 26;

    /// Whether all of these are set.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Whether there are measurements at all.
    pub const fn has_measurements(self) -> bool {
        self.0 & Self::MEAS != 0
    }

    /// Whether the responder signs with a private key of its own.
    pub const fn signs(self) -> bool {
        self.has(Self::CHAL)
            || self.has(Self::MEAS_SIG)
            || self.has(Self::KEY_EX)
            || self.has(Self::EP_INFO_SIG)
            || self.has(Self::CERT)
            || self.has(Self::PUB_KEY_ID)
    }

    /// Whether the responder insists on one key pair for each slot.
    pub const fn is_multi_key(self) -> bool {
        self.0 & Self::MULTI_KEY == Self::MULTI_KEY_ONLY.0
    }

    /// The bits that a version defines. The others are reserved and ignored.
    pub const fn defined(version: Version) -> Self {
        Self(match version {
            Version::V10 => 0x0000_003f,
            Version::V11 => 0x0001_ffff,
            Version::V12 => 0x003f_ffff,
            Version::V13 => 0x3fff_ffff,
            Version::V14 => 0xffff_ffff,
        })
    }

    /// Whether the flags of a responder, without undefined ones, agree with one another: the rules that the messages of
    /// this requester depend on.
    pub fn agree(self) -> bool {
        let has_key = self.has(Self::CERT) || self.has(Self::PUB_KEY_ID);
        let needs_key = self.has(Self::CHAL)
            || self.has(Self::MEAS_SIG)
            || self.has(Self::KEY_EX)
            || self.has(Self::MUT_AUTH)
            || self.has(Self::EP_INFO_SIG);
        let provisions = self.has(Self::ALIAS_CERT) || self.has(Self::SET_CERT);

        let reserved = [Self::MEAS, Self::PSK, Self::EP_INFO, Self::MULTI_KEY]
            .iter()
            .any(|bits| self.0 & bits == *bits);
        let contradicts = self.has(Self::MEAS_FRESH) && !self.has_measurements()
            || self.has(Self::CERT) && self.has(Self::PUB_KEY_ID)
            || needs_key && !has_key
            || provisions && !self.has(Self::CERT)
            || self.has(Self::PUB_KEY_ID) && self.0 & Self::MULTI_KEY != 0;
        !reserved && !contradicts
    }
}

/// GET_CAPABILITIES: what the requester can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetCapabilities {
    /// Whether the algorithms of the responder are asked for. From 1.3 on, with [`Flags::CHUNK`].
    pub supported_algorithms: bool,
    /// Cryptographic timeout of the requester: 2^n microseconds. From 1.1 on.
    pub ct_exponent: u8,
    /// Flags, without those that the version does not define. From 1.1 on.
    pub flags: Flags,
    /// Longest single message that the requester takes, in bytes. From 1.2 on.
    pub data_transfer_size: u32,
    /// Longest message that it takes in chunks, in bytes. From 1.2 on.
    pub max_spdm_msg_size: u32,
}

impl GetCapabilities {
    /// Writes the message; what the version does not have is left out.
    ///
    /// # Errors
    ///
    /// - [`Reason::Room`]: the buffer is too short.
    pub fn write(&self, version: Version, buffer: &mut [u8]) -> Result<usize, Error> {
        let asks = version >= Version::V13 && self.supported_algorithms;
        let param1 = if asks { SUPPORTED_ALGORITHMS } else { 0 };
        let mut writer = Writer::new(buffer, version.byte(), Code::GET_CAPABILITIES, param1, 0)?;
        if version >= Version::V11 {
            let flags = self.flags.0 & Flags::defined(version).0;
            writer.put(&[0, self.ct_exponent, 0, 0])?;
            writer.put(&flags.to_le_bytes())?;
        }
        if version >= Version::V12 {
            writer.put(&self.data_transfer_size.to_le_bytes())?;
            writer.put(&self.max_spdm_msg_size.to_le_bytes())?;
        }
        Ok(writer.length())
    }

    /// Reads the message.
    ///
    /// # Errors
    ///
    /// Another message, or too short.
    pub fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, Error> {
        let [param1, _] = reader.header(version.byte())?;
        let mut message = Self {
            supported_algorithms: version >= Version::V13 && param1 & SUPPORTED_ALGORITHMS != 0,
            ct_exponent: 0,
            flags: Flags(0),
            data_transfer_size: 0,
            max_spdm_msg_size: 0,
        };
        if version >= Version::V11 {
            [_, message.ct_exponent, _, _] = reader.array(Field::CtExponent)?;
            message.flags = Flags(reader.u32(Field::Flags)? & Flags::defined(version).0);
        }
        if version >= Version::V12 {
            message.data_transfer_size = reader.u32(Field::DataTransferSize)?;
            message.max_spdm_msg_size = reader.u32(Field::MaxSpdmMsgSize)?;
        }
        Ok(message)
    }
}

/// CAPABILITIES: what the responder can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Cryptographic timeout of the responder: 2^n microseconds.
    pub ct_exponent: u8,
    /// Flags, without those that the version does not define.
    pub flags: Flags,
    /// Longest single message that the responder takes, in bytes; before 1.2 there is no limit.
    pub data_transfer_size: u32,
    /// Longest message that it takes in chunks, in bytes; before 1.2 there is no limit.
    pub max_spdm_msg_size: u32,
    /// Its algorithms, if they were asked for and it told them.
    pub supported: Option<Offer>,
}

impl Capabilities {
    /// Reads CAPABILITIES. `asked` tells whether the algorithms were asked for.
    ///
    /// # Errors
    ///
    /// Another message or too short, a value out of its limits, flags or sizes that contradict one
    /// another, algorithms that nobody asked for.
    pub fn read(reader: &mut Reader<'_>, version: Version, asked: bool) -> Result<Self, Error> {
        let [param1, _] = reader.header(version.byte())?;
        let [_, ct_exponent, _, _] = reader.array(Field::CtExponent)?;
        if ct_exponent > CT_EXPONENT_MAX {
            return Err(reader.error(
                Field::CtExponent,
                Reason::Above {
                    limit: CT_EXPONENT_MAX.into(),
                    actual: ct_exponent.into(),
                },
            ));
        }
        let flags = Flags(reader.u32(Field::Flags)? & Flags::defined(version).0);
        if !flags.agree() {
            return Err(reader.error(Field::Flags, Reason::Inconsistent(flags.0)));
        }
        let (data_transfer_size, max_spdm_msg_size) = if version >= Version::V12 {
            Self::sizes(reader, flags)?
        } else {
            (u32::MAX, u32::MAX)
        };
        let told = version >= Version::V13 && param1 & SUPPORTED_ALGORITHMS != 0;
        if told && !asked {
            return Err(reader.error(Field::Param1, Reason::Value(param1.into())));
        }
        let supported = if told {
            Some(Offer::read_supported(reader)?)
        } else {
            None
        };
        Ok(Self {
            ct_exponent,
            flags,
            data_transfer_size,
            max_spdm_msg_size,
            supported,
        })
    }

    fn sizes(reader: &mut Reader<'_>, flags: Flags) -> Result<(u32, u32), Error> {
        let transfer = reader.u32(Field::DataTransferSize)?;
        let message = reader.u32(Field::MaxSpdmMsgSize)?;
        let below = |limit, actual| Reason::Below { limit, actual };
        if transfer < DATA_TRANSFER_SIZE_MIN {
            let reason = below(DATA_TRANSFER_SIZE_MIN, transfer);
            return Err(reader.error(Field::DataTransferSize, reason));
        }
        if message < transfer {
            return Err(reader.error(Field::MaxSpdmMsgSize, below(transfer, message)));
        }
        if message != transfer && !flags.has(Flags::CHUNK) {
            return Err(reader.error(Field::MaxSpdmMsgSize, Reason::Differs));
        }
        Ok((transfer, message))
    }
}
