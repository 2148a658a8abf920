// SPDX-License-Identifier: GPL-2.0

//! GET_MEASUREMENTS and MEASUREMENTS. The blocks of a record are in [`super::blocks`].

#![forbid(unsafe_code)]

use super::blocks::Record;
use super::code::Code;
use super::config::Connection;
use super::error::{Error, Field, Reason};
use super::version::Version;
use super::wire::{Reader, Writer, CONTEXT_SIZE, NONCE_SIZE};

/// Which measurements are asked for: `param2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// How many there are.
    Count,
    /// One, by its index of 1 to 0xfe.
    One(u8),
    /// All of them.
    All,
}

impl Operation {
    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Count => 0,
            Self::One(index) => index,
            Self::All => 0xff,
        }
    }

    /// The operation of a byte on the wire.
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Count,
            0xff => Self::All,
            index => Self::One(index),
        }
    }
}

/// A signature that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// A nonce, never used before.
    pub nonce: [u8; NONCE_SIZE],
    /// The slot whose key signs, 0 to 7. In 1.0 it is always 0.
    pub slot: u8,
}

/// GET_MEASUREMENTS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetMeasurements {
    /// Which measurements.
    pub operation: Operation,
    /// Whether they are signed.
    pub signed: Option<Signed>,
    /// Raw bit streams in place of digests. From 1.2 on.
    pub raw: bool,
    /// As they will be after the next reset. From 1.3 on.
    pub new: bool,
    /// Bytes that the responder repeats. From 1.3 on.
    pub context: [u8; CONTEXT_SIZE],
}

const SIGNATURE: u8 = 1;
const RAW: u8 = 2;
const NEW: u8 = 4;

impl GetMeasurements {
    /// Whether MeasurementSummaryHash is over blocks in the form that is asked for: as they are,
    /// and as digests where the responder has both. Source: DSP0274, "CHALLENGE_AUTH response
    /// message format".
    pub const fn is_summed_up(&self) -> bool {
        !self.raw && !self.new
    }

    /// Writes the message; what the version does not have is left out.
    ///
    /// # Errors
    ///
    /// - [`Reason::Room`]: the buffer is too short.
    pub fn write(&self, version: Version, buffer: &mut [u8]) -> Result<usize, Error> {
        let bit = |set, bit| if set { bit } else { 0 };
        let attributes = bit(self.signed.is_some(), SIGNATURE)
            | bit(self.raw && version >= Version::V12, RAW)
            | bit(self.new && version >= Version::V13, NEW);
        let mut writer = Writer::new(
            buffer,
            version.byte(),
            Code::GET_MEASUREMENTS,
            attributes,
            self.operation.byte(),
        )?;
        if let Some(signed) = &self.signed {
            writer.put(&signed.nonce)?;
            if version >= Version::V11 {
                writer.put(&[signed.slot])?;
            }
        }
        if version >= Version::V13 {
            writer.put(&self.context)?;
        }
        Ok(writer.length())
    }

    /// Reads the message.
    ///
    /// # Errors
    ///
    /// Another message, or too short.
    pub fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, Error> {
        let [attributes, operation] = reader.header(version.byte())?;
        let signed = if attributes & SIGNATURE != 0 {
            let nonce = reader.array(Field::Nonce)?;
            let slot = if version >= Version::V11 {
                reader.u8(Field::SlotId)? & 0xf
            } else {
                0
            };
            Some(Signed { nonce, slot })
        } else {
            None
        };
        let context = if version >= Version::V13 {
            reader.array(Field::RequesterContext)?
        } else {
            [0; CONTEXT_SIZE]
        };
        Ok(Self {
            operation: Operation::from_byte(operation),
            signed,
            raw: version >= Version::V12 && attributes & RAW != 0,
            new: version >= Version::V13 && attributes & NEW != 0,
            context,
        })
    }
}

/// Whether measurements changed while they were read one by one. From 1.2 on, when signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentChanged {
    /// The responder does not find out.
    NotDetected,
    /// They changed.
    Changed,
    /// They did not.
    Unchanged,
}

/// What decides on the layout of MEASUREMENTS.
#[derive(Clone, Copy, Debug)]
pub struct MeasurementsLayout {
    /// The version.
    pub version: Version,
    /// What was asked for.
    pub operation: Operation,
    /// Whether opaque data was negotiated.
    pub opaque: bool,
    /// Bytes of the signature; 0 for none, and to read a transcript, which ends before it.
    pub signature: usize,
}

/// MEASUREMENTS.
#[derive(Clone, Copy, Debug)]
pub struct Measurements<'a> {
    /// Number of measurements that there are, if that was asked for.
    pub total: Option<u8>,
    /// The slot whose key signed; not defined in 1.0 and without a signature.
    pub slot: u8,
    /// Whether the measurements changed.
    pub changed: ContentChanged,
    /// The blocks.
    pub record: Record<'a>,
    /// The responder's nonce, also without a signature.
    pub nonce: &'a [u8],
    /// Opaque data.
    pub opaque: &'a [u8],
    /// The requester's context, empty before 1.3.
    pub context: &'a [u8],
    /// The signature, empty if none was asked for.
    pub signature: &'a [u8],
    /// Bytes before the signature.
    pub signed_length: usize,
}

impl<'a> Measurements<'a> {
    /// Reads MEASUREMENTS. The blocks have other indices than these where one is asked for, or
    /// occur twice, or do not fill the record: an error.
    ///
    /// # Errors
    ///
    /// Another message or too short, blocks that were not asked for, opaque data that is too long
    /// or was not negotiated.
    pub fn read(reader: &mut Reader<'a>, layout: &MeasurementsLayout) -> Result<Self, Error> {
        let [total, param2] = reader.header(layout.version.byte())?;
        let changed = match (param2 >> 4) & 3 {
            _ if layout.version < Version::V12 => ContentChanged::NotDetected,
            0 => ContentChanged::NotDetected,
            1 => ContentChanged::Changed,
            2 => ContentChanged::Unchanged,
            _ => return Err(reader.error(Field::ContentChanged, Reason::Value(3))),
        };
        let count = reader.u8(Field::NumberOfBlocks)?;
        let length = reader.u24(Field::MeasurementRecordLength)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = reader.take(length, Field::MeasurementRecordLength)?;
        let record =
            Record::new(bytes, count).map_err(|(field, reason)| reader.error(field, reason))?;
        record
            .answers(layout.operation)
            .map_err(|(field, reason)| reader.error(field, reason))?;
        let nonce = reader.take(NONCE_SIZE, Field::Nonce)?;
        let opaque = reader.opaque(layout.opaque)?;
        let context = if layout.version >= Version::V13 {
            CONTEXT_SIZE
        } else {
            0
        };
        let context = reader.take(context, Field::RequesterContext)?;
        let signed_length = reader.offset();
        Ok(Self {
            total: (layout.operation == Operation::Count).then_some(total),
            slot: param2 & 0xf,
            changed,
            record,
            nonce,
            opaque,
            context,
            signature: reader.take(layout.signature, Field::Signature)?,
            signed_length,
        })
    }

    /// Whether this answers a request, in what the layout leaves open: digests as long as was
    /// agreed, the same context, the same slot.
    ///
    /// # Errors
    ///
    /// One of them differs.
    pub fn check(&self, request: &GetMeasurements, connection: &Connection) -> Result<(), Error> {
        let error = |(field, reason)| Error::new(Code::MEASUREMENTS, field, reason);
        if let Some(hash) = connection.selection.measurement_hash {
            self.record.check_digests(hash).map_err(error)?;
        }
        if !self.context.is_empty() && self.context != request.context {
            return Err(error((Field::RequesterContext, Reason::Differs)));
        }
        match &request.signed {
            Some(signed) if connection.version >= Version::V11 && self.slot != signed.slot => {
                Err(error((Field::SlotId, Reason::Differs)))
            }
            _ => Ok(()),
        }
    }
}
