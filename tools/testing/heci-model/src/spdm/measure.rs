// SPDX-License-Identifier: GPL-2.0
//! MEASUREMENTS.

use super::algorithms::Version;
use super::authenticate::{nonce, opaque};
use super::connection::Connection;
use super::response::Response;
use super::settings::Capability;
use super::signature::Purpose;
use super::wire::{request, Answer, Reader, Refusal, NONCE};
use crate::faults::Fault;
use crate::hw::Hw;

/// Bits of the first parameter.
const SIGNATURE: u8 = 1 << 0;
const RAW: u8 = 1 << 1;
/// Values of the second parameter besides an index.
const COUNT: u8 = 0;
const ALL: u8 = 0xff;
/// Bits 5:4 of the response's second parameter: a measurement changed; none did.
const CHANGED: u8 = 0b01 << 4;
const UNCHANGED: u8 = 0b10 << 4;

impl Connection {
    pub(super) fn get_measurements(&mut self, hw: &mut Hw, request: &[u8]) -> Answer {
        let agreed = self.agreed()?;
        let settings = &self.settings;
        let signs = settings.can(Capability::MeasSig);
        let mut body = Reader(request);
        body.take(2)?;
        let (attributes, operation) = (body.u8()?, body.u8()?);
        let signed = attributes & SIGNATURE != 0;
        if !signs && (signed || !settings.can(Capability::Meas)) {
            return Err(Refusal::unsupported(request::GET_MEASUREMENTS));
        }
        let hash = agreed.measurements.ok_or(Refusal::unexpected())?;
        let mut slot = 0;
        if signed {
            body.take(NONCE)?;
            if self.version >= Version::V11 {
                slot = body.u8()? & 0xf;
            }
        }
        let context = self.requester_context(&mut body)?;
        body.end()?;
        let chain = match signed {
            true => Some(self.chain(hw, &agreed, slot)?),
            false => None,
        };

        let raw = attributes & RAW != 0 && self.version >= Version::V12;
        let measurements = &hw.engine.measurements;
        let blocks = match operation {
            COUNT => Vec::new(),
            ALL => measurements.blocks(hash, raw),
            index => vec![measurements
                .block(index, hash, raw)
                .ok_or(Refusal::invalid())?],
        };
        let total = if operation == COUNT {
            measurements.count()
        } else {
            0
        };
        let generation = measurements.generation();
        let before = *self.transcripts.generation.get_or_insert(generation);
        let mut detail = slot;
        if signed && self.version >= Version::V12 {
            detail |= if before == generation {
                UNCHANGED
            } else {
                CHANGED
            };
        }

        let total = hw
            .fault(Fault::SpdmMeasurementsTotal)
            .map_or(total, |v| v as u8);
        if let Some(slot) = hw.fault(Fault::SpdmMeasurementsSlot) {
            detail = detail & !0xf | slot as u8 & 0xf;
        }
        if let Some(changed) = hw.fault(Fault::SpdmMeasurementsChanged) {
            detail = detail & 0xf | (changed as u8 & 3) << 4;
        }
        let code = Response::Measurements.code();
        let mut response = vec![self.version.byte(), code, total, detail];
        response.extend(record(hw, blocks));
        response.extend(nonce());
        let length = Fault::SpdmMeasurementsOpaqueLength;
        response.extend(opaque(hw, Fault::SpdmMeasurementsOpaque, length));
        response.extend(self.echo(hw, Fault::SpdmMeasurementsContext, &context));

        self.transcripts.measurements.extend(request);
        self.transcripts.measurements.extend(&response);
        if let Some(chain) = chain {
            let transcripts = &self.transcripts;
            let transcript = match self.version >= Version::V12 {
                true => [&*transcripts.vca, &transcripts.measurements].concat(),
                false => transcripts.measurements.clone(),
            };
            response.extend(self.sign(hw, &agreed, &chain, Purpose::Measurements, &transcript)?);
            self.transcripts.end_measurements();
        }
        Ok(response)
    }
}

/// Number of blocks, length of the record, record.
fn record(hw: &mut Hw, mut blocks: Vec<Vec<u8>>) -> Vec<u8> {
    if hw.fault(Fault::SpdmMeasurementsMissing).is_some() {
        blocks.pop();
    }
    if hw.fault(Fault::SpdmMeasurementsTwice).is_some() {
        blocks.extend(blocks.first().cloned());
    }
    if hw.fault(Fault::SpdmMeasurementsReversed).is_some() {
        blocks.reverse();
    }
    // Offsets of the fields of the first block.
    for (fault, offset, bytes) in [
        (Fault::SpdmMeasurementsIndex, 0, 1),
        (Fault::SpdmMeasurementsSpecification, 1, 1),
        (Fault::SpdmMeasurementsBlockSize, 2, 2),
        (Fault::SpdmMeasurementsType, 4, 1),
        (Fault::SpdmMeasurementsValueSize, 5, 2),
        (Fault::SpdmMeasurementsValue, 7, 1),
    ] {
        let Some(block) = blocks.first_mut() else {
            break;
        };
        if let Some(value) = hw.fault(fault) {
            let field = block.iter_mut().skip(offset).take(bytes);
            field
                .zip(value.to_le_bytes())
                .for_each(|(to, from)| *to = from);
        }
    }
    let record = blocks.concat();
    let count = hw.fault(Fault::SpdmMeasurementsCount);
    let count = count.map_or(blocks.len() as u8, |count| count as u8);
    let length = hw.fault(Fault::SpdmMeasurementsLength);
    let length = length.map_or(record.len() as u32, |length| length as u32);
    let [low, middle, high, _] = length.to_le_bytes();
    [vec![count, low, middle, high], record].concat()
}
