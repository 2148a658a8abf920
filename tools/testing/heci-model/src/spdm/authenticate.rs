// SPDX-License-Identifier: GPL-2.0
//! DIGESTS, CERTIFICATE, CHALLENGE_AUTH.

use std::sync::Arc;

use p256::elliptic_curve::rand_core::{OsRng, RngCore};

use super::algorithms::Version;
use super::chain::Chain;
use super::connection::{Agreed, Connection};
use super::engine::Wanted;
use super::response::Response;
use super::settings::Capability;
use super::signature::{flip, Purpose, Signer};
use super::wire::{error, request, Answer, Reader, Refusal, CONTEXT, HEADER, NONCE};
use crate::faults::Fault;
use crate::hw::Hw;

/// Bytes of CERTIFICATE before the portion.
const CERTIFICATE_HEADER: usize = HEADER + 4;
/// Bit of GET_CERTIFICATE's second parameter: only the size of the slot (SPDM 1.3).
const SLOT_SIZE: u8 = 1;
/// Bit of GET_CERTIFICATE's first parameter: offsets of 32 bits (SPDM 1.4).
const LARGE: u8 = 1 << 7;
/// Usage of a key: challenge and measurements.
const KEY_USAGE: u16 = 1 << 1 | 1 << 2;
/// Certificate models: one for the device, one that follows the firmware.
const MODELS: [u8; 2] = [1, 2];

impl Connection {
    /// What was negotiated, if the responder has `capability`.
    fn capable(&self, capability: Capability, code: u8) -> Result<Agreed, Refusal> {
        let agreed = self.agreed()?;
        match self.settings.can(capability) {
            true => Ok(agreed),
            false => Err(Refusal::unsupported(code)),
        }
    }

    /// The chain of a slot; the request is invalid if there is none.
    pub(super) fn chain(
        &self,
        hw: &mut Hw,
        agreed: &Agreed,
        slot: u8,
    ) -> Result<Arc<Chain>, Refusal> {
        if !agreed.slots.contains(&slot) {
            return Err(Refusal::invalid());
        }
        let wanted = Wanted {
            slot,
            version: self.version,
            asym: agreed.asym,
            hash: agreed.hash,
            defects: &agreed.defects,
        };
        hw.engine.chain(&self.settings, wanted).map_err(failed)
    }

    fn encoded(&self, hw: &mut Hw, agreed: &Agreed, slot: u8) -> Result<Vec<u8>, Refusal> {
        let chain = self.chain(hw, agreed, slot)?;
        Ok(chain.encode(agreed.hash, &agreed.defects))
    }

    pub(super) fn get_digests(&mut self, hw: &mut Hw, request: &[u8]) -> Answer {
        let agreed = self.capable(Capability::Cert, request::GET_DIGESTS)?;
        Reader(request.get(HEADER..).unwrap_or_default()).end()?;
        if agreed.slots.is_empty() {
            return Err(Refusal::error(error::UNSPECIFIED));
        }
        let provisioned = slot_mask(&agreed);
        let supported = match self.version >= Version::V13 {
            true => provisioned,
            false => 0,
        };
        let mask = hw.fault(Fault::SpdmDigestsMask);
        let mask = mask.map_or(provisioned, |mask| mask as u8);
        let supported = hw
            .fault(Fault::SpdmDigestsSupported)
            .map_or(supported, |m| m as u8);
        let mut response = vec![
            self.version.byte(),
            Response::Digests.code(),
            supported,
            mask,
        ];
        let wrong = hw.fault(Fault::SpdmDigestsWrong);
        for slot in &agreed.slots {
            let mut digest = agreed.hash.digest(&[&self.encoded(hw, &agreed, *slot)?]);
            if wrong == Some(u64::from(*slot)) {
                flip(&mut digest, 0);
            }
            response.extend(digest);
        }
        if agreed.multi_key {
            response.extend(agreed.slots.iter().map(|slot| slot + 1));
            response.extend(agreed.slots.iter().map(|_| self.model()));
            response.extend(agreed.slots.iter().flat_map(|_| KEY_USAGE.to_le_bytes()));
        }
        self.transcripts.certificates = [request, &response].concat();
        Ok(response)
    }

    /// The certificate model of every slot.
    fn model(&self) -> u8 {
        MODELS[usize::from(self.settings.can(Capability::AliasCert))]
    }

    pub(super) fn get_certificate(&mut self, hw: &mut Hw, request: &[u8]) -> Answer {
        let agreed = self.capable(Capability::Cert, request::GET_CERTIFICATE)?;
        let mut body = Reader(request);
        body.take(2)?;
        let (slot, attributes) = (body.u8()?, body.u8()?);
        let (offset, length) = (usize::from(body.u16()?), usize::from(body.u16()?));
        if self.version >= Version::V14 && slot & LARGE != 0 {
            return Err(Refusal::unsupported(request::GET_CERTIFICATE));
        }
        body.end()?;
        let slot = slot & 0xf;
        let chain = self.encoded(hw, &agreed, slot)?;
        let (portion, remainder) = if self.version >= Version::V13 && attributes & SLOT_SIZE != 0 {
            (&[][..], chain.len())
        } else {
            let rest = chain.get(offset..).filter(|rest| !rest.is_empty());
            let rest = rest.ok_or(Refusal::invalid())?;
            let room = match self.chunks() {
                true => self.peer.max_message_size as usize,
                false => self.limit(),
            };
            let more = hw.fault(Fault::SpdmCertificateMore).unwrap_or(0);
            let length = length.saturating_add(usize::try_from(more).unwrap_or(usize::MAX));
            let most = length.min(room.saturating_sub(CERTIFICATE_HEADER));
            let (portion, rest) = rest.split_at(most.min(rest.len()));
            (portion, rest.len())
        };
        let mut portion = portion.to_vec();
        if hw.fault(Fault::SpdmCertificateEmpty).is_some() {
            portion.clear();
        }
        if let Some(bit) = hw.fault(Fault::SpdmCertificateChanged) {
            flip(&mut portion, bit);
        }
        let size = hw.fault(Fault::SpdmCertificatePortion);
        let size = size.map_or(portion.len() as u16, |size| size as u16);
        let rest = hw.fault(Fault::SpdmCertificateRemainder);
        let rest = rest.map_or(remainder as u16, |rest| rest as u16);
        let slot = hw
            .fault(Fault::SpdmCertificateSlot)
            .map_or(slot, |slot| slot as u8);
        let model = if agreed.multi_key { self.model() } else { 0 };

        let mut response = vec![
            self.version.byte(),
            Response::Certificate.code(),
            slot,
            model,
        ];
        response.extend(size.to_le_bytes());
        response.extend(rest.to_le_bytes());
        response.extend(portion);
        self.transcripts.certificates.extend(request);
        self.transcripts.certificates.extend(&response);
        Ok(response)
    }

    pub(super) fn challenge(&mut self, hw: &mut Hw, request: &[u8]) -> Answer {
        let agreed = self.capable(Capability::Chal, request::CHALLENGE)?;
        let mut body = Reader(request);
        body.take(2)?;
        let (slot, summary) = (body.u8()?, body.u8()?);
        body.take(NONCE)?;
        let context = self.requester_context(&mut body)?;
        body.end()?;
        let chain = self.chain(hw, &agreed, slot)?;
        let summary = match (summary, agreed.measurements) {
            (0, _) => Vec::new(),
            (all @ (1 | 0xff), Some(hash)) => {
                let blocks = hw.engine.measurements.summary(all == 0xff, hash);
                agreed.hash.digest(&[&blocks])
            }
            _ => return Err(Refusal::invalid()),
        };

        let encoded = chain.encode(agreed.hash, &agreed.defects);
        let mut chain_hash = agreed.hash.digest(&[&encoded]);
        if hw.fault(Fault::SpdmChallengeChainHash).is_some() {
            flip(&mut chain_hash, 0);
        }
        let mut summary = summary;
        if hw.fault(Fault::SpdmChallengeSummary).is_some() {
            flip(&mut summary, 0);
        }
        let slot_field = hw
            .fault(Fault::SpdmChallengeSlot)
            .map_or(slot, |slot| slot as u8);
        let mask = hw.fault(Fault::SpdmChallengeMask);
        let mask = mask.map_or(slot_mask(&agreed), |mask| mask as u8);
        let code = Response::ChallengeAuth.code();
        let mut response = vec![self.version.byte(), code, slot_field, mask];
        response.extend(chain_hash);
        response.extend(nonce());
        response.extend(summary);
        response.extend(opaque(
            hw,
            Fault::SpdmChallengeOpaque,
            Fault::SpdmChallengeOpaqueLength,
        ));
        response.extend(self.echo(hw, Fault::SpdmChallengeContext, &context));

        let transcripts = &self.transcripts;
        let transcript = [
            &transcripts.vca,
            &transcripts.certificates,
            request,
            &response,
        ]
        .concat();
        response.extend(self.sign(hw, &agreed, &chain, Purpose::ChallengeAuth, &transcript)?);
        self.transcripts.certificates.clear();
        Ok(response)
    }

    /// The requester's context, empty before SPDM 1.3.
    pub(super) fn requester_context(&self, body: &mut Reader<'_>) -> Result<Vec<u8>, Refusal> {
        match self.version >= Version::V13 {
            true => body.take(CONTEXT).map(<[u8]>::to_vec),
            false => Ok(Vec::new()),
        }
    }

    /// The context as it is sent back.
    pub(super) fn echo(&self, hw: &mut Hw, fault: Fault, context: &[u8]) -> Vec<u8> {
        let mut context = context.to_vec();
        if !context.is_empty() && hw.fault(fault).is_some() {
            flip(&mut context, 0);
        }
        context
    }

    /// Signs `transcript` with the key of `chain`.
    pub(super) fn sign(
        &self,
        hw: &mut Hw,
        agreed: &Agreed,
        chain: &Chain,
        purpose: Purpose,
        transcript: &[u8],
    ) -> Answer {
        let signer = Signer {
            version: self.version,
            hash: agreed.hash,
            asym: agreed.asym,
            key: &chain.key,
            purpose,
        };
        signer
            .sign(hw, transcript, &self.transcripts.vca)
            .map_err(failed)
    }
}

fn slot_mask(agreed: &Agreed) -> u8 {
    agreed.slots.iter().fold(0, |mask, slot| mask | 1 << slot)
}

/// A fresh nonce.
pub(super) fn nonce() -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    OsRng.fill_bytes(&mut nonce);
    nonce
}

/// Opaque data, of which there is none without the fault `some`; `length` falsifies its length.
pub(super) fn opaque(hw: &mut Hw, some: Fault, length: Fault) -> Vec<u8> {
    let bytes = hw.fault(some).map_or(0, |bytes| bytes.min(4096) as usize);
    let said = hw.fault(length).map_or(bytes as u16, |said| said as u16);
    let mut opaque = said.to_le_bytes().to_vec();
    opaque.resize(2 + bytes, 0);
    opaque
}

/// The responder cannot do what it should; its log says why.
fn failed(why: String) -> Refusal {
    log::error!("SPDM: {why}");
    Refusal::error(error::UNSPECIFIED)
}
