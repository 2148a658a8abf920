// SPDX-License-Identifier: GPL-2.0

//! The transparency log: what the engine has signed for the kernel, in memory, for user space to
//! verify. Entries are chained by a hash, and counted, so that one that is missing shows.

use super::{
    evidence::{
        Evidence,
        Octets,
        Part, //
    },
    policy::Sha256,
    protocol::{
        algorithms::HashAlgorithm,
        signing::{
            prefix,
            Purpose, //
        },
        wire::NONCE_SIZE, //
    }, //
};
use crate::kapi::{
    blob::{
        Blob,
        Directory, //
    },
    hash::{
        Algorithm,
        Hash, //
    },
    random, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

mod tests;

/// What an entry costs beside its bytes: its files.
const ENTRY_OVERHEAD: usize = 4096;

/// The type of the first entry.
const EPOCH: &str = "issei-log epoch";

/// Bytes of the random part of the first entry.
const EPOCH_SIZE: usize = 32;

/// A signature of the engine, and all that it takes to verify it.
pub(super) struct Signature {
    purpose: Purpose,
    slot: u8,
    transcript: Arc<Octets>,
    signature: Arc<Octets>,
    requester_nonce: [u8; NONCE_SIZE],
    responder_nonce: [u8; NONCE_SIZE],
    /// What is known when the sequence is complete.
    rest: Option<Rest>,
}

struct Rest {
    hash: Option<HashAlgorithm>,
    prefix: Arc<Octets>,
    certificates: Part,
}

impl Signature {
    /// A signature over a transcript.
    pub(super) fn new(
        purpose: Purpose,
        slot: u8,
        transcript: Arc<Octets>,
        signature: Arc<Octets>,
        requester_nonce: [u8; NONCE_SIZE],
        responder_nonce: &[u8],
    ) -> Self {
        Self {
            purpose,
            slot,
            transcript,
            signature,
            requester_nonce,
            responder_nonce: responder_nonce.try_into().unwrap_or([0; NONCE_SIZE]),
            rest: None,
        }
    }

    /// Adds what the evidence of the same sequence has.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`
    pub(super) fn complete(&mut self, evidence: &Evidence) -> Result {
        let connection = &evidence.connection;
        let prefix = prefix(connection.version, self.purpose);
        let certificates = match evidence.certificates(self.slot)? {
            Some(certificates) => certificates,
            None => Octets::copy(&[])?.into(),
        };
        self.rest = Some(Rest {
            hash: connection.selection.hash,
            prefix: Octets::copy(&[prefix.as_ref().map_or(&[], |prefix| prefix.as_slice())])?,
            certificates,
        });
        Ok(())
    }
}

/// What the files of an entry hold.
struct Fields {
    kind: &'static str,
    hash: &'static str,
    prefix: Arc<Octets>,
    transcript: Arc<Octets>,
    signature: Arc<Octets>,
    certificates: Part,
    requester_nonce: Arc<Octets>,
    responder_nonce: Arc<Octets>,
}

impl Fields {
    /// Those of the first entry.
    fn epoch(boot_id: &[u8]) -> Result<Self> {
        let none = Octets::copy(&[])?;
        let mut epoch = [0; EPOCH_SIZE];
        random::fill(&mut epoch)?;
        Ok(Self {
            kind: EPOCH,
            hash: "",
            prefix: none.clone(),
            transcript: Octets::copy(&[boot_id, &epoch])?,
            signature: none.clone(),
            certificates: Octets::copy(&[])?.into(),
            requester_nonce: none.clone(),
            responder_nonce: none,
        })
    }

    fn signature(signature: Signature) -> Result<Self> {
        let rest = signature.rest.ok_or(EINVAL)?;
        Ok(Self {
            kind: signature.purpose.context(),
            hash: rest.hash.map_or("", |hash| hash.name()),
            prefix: rest.prefix,
            transcript: signature.transcript,
            signature: signature.signature,
            certificates: rest.certificates,
            requester_nonce: Octets::copy(&[&signature.requester_nonce])?,
            responder_nonce: Octets::copy(&[&signature.responder_nonce])?,
        })
    }

    /// In the order in which they are hashed.
    fn in_order(&self) -> [&[u8]; 8] {
        [
            self.kind.as_bytes(),
            self.hash.as_bytes(),
            &self.prefix,
            &self.transcript,
            &self.signature,
            &self.certificates,
            &self.requester_nonce,
            &self.responder_nonce,
        ]
    }

    /// The head of a log that ends with these.
    fn head(&self, before: &Sha256, number: u64) -> Result<Sha256> {
        let mut hash = Hash::new(Algorithm::Sha256)?;
        hash.update(b"issei-log-1\0");
        hash.update(before);
        hash.update(&number.to_le_bytes());
        for field in self.in_order() {
            // CAST: A length fits.
            hash.update(&(field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        (*hash.finish()).try_into().map_err(|_| EINVAL)
    }
}

/// An entry, with its files.
struct Entry {
    fields: Fields,
    _files: KVec<Blob<Part>>,
}

impl Entry {
    /// Makes the files of an entry.
    fn new(directory: &Directory, number: u64, fields: Fields, head: &Sha256) -> Result<Self> {
        let mut files = KVec::new();
        let mut add = |name: fmt::Arguments<'_>, content: Part| {
            files
                .push(Blob::new(directory, name, content)?, GFP_KERNEL)
                .map_err(Error::from)
        };
        let line = |text: &[u8]| Octets::copy(&[text, b"\n"]).map(Part::from);
        let f = &fields;
        add(fmt!("{number}_type"), line(f.kind.as_bytes())?)?;
        add(fmt!("{number}_hash_algorithm"), line(f.hash.as_bytes())?)?;
        add(
            fmt!("{number}_combined_spdm_prefix"),
            f.prefix.clone().into(),
        )?;
        add(fmt!("{number}_transcript"), f.transcript.clone().into())?;
        add(fmt!("{number}_signature"), f.signature.clone().into())?;
        add(fmt!("{number}_certificate_chain"), f.certificates.clone())?;
        add(
            fmt!("{number}_requester_nonce"),
            f.requester_nonce.clone().into(),
        )?;
        add(
            fmt!("{number}_responder_nonce"),
            f.responder_nonce.clone().into(),
        )?;
        add(fmt!("{number}_head"), line(&hex(head))?)?;
        Ok(Self {
            fields,
            _files: files,
        })
    }

    /// Bytes that it costs, after the entry `before` it.
    fn cost(&self, before: Option<&Self>) -> usize {
        let f = &self.fields;
        let shared =
            before.is_some_and(|before| before.fields.certificates.shares(&f.certificates));
        let own = [
            &f.prefix,
            &f.transcript,
            &f.signature,
            &f.requester_nonce,
            &f.responder_nonce,
        ];
        let own: usize = own.iter().map(|octets| octets.len()).sum();
        let chain = if shared { 0 } else { f.certificates.len() };
        own.saturating_add(chain).saturating_add(ENTRY_OVERHEAD)
    }
}

/// The digits of a digest.
pub(super) fn hex(digest: &Sha256) -> [u8; 64] {
    let mut digits = [0; 64];
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (digit, nibble) in digits.iter_mut().zip(nibbles) {
        *digit = match nibble {
            0..=9 => b'0' + nibble,
            _ => b'a' + nibble - 10,
        };
    }
    digits
}

/// The log of one device.
pub(super) struct Log {
    entries: KVec<Entry>,
    dropped: u64,
    head: Sha256,
}

impl Log {
    /// An empty log.
    pub(super) fn new() -> Self {
        Self {
            entries: KVec::new(),
            dropped: 0,
            head: [0; 32],
        }
    }

    /// The head after the last entry.
    pub(super) fn head(&self) -> &Sha256 {
        &self.head
    }

    /// Number of entries that were ever made.
    pub(super) fn count(&self) -> u64 {
        // CAST: A length fits.
        self.dropped.saturating_add(self.entries.len() as u64)
    }

    /// How many of them were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Makes the first entry.
    ///
    /// # Errors
    ///
    /// As [`Log::add`].
    pub(super) fn begin(&mut self, directory: &Directory, boot_id: &[u8]) -> Result {
        self.append(directory, Fields::epoch(boot_id)?)
    }

    /// Adds a signature.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the signature is not complete.
    /// - `ENOMEM`, and what sysfs gives.
    pub(super) fn add(&mut self, directory: &Directory, signature: Signature) -> Result {
        self.append(directory, Fields::signature(signature)?)
    }

    fn append(&mut self, directory: &Directory, fields: Fields) -> Result {
        let number = self.count();
        let head = fields.head(&self.head, number)?;
        let entry = Entry::new(directory, number, fields, &head)?;
        self.entries.push(entry, GFP_KERNEL)?;
        self.head = head;
        Ok(())
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        let mut before = None;
        let mut sum = 0_usize;
        for entry in &self.entries {
            sum = sum.saturating_add(entry.cost(before));
            before = Some(entry);
        }
        sum
    }

    /// Drops the oldest entries until it takes at most this much memory. The newest stays.
    pub(super) fn shrink(&mut self, limit: usize) {
        while self.entries.len() > 1 && self.memory() > limit {
            if self.entries.remove(0).is_ok() {
                self.dropped = self.dropped.saturating_add(1);
            }
        }
    }

    /// Removes the files, with the entries.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}
