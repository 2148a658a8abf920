// SPDX-License-Identifier: GPL-2.0
//! A small requester with its own transcripts.

use std::time::Duration;

use heci_model::clients::{self, Reply};
use heci_model::device::Device;
use heci_model::faults::Fault;
use heci_model::settings::Settings;
use heci_model::spdm::{Connection, Response};
use heci_model::trace::Trace;
use serde_json::Value;

use crate::crypto::{digest, public_key, signature_size, split, verify};

/// Signed measurements' flag, and chunks' flag.
pub(crate) const CHUNK: u32 = 1 << 17;
pub(crate) const P256: u32 = 0x10;
pub(crate) const P384: u32 = 0x80;
pub(crate) const SHA256: u32 = 0x01;
pub(crate) const SHA384: u32 = 0x02;

/// What a requester asks for at the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) version: u8,
    pub(crate) hash: u32,
    pub(crate) asym: u32,
    pub(crate) flags: u32,
    pub(crate) transfer: u32,
    pub(crate) message: u32,
}

impl Wish {
    /// SHA-384 and P-384 without chunks.
    pub(crate) fn version(version: u8) -> Self {
        Self {
            version,
            hash: SHA384,
            asym: P384,
            flags: 0,
            transfer: 4096,
            message: 4096,
        }
    }

    /// The same with chunks of `transfer` bytes at most.
    pub(crate) fn chunks(version: u8, transfer: u32) -> Self {
        Self {
            flags: CHUNK,
            transfer,
            message: 0x2_0000,
            ..Self::version(version)
        }
    }
}

/// The requester with the device that it speaks to.
pub(crate) struct Requester {
    device: Device,
    connection: Connection,
    pub(crate) wish: Wish,
    /// The byte that nonces consist of.
    pub(crate) nonce: u8,
    /// The three parts of transcripts.
    pub(crate) vca: Vec<u8>,
    pub(crate) certificates: Vec<u8>,
    pub(crate) measurements: Vec<u8>,
    /// The chains that were read, by slot.
    pub(crate) chains: [Vec<u8>; 8],
}

impl Requester {
    /// A requester of a device with default settings.
    pub(crate) fn new() -> Self {
        let clients = clients::all(Some(clients::spdm()), Duration::ZERO);
        let settings = Settings::default();
        let device = Device::new(0xa85d, [1, 2, 3, 4], clients, settings, Trace::default());
        Self::of(device)
    }

    fn of(device: Device) -> Self {
        Self {
            device,
            connection: Connection::new(4096),
            wish: Wish::version(0x12),
            nonce: 0xa5,
            vca: Vec::new(),
            certificates: Vec::new(),
            measurements: Vec::new(),
            chains: Default::default(),
        }
    }

    /// A new requester of the same device, with default settings and without faults.
    pub(crate) fn renew(self) -> Self {
        let mut device = self.device;
        *device.spdm_settings() = Default::default();
        device.faults().clear();
        Self::of(device)
    }

    /// A requester that is connected to a device with these changes to its settings.
    pub(crate) fn connected(wish: Wish, changes: Value) -> Self {
        let mut requester = Self::new();
        requester.set(changes);
        requester.connect(wish);
        requester
    }

    pub(crate) fn device(&mut self) -> &mut Device {
        &mut self.device
    }

    pub(crate) fn set(&mut self, changes: Value) {
        let Value::Object(changes) = changes else {
            panic!("settings are an object");
        };
        let settings = self.device.spdm_settings();
        *settings = settings.changed(changes).unwrap();
    }

    pub(crate) fn arm(&mut self, fault: &str, value: Option<u64>, on: Option<Response>) {
        let fault = Fault::named(fault).unwrap();
        let on = on.map(Into::into);
        self.device.faults().arm(fault, 1, 1, value, on).unwrap();
    }

    pub(crate) fn replies(&mut self, request: &[u8]) -> Vec<Reply> {
        self.device
            .spdm(Duration::ZERO, &mut self.connection, request)
    }

    /// The one and immediate response to a request.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        let replies = self.replies(request);
        assert_eq!(replies.len(), 1, "{request:x?}");
        assert_eq!(replies[0].after, Duration::ZERO);
        replies[0].payload.clone()
    }

    /// The response to a request; both may go in chunks, if the requester takes them.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Vec<u8> {
        let transfer = self.device.spdm_settings().data_transfer_size as usize;
        let chunks = self.wish.flags & CHUNK != 0;
        let response = match chunks && request.len() > transfer {
            true => self.send(0x33, request, transfer),
            false => self.ask(request),
        };
        match response[..] {
            [_, 0x7f, 0x0f, _, _] if chunks => self.collect(&response),
            _ => response,
        }
    }

    /// The request with its version in front.
    pub(crate) fn request(&self, rest: &[u8]) -> Vec<u8> {
        [&[self.wish.version], rest].concat()
    }

    /// GET_CAPABILITIES as the version has it.
    pub(crate) fn get_capabilities(&self, param1: u8) -> Vec<u8> {
        let wish = &self.wish;
        let mut request = self.request(&[0xe1, param1, 0]);
        if wish.version >= 0x11 {
            request.extend([0, 12, 0, 0]);
            request.extend(wish.flags.to_le_bytes());
        }
        if wish.version >= 0x12 {
            request.extend(wish.transfer.to_le_bytes());
            request.extend(wish.message.to_le_bytes());
        }
        request
    }

    /// NEGOTIATE_ALGORITHMS, with four tables from 1.1 on.
    pub(crate) fn negotiate_algorithms(&self) -> Vec<u8> {
        let wish = &self.wish;
        let tables: &[u8] = match wish.version {
            0x10 => &[],
            _ => &[
                2, 0x20, 0x3f, 0, 3, 0x20, 7, 0, 4, 0x20, 0xff, 1, 5, 0x20, 1, 0,
            ],
        };
        let other = if wish.version >= 0x12 { 0x02 } else { 0 };
        let length = 32 + tables.len() as u8;
        let mut request = self.request(&[0xe3, tables.len() as u8 / 4, 0, length, 0, 1, other]);
        request.extend(wish.asym.to_le_bytes());
        request.extend(wish.hash.to_le_bytes());
        request.extend([0; 16]);
        request.extend(tables);
        request
    }

    /// GET_VERSION to ALGORITHMS; returns ALGORITHMS.
    pub(crate) fn connect(&mut self, wish: Wish) -> Vec<u8> {
        self.wish = wish;
        self.vca.clear();
        let mut last = Vec::new();
        for number in 0..3 {
            let request = match number {
                0 => vec![0x10, 0x84, 0, 0],
                1 => self.get_capabilities(0),
                _ => self.negotiate_algorithms(),
            };
            last = self.exchange(&request);
            self.vca.extend(request);
            self.vca.extend(&last);
        }
        assert_eq!(last[1], 0x63, "{last:x?}");
        last
    }

    /// GET_DIGESTS.
    pub(crate) fn digests(&mut self) -> Vec<u8> {
        let request = self.request(&[0x81, 0, 0]);
        let response = self.exchange(&request);
        self.certificates = [request, response.clone()].concat();
        response
    }

    /// One GET_CERTIFICATE.
    pub(crate) fn portion(&mut self, slot: u8, offset: usize, length: u16) -> Vec<u8> {
        let [offset, length] = [(offset as u16).to_le_bytes(), length.to_le_bytes()];
        let rest = [0x82, slot, 0, offset[0], offset[1], length[0], length[1]];
        let request = self.request(&rest);
        let response = self.exchange(&request);
        self.certificates
            .extend([request, response.clone()].concat());
        response
    }

    /// A whole chain in portions of at most `length` bytes.
    pub(crate) fn chain(&mut self, slot: u8, length: u16) -> Vec<u8> {
        let mut chain = Vec::new();
        loop {
            let response = self.portion(slot, chain.len(), length);
            assert_eq!(response[1..4], [0x02, slot, 0]);
            let field = |at: usize| u16::from_le_bytes([response[at], response[at + 1]]);
            assert_eq!(response.len(), 8 + usize::from(field(4)));
            chain.extend(&response[8..]);
            if field(6) == 0 {
                break;
            }
        }
        self.chains[usize::from(slot)] = chain.clone();
        chain
    }

    /// The public key of a slot whose chain was read.
    fn key(&self, slot: u8) -> Vec<u8> {
        let size = digest(self.wish.hash, b"").len();
        let chain = &self.chains[usize::from(slot)];
        public_key(split(&chain[4 + size..]).last().unwrap())
    }

    /// Whether the slot's key has signed the transcript in this version's way.
    pub(crate) fn signed(&self, slot: u8, context: &str, transcript: &[u8], by: &[u8]) -> bool {
        let Wish {
            version,
            hash,
            asym,
            ..
        } = self.wish;
        let mut message = transcript.to_vec();
        if version >= 0x12 {
            let name = format!("dmtf-spdm-v1.{}.*", version & 0xf);
            let mut prefix = [0; 100];
            for at in [0, 16, 32, 48] {
                prefix[at..at + 16].copy_from_slice(name.as_bytes());
            }
            prefix[100 - context.len()..].copy_from_slice(context.as_bytes());
            message = [&prefix, &*digest(hash, transcript)].concat();
        }
        verify(asym, hash, &self.key(slot), &message, by)
    }

    /// CHALLENGE; returns CHALLENGE_AUTH and whether its signature is right.
    pub(crate) fn challenge(&mut self, slot: u8, summary: u8) -> (Vec<u8>, bool) {
        let mut request = self.request(&[0x83, slot, summary]);
        request.extend([self.nonce; 32]);
        if self.wish.version >= 0x13 {
            request.extend(*b"context!");
        }
        let response = self.exchange(&request);
        let size = signature_size(self.wish.asym);
        if response[1] != 0x03 || response.len() < size {
            return (response, false);
        }
        let (body, signature) = response.split_at(response.len() - size);
        let transcript = [&self.vca, &self.certificates, &request, body].concat();
        let context = "responder-challenge_auth signing";
        let right = self.signed(slot, context, &transcript, signature);
        self.certificates.clear();
        (response, right)
    }

    /// GET_MEASUREMENTS with these parameters, signed for `slot`.
    pub(crate) fn get_measurements(&self, attributes: u8, operation: u8, slot: u8) -> Vec<u8> {
        let mut request = self.request(&[0xe0, attributes, operation]);
        if attributes & 1 != 0 {
            request.extend([self.nonce; 32]);
            if self.wish.version >= 0x11 {
                request.push(slot);
            }
        }
        if self.wish.version >= 0x13 {
            request.extend(*b"context!");
        }
        request
    }

    /// GET_MEASUREMENTS; returns MEASUREMENTS and whether its signature is right.
    pub(crate) fn measure(&mut self, attributes: u8, operation: u8, slot: u8) -> (Vec<u8>, bool) {
        let request = self.get_measurements(attributes, operation, slot);
        let response = self.exchange(&request);
        if response[1] != 0x60 {
            self.measurements.clear();
            return (response, false);
        }
        self.measurements.extend(request);
        if attributes & 1 == 0 {
            self.measurements.extend(&response);
            return (response, false);
        }
        let size = signature_size(self.wish.asym);
        let (body, signature) = response.split_at(response.len() - size);
        self.measurements.extend(body);
        let transcript = match self.wish.version {
            0x10 | 0x11 => self.measurements.clone(),
            _ => [&*self.vca, &self.measurements].concat(),
        };
        let right = self.signed(
            slot,
            "responder-measurements signing",
            &transcript,
            signature,
        );
        self.measurements.clear();
        (response, right)
    }

    fn sequence(&self, number: u32) -> Vec<u8> {
        number.to_le_bytes().to_vec()
    }

    /// One CHUNK_GET.
    pub(crate) fn get(&mut self, handle: u8, number: u32) -> Vec<u8> {
        let mut request = [self.request(&[0x86, 0, handle]), self.sequence(number)].concat();
        if self.wish.version < 0x14 {
            request.truncate(6);
        }
        self.ask(&request)
    }

    /// The message that ERROR LargeResponse announces, chunk by chunk.
    pub(crate) fn collect(&mut self, error: &[u8]) -> Vec<u8> {
        assert_eq!(error[1..4], [0x7f, 0x0f, 0]);
        let handle = error[4];
        let mut message = Vec::new();
        let mut size = 0;
        for number in 0.. {
            let chunk = self.get(handle, number);
            assert_eq!(chunk[1], 0x06);
            assert_eq!(chunk[3], handle);
            assert_eq!(chunk[4..8], number.to_le_bytes());
            let length = u32::from_le_bytes(chunk[8..12].try_into().unwrap()) as usize;
            let header = if number == 0 { 16 } else { 12 };
            if number == 0 {
                size = u32::from_le_bytes(chunk[12..16].try_into().unwrap()) as usize;
            }
            assert_eq!(chunk.len(), header + length);
            message.extend(&chunk[header..]);
            let last = chunk[2] == 1;
            assert_eq!(last, message.len() == size);
            if last {
                return message;
            }
            assert_eq!(chunk.len(), self.wish.transfer as usize, "a full chunk");
        }
        unreachable!()
    }

    /// A request in chunks of `transfer` bytes; the last acknowledgement.
    pub(crate) fn send(&mut self, handle: u8, request: &[u8], transfer: usize) -> Vec<u8> {
        let mut rest = request;
        for number in 0.. {
            let large = match number {
                0 => (request.len() as u32).to_le_bytes().to_vec(),
                _ => Vec::new(),
            };
            let (chunk, after) = rest.split_at(rest.len().min(transfer - 12 - large.len()));
            rest = after;
            let header = self.request(&[0x85, u8::from(rest.is_empty()), handle]);
            let size = (chunk.len() as u32).to_le_bytes();
            let sequence = self.sequence(number);
            let ack = self.ask(&[&*header, &*sequence, &size, &*large, chunk].concat());
            let header = if self.wish.version >= 0x14 { 8 } else { 6 };
            assert_eq!(ack[..4], [self.wish.version, 0x05, 0, handle]);
            assert_eq!(ack[4..header], sequence[..header - 4]);
            if rest.is_empty() {
                return ack[header..].to_vec();
            }
            assert_eq!(ack.len(), header);
        }
        unreachable!()
    }
}
