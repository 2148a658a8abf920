// SPDX-License-Identifier: GPL-2.0

//! Checks the log: its chain, and what was signed.

use std::iter;

use serde::Serialize;
use spdm::algorithms::{AsymAlgorithm, HashAlgorithm, Scheme};
use spdm::chain::Chain;
use spdm::crypto::{Hash, Refusal, Verify};
use spdm::host::RustCrypto;
use spdm::signing::{prefix, Purpose};
use spdm::version::Version;
use spdm::x509::{Certificate, Curve, PublicKey};

use super::{parse_head, Entry, Log, Seen, EPOCH};
use crate::check::{self, Check, Gap, Outcome};
use crate::evidence::files::split;
use crate::exit::Exit;
use crate::verify::chain::{with_header, HEADER};

/// Whether an entry follows the one before it.
pub const LINK: &str = "link";
/// Whether the engine signed it.
pub const SIGNATURE: &str = "signature";
/// Whether all entries that there were are there.
pub const COMPLETE: &str = "complete";
/// Whether the last entry has the head of the log.
pub const HEAD: &str = "head";
/// Whether the log goes on from a head that was seen earlier.
pub const SEEN: &str = "seen";

/// The checks of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Its number.
    pub number: u64,
    /// The checks.
    pub checks: Vec<Check>,
}

/// The checks of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Of each entry.
    pub entries: Vec<Checked>,
    /// Of the log as a whole.
    pub log: Vec<Check>,
}

impl Report {
    /// The exit status: a broken chain is worse than a signature that is wrong. A log that goes on
    /// from a head that was seen need not be checked before that: it was when the head was seen.
    pub fn exit(&self) -> Exit {
        let is_seen = |check: &Check| check.name == SEEN && check.result == Outcome::Pass;
        let seen = self.log.iter().any(is_seen);
        let unneeded = |check: &Check| {
            seen && check.name == LINK && check.result == Outcome::NotChecked(Gap::NothingToCompare)
        };
        let entries = self.entries.iter().flat_map(|entry| &entry.checks);
        let entries = entries.filter(|check| !unneeded(check));
        let (links, signatures): (Vec<_>, Vec<_>) =
            entries.cloned().partition(|check| check.name == LINK);
        let chain = [links, self.log.clone()].concat();
        if check::verdict(&chain) == Outcome::Fail {
            return Exit::Log;
        }
        check::exit(check::verdict(&[chain, signatures].concat()))
    }
}

/// Checks a log.
pub fn verify(log: &Log, seen: Option<Seen>) -> Report {
    let first = log.state.dropped;
    let mut before = match (first, seen) {
        (0, _) => Some([0; 32]),
        (first, Some(seen)) if seen.number.checked_add(1) == Some(first) => Some(seen.head),
        _ => None,
    };
    let mut entries = Vec::new();
    for entry in &log.entries {
        let link = match before {
            Some(before) if entry.head_after(&before) == entry.head => {
                Check::pass(LINK, "it follows the one before")
            }
            Some(_) => Check::fail(
                LINK,
                "its head is not that of this entry after those before",
            ),
            None => Check::not_checked(
                LINK,
                Gap::NothingToCompare,
                "the entry before it was dropped, and with it its head",
            ),
        };
        before = Some(entry.head);
        entries.push(Checked {
            number: entry.number,
            checks: iter::once(link).chain(check_signature(entry)).collect(),
        });
    }
    let mut whole = vec![check_complete(log, seen), check_head(log)];
    whole.extend(seen.map(|seen| check_seen(log, seen)));
    Report {
        entries,
        log: whole,
    }
}

fn check_complete(log: &Log, seen: Option<Seen>) -> Check {
    let dropped = log.state.dropped;
    let bridged = seen.is_some_and(|seen| seen.number.saturating_add(1) >= dropped);
    match dropped {
        0 => Check::pass(COMPLETE, "no entry was dropped"),
        _ if bridged => Check::pass(
            COMPLETE,
            format!("the first {dropped} were dropped, after their head was seen"),
        ),
        _ => Check::not_checked(
            COMPLETE,
            Gap::NothingToCompare,
            format!("the first {dropped} were dropped; a head that was seen before that (--seen) would bridge them"),
        ),
    }
}

fn check_head(log: &Log) -> Check {
    let last = log.entries.last().map_or([0; 32], |entry| entry.head);
    if parse_head(&log.state.head) == Some(last) {
        Check::pass(HEAD, "the last entry ends the log")
    } else {
        Check::fail(HEAD, "the head of the log is not that of the last entry")
    }
}

fn check_seen(log: &Log, seen: Seen) -> Check {
    let Seen { number, head } = seen;
    if number >= log.state.count {
        let reason = format!(
            "entry {number} is not there any more: the log was begun anew, or cut at {}",
            log.state.count
        );
        return Check::fail(SEEN, reason);
    }
    match log.entries.iter().find(|entry| entry.number == number) {
        Some(entry) if entry.head == head => {
            Check::pass(SEEN, format!("it goes on from entry {number}"))
        }
        Some(_) => Check::fail(
            SEEN,
            format!("the head after entry {number} is another one"),
        ),
        // The link of the first entry that is left has used it.
        None if number.checked_add(1) == Some(log.state.dropped) => {
            Check::pass(SEEN, format!("it goes on from entry {number}"))
        }
        None => Check::not_checked(
            SEEN,
            Gap::NothingToCompare,
            format!("entries after {number} were dropped"),
        ),
    }
}

/// The check of a signature; none for the entry that begins a log.
fn check_signature(entry: &Entry) -> Option<Check> {
    if entry.kind == EPOCH {
        return None;
    }
    Some(match signature(entry) {
        Ok(leaf) => Check::pass(SIGNATURE, leaf),
        Err(Wrong::Fail(reason)) => Check::fail(SIGNATURE, reason),
        Err(Wrong::Unknown(reason)) => Check::not_checked(SIGNATURE, Gap::Unsupported, reason),
    })
}

/// Why a signature is not good.
enum Wrong {
    Fail(String),
    Unknown(String),
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Wrong => Self::Fail(refusal.to_string()),
            _ => Self::Unknown(refusal.to_string()),
        }
    }
}

fn signature(entry: &Entry) -> Result<String, Wrong> {
    let purposes = [Purpose::Challenge, Purpose::Measurements];
    let purpose = purposes
        .into_iter()
        .find(|purpose| purpose.context() == entry.kind)
        .ok_or_else(|| Wrong::Unknown(format!("the type {:?} is not known", entry.kind)))?;
    let hash = HashAlgorithm::ALL
        .into_iter()
        .find(|hash| hash.name() == entry.hash_algorithm)
        .ok_or_else(|| {
            let name = &entry.hash_algorithm;
            Wrong::Unknown(format!("the hash algorithm {name:?} is not known"))
        })?;
    for (whose, nonce) in [
        ("driver", &entry.requester_nonce),
        ("engine", &entry.responder_nonce),
    ] {
        let found = nonce.len() == 32
            && entry
                .transcript
                .windows(nonce.len())
                .any(|window| window == nonce.as_slice());
        if !found {
            let reason = format!("the nonce of the {whose} is not in the transcript");
            return Err(Wrong::Fail(reason));
        }
    }
    let mut digest = RustCrypto.digest(hash, &entry.transcript)?;
    if !entry.prefix.is_empty() {
        let is_right = Version::ALL
            .into_iter()
            .filter_map(|version| prefix(version, purpose))
            .any(|prefix| prefix[..] == *entry.prefix);
        if !is_right {
            return Err(Wrong::Fail("the prefix is none of SPDM".into()));
        }
        let message = [&entry.prefix[..], &digest].concat();
        digest = RustCrypto.digest(hash, &message)?;
    }
    let mut result = Err(Wrong::Fail(
        "its length fits no algorithm of the key".into(),
    ));
    for asym in algorithms(&entry.certificate_chain, entry.signature.len()) {
        result = verify_by(entry, asym, hash, &digest);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn verify_by(
    entry: &Entry,
    asym: AsymAlgorithm,
    hash: HashAlgorithm,
    digest: &[u8],
) -> Result<String, Wrong> {
    let chain = with_header(&entry.certificate_chain, hash);
    let verified = Chain::parse(&chain, HEADER, hash.size())
        .and_then(|chain| chain.verify(&RustCrypto, hash, asym))
        .map_err(|error| match error.could_not_check() {
            true => Wrong::Unknown(error.to_string()),
            false => Wrong::Fail(error.to_string()),
        })?;
    let scheme = asym.scheme();
    RustCrypto.verify(&verified.key, scheme, hash, digest, &entry.signature)?;
    Ok(format!(
        "{asym}, by the leaf of its chain of {}",
        verified.count
    ))
}

/// The algorithms that a leaf can have signed with. An entry does not say whether RSA was padded by
/// PKCS #1 v1.5 or PSS.
fn algorithms(certificates: &[u8], signature: usize) -> Vec<AsymAlgorithm> {
    let leaf = split(certificates).pop();
    let Some(leaf) = leaf.and_then(|leaf| Certificate::parse(leaf).ok()) else {
        // The chain says what is wrong with it.
        return vec![AsymAlgorithm::EcdsaP384];
    };
    match leaf.key {
        PublicKey::Ec { curve, .. } => vec![match curve {
            Curve::P256 => AsymAlgorithm::EcdsaP256,
            Curve::P384 => AsymAlgorithm::EcdsaP384,
            Curve::P521 => AsymAlgorithm::EcdsaP521,
        }],
        PublicKey::Rsa { .. } => AsymAlgorithm::ALL
            .into_iter()
            .filter(|asym| asym.scheme() != Scheme::Ecdsa && asym.signature_size() == signature)
            .collect(),
    }
}
