// SPDX-License-Identifier: GPL-2.0

//! What the agent knows, and what it makes of it.

use super::{
    evidence::Evidence,
    policy::{
        Finding,
        Pin,
        Policy,
        Sha256,
        Verdict, //
    },
    text::Sentence,
    trouble::{
        Trouble,
        Word, //
    }, //
};
use core::fmt;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What came of the last sequence of the agent.
pub(super) struct Outcome {
    pub(super) word: Word,
    pub(super) why: Sentence,
    pub(super) fresh: Verdict,
    pub(super) anchored: Finding,
    pub(super) evidence: Option<Arc<Evidence>>,
    pub(super) pin: Option<Pin>,
    /// Counts resets of the link: the one it was for, if it still says anything.
    pub(super) link: Option<u32>,
}

impl Outcome {
    /// None yet.
    pub(super) fn none(policy: Policy) -> Self {
        let (word, why) = match policy {
            Policy::Off => (Word::Off, "the policy is off"),
            _ => (Word::Waiting, "the link is not up"),
        };
        Self {
            word,
            why: Sentence::of(why),
            fresh: Verdict::NotChecked,
            anchored: Finding::new(Verdict::NotChecked, why),
            evidence: None,
            pin: None,
            link: None,
        }
    }

    /// That of a sequence that went wrong, on this link.
    pub(super) fn trouble(trouble: &Trouble, link: u32) -> Self {
        let why = trouble.sentence();
        let word = trouble.word();
        Self {
            word,
            why,
            fresh: trouble.verdict(),
            anchored: Finding {
                verdict: Verdict::NotChecked,
                why,
            },
            evidence: None,
            pin: None,
            // Not so what ended the connection: firmware could do that again and again.
            link: (!trouble.was_stopped()).then_some(link),
        }
    }
}

/// What users see of it.
pub(crate) struct Status {
    /// The state in a word, and as in the file `state`.
    pub(crate) word: Word,
    pub(crate) state: Sentence,
    pub(crate) fresh: Finding,
    pub(crate) anchored: Finding,
    pub(crate) pinned: Finding,
    pub(crate) accepted: Finding,
    /// Counts results.
    pub(crate) generation: u32,
    /// What acceptance is about.
    pub(crate) digest: Option<Sha256>,
}

/// What the agent knows.
pub(super) struct State {
    pub(super) policy: Policy,
    /// Somebody has asked the agent to authenticate.
    pub(super) requested: bool,
    pub(super) running: bool,
    pub(super) outcome: Outcome,
    pub(super) generation: u32,
    /// What was accepted, or what was seen first, and in which generation.
    pin: Option<(Pin, u32)>,
    accepted: Option<Pin>,
}

impl State {
    /// That of a device that has just been found.
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            requested: false,
            running: false,
            outcome: Outcome::none(policy),
            generation: 0,
            pin: None,
            accepted: None,
        }
    }

    /// Whether the agent has something to do on this link, for which the SPDM client is kept or not.
    pub(super) fn is_due(&self, link: u32, kept: bool) -> bool {
        let by_itself = kept || self.outcome.link != Some(link);
        self.requested || self.policy != Policy::Off && by_itself
    }

    /// What must not be weaker than before.
    pub(super) fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref().map(|(pin, _)| pin)
    }

    /// Takes an outcome. Returns the one before, to be freed where the caller likes.
    pub(super) fn record(&mut self, outcome: Outcome) -> Outcome {
        self.generation = self.generation.wrapping_add(1);
        if let (None, Some(pin)) = (&self.pin, outcome.pin) {
            self.pin = Some((pin, self.generation));
        }
        core::mem::replace(&mut self.outcome, outcome)
    }

    /// Accepts the engine as it is, on this link.
    ///
    /// # Errors
    ///
    /// - `ENODATA`: there is nothing to accept.
    /// - `ESTALE`: the engine is not what is to be accepted.
    pub(super) fn accept(&mut self, link: Option<u32>, generation: u32, digest: &Sha256) -> Result {
        let pin = match self.outcome.pin {
            Some(pin) if self.is_current(link) && self.outcome.fresh == Verdict::Yes => pin,
            _ => return Err(ENODATA),
        };
        if self.generation != generation || pin.digest()? != *digest {
            return Err(ESTALE);
        }
        self.pin = Some((pin, self.generation));
        self.accepted = Some(pin);
        Ok(())
    }

    /// Accepts nothing any more, and forgets what was before: what comes next is seen for the first
    /// time, and may be weaker.
    pub(super) fn withdraw(&mut self) {
        self.accepted = None;
        self.pin = None;
    }

    /// Whether the outcome is of this link, [`None`] if that is not up.
    fn is_current(&self, link: Option<u32>) -> bool {
        link.is_some() && self.outcome.link == link
    }

    /// The evidence of the outcome, if that is of this link.
    pub(super) fn evidence(&self, link: Option<u32>) -> Option<Arc<Evidence>> {
        let evidence = self.outcome.evidence.as_ref();
        evidence.filter(|_| self.is_current(link)).cloned()
    }

    /// Whether the fence is lifted on this link.
    pub(super) fn is_accepted(&self, link: Option<u32>) -> bool {
        self.accepted_on(link).verdict == Verdict::Yes
    }

    fn accepted_on(&self, link: Option<u32>) -> Finding {
        let Some(accepted) = &self.accepted else {
            return Finding::new(Verdict::NotChecked, "nothing was accepted");
        };
        match &self.outcome.pin {
            Some(pin) if self.is_current(link) && self.outcome.fresh == Verdict::Yes => {
                match pin.difference(accepted) {
                    None => Finding::new(Verdict::Yes, ""),
                    Some(what) => Finding::new(Verdict::No, Differs("accepted", what)),
                }
            }
            _ => self.unknown(link),
        }
    }

    fn pinned_on(&self, link: Option<u32>) -> Finding {
        match (&self.outcome.pin, &self.pin) {
            (Some(pin), Some((before, since))) if self.is_current(link) => {
                match pin.difference(before) {
                    Some(what) => Finding::new(Verdict::No, Differs("seen", what)),
                    None if *since == self.generation && self.accepted.is_none() => {
                        Finding::new(Verdict::NotChecked, "seen for the first time")
                    }
                    None => Finding::new(Verdict::Yes, ""),
                }
            }
            (Some(_), None) if self.is_current(link) => {
                Finding::new(Verdict::NotChecked, "what was before is forgotten")
            }
            _ => self.unknown(link),
        }
    }

    /// A verdict when there is no result.
    fn unknown(&self, link: Option<u32>) -> Finding {
        let why = match self.is_current(link) || self.outcome.link.is_none() {
            true => self.outcome.why,
            false => Sentence::of("the link was lost"),
        };
        Finding {
            verdict: Verdict::NotChecked,
            why,
        }
    }

    /// What users see, on this link, [`None`] if that is not up.
    pub(super) fn status(&self, link: Option<u32>) -> Status {
        let valid = self.is_current(link) || self.outcome.link.is_none();
        let outcome = &self.outcome;
        let pinned = self.pinned_on(link);
        let unknown = self.unknown(link);
        let (word, why) = match (self.running, valid, pinned.verdict) {
            (true, ..) => (Word::Running, Sentence::EMPTY),
            (_, false, _) => (Word::Waiting, unknown.why),
            (_, _, Verdict::No) if outcome.word == Word::Authenticated => {
                let before = self.pin().zip(outcome.pin.as_ref());
                let what = before.and_then(|(before, pin)| pin.difference(before));
                (Word::Changed, Sentence::of(what.unwrap_or_default()))
            }
            _ => (outcome.word, outcome.why),
        };
        let fresh = Finding {
            verdict: outcome.fresh,
            why: outcome.why,
        };
        let digest = outcome.pin.as_ref().and_then(|pin| pin.digest().ok());
        Status {
            word,
            state: match why.as_str() {
                "" => Sentence::of(word),
                why => Sentence::of(format_args!("{word}: {why}")),
            },
            fresh: if valid { fresh } else { unknown },
            anchored: if valid { outcome.anchored } else { unknown },
            pinned,
            accepted: self.accepted_on(link),
            generation: self.generation,
            digest: digest.filter(|_| valid),
        }
    }
}

/// In what the engine is not as it was.
struct Differs(&'static str, &'static str);

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} differs from what was {}", self.1, self.0)
    }
}
