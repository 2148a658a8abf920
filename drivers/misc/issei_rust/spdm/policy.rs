// SPDX-License-Identifier: GPL-2.0

//! What the administrator wants, and what was found: verdicts, and what they compare.

use super::{
    protocol::config::Floor,
    text::Sentence, //
};
use crate::kapi::{
    self,
    hash::{
        digest,
        Algorithm,
        Hash, //
    }, //
};
use core::fmt;
use kernel::prelude::*;

/// A SHA-256 digest.
pub(crate) type Sha256 = [u8; 32];

/// Hashes parts with SHA-256, each with its length, so that no two lists of parts are the same.
///
/// # Errors
///
/// As [`digest`].
pub(super) fn sha256(label: &[u8], parts: &[&[u8]]) -> Result<Sha256> {
    let mut hash = Hash::new(Algorithm::Sha256)?;
    hash.update(label);
    for part in parts {
        // CAST: A length fits.
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    fixed(&hash.finish())
}

/// Hashes bytes with SHA-256.
///
/// # Errors
///
/// As [`digest`].
pub(super) fn plain_sha256(bytes: &[u8]) -> Result<Sha256> {
    fixed(&digest(Algorithm::Sha256, &[bytes])?)
}

fn fixed(digest: &[u8]) -> Result<Sha256> {
    digest.try_into().map_err(|_| EINVAL)
}

/// What the agent does by itself, and what it may prevent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Nothing.
    Off,
    /// Authenticates, and tells.
    Audit,
    /// And refuses connections until the engine is accepted.
    Enforce,
}

impl Policy {
    /// The policies, in the order of the words of the module parameter.
    pub(crate) const ALL: [Self; 3] = [Self::Off, Self::Audit, Self::Enforce];

    /// The word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }

    /// The policy of a word.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: there is none.
    pub(crate) fn from_word(word: &[u8]) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.word().as_bytes() == word)
            .ok_or(EINVAL)
    }
}

kapi::param::word! {
    /// The policy of devices that are found from now on.
    static DEFAULT: issei_rust.spdm_policy = ["off", "audit", "enforce"], default 1,
    "what the SPDM agent does by itself: off, audit (default) or enforce"
}

impl Default for Policy {
    /// That of the module parameter.
    fn default() -> Self {
        let policy = Self::ALL.get(DEFAULT.index());
        policy.copied().unwrap_or(Self::Enforce)
    }
}

/// What is known about one question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing. This is never as good as yes.
    NotChecked,
    /// It is so.
    Yes,
    /// It is not so.
    No,
}

/// A verdict with its reason.
#[derive(Clone, Copy)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) why: Sentence,
}

impl Finding {
    /// A verdict and what there is to say about it.
    pub(crate) fn new(verdict: Verdict, why: impl fmt::Display) -> Self {
        let why = Sentence::of(why);
        Self { verdict, why }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.verdict {
            Verdict::NotChecked => "not checked",
            Verdict::Yes => "yes",
            Verdict::No => "no",
        })?;
        match self.why.as_str() {
            "" => Ok(()),
            why => write!(f, ": {why}"),
        }
    }
}

/// What makes an engine the same as before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin {
    /// Digest of the chain or, where new firmware brings new certificates, of the part of it that
    /// the hardware keeps.
    pub(super) identity: Sha256,
    /// Digest of version and algorithms.
    pub(super) algorithms: Sha256,
    /// Digest of the measurements.
    pub(super) measurements: Sha256,
    /// No later connection may be weaker.
    pub(super) floor: Floor,
}

impl Pin {
    /// The digest that acceptance is about.
    ///
    /// # Errors
    ///
    /// As [`digest`].
    pub(crate) fn digest(&self) -> Result<Sha256> {
        sha256(
            b"issei-accept-1\0",
            &[&self.identity, &self.algorithms, &self.measurements],
        )
    }

    /// In what it differs from another one, in a word.
    pub(crate) fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.identity != other.identity {
            Some("identity")
        } else if self.measurements != other.measurements {
            Some("measurements")
        } else if self.algorithms != other.algorithms {
            Some("algorithms")
        } else {
            None
        }
    }
}
