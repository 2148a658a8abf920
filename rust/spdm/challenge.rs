// SPDX-License-Identifier: GPL-2.0

//! CHALLENGE and CHALLENGE_AUTH.

#![forbid(unsafe_code)]

use super::code::Code;
use super::error::{Error, Field, Reason};
use super::version::Version;
use super::wire::{Reader, Writer, CONTEXT_SIZE, NONCE_SIZE};

/// Which measurements the responder sums up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Summary {
    /// None.
    None = 0,
    /// Those of its trusted computing base.
    Tcb = 1,
    /// All.
    All = 0xff,
}

/// CHALLENGE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The slot whose key signs, 0 to 7.
    pub slot: u8,
    /// Which measurements are summed up.
    pub summary: Summary,
    /// A nonce, never used before.
    pub nonce: [u8; NONCE_SIZE],
    /// Bytes that the responder repeats. From 1.3 on.
    pub context: [u8; CONTEXT_SIZE],
}

impl Challenge {
    /// Writes the message.
    ///
    /// # Errors
    ///
    /// - [`Reason::Room`]: the buffer is too short.
    pub fn write(&self, version: Version, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(
            buffer,
            version.byte(),
            Code::CHALLENGE,
            self.slot,
            self.summary as u8,
        )?;
        writer.put(&self.nonce)?;
        if version >= Version::V13 {
            writer.put(&self.context)?;
        }
        Ok(writer.length())
    }

    /// Reads the message.
    ///
    /// # Errors
    ///
    /// Another message, too short, or a summary that is not defined.
    pub fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, Error> {
        let [slot, summary] = reader.header(version.byte())?;
        let summary = match summary {
            0 => Summary::None,
            1 => Summary::Tcb,
            0xff => Summary::All,
            _ => return Err(reader.error(Field::Param2, Reason::Value(summary.into()))),
        };
        let nonce = reader.array(Field::Nonce)?;
        let context = if version >= Version::V13 {
            reader.array(Field::RequesterContext)?
        } else {
            [0; CONTEXT_SIZE]
        };
        Ok(Self {
            slot,
            summary,
            nonce,
            context,
        })
    }
}

/// What decides on the layout of CHALLENGE_AUTH.
#[derive(Clone, Copy, Debug)]
pub struct ChallengeLayout {
    /// The version.
    pub version: Version,
    /// Bytes of a digest.
    pub digest: usize,
    /// Whether a summary was asked for.
    pub summary: bool,
    /// Whether opaque data was negotiated.
    pub opaque: bool,
    /// Bytes of the signature; 0 reads a transcript, which ends before it.
    pub signature: usize,
}

/// CHALLENGE_AUTH.
#[derive(Clone, Copy, Debug)]
pub struct ChallengeAuth<'a> {
    /// The slot whose key signed.
    pub slot: u8,
    /// The slots that hold a chain.
    pub slot_mask: u8,
    /// Digest of the chain in the slot.
    pub chain_hash: &'a [u8],
    /// The responder's nonce.
    pub nonce: &'a [u8],
    /// Digest of the measurements, empty if none was asked for.
    pub summary: &'a [u8],
    /// Opaque data.
    pub opaque: &'a [u8],
    /// The requester's context, empty before 1.3.
    pub context: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// Bytes before the signature.
    pub signed_length: usize,
}

/// Bit 7 of `param1` before 1.2: the responder wants the requester to authenticate in turn.
const BASIC_MUTUAL_AUTH: u8 = 0x80;

impl<'a> ChallengeAuth<'a> {
    /// Reads CHALLENGE_AUTH.
    ///
    /// # Errors
    ///
    /// Another message or too short, opaque data that is too long or was not negotiated, a demand
    /// for mutual authentication.
    pub fn read(reader: &mut Reader<'a>, layout: &ChallengeLayout) -> Result<Self, Error> {
        let [attribute, slot_mask] = reader.header(layout.version.byte())?;
        if layout.version < Version::V12 && attribute & BASIC_MUTUAL_AUTH != 0 {
            let reason = Reason::NotOffered(BASIC_MUTUAL_AUTH.into());
            return Err(reader.error(Field::ChallengeAttribute, reason));
        }
        let chain_hash = reader.take(layout.digest, Field::CertChainHash)?;
        let nonce = reader.take(NONCE_SIZE, Field::Nonce)?;
        let summary = if layout.summary { layout.digest } else { 0 };
        let summary = reader.take(summary, Field::MeasurementSummaryHash)?;
        let opaque = reader.opaque(layout.opaque)?;
        let context = if layout.version >= Version::V13 {
            CONTEXT_SIZE
        } else {
            0
        };
        let context = reader.take(context, Field::RequesterContext)?;
        let signed_length = reader.offset();
        Ok(Self {
            slot: attribute & 0xf,
            slot_mask,
            chain_hash,
            nonce,
            summary,
            opaque,
            context,
            signature: reader.take(layout.signature, Field::Signature)?,
            signed_length,
        })
    }
}
