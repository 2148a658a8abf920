// SPDX-License-Identifier: GPL-2.0

//! What can be wrong: in which message, in which field, and why.

#![forbid(unsafe_code)]

use core::fmt;

use super::code::{Code, ErrorCode};
use super::crypto::Refusal;
use super::x509::CertificateFault;

/// An error of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// The message that was being read, sent or waited for.
    pub message: Code,
    /// The field of that message.
    pub field: Field,
    /// What is wrong with it.
    pub reason: Reason,
}

/// A field of a message, or a property of the message as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The message as a whole.
    Message,
    /// Byte 0.
    SpdmVersion,
    /// Byte 1.
    RequestResponseCode,
    /// Byte 2.
    Param1,
    /// Byte 3.
    Param2,
    /// VERSION.
    VersionNumberEntry,
    /// Capability flags.
    Flags,
    /// Exponent of the cryptographic timeout.
    CtExponent,
    /// Longest single message.
    DataTransferSize,
    /// Longest message in chunks.
    MaxSpdmMsgSize,
    /// The block of 1.3 that follows CAPABILITIES.
    SupportedAlgorithms,
    /// Length field of a message.
    Length,
    /// Measurement specification.
    MeasurementSpecification,
    /// Opaque data format and multi-key bit.
    OtherParams,
    /// Hash of measurement blocks.
    MeasurementHashAlgo,
    /// Signature algorithm.
    BaseAsymAlgo,
    /// Hash algorithm.
    BaseHashAlgo,
    /// Post-quantum signature algorithm.
    PqcAsymAlgo,
    /// Measurement extension log specification.
    MelSpecification,
    /// Extended algorithms.
    ExtAlgorithm,
    /// An algorithm structure table.
    AlgStruct,
    /// Slot number.
    SlotId,
    /// Slots that hold a chain.
    SlotMask,
    /// Slots that could hold a chain.
    SupportedSlotMask,
    /// A digest of DIGESTS.
    Digest,
    /// Key pair ids of a multi-key connection.
    KeyPairId,
    /// Certificate models of a multi-key connection.
    CertificateInfo,
    /// Key usages of a multi-key connection.
    KeyUsageMask,
    /// Bytes of a chain in this message.
    PortionLength,
    /// Bytes of a chain after this message.
    RemainderLength,
    /// The chain with its header.
    CertificateChain,
    /// The hash in the header of a chain.
    RootHash,
    /// Hash of a chain in CHALLENGE_AUTH.
    CertChainHash,
    /// A nonce.
    Nonce,
    /// Hash over measurements in CHALLENGE_AUTH.
    MeasurementSummaryHash,
    /// Length of opaque data.
    OpaqueDataLength,
    /// Opaque data.
    OpaqueData,
    /// The requester's context, echoed.
    RequesterContext,
    /// The signature.
    Signature,
    /// The challenge attributes, the upper bits of `param1`.
    ChallengeAttribute,
    /// Number of measurements, or which one is asked for.
    MeasurementIndex,
    /// Number of blocks in a record.
    NumberOfBlocks,
    /// Length of a record.
    MeasurementRecordLength,
    /// A measurement block.
    MeasurementBlock,
    /// Whether measurements changed meanwhile.
    ContentChanged,
    /// Handle of a message in chunks.
    Handle,
    /// Number of a chunk.
    ChunkSeqNo,
    /// Length of a chunk.
    ChunkSize,
    /// Length of the message that the chunks make up.
    LargeMessageSize,
    /// Code of ERROR.
    ErrorCode,
    /// Extended data of ERROR.
    ExtendedErrorData,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another length was expected, in bytes.
    Length {
        /// What was expected.
        expected: usize,
        /// What there is.
        actual: usize,
    },
    /// The message ends before the field does.
    Short {
        /// Bytes the message would need.
        expected: usize,
        /// Bytes it has.
        actual: usize,
    },
    /// Above a limit.
    Above {
        /// The limit.
        limit: u32,
        /// The value.
        actual: u32,
    },
    /// Below a limit.
    Below {
        /// The limit.
        limit: u32,
        /// The value.
        actual: u32,
    },
    /// A value that is not allowed here.
    Value(u32),
    /// Bits or values that exclude one another.
    Inconsistent(u32),
    /// Not what it has to be the same as: the request, the chain, or an earlier message.
    Differs,
    /// It changed while it was read.
    Changed,
    /// Selected, but not offered.
    NotOffered(u32),
    /// Not exactly one bit is selected.
    NotOne(u32),
    /// There is nothing in common.
    NothingInCommon,
    /// Weaker than what is pinned.
    BelowFloor(u32),
    /// Occurs twice.
    Twice(u32),
    /// Is not there.
    Missing,
    /// The responder has no such capability.
    NotCapable,
    /// The key of the slot is not meant for this.
    KeyUsage,
    /// A certificate of a chain.
    Certificate {
        /// Which one, counted from the root, from 0.
        index: usize,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// The crypto layer refused.
    Crypto(Refusal),
    /// The responder answered with ERROR.
    Refused {
        /// Its code.
        code: ErrorCode,
        /// Its data, `param2`.
        data: u8,
    },
    /// The responder asked for patience too often.
    Retries(u32),
    /// It takes more time than there is, in microseconds.
    Late {
        /// The limit.
        limit: u64,
        /// What it has taken so far, or will have if the responder gets the time it asks for.
        actual: u64,
    },
    /// The operation is not possible now: another one has to come first.
    Order,
    /// A lent buffer is too small, in bytes.
    Room {
        /// Bytes that are needed.
        needed: usize,
        /// Bytes that there are.
        room: usize,
    },
}

impl Error {
    /// An error.
    pub const fn new(message: Code, field: Field, reason: Reason) -> Self {
        Self {
            message,
            field,
            reason,
        }
    }

    /// Whether to begin again at GET_VERSION: because the responder asks for it, or because
    /// measurements may have changed between two messages. Whoever does so counts how often.
    pub fn asks_for_restart(&self) -> bool {
        match self.reason {
            Reason::Refused { code, .. } => code.ends_connection(),
            Reason::Differs => self.field == Field::MeasurementSummaryHash,
            reason => reason == Reason::Changed,
        }
    }

    /// Whether the check could not be made, so that nothing is known: neither passed nor failed.
    pub fn could_not_check(&self) -> bool {
        match self.reason {
            Reason::Crypto(refusal)
            | Reason::Certificate {
                fault: CertificateFault::Signature(refusal),
                ..
            } => refusal != Refusal::Wrong,
            Reason::NotCapable
            | Reason::KeyUsage
            | Reason::Changed
            | Reason::Refused { .. }
            | Reason::Retries(_)
            | Reason::Late { .. }
            | Reason::Order
            | Reason::Room { .. } => true,
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.message)?;
        match self.field {
            Field::Message => {}
            field => write!(f, "{field}: ")?,
        }
        self.reason.fmt(f)
    }
}

impl core::error::Error for Error {}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message => "message",
            Self::SpdmVersion => "SPDMVersion",
            Self::RequestResponseCode => "RequestResponseCode",
            Self::Param1 => "Param1",
            Self::Param2 => "Param2",
            Self::VersionNumberEntry => "VersionNumberEntry",
            Self::Flags => "Flags",
            Self::CtExponent => "CTExponent",
            Self::DataTransferSize => "DataTransferSize",
            Self::MaxSpdmMsgSize => "MaxSPDMmsgSize",
            Self::SupportedAlgorithms => "SupportedAlgorithms",
            Self::Length => "Length",
            Self::MeasurementSpecification => "MeasurementSpecification",
            Self::OtherParams => "OtherParams",
            Self::MeasurementHashAlgo => "MeasurementHashAlgo",
            Self::BaseAsymAlgo => "BaseAsymAlgo",
            Self::BaseHashAlgo => "BaseHashAlgo",
            Self::PqcAsymAlgo => "PqcAsymAlgo",
            Self::MelSpecification => "MELspecification",
            Self::ExtAlgorithm => "ExtAlg",
            Self::AlgStruct => "AlgStruct",
            Self::SlotId => "SlotID",
            Self::SlotMask => "SlotMask",
            Self::SupportedSlotMask => "SupportedSlotMask",
            Self::Digest => "Digest",
            Self::KeyPairId => "KeyPairID",
            Self::CertificateInfo => "CertificateInfo",
            Self::KeyUsageMask => "KeyUsageMask",
            Self::PortionLength => "PortionLength",
            Self::RemainderLength => "RemainderLength",
            Self::CertificateChain => "CertChain",
            Self::RootHash => "RootHash",
            Self::CertChainHash => "CertChainHash",
            Self::Nonce => "Nonce",
            Self::MeasurementSummaryHash => "MeasurementSummaryHash",
            Self::OpaqueDataLength => "OpaqueDataLength",
            Self::OpaqueData => "OpaqueData",
            Self::RequesterContext => "RequesterContext",
            Self::Signature => "Signature",
            Self::ChallengeAttribute => "ResponseAttribute",
            Self::MeasurementIndex => "MeasurementIndex",
            Self::NumberOfBlocks => "NumberOfBlocks",
            Self::MeasurementRecordLength => "MeasurementRecordLength",
            Self::MeasurementBlock => "MeasurementBlock",
            Self::ContentChanged => "content changed",
            Self::Handle => "Handle",
            Self::ChunkSeqNo => "ChunkSeqNo",
            Self::ChunkSize => "ChunkSize",
            Self::LargeMessageSize => "LargeMessageSize",
            Self::ErrorCode => "ErrorCode",
            Self::ExtendedErrorData => "ExtendedErrorData",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Length { expected, actual } => {
                write!(f, "{actual} bytes instead of {expected}")
            }
            Self::Short { expected, actual } => {
                write!(f, "message of {actual} bytes ends before byte {expected}")
            }
            Self::Above { limit, actual } => write!(f, "{actual} is above {limit}"),
            Self::Below { limit, actual } => write!(f, "{actual} is below {limit}"),
            Self::Value(value) => write!(f, "{value:#x} is not allowed"),
            Self::Inconsistent(value) => write!(f, "{value:#x} contradicts itself"),
            Self::Differs => f.write_str("differs from what it has to match"),
            Self::Changed => f.write_str("changed while it was read"),
            Self::NotOffered(value) => write!(f, "{value:#x} was not offered"),
            Self::NotOne(value) => write!(f, "{value:#x} does not select exactly one"),
            Self::NothingInCommon => f.write_str("nothing in common with the responder"),
            Self::BelowFloor(value) => write!(f, "{value:#x} is weaker than what is pinned"),
            Self::Twice(value) => write!(f, "{value:#x} occurs twice"),
            Self::Missing => f.write_str("missing"),
            Self::NotCapable => f.write_str("the responder has no such capability"),
            Self::KeyUsage => f.write_str("the key of the slot is not meant for this"),
            Self::Certificate { index, fault } => write!(f, "certificate {index}: {fault}"),
            Self::Crypto(refusal) => refusal.fmt(f),
            Self::Refused { code, data } => {
                write!(f, "the responder answered {code} (data {data:#04x})")
            }
            Self::Retries(count) => write!(f, "not answered after {count} retries"),
            Self::Late { limit, actual } => {
                write!(f, "would take {actual} us, the limit is {limit} us")
            }
            Self::Order => f.write_str("another operation has to come first"),
            Self::Room { needed, room } => {
                write!(f, "needs {needed} bytes, there is room for {room}")
            }
        }
    }
}
