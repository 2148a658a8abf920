// SPDX-License-Identifier: GPL-2.0

//! What a fuzzer makes of an input: who speaks, what is said, and what goes wrong.

use arbitrary::Arbitrary;
use heci_model::spdm::algorithms::{Asym, Hash, Version};
use heci_model::spdm::settings::Capability;
use heci_model::spdm::Settings;
use spdm::config::Config;
use spdm::negotiate::Tables;

/// Longest message without chunks.
pub(super) const MTU: u32 = 4096;

/// What a transport that pads fills messages up to.
pub(super) const UNIT: u32 = 4;

/// A conversation.
#[derive(Arbitrary, Clone, Debug)]
pub(super) struct Story {
    pub(super) engine: Engine,
    pub(super) told: Told,
    pub(super) operations: Vec<What>,
    /// Changes of responses, by how many responses there were before.
    pub(super) edits: Vec<(u8, Edit)>,
    pub(super) faults: Vec<Armed>,
}

/// What the responder is like.
#[derive(Arbitrary, Clone, Debug)]
pub(super) struct Engine {
    pub(super) version: u8,
    pub(super) hash: u8,
    pub(super) asym: u8,
    pub(super) transfer: u8,
    pub(super) chunk: bool,
    pub(super) signs: bool,
    pub(super) alias: bool,
    pub(super) multi_key: bool,
    pub(super) omit_root: bool,
    pub(super) long_chain: bool,
}

/// What the requester is told.
#[derive(Arbitrary, Clone, Debug)]
pub(super) struct Told {
    pub(super) transfer: u8,
    pub(super) portion: u8,
    pub(super) chunks: bool,
    pub(super) algorithms: bool,
    pub(super) tables: bool,
    pub(super) padding: bool,
    /// Connects once before, and pins what came of that.
    pub(super) pinned: bool,
    pub(super) restarts: bool,
}

/// One operation.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum What {
    Connect,
    Digests,
    Certificate(u8),
    Challenge(u8, Over),
    Measure(Which, bool, u8),
    All { signed: bool, raw: bool },
    Forget,
    Cancel,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Over {
    None,
    Tcb,
    All,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Which {
    Count,
    One(u8),
    All,
}

/// One change of a response.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Edit {
    Set(u16, u8),
    Flip(u16),
    Insert(u16, u8),
    Remove(u16),
    Truncate(u16),
    Append(u8),
    Repeat(u8),
    Error(u8, u8),
    NotReady {
        exponent: u8,
        code: u8,
        multiplier: u8,
    },
    Large(u8),
    Lost,
    Late(u32),
}

/// A fault of the model.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Armed {
    pub(super) fault: u8,
    pub(super) start: u8,
    pub(super) count: u8,
    pub(super) value: u64,
}

impl Engine {
    pub(super) fn settings(&self) -> Settings {
        let versions = [
            Version::V10,
            Version::V11,
            Version::V12,
            Version::V13,
            Version::V14,
        ];
        // The one whose signatures are fastest, most of the time.
        let asym = match self.asym {
            0..=239 => Asym::EcdsaP256,
            240..=254 => Asym::EcdsaP384,
            255 => Asym::Rsassa2048,
        };
        let hash = [Hash::Sha256, Hash::Sha384, Hash::Sha3_512];
        let mut capabilities = vec![Capability::Cert, Capability::Chal, Capability::MeasFresh];
        for (wanted, capability) in [
            (self.signs, Capability::MeasSig),
            (!self.signs, Capability::Meas),
            (self.chunk, Capability::Chunk),
            (self.alias, Capability::AliasCert),
            (self.multi_key, Capability::MultiKey),
        ] {
            if wanted {
                capabilities.push(capability);
            }
        }
        let transfer = size(self.transfer);
        Settings {
            versions: vec![versions[usize::from(self.version) % versions.len()]],
            hash: vec![hash[usize::from(self.hash) % hash.len()]],
            asym: vec![asym],
            capabilities,
            slots: vec![0, 1, 4],
            chain_size: if self.long_chain { 9_000 } else { 0 },
            omit_root: self.omit_root,
            data_transfer_size: transfer,
            max_message_size: if self.chunk { 0x1_2000 } else { transfer },
            ..Settings::default()
        }
    }
}

/// A length of messages: the longest in every other case, or a short one.
fn size(byte: u8) -> u32 {
    match byte {
        0..=127 => MTU,
        128..=191 => 42 + u32::from(byte - 128) * 4,
        192..=255 => 42 + u32::from(byte - 192) * 64,
    }
}

impl Told {
    pub(super) fn config(&self) -> Config {
        let transfer = size(self.transfer);
        let transfer = if self.padding {
            transfer.next_multiple_of(UNIT)
        } else {
            transfer
        };
        let mut config = Config::new(transfer, 0x1_0000);
        config.portion = config.portion.min(u16::from(self.portion) * 16 + 16);
        config.chunks = self.chunks;
        config.supported_algorithms = self.algorithms;
        config.padding = if self.padding { UNIT as usize - 1 } else { 0 };
        if self.tables {
            config.offer.tables = Tables {
                dhe: 0x1b,
                aead: 6,
                req_base_asym: 0xf,
                key_schedule: 1,
            };
        }
        config
    }
}
