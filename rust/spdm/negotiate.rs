// SPDX-License-Identifier: GPL-2.0

//! NEGOTIATE_ALGORITHMS and ALGORITHMS, and the block of 1.3 that says beforehand what a responder
//! supports.

#![forbid(unsafe_code)]

use super::algorithms::{AsymAlgorithm, HashAlgorithm, MeasurementHash};
use super::capabilities::Flags;
use super::code::Code;
use super::error::{Error, Field, Reason};
use super::version::Version;
use super::wire::{Reader, Writer};

/// The measurement specification of DMTF, the only one.
pub const MEASUREMENT_SPEC_DMTF: u8 = 1;

/// Opaque data format 1.
pub const OPAQUE_FORMAT_1: u8 = 2;

const OPAQUE_FORMATS: u8 = 0x0f;
const MULTI_KEY: u8 = 0x10;

const REQUEST_SIZE: u16 = 32;
const TABLE_SIZE: u16 = 4;
const EXT_ALGORITHM_SIZE: usize = 4;

/// Algorithm structure tables, by type. Only sessions use them; 0 leaves a table out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Type 2.
    pub dhe: u16,
    /// Type 3.
    pub aead: u16,
    /// Type 4.
    pub req_base_asym: u16,
    /// Type 5.
    pub key_schedule: u16,
}

impl Tables {
    fn get(&self, kind: u8) -> u16 {
        match kind {
            2 => self.dhe,
            3 => self.aead,
            4 => self.req_base_asym,
            5 => self.key_schedule,
            _ => 0,
        }
    }

    fn set(&mut self, kind: u8, value: u16) {
        match kind {
            2 => self.dhe = value,
            3 => self.aead = value,
            4 => self.req_base_asym = value,
            5 => self.key_schedule = value,
            _ => {}
        }
    }

    fn entries(&self) -> impl Iterator<Item = (u8, u16)> + '_ {
        (2..=5)
            .map(|kind| (kind, self.get(kind)))
            .filter(|(_, value)| *value != 0)
    }
}

/// Algorithms to choose from, as bits: what the requester offers, or what a responder supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Measurement specifications.
    pub measurement_specification: u8,
    /// Opaque data formats. From 1.2 on.
    pub other_params: u8,
    /// Signature algorithms.
    pub base_asym: u32,
    /// Hash algorithms.
    pub base_hash: u32,
    /// Measurement extension log specifications. From 1.3 on.
    pub mel_specification: u8,
    /// Algorithm structure tables. From 1.1 on.
    pub tables: Tables,
}

impl Offer {
    /// Everything that this requester can check, if its crypto layer can.
    pub fn everything() -> Self {
        Self {
            measurement_specification: MEASUREMENT_SPEC_DMTF,
            other_params: OPAQUE_FORMAT_1,
            base_asym: AsymAlgorithm::ALL
                .iter()
                .fold(0, |bits, algorithm| bits | algorithm.bit()),
            base_hash: HashAlgorithm::ALL
                .iter()
                .fold(0, |bits, algorithm| bits | algorithm.bit()),
            mel_specification: 0,
            tables: Tables::default(),
        }
    }

    /// This offer without what is weaker than the given strengths, in bits.
    pub fn at_least(mut self, asym_strength: u16, hash_strength: u16) -> Self {
        let asym = AsymAlgorithm::ALL
            .iter()
            .filter(|algorithm| algorithm.strength() >= asym_strength)
            .fold(0, |bits, algorithm| bits | algorithm.bit());
        let hash = HashAlgorithm::ALL
            .iter()
            .filter(|algorithm| algorithm.strength() >= hash_strength)
            .fold(0, |bits, algorithm| bits | algorithm.bit());
        self.base_asym &= asym;
        self.base_hash &= hash;
        self
    }

    /// What a version has of this offer.
    pub fn in_version(mut self, version: Version) -> Self {
        if version < Version::V11 {
            self.tables = Tables::default();
        }
        if version < Version::V12 {
            self.other_params = 0;
        }
        if version < Version::V13 {
            self.mel_specification = 0;
        }
        self
    }

    /// Writes NEGOTIATE_ALGORITHMS. `multi_key` asks for a connection with one key pair for each
    /// slot.
    ///
    /// # Errors
    ///
    /// - [`Reason::Room`]: the buffer is too short.
    pub fn write(
        &self,
        version: Version,
        multi_key: bool,
        buffer: &mut [u8],
    ) -> Result<usize, Error> {
        let offer = self.in_version(version);
        let tables = u8::try_from(offer.tables.entries().count()).unwrap_or(u8::MAX);
        let length = REQUEST_SIZE.saturating_add(TABLE_SIZE.saturating_mul(tables.into()));
        let other = (offer.other_params & OPAQUE_FORMATS) | if multi_key { MULTI_KEY } else { 0 };

        let mut writer = Writer::new(
            buffer,
            version.byte(),
            Code::NEGOTIATE_ALGORITHMS,
            tables,
            0,
        )?;
        writer.put(&length.to_le_bytes())?;
        writer.put(&[offer.measurement_specification, other])?;
        writer.put(&offer.base_asym.to_le_bytes())?;
        writer.put(&offer.base_hash.to_le_bytes())?;
        writer.put(&[0; 12])?;
        writer.put(&[0, 0, 0, offer.mel_specification])?;
        for (kind, value) in offer.tables.entries() {
            let [low, high] = value.to_le_bytes();
            writer.put(&[kind, 0x20, low, high])?;
        }
        Ok(writer.length())
    }

    /// Reads NEGOTIATE_ALGORITHMS, and whether it asks for one key pair for each slot.
    ///
    /// # Errors
    ///
    /// Another message, too short, or with another length than it says.
    pub fn read(reader: &mut Reader<'_>, version: Version) -> Result<(Self, bool), Error> {
        let start = reader.offset();
        let [tables, _] = reader.header(version.byte())?;
        let length = reader.u16(Field::Length)?;
        let (offer, other) = Self::read_body(reader, tables)?;
        check_length(reader, start, length)?;
        Ok((offer.in_version(version), other & MULTI_KEY != 0))
    }

    /// Reads the block of CAPABILITIES. Extended and unknown algorithms are skipped.
    pub(super) fn read_supported(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let [tables, _, _, _] = reader.array(Field::SupportedAlgorithms)?;
        Self::read_body(reader, tables).map(|(offer, _)| offer)
    }

    fn read_body(reader: &mut Reader<'_>, tables: u8) -> Result<(Self, u8), Error> {
        let [measurement_specification, other] = reader.array(Field::OtherParams)?;
        let base_asym = reader.u32(Field::BaseAsymAlgo)?;
        let base_hash = reader.u32(Field::BaseHashAlgo)?;
        reader.take(12, Field::PqcAsymAlgo)?;
        let [ext_asym, ext_hash, _, mel_specification] = reader.array(Field::ExtAlgorithm)?;
        let ext = usize::from(ext_asym).saturating_add(ext_hash.into());
        reader.take(ext.saturating_mul(EXT_ALGORITHM_SIZE), Field::ExtAlgorithm)?;
        let mut offer = Self {
            measurement_specification,
            other_params: other & OPAQUE_FORMATS,
            base_asym,
            base_hash,
            mel_specification,
            tables: Tables::default(),
        };
        for _ in 0..tables {
            let (kind, value) = read_table(reader)?;
            offer.tables.set(kind, value);
        }
        Ok((offer, other))
    }
}

/// Reads a table of any size: its type and the first two of its bytes.
fn read_table(reader: &mut Reader<'_>) -> Result<(u8, u16), Error> {
    let [kind, count] = reader.array(Field::AlgStruct)?;
    let fixed = reader.take((count >> 4).into(), Field::AlgStruct)?;
    let ext = usize::from(count & 0xf).saturating_mul(EXT_ALGORITHM_SIZE);
    reader.take(ext, Field::AlgStruct)?;
    let value = fixed.first_chunk().copied().map_or(0, u16::from_le_bytes);
    Ok((kind, value))
}

fn check_length(reader: &Reader<'_>, start: usize, length: u16) -> Result<(), Error> {
    let actual = reader.offset().saturating_sub(start);
    if usize::from(length) == actual {
        return Ok(());
    }
    Err(reader.error(
        Field::Length,
        Reason::Length {
            expected: actual,
            actual: length.into(),
        },
    ))
}

/// ALGORITHMS: what the responder selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Whether measurements are in the format of DMTF.
    pub measurements: bool,
    /// Whether opaque data may be sent.
    pub opaque: bool,
    /// How the responder hashes what it measures, if it measures.
    pub measurement_hash: Option<MeasurementHash>,
    /// The signature algorithm, if the responder signs.
    pub asym: Option<AsymAlgorithm>,
    /// The hash algorithm, if the responder hashes.
    pub hash: Option<HashAlgorithm>,
    /// The tables, for what they are worth outside a session.
    pub tables: Tables,
}

impl Selection {
    /// Nothing, as long as nothing is selected.
    pub(super) fn none() -> Self {
        Self {
            measurements: false,
            opaque: false,
            measurement_hash: None,
            asym: None,
            hash: None,
            tables: Tables::default(),
        }
    }

    /// Reads ALGORITHMS and checks it against what was offered, what the responder said to
    /// support, and what its flags ask for.
    ///
    /// # Errors
    ///
    /// Another message, too short or with another length than it says; anything selected that was
    /// not offered or supported; more or less than one where one is needed.
    pub fn read(
        reader: &mut Reader<'_>,
        version: Version,
        flags: Flags,
        offer: &Offer,
        supported: Option<&Offer>,
    ) -> Result<Self, Error> {
        let offer = offer.in_version(version);
        let start = reader.offset();
        let [tables, _] = reader.header(version.byte())?;
        let length = reader.u16(Field::Length)?;
        let [specification, other] = reader.array(Field::OtherParams)?;
        let measurement_hash = reader.u32(Field::MeasurementHashAlgo)?;
        let asym = reader.u32(Field::BaseAsymAlgo)?;
        let hash = reader.u32(Field::BaseHashAlgo)?;
        let pqc = reader.u32(Field::PqcAsymAlgo)?;
        let [_, _, _, _, _, _, _, mel] = reader.array(Field::MelSpecification)?;
        let [ext_asym, ext_hash, _, _] = reader.array(Field::ExtAlgorithm)?;

        if ext_asym != 0 || ext_hash != 0 {
            let count = u32::from(ext_asym).saturating_add(ext_hash.into());
            return Err(reader.error(Field::ExtAlgorithm, Reason::NotOffered(count)));
        }
        if version >= Version::V14 {
            subset(reader, Field::PqcAsymAlgo, pqc, 0)?;
        }
        if version >= Version::V13 {
            at_most_one(
                reader,
                Field::MelSpecification,
                mel.into(),
                offer.mel_specification.into(),
            )?;
        }
        let other = if version >= Version::V12 {
            other & (OPAQUE_FORMATS | MULTI_KEY)
        } else {
            0
        };
        // Bit 4 would be about keys of the requester, and it has none.
        at_most_one(
            reader,
            Field::OtherParams,
            other.into(),
            offer.other_params.into(),
        )?;

        let measures = flags.has_measurements();
        one_of(
            reader,
            Field::MeasurementSpecification,
            specification.into(),
            offer.measurement_specification.into(),
            measures,
        )?;
        let measurement_hash = if measures {
            let found = MeasurementHash::from_bit(measurement_hash);
            let reason = Reason::NotOne(measurement_hash);
            Some(found.ok_or(reader.error(Field::MeasurementHashAlgo, reason))?)
        } else {
            None
        };
        let supported = supported.unwrap_or(&offer);
        one_of(
            reader,
            Field::BaseAsymAlgo,
            asym,
            offer.base_asym & supported.base_asym,
            flags.signs(),
        )?;
        one_of(
            reader,
            Field::BaseHashAlgo,
            hash,
            offer.base_hash & supported.base_hash,
            flags.signs(),
        )?;
        let tables = Self::read_tables(reader, version, tables, &offer.tables)?;
        check_length(reader, start, length)?;
        Ok(Self {
            measurements: specification != 0,
            opaque: version < Version::V12 || other & OPAQUE_FORMATS != 0,
            measurement_hash,
            asym: AsymAlgorithm::from_bit(asym),
            hash: HashAlgorithm::from_bit(hash),
            tables,
        })
    }

    fn read_tables(
        reader: &mut Reader<'_>,
        version: Version,
        count: u8,
        offered: &Tables,
    ) -> Result<Tables, Error> {
        let mut tables = Tables::default();
        if version < Version::V11 {
            return Ok(tables);
        }
        let mut last = 0;
        for _ in 0..count {
            let (kind, value) = read_table(reader)?;
            if kind <= last {
                return Err(reader.error(Field::AlgStruct, Reason::Twice(kind.into())));
            }
            last = kind;
            if offered.get(kind) == 0 {
                return Err(reader.error(Field::AlgStruct, Reason::NotOffered(kind.into())));
            }
            at_most_one(
                reader,
                Field::AlgStruct,
                value.into(),
                offered.get(kind).into(),
            )?;
            tables.set(kind, value);
        }
        Ok(tables)
    }
}

fn subset(reader: &Reader<'_>, field: Field, selected: u32, offered: u32) -> Result<(), Error> {
    match selected & !offered {
        0 => Ok(()),
        extra => Err(reader.error(field, Reason::NotOffered(extra))),
    }
}

fn at_most_one(
    reader: &Reader<'_>,
    field: Field,
    selected: u32,
    offered: u32,
) -> Result<(), Error> {
    one_of(reader, field, selected, offered, false)
}

fn one_of(
    reader: &Reader<'_>,
    field: Field,
    selected: u32,
    offered: u32,
    needed: bool,
) -> Result<(), Error> {
    subset(reader, field, selected, offered)?;
    let count = selected.count_ones();
    if count > 1 || needed && count == 0 {
        return Err(reader.error(field, Reason::NotOne(selected)));
    }
    Ok(())
}
