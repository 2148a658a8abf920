// SPDX-License-Identifier: GPL-2.0
//! VERSION, CAPABILITIES, ALGORITHMS.

use super::algorithms::{mask, select, Asym, Hash, Version};
use super::chain::Defects;
use super::connection::{Agreed, Connection, Peer, Phase};
use super::response::Response;
use super::settings::{Capability, MeasurementHash};
use super::wire::{error, Answer, Reader, Refusal, HEADER, TRANSFER_MIN};
use crate::faults::Fault;
use crate::hw::Hw;

/// The bit of a requester's and a responder's flags for chunks.
const CHUNK: u32 = 1 << 17;
/// Bit of GET_CAPABILITIES' and CAPABILITIES' first parameter: the algorithms block.
const BLOCK: u8 = 1;
/// Largest exponent of a time.
const EXPONENT_MAX: u8 = 31;
/// The DMTF measurement specification.
const MEASUREMENT_DMTF: u8 = 1;
/// The formats of opaque data.
const OPAQUE_FORMATS: [u8; 2] = [1 << 1, 1 << 0];
/// Several key pairs.
const MULTI_KEY: u8 = 1 << 4;
/// Bytes of one algorithm that is not in the tables of SPDM.
const EXTENDED: usize = 4;
/// The count of a table: two bytes of fixed algorithms, no extended ones.
const TABLE_COUNT: u8 = 0x20;

impl Connection {
    pub(super) fn get_version(&mut self, hw: &mut Hw, request: &[u8]) -> Answer {
        Reader(request.get(HEADER..).unwrap_or_default()).end()?;
        self.settings = hw.settings.spdm.clone();
        self.phase = Phase::Version;
        self.version = Version::V10;
        self.peer = Peer::default();
        self.agreed = None;

        let mut entries: Vec<u16> = self.settings.versions.iter().map(|v| entry(*v)).collect();
        if let Some(entry) = hw.fault(Fault::SpdmVersionOnly) {
            entries = vec![entry as u16];
        }
        if hw.fault(Fault::SpdmVersionNone).is_some() {
            entries.clear();
        }
        let count = hw.fault(Fault::SpdmVersionCount);
        let count = count.map_or(entries.len() as u8, |count| count as u8);
        let mut response = vec![
            self.version.byte(),
            Response::Version.code(),
            0,
            0,
            0,
            count,
        ];
        response.extend(entries.iter().flat_map(|entry| entry.to_le_bytes()));
        self.transcripts.vca = [request, &response].concat();
        Ok(response)
    }

    pub(super) fn get_capabilities(&mut self, hw: &mut Hw, request: &[u8]) -> Answer {
        if self.phase != Phase::Version {
            return Err(Refusal::unexpected());
        }
        let mut body = Reader(request);
        let byte = body.u8()?;
        let versions = &self.settings.versions;
        let version = versions.iter().copied().find(|v| v.byte() == byte);
        let version = version.ok_or(Refusal::error(error::VERSION_MISMATCH))?;
        body.take(1)?;
        let wants_block = body.u8()? & BLOCK != 0 && version >= Version::V13;
        body.take(1)?;
        let mut peer = Peer::default();
        if version >= Version::V11 {
            body.take(1)?;
            if body.u8()? > EXPONENT_MAX {
                return Err(Refusal::invalid());
            }
            body.take(2)?;
            peer.flags = body.u32()?;
        }
        if version >= Version::V12 {
            peer.data_transfer_size = body.u32()?;
            peer.max_message_size = body.u32()?;
            let chunks = peer.flags & CHUNK != 0;
            let (one, all) = (peer.data_transfer_size, peer.max_message_size);
            if one < TRANSFER_MIN || one > all || (!chunks && one != all) {
                return Err(Refusal::invalid());
            }
        }
        body.end()?;
        if wants_block && peer.flags & CHUNK == 0 {
            return Err(Refusal::invalid());
        }
        self.version = version;
        self.peer = peer;
        self.phase = Phase::Capabilities;
        let response = self.capabilities(hw, wants_block);
        self.transcripts.vca.extend(request);
        self.transcripts.vca.extend(&response);
        Ok(response)
    }

    fn capabilities(&self, hw: &mut Hw, block: bool) -> Vec<u8> {
        let settings = &self.settings;
        let flags = settings.capabilities.iter().map(|c| c.flags());
        let flags = flags.filter(|(_, since)| *since <= self.version);
        let flags = flags.fold(0, |all, (bits, _)| all | bits);
        let one = settings.data_transfer_size;
        let all = match settings.can(Capability::Chunk) {
            true => settings.max_message_size,
            false => one,
        };
        let flags = hw
            .fault(Fault::SpdmCapabilitiesFlags)
            .map_or(flags, |v| v as u32);
        let exponent = hw.fault(Fault::SpdmCapabilitiesExponent);
        let exponent = exponent.map_or(settings.ct_exponent, |v| v as u8);
        let one = hw
            .fault(Fault::SpdmCapabilitiesTransfer)
            .map_or(one, |v| v as u32);
        let all = hw
            .fault(Fault::SpdmCapabilitiesMessage)
            .map_or(all, |v| v as u32);
        let unasked = hw.fault(Fault::SpdmCapabilitiesUnasked).is_some();
        let block = (block || unasked).then(|| self.algorithms_block());

        let param = if block.is_some() { BLOCK } else { 0 };
        let mut response = vec![self.version.byte(), Response::Capabilities.code(), param, 0];
        response.extend([0, exponent, 0, 0]);
        response.extend(flags.to_le_bytes());
        if self.version >= Version::V12 {
            response.extend(one.to_le_bytes());
            response.extend(all.to_le_bytes());
        }
        if hw.fault(Fault::SpdmCapabilitiesNoBlock).is_none() {
            response.extend(block.unwrap_or_default());
        }
        response
    }

    /// All algorithms that are supported, laid out as NEGOTIATE_ALGORITHMS after its code.
    fn algorithms_block(&self) -> Vec<u8> {
        let settings = &self.settings;
        let asym = mask(&settings.asym, Asym::bit);
        let hash = mask(&settings.hash, Hash::bit);
        let mut other: u8 = OPAQUE_FORMATS.iter().sum();
        if settings.can(Capability::MultiKey) {
            other |= MULTI_KEY;
        }
        let specification = if self.measures() { MEASUREMENT_DMTF } else { 0 };
        let mut block = vec![0, 0, 30, 0, specification, other];
        block.extend(asym.to_le_bytes());
        block.extend(hash.to_le_bytes());
        block.extend([0; 16]);
        block
    }

    fn measures(&self) -> bool {
        self.settings.can(Capability::Meas) || self.settings.can(Capability::MeasSig)
    }

    pub(super) fn negotiate_algorithms(&mut self, hw: &mut Hw, request: &[u8]) -> Answer {
        if self.phase != Phase::Capabilities {
            return Err(Refusal::unexpected());
        }
        let offer = Offer::read(request, self.version)?;
        let settings = &self.settings;
        let asym = select(&settings.asym, Asym::bit, offer.asym).ok_or(Refusal::invalid())?;
        let hash = select(&settings.hash, Hash::bit, offer.hash).ok_or(Refusal::invalid())?;
        let measured = offer.measurements & MEASUREMENT_DMTF != 0 && self.measures();
        let measurements = measured.then_some(match settings.measurement_hash {
            MeasurementHash::Base => Some(hash),
            MeasurementHash::Raw => None,
            MeasurementHash::Sha256 => Some(Hash::Sha256),
            MeasurementHash::Sha384 => Some(Hash::Sha384),
            MeasurementHash::Sha512 => Some(Hash::Sha512),
        });
        let multi_key = self.version >= Version::V13
            && settings.can(Capability::MultiKey)
            && offer.other & MULTI_KEY != 0;
        let agreed = Agreed {
            hash,
            asym,
            measurements,
            multi_key,
            slots: hw.engine.provisioned(settings, asym),
            defects: chain_defects(hw),
        };
        let response = self.algorithms(hw, &offer, &agreed);
        self.agreed = Some(agreed);
        self.phase = Phase::Algorithms;
        self.transcripts.vca.extend(request);
        self.transcripts.vca.extend(&response);
        Ok(response)
    }

    fn algorithms(&self, hw: &mut Hw, offer: &Offer, agreed: &Agreed) -> Vec<u8> {
        let specification = agreed.measurements.map_or(0, |_| MEASUREMENT_DMTF);
        let measurement_hash = match agreed.measurements {
            None => 0,
            Some(None) => 1,
            Some(Some(hash)) => hash.measurement_bit(),
        };
        let mut other = 0;
        if self.version >= Version::V12 {
            let format = OPAQUE_FORMATS
                .iter()
                .find(|format| offer.other & **format != 0);
            other = format.copied().unwrap_or(0);
        }
        if agreed.multi_key {
            other |= MULTI_KEY;
        }
        let mut value = |fault, right: u32| hw.fault(fault).map_or(right, |wrong| wrong as u32);
        let specification = value(Fault::SpdmAlgorithmsSpecification, specification.into());
        let other = value(Fault::SpdmAlgorithmsOther, other.into());
        let measurement_hash = value(Fault::SpdmAlgorithmsMeasurementHash, measurement_hash);
        let asym = value(Fault::SpdmAlgorithmsAsym, agreed.asym.bit());
        let hash = value(Fault::SpdmAlgorithmsHash, agreed.hash.bit());
        let post_quantum = value(Fault::SpdmAlgorithmsPostQuantum, 0);
        let extended = value(Fault::SpdmAlgorithmsExtended, 0) as u8;
        let mut tables = offer.tables.clone();
        if hw.fault(Fault::SpdmAlgorithmsUnasked).is_some() {
            tables.push(5);
        }
        let selected = hw.fault(Fault::SpdmAlgorithmsTable).unwrap_or(0) as u16;
        let tables_count = tables.len() as u8;

        let mut body = vec![specification as u8, other as u8];
        body.extend(measurement_hash.to_le_bytes());
        body.extend(asym.to_le_bytes());
        body.extend(hash.to_le_bytes());
        body.extend(post_quantum.to_le_bytes());
        body.extend([0; 8]);
        body.extend([extended, 0, 0, 0]);
        for kind in tables {
            let [low, high] = selected.to_le_bytes();
            body.extend([kind, TABLE_COUNT, low, high]);
        }
        let length = (HEADER + 2 + body.len()) as u16;
        let length = hw
            .fault(Fault::SpdmAlgorithmsLength)
            .map_or(length, |v| v as u16);
        let code = Response::Algorithms.code();
        let mut response = vec![self.version.byte(), code, tables_count, 0];
        response.extend(length.to_le_bytes());
        response.extend(body);
        response
    }
}

/// A version as VERSION lists it: major and minor number in the high byte.
fn entry(version: Version) -> u16 {
    u16::from_le_bytes([0, version.byte()])
}

/// What NEGOTIATE_ALGORITHMS offers.
struct Offer {
    measurements: u8,
    other: u8,
    asym: u32,
    hash: u32,
    /// Types of the tables.
    tables: Vec<u8>,
}

impl Offer {
    fn read(request: &[u8], version: Version) -> Result<Self, Refusal> {
        let mut body = Reader(request);
        body.take(2)?;
        let count = body.u8()?;
        body.take(1)?;
        let longest = if version >= Version::V11 { 0x80 } else { 0x40 };
        let length = usize::from(body.u16()?);
        if length != request.len() || length > longest {
            return Err(Refusal::invalid());
        }
        let (measurements, other) = (body.u8()?, body.u8()?);
        let (asym, hash) = (body.u32()?, body.u32()?);
        body.take(12)?;
        let extended = usize::from(body.u8()?) + usize::from(body.u8()?);
        body.take(2)?;
        body.take(EXTENDED * extended)?;
        let mut tables = Vec::new();
        for _ in 0..count {
            let kind = body.u8()?;
            let count = body.u8()?;
            let ascending = tables.last().is_none_or(|last| *last < kind);
            if count >> 4 != TABLE_COUNT >> 4 || !ascending || version < Version::V11 {
                return Err(Refusal::invalid());
            }
            body.take(2 + EXTENDED * usize::from(count & 0xf))?;
            tables.push(kind);
        }
        body.end()?;
        Ok(Self {
            measurements,
            other,
            asym,
            hash,
            tables,
        })
    }
}

/// The defects that the chains of this connection are to have.
fn chain_defects(hw: &mut Hw) -> Defects {
    Defects {
        length: hw.fault(Fault::SpdmChainLength),
        reserved: hw.fault(Fault::SpdmChainReserved),
        root_hash: hw.fault(Fault::SpdmChainRootHash).is_some(),
        broken: hw.fault(Fault::SpdmChainBroken),
        no_authority: hw.fault(Fault::SpdmChainEndEntity),
        no_cert_sign: hw.fault(Fault::SpdmChainNoCertSign),
        leaf_authority: hw.fault(Fault::SpdmChainLeafAuthority).is_some(),
        leaf_usage: hw.fault(Fault::SpdmChainLeafUsage).is_some(),
        sha1: hw.fault(Fault::SpdmChainSha1),
        rsa1024: hw.fault(Fault::SpdmChainRsa1024),
        expired: hw.fault(Fault::SpdmChainExpired),
        other_root: hw.fault(Fault::SpdmChainOtherRoot).is_some(),
        other_key: hw.fault(Fault::SpdmChainOtherKey).is_some(),
        other_algorithm: hw.fault(Fault::SpdmChainOtherAlgorithm).is_some(),
        reversed: hw.fault(Fault::SpdmChainReversed).is_some(),
        trailing: hw.fault(Fault::SpdmChainTrailing),
        cut: hw.fault(Fault::SpdmChainCut),
        none: hw.fault(Fault::SpdmChainEmpty).is_some(),
    }
}
