// SPDX-License-Identifier: GPL-2.0
//! One connection of a requester: its state, and the way of a message through it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{json, Value};

use super::algorithms::{Asym, Hash, Version};
use super::chain::Defects;
use super::chunk::{Receiving, Sending};
use super::response::Response;
use super::settings::{Capability, Settings};
use super::signature::Transcripts;
use super::wire::{error, request, Answer, Reader, Refusal, ERROR};
use crate::clients::Reply;
use crate::faults::Fault;
use crate::hw::Hw;

/// The capability of a requester to take and send chunks.
const PEER_CHUNK: u32 = 1 << 17;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Phase {
    /// The responder was reset and knows nothing any more.
    Lost,
    /// Nothing was said yet.
    Start,
    /// After VERSION.
    Version,
    /// After CAPABILITIES.
    Capabilities,
    /// After ALGORITHMS.
    Algorithms,
}

/// What the requester said of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peer {
    pub(super) flags: u32,
    pub(super) data_transfer_size: u32,
    pub(super) max_message_size: u32,
}

/// What was negotiated.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    pub(super) hash: Hash,
    pub(super) asym: Asym,
    /// The measurement hash (none: raw bit streams), if measurements were negotiated.
    pub(super) measurements: Option<Option<Hash>>,
    pub(super) multi_key: bool,
    /// Slots that have a chain for `asym`.
    pub(super) slots: Vec<u8>,
    pub(super) defects: Defects,
}

/// A connection.
pub struct Connection {
    pub(super) settings: Settings,
    pub(super) phase: Phase,
    pub(super) version: Version,
    pub(super) peer: Peer,
    pub(super) agreed: Option<Agreed>,
    pub(super) transcripts: Transcripts,
    pub(super) sending: Option<Sending>,
    pub(super) receiving: Option<Receiving>,
    pub(super) next_handle: u8,
    /// The request that was not answered yet, and its token.
    postponed: Option<(Vec<u8>, u8)>,
    next_token: u8,
    /// The last response of each kind.
    pub(super) last: BTreeMap<Response, Vec<u8>>,
    /// Largest message of the transport in bytes.
    transport: usize,
    delay: Duration,
}

impl Connection {
    /// A connection through a transport that carries messages of at most `transport` bytes.
    pub fn new(transport: u32) -> Self {
        Self {
            settings: Settings::default(),
            phase: Phase::Start,
            version: Version::V10,
            peer: Peer::default(),
            agreed: None,
            transcripts: Transcripts::default(),
            sending: None,
            receiving: None,
            next_handle: 0,
            postponed: None,
            next_token: 0,
            last: BTreeMap::new(),
            transport: transport as usize,
            delay: Duration::ZERO,
        }
    }

    /// The responder was reset. It still says so in the version that was spoken.
    pub fn lose(&mut self) {
        if self.phase > Phase::Start {
            *self = Self {
                phase: Phase::Lost,
                version: self.version,
                ..Self::new(self.transport as u32)
            };
        }
    }

    /// Takes a request and says what to answer, and when.
    pub fn message(&mut self, hw: &mut Hw, request: &[u8]) -> Vec<Reply> {
        hw.note("spdm_request", || describe(request));
        self.delay = Duration::ZERO;
        let answer = match self.takes(request.len()) {
            true => self.answer(hw, request, 0),
            false => Some(vec![
                self.version.byte(),
                ERROR,
                error::REQUEST_TOO_LARGE,
                0,
            ]),
        };
        let Some(payload) = answer else {
            return Vec::new();
        };
        hw.note("spdm_response", || describe(&payload));
        let after = self.delay;
        let twice =
            Response::to(request).and_then(|response| hw.fault_on(Fault::SpdmDuplicated, response));
        let reply = Reply { after, payload };
        match twice {
            Some(_) => vec![reply.clone(), reply],
            None => vec![reply],
        }
    }

    /// The answer to a request; `overhead` bytes of what can be sent are spent already.
    pub(super) fn answer(
        &mut self,
        hw: &mut Hw,
        request: &[u8],
        overhead: usize,
    ) -> Option<Vec<u8>> {
        let response = Response::to(request);
        let before = self.before(hw, response, request);
        let mut answer = before.and_then(|()| self.dispatch(hw, request));
        if let (Some(response), Ok(bytes)) = (response, &mut answer) {
            let previous = self.last.insert(response, bytes.clone());
            if let Some(previous) = previous {
                if hw.fault_on(Fault::SpdmReplayed, response).is_some() {
                    *bytes = previous;
                }
            }
        }
        let mut bytes = match answer {
            Ok(bytes) => bytes,
            Err(Refusal::Silence) => return None,
            Err(Refusal::Error(code, data, extended)) => {
                // GET_VERSION and whatever answers it have version 1.0, in any connection.
                let version = match response {
                    Some(Response::Version) => Version::V10,
                    _ => self.version,
                };
                let mut bytes = vec![version.byte(), ERROR, code, data];
                bytes.extend(extended);
                bytes
            }
        };
        if let Some(response) = response {
            super::faults::after(hw, response, &mut bytes);
            if !response.is_chunk() {
                bytes = self.fit(bytes, overhead);
            }
        }
        Some(bytes)
    }

    /// Whether a request of this length may come in one piece. GET_VERSION always may.
    fn takes(&self, length: usize) -> bool {
        self.version < Version::V12 || length <= self.settings.data_transfer_size as usize
    }

    /// Largest response in one piece.
    pub(super) fn limit(&self) -> usize {
        match self.peer.data_transfer_size {
            0 => self.transport,
            size => self.transport.min(size as usize),
        }
    }

    /// Whether both sides take chunks.
    pub(super) fn chunks(&self) -> bool {
        self.peer.flags & PEER_CHUNK != 0
            && self.settings.can(Capability::Chunk)
            && self.version >= Version::V12
    }

    /// What was negotiated.
    pub(super) fn agreed(&self) -> Result<Agreed, Refusal> {
        self.agreed.clone().ok_or(Refusal::unexpected())
    }

    /// For people: how far the connection is.
    pub fn state(&self) -> Value {
        let agreed = self.agreed.as_ref();
        json!({
            "phase": self.phase,
            "version": (self.phase >= Phase::Capabilities).then_some(self.version),
            "hash": agreed.map(|agreed| agreed.hash),
            "asym": agreed.map(|agreed| agreed.asym),
            "slots": agreed.map(|agreed| &agreed.slots),
        })
    }

    /// What happens in place of an answer.
    fn before(
        &mut self,
        hw: &mut Hw,
        response: Option<Response>,
        request: &[u8],
    ) -> Result<(), Refusal> {
        let Some(response) = response else {
            return Ok(());
        };
        if let Some(ms) = hw.fault_on(Fault::SpdmLate, response) {
            self.delay += Duration::from_millis(ms);
        }
        if hw.fault_on(Fault::SpdmSilent, response).is_some() {
            return Err(Refusal::Silence);
        }
        if hw.fault_on(Fault::SpdmBusy, response).is_some() {
            return Err(Refusal::error(error::BUSY));
        }
        if let Some(code) = hw.fault_on(Fault::SpdmError, response) {
            return Err(Refusal::error(code as u8));
        }
        if hw.fault_on(Fault::SpdmResynch, response).is_some() {
            self.lose();
            return Err(Refusal::error(error::REQUEST_RESYNCH));
        }
        if let Some(exponent) = hw.fault_on(Fault::SpdmNotReady, response) {
            return Err(self.postpone(hw, exponent as u8, request));
        }
        Ok(())
    }

    /// Keeps a request for RESPOND_IF_READY.
    fn postpone(&mut self, hw: &mut Hw, exponent: u8, request: &[u8]) -> Refusal {
        if !matches!(request, [_, request::RESPOND_IF_READY, ..]) {
            self.next_token = self.next_token.wrapping_add(1);
            self.postponed = Some((request.to_vec(), self.next_token));
        }
        let kept = self.postponed.as_ref().and_then(|(kept, _)| kept.get(1));
        let code = kept.copied().unwrap_or_default();
        let code = hw.fault(Fault::SpdmNotReadyCode).map_or(code, |c| c as u8);
        let rdtm = hw.fault(Fault::SpdmNotReadyRdtm).map_or(8, |m| m as u8);
        let mut extended = vec![exponent, code, self.next_token, rdtm];
        if hw.fault(Fault::SpdmNotReadyShort).is_some() {
            extended.pop();
        }
        Refusal::Error(error::RESPONSE_NOT_READY, 0, extended)
    }

    /// RESPOND_IF_READY: the answer to the request that was kept.
    fn respond_if_ready(&mut self, hw: &mut Hw, request: &[u8]) -> Answer {
        let (kept, token) = self.postponed.take().ok_or(Refusal::unexpected())?;
        let matches = matches!(
            (request, kept.as_slice()),
            ([_, _, code, given], [_, wanted, ..]) if code == wanted && *given == token
        );
        if !matches {
            self.postponed = Some((kept, token));
            return Err(Refusal::invalid());
        }
        self.dispatch(hw, &kept)
    }

    fn dispatch(&mut self, hw: &mut Hw, request: &[u8]) -> Answer {
        let mut body = Reader(request);
        let (version, code) = (body.u8()?, body.u8()?);
        let params = [body.u8()?, body.u8()?];
        if self.phase == Phase::Lost && code != request::GET_VERSION {
            return Err(Refusal::error(error::REQUEST_RESYNCH));
        }
        let expected = match code {
            request::GET_VERSION => version == Version::V10.byte(),
            request::GET_CAPABILITIES => true,
            _ => self.phase < Phase::Capabilities || version == self.version.byte(),
        };
        if !expected {
            return Err(Refusal::error(error::VERSION_MISMATCH));
        }
        self.transcripts.begin(code);
        if code != request::CHUNK_GET {
            self.sending = None;
        }
        if code != request::CHUNK_SEND {
            self.receiving = None;
        }
        if code != request::RESPOND_IF_READY {
            self.postponed = None;
        }
        match code {
            request::GET_VERSION => self.get_version(hw, request),
            request::GET_CAPABILITIES => self.get_capabilities(hw, request),
            request::NEGOTIATE_ALGORITHMS => self.negotiate_algorithms(hw, request),
            request::GET_DIGESTS => self.get_digests(hw, request),
            request::GET_CERTIFICATE => self.get_certificate(hw, request),
            request::CHALLENGE => self.challenge(hw, request),
            request::GET_MEASUREMENTS => {
                let response = self.get_measurements(hw, request);
                response.inspect_err(|_| self.transcripts.end_measurements())
            }
            request::CHUNK_SEND => self.chunk_send(hw, params, body),
            request::CHUNK_GET => self.chunk_get(hw, params, body),
            request::RESPOND_IF_READY => self.respond_if_ready(hw, request),
            _ => Err(Refusal::unsupported(code)),
        }
    }
}

fn describe(message: &[u8]) -> Value {
    json!({"version": message.first(), "code": message.get(1), "length": message.len()})
}
