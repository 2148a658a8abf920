// SPDX-License-Identifier: GPL-2.0

//! The driver's transparency log: what the engine has signed for it, chained by a hash. Source:
//! Documentation/ABI/testing/sysfs-class-issei-rust, `spdm/signatures`.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::exit::{Exit, Failure};
use crate::sysfs::spdm::{self, LogState};
use crate::sysfs::Device;

pub mod verify;

/// A head of the chain.
pub type Head = [u8; 32];

/// The type of the entry that begins a log.
pub const EPOCH: &str = "issei-log epoch";

/// How often it is read anew when it changes meanwhile.
const TRIES: usize = 5;

/// An entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number, counted from the first that was ever made.
    pub number: u64,
    /// What the signature is for.
    pub kind: String,
    /// The hash algorithm of the transcript.
    pub hash_algorithm: String,
    /// What stands before the digest in what is signed; empty up to SPDM 1.1.
    pub prefix: Vec<u8>,
    /// The transcript.
    pub transcript: Vec<u8>,
    /// The signature, as on the wire.
    pub signature: Vec<u8>,
    /// The certificates of that time in DER, root first.
    pub certificate_chain: Vec<u8>,
    /// The nonce of the driver, or of the program that asked.
    pub requester_nonce: Vec<u8>,
    /// The nonce of the engine.
    pub responder_nonce: Vec<u8>,
    /// The head that the driver shows for a log that ends here.
    pub head: Head,
}

/// The log, as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Its numbers.
    pub state: LogState,
    /// The entries that are kept.
    pub entries: Vec<Entry>,
}

/// An entry in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its number.
    pub number: u64,
    /// What the signature is for.
    pub r#type: String,
    /// The hash algorithm.
    pub hash_algorithm: String,
    /// The nonce of the driver, or of the program that asked, in hexadecimal.
    pub requester_nonce: String,
    /// The nonce of the engine, in hexadecimal.
    pub responder_nonce: String,
    /// Lengths in bytes: of the transcript,
    pub transcript_bytes: usize,
    /// the signature,
    pub signature_bytes: usize,
    /// and the certificates.
    pub certificate_chain_bytes: usize,
    /// The head, in hexadecimal.
    pub head: String,
}

impl Entry {
    /// The head of a log that ends with this entry, after `before`.
    pub fn head_after(&self, before: &Head) -> Head {
        let mut hash = Sha256::new();
        hash.update(b"issei-log-1\0");
        hash.update(before);
        hash.update(self.number.to_le_bytes());
        let fields: [&[u8]; 8] = [
            self.kind.as_bytes(),
            self.hash_algorithm.as_bytes(),
            &self.prefix,
            &self.transcript,
            &self.signature,
            &self.certificate_chain,
            &self.requester_nonce,
            &self.responder_nonce,
        ];
        for field in fields {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        hash.finalize().into()
    }

    /// The entry in a table.
    pub fn summary(&self) -> Summary {
        Summary {
            number: self.number,
            r#type: self.kind.clone(),
            hash_algorithm: self.hash_algorithm.clone(),
            requester_nonce: hex::encode(&self.requester_nonce),
            responder_nonce: hex::encode(&self.responder_nonce),
            transcript_bytes: self.transcript.len(),
            signature_bytes: self.signature.len(),
            certificate_chain_bytes: self.certificate_chain.len(),
            head: hex::encode(self.head),
        }
    }
}

/// Reads the log as it is at one moment.
///
/// # Errors
///
/// Not root, no such log, or it is corrupt.
pub fn read(device: &Device) -> Result<Log, Failure> {
    if device.attribute("spdm/state")?.is_none() {
        return Err(spdm::without_agent(device));
    }
    for _ in 0..TRIES {
        let state = spdm::log(device)?;
        let entries: Option<Vec<_>> = (state.dropped..state.count)
            .map(|number| read_entry(device, number))
            .collect::<Result<_, _>>()?;
        if spdm::log(device)? != state {
            continue;
        }
        let Some(entries) = entries else {
            let message = format!(
                "{}: the log has {} entries, {} of them dropped, but not all files of the others",
                device.name, state.count, state.dropped
            );
            return Err(Failure::new(Exit::Log, message));
        };
        return Ok(Log { state, entries });
    }
    let message = format!(
        "{}: the log changes faster than it can be read",
        device.name
    );
    Err(Failure::new(Exit::Busy, message).advise("try again"))
}

/// Reads an entry. `None` if a file of it is missing.
fn read_entry(device: &Device, number: u64) -> Result<Option<Entry>, Failure> {
    let read = |name: &str| device.binary(&format!("spdm/signatures/{number}_{name}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
    let (Some(kind), Some(hash_algorithm), Some(head)) =
        (read("type")?, read("hash_algorithm")?, read("head")?)
    else {
        return Ok(None);
    };
    let (Some(prefix), Some(transcript), Some(signature), Some(certificate_chain)) = (
        read("combined_spdm_prefix")?,
        read("transcript")?,
        read("signature")?,
        read("certificate_chain")?,
    ) else {
        return Ok(None);
    };
    let (Some(requester_nonce), Some(responder_nonce)) =
        (read("requester_nonce")?, read("responder_nonce")?)
    else {
        return Ok(None);
    };
    let head = parse_head(&text(head)).ok_or_else(|| {
        let message = format!("{}: the head of entry {number} is none", device.name);
        Failure::new(Exit::Log, message)
    })?;
    Ok(Some(Entry {
        number,
        kind: text(kind),
        hash_algorithm: text(hash_algorithm),
        prefix,
        transcript,
        signature,
        certificate_chain,
        requester_nonce,
        responder_nonce,
        head,
    }))
}

/// A head in hexadecimal digits.
pub fn parse_head(text: &str) -> Option<Head> {
    let mut head = [0; 32];
    hex::decode_to_slice(text, &mut head).ok()?;
    Some(head)
}

/// A head that was seen earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The last entry at that time.
    pub number: u64,
    /// The head after it.
    pub head: Head,
}

impl std::str::FromStr for Seen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (number, head) = text.split_once(':')?;
            Some(Self {
                number: number.parse().ok()?,
                head: parse_head(head)?,
            })
        };
        parse().ok_or("it is NUMBER:HEAD, a head of 64 hexadecimal digits")
    }
}
