// SPDX-License-Identifier: GPL-2.0

//! A responder for tests, written from the tables of the specification and not with the codec that
//! it tests. It knows one signature algorithm, ECDSA over P-256.

use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::Signature;

use super::der::{good, key};
use crate::algorithms::HashAlgorithm;
use crate::crypto::{Digest, Hash};
use crate::host::RustCrypto;

const NONCE: [u8; 32] = [0xb5; 32];

/// What the responder is like, and its state.
#[derive(Clone)]
pub(crate) struct Responder {
    pub(crate) version: u8,
    pub(crate) flags: u32,
    pub(crate) ct_exponent: u8,
    pub(crate) data_transfer_size: u32,
    pub(crate) max_spdm_msg_size: u32,
    pub(crate) hash: HashAlgorithm,
    /// Certificates of each slot, with the number of the key of the leaf.
    pub(crate) slots: Vec<(u8, Vec<u8>, u8)>,
    pub(crate) supported_slots: u8,
    /// What chains say is the hash of their root, if it is not that of their first certificate.
    pub(crate) root_hash: Option<[u8; 32]>,
    /// Key usage of all slots, in a multi-key connection.
    pub(crate) usage: u16,
    pub(crate) blocks: Vec<Vec<u8>>,
    pub(crate) opaque: Vec<u8>,
    /// Length of chunks, or of responses that are not refused, if it is less than the requester
    /// allows.
    pub(crate) transmit_size: usize,
    /// Answers Busy so many times before each answer.
    pub(crate) busy: u32,
    /// Answers ResponseNotReady to signing requests so many times, with these times.
    pub(crate) not_ready: Option<(u32, u8, u8)>,
    /// Answers Busy once when it has all chunks of a request.
    pub(crate) busy_inside: bool,
    multi_key: bool,
    requester_size: usize,
    vca: Vec<u8>,
    m1: Vec<u8>,
    l1: Vec<u8>,
    busy_left: Option<u32>,
    not_ready_left: Option<u32>,
    pending: Option<Vec<u8>>,
    incoming: Vec<u8>,
    outgoing: Option<(u8, Vec<u8>, usize)>,
}

/// Flags: certificates, challenge, signed measurements, chunks.
pub(crate) const FLAGS: u32 = 1 << 1 | 1 << 2 | 2 << 3 | CHUNK;
/// Chunks.
pub(crate) const CHUNK: u32 = 1 << 17;
/// A key pair for each slot, always, and information about them.
pub(crate) const MULTI_KEY: u32 = 1 << 26 | 1 << 28;

impl Responder {
    pub(crate) fn new(version: u8) -> Self {
        let certificates = good().map(|template| template.build()).concat();
        Self {
            version,
            flags: if version >= 0x12 {
                FLAGS
            } else {
                FLAGS & 0xffff
            },
            ct_exponent: 10,
            data_transfer_size: 0x1000,
            max_spdm_msg_size: 0x1_0000,
            hash: HashAlgorithm::Sha256,
            slots: vec![(0, certificates.clone(), 3), (2, certificates, 3)],
            supported_slots: 0x0f,
            root_hash: None,
            usage: 0x0f,
            blocks: vec![
                block(1, 0x00, &[0x11; 32]),
                block(2, 0x01, &[0x22; 32]),
                block(0xfd, 0x84, &[0xfd; 300]),
                block(0xfe, 0x85, &[0; 16]),
            ],
            opaque: Vec::new(),
            transmit_size: usize::MAX,
            busy: 0,
            not_ready: None,
            busy_inside: false,
            multi_key: false,
            requester_size: usize::MAX,
            vca: Vec::new(),
            m1: Vec::new(),
            l1: Vec::new(),
            busy_left: None,
            not_ready_left: None,
            pending: None,
            incoming: Vec::new(),
            outgoing: None,
        }
    }

    /// Answers one single message.
    pub(crate) fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let left = *self.busy_left.get_or_insert(self.busy);
        if left > 0 {
            self.busy_left = Some(left - 1);
            return self.error(0x03, &[]);
        }
        self.busy_left = None;
        if request[1] != 0x84 && request[0] != self.version {
            return self.error(0x41, &[]);
        }
        match request[1] {
            0x85 => self.chunk_send(request),
            0x86 => self.chunk_get(request),
            0xff => {
                let Some(pending) = self.pending.take() else {
                    return self.error(0x04, &[]);
                };
                assert_eq!(request[2], pending[1], "the request is repeated");
                assert_eq!(request[3], 0x77, "the token is repeated");
                let response = self.whole(&pending);
                self.fit(response, 0)
            }
            _ => {
                self.pending = None;
                let response = self.whole(request);
                self.fit(response, 0)
            }
        }
    }

    pub(crate) fn error(&self, code: u8, extended: &[u8]) -> Vec<u8> {
        [&[self.header_version(), 0x7f, code, 0], extended].concat()
    }

    fn header_version(&self) -> u8 {
        if self.vca.is_empty() {
            0x10
        } else {
            self.version
        }
    }

    /// A response that the requester cannot take at once is kept for CHUNK_GET, or refused.
    /// `before` bytes come before it.
    fn fit(&mut self, response: Vec<u8>, before: usize) -> Vec<u8> {
        if before + response.len() <= self.requester_size.min(self.transmit_size) {
            return response;
        }
        if self.flags & CHUNK == 0 {
            self.l1.clear();
            return self.error(0x0d, &[]);
        }
        self.outgoing = Some((0x5a, response, 0));
        self.error(0x0f, &[0x5a])
    }

    fn number_size(&self) -> usize {
        if self.version >= 0x14 {
            4
        } else {
            2
        }
    }

    fn chunk_send(&mut self, request: &[u8]) -> Vec<u8> {
        assert!(request.len() <= self.data_transfer_size as usize);
        let number = u32::from_le_bytes(request[4..8].try_into().expect("a number"));
        let size = u32::from_le_bytes(request[8..12].try_into().expect("a size")) as usize;
        let last = request[2] & 1 != 0;
        let data = if number == 0 {
            self.incoming.clear();
            &request[16..]
        } else {
            &request[12..]
        };
        assert_eq!(data.len(), size);
        assert!(last || request.len() == self.data_transfer_size as usize);
        self.incoming.extend(data);
        let mut ack = vec![self.version, 0x05, 0, request[3]];
        ack.extend(&number.to_le_bytes()[..self.number_size()]);
        if last {
            let whole = std::mem::take(&mut self.incoming);
            let response = if std::mem::take(&mut self.busy_inside) {
                self.error(0x03, &[])
            } else {
                self.whole(&whole)
            };
            let response = self.fit(response, ack.len());
            ack.extend(response);
        }
        ack
    }

    fn chunk_get(&mut self, request: &[u8]) -> Vec<u8> {
        let Some((handle, whole, sent)) = self.outgoing.take() else {
            return self.error(0x04, &[]);
        };
        assert_eq!(request[3], handle);
        let number = &request[4..4 + self.number_size()];
        let is_first = number.iter().all(|byte| *byte == 0);
        assert_eq!(is_first, sent == 0);
        let fixed = if is_first { 16 } else { 12 };
        let size = self.requester_size.min(self.transmit_size) - fixed;
        let data = &whole[sent..whole.len().min(sent + size)];
        let last = sent + data.len() == whole.len();
        let mut response = vec![self.version, 0x06, last.into(), handle];
        response.extend(number);
        response.resize(8, 0);
        response.extend((data.len() as u32).to_le_bytes());
        if is_first {
            response.extend((whole.len() as u32).to_le_bytes());
        }
        response.extend(data);
        let sent = sent + data.len();
        self.outgoing = Some((handle, whole, sent));
        response
    }

    /// Answers a message of any length.
    fn whole(&mut self, request: &[u8]) -> Vec<u8> {
        if matches!(request[1], 0x83 | 0xe0) {
            if let Some((times, exponent, multiplier)) = self.not_ready {
                let left = *self.not_ready_left.get_or_insert(times);
                if left > 0 {
                    self.not_ready_left = Some(left - 1);
                    self.pending = Some(request.to_vec());
                    return self.error(0x42, &[exponent, request[1], 0x77, multiplier]);
                }
                self.not_ready_left = None;
            }
        }
        if request[1] != 0xe0 {
            self.l1.clear();
        }
        match request[1] {
            0x84 => self.get_version(request),
            0xe1 => self.get_capabilities(request),
            0xe3 => self.negotiate(request),
            0x81 => self.get_digests(request),
            0x82 => self.get_certificate(request),
            0x83 => self.challenge(request),
            0xe0 => self.get_measurements(request),
            code => panic!("request {code:#x}"),
        }
    }

    fn get_version(&mut self, request: &[u8]) -> Vec<u8> {
        let response = vec![0x10, 0x04, 0, 0, 0, 2, 0x00, 0x10, 0x00, self.version];
        self.vca = [request, &response].concat();
        self.m1.clear();
        response
    }

    fn get_capabilities(&mut self, request: &[u8]) -> Vec<u8> {
        let mut response = vec![self.version, 0x61, 0, 0, 0, self.ct_exponent, 0, 0];
        response.extend(self.flags.to_le_bytes());
        if self.version >= 0x12 {
            response.extend(self.data_transfer_size.to_le_bytes());
            response.extend(self.max_spdm_msg_size.to_le_bytes());
            let size = u32::from_le_bytes(request[12..16].try_into().expect("a size"));
            self.requester_size = size as usize;
        }
        if self.version >= 0x13 && request[2] & 1 != 0 {
            response[2] = 1;
            response.extend([1, 0, 34, 0, 1, 2]);
            response.extend(0x0000_0010_u32.to_le_bytes());
            response.extend(self.hash.bit().to_le_bytes());
            response.extend([0; 16]);
            response.extend([2, 0x20, 0x1b, 0]);
        }
        self.vca.extend(request);
        self.vca.extend(&response);
        response
    }

    fn negotiate(&mut self, request: &[u8]) -> Vec<u8> {
        self.multi_key = request[7] & 0x10 != 0;
        let mut response = vec![self.version, 0x63, 0, 0, 36, 0, 1, 0];
        if self.version >= 0x12 {
            response[7] = request[7] & 0x02;
        }
        response.extend((self.hash.bit() << 1).to_le_bytes());
        response.extend(0x10_u32.to_le_bytes());
        response.extend(self.hash.bit().to_le_bytes());
        response.extend([0; 16]);
        self.vca.extend(request);
        self.vca.extend(&response);
        response
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        RustCrypto.digest(self.hash, bytes).expect("a digest")
    }

    /// The chain in a slot, as it is sent.
    pub(crate) fn chain(&self, slot: u8) -> Vec<u8> {
        let slot = self.slots.iter().find(|(number, ..)| *number == slot);
        let (_, certificates, _) = slot.expect("the slot is provisioned");
        let first = 4 + usize::from(certificates[2]) * 256 + usize::from(certificates[3]);
        let mut chain = vec![0; 4];
        match &self.root_hash {
            Some(root_hash) => chain.extend(root_hash),
            None => chain.extend(&*self.digest(&certificates[..first])),
        }
        chain.extend(certificates);
        let length = chain.len() as u16;
        chain[..2].copy_from_slice(&length.to_le_bytes());
        chain
    }

    fn mask(&self) -> u8 {
        self.slots
            .iter()
            .fold(0, |mask, (slot, ..)| mask | 1 << slot)
    }

    fn get_digests(&mut self, request: &[u8]) -> Vec<u8> {
        let supported = if self.version >= 0x13 {
            self.supported_slots
        } else {
            0
        };
        let mut response = vec![self.version, 0x01, supported, self.mask()];
        for (slot, ..) in &self.slots {
            response.extend(&*self.digest(&self.chain(*slot)));
        }
        if self.multi_key {
            response.extend(self.slots.iter().map(|(slot, ..)| slot + 1));
            response.extend(self.slots.iter().map(|_| 1));
            for _ in &self.slots {
                response.extend(self.usage.to_le_bytes());
            }
        }
        self.m1 = [request, &response].concat();
        response
    }

    fn get_certificate(&mut self, request: &[u8]) -> Vec<u8> {
        let chain = self.chain(request[2]);
        let number = |at: usize| usize::from(u16::from_le_bytes([request[at], request[at + 1]]));
        let end = chain.len().min(number(4) + number(6));
        let portion = &chain[number(4)..end];
        let mut response = vec![self.version, 0x02, request[2], 0];
        if self.multi_key {
            response[3] = 1;
        }
        response.extend((portion.len() as u16).to_le_bytes());
        response.extend(((chain.len() - end) as u16).to_le_bytes());
        response.extend(portion);
        self.m1.extend(request);
        self.m1.extend(&response);
        response
    }

    fn sign(&self, slot: u8, transcript: &[u8], context: &str) -> Vec<u8> {
        let mut digest = self.digest(transcript);
        if self.version >= 0x12 {
            let name = format!("dmtf-spdm-v1.{}.*", self.version & 0xf).repeat(4);
            let zeros = vec![0; 100 - name.len() - context.len()];
            let message = [name.as_bytes(), &zeros, context.as_bytes(), &digest].concat();
            digest = self.digest(&message);
        }
        let number = self.slots.iter().find(|(number, ..)| *number == slot);
        let (.., number) = number.expect("the slot is provisioned");
        let signature: Signature = key(*number).sign_prehash(&digest).expect("a signature");
        signature.to_bytes().to_vec()
    }

    /// Nonce, or nonce and summary, then opaque data and context.
    fn tail(&self, request: &[u8]) -> Vec<u8> {
        let mut tail = (self.opaque.len() as u16).to_le_bytes().to_vec();
        tail.extend(&self.opaque);
        if self.version >= 0x13 {
            tail.extend(&request[request.len() - 8..]);
        }
        tail
    }

    fn challenge(&mut self, request: &[u8]) -> Vec<u8> {
        let mut response = vec![self.version, 0x03, request[2], self.mask()];
        response.extend(&*self.digest(&self.chain(request[2])));
        response.extend(NONCE);
        if request[3] != 0 {
            response.extend(&*self.digest(&self.blocks.concat()));
        }
        response.extend(self.tail(request));
        let transcript = [&self.vca, &self.m1, request, &response].concat();
        self.m1.clear();
        let signature = self.sign(request[2], &transcript, "responder-challenge_auth signing");
        response.extend(signature);
        response
    }

    fn get_measurements(&mut self, request: &[u8]) -> Vec<u8> {
        self.m1.clear();
        let blocks: Vec<_> = match request[3] {
            0 => Vec::new(),
            0xff => self.blocks.clone(),
            index => {
                let one = self.blocks.iter().find(|block| block[0] == index);
                match one {
                    Some(block) => vec![block.clone()],
                    None => {
                        self.l1.clear();
                        return self.error(0x01, &[]);
                    }
                }
            }
        };
        let signed = request[2] & 1 != 0;
        let slot = if signed && self.version >= 0x11 {
            request[36]
        } else {
            0
        };
        let mut response = vec![self.version, 0x60, 0, slot, blocks.len() as u8];
        if request[3] == 0 {
            response[2] = self.blocks.len() as u8;
        }
        let record = blocks.concat();
        response.extend(&(record.len() as u32).to_le_bytes()[..3]);
        response.extend(record);
        response.extend(NONCE);
        response.extend(self.tail(request));
        self.l1.extend(request);
        self.l1.extend(&response);
        if signed {
            let vca = if self.version >= 0x12 {
                &self.vca[..]
            } else {
                &[]
            };
            let transcript = [vca, &self.l1].concat();
            self.l1.clear();
            let signature = self.sign(slot, &transcript, "responder-measurements signing");
            response.extend(signature);
        }
        response
    }
}

/// A measurement block.
pub(crate) fn block(index: u8, kind: u8, value: &[u8]) -> Vec<u8> {
    let size = value.len() as u16;
    let mut block = vec![index, 1];
    block.extend((size + 3).to_le_bytes());
    block.push(kind);
    block.extend(size.to_le_bytes());
    block.extend(value);
    block
}
