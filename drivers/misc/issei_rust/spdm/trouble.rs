// SPDX-License-Identifier: GPL-2.0

//! Why there is no result, for users: the state in a word, a sentence, an error number.

use super::{
    policy::Verdict,
    protocol::{
        crypto::Refusal,
        error::Reason,
        transport::Failure,
        x509::CertificateFault, //
    },
    text::Sentence, //
};
use core::fmt;
use kernel::prelude::*;

/// What the agent is about, or what came of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The policy keeps it from working.
    Off,
    /// The link is not up, or it has not begun.
    Waiting,
    /// It is at work.
    Running,
    /// All that can be checked was checked, and is right.
    Authenticated,
    /// The same, but the engine is not as it was before.
    Changed,
    /// A check failed.
    Failed,
    /// A program is connected to the SPDM client.
    Busy,
    /// The engine can prove nothing.
    Unsupported,
    /// The engine has no SPDM client.
    Absent,
    /// It could not be checked.
    Error,
}

impl Word {
    /// The word.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Authenticated => "authenticated",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::Unsupported => "unsupported",
            Self::Absent => "absent",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a sequence has no result.
#[derive(Clone, Copy)]
pub(super) enum Trouble {
    /// The engine cannot do what is asked for.
    Unsupported(&'static str),
    /// There is no chain in the slot.
    NoSuchSlot,
    /// The connection could not be made, or memory is short.
    Kernel(Error),
    /// The dialogue ended.
    Dialogue(Failure<Error>),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<Failure<Error>> for Trouble {
    fn from(failure: Failure<Error>) -> Self {
        Self::Dialogue(failure)
    }
}

impl From<super::protocol::error::Error> for Trouble {
    fn from(error: super::protocol::error::Error) -> Self {
        Self::Dialogue(Failure::Protocol(error))
    }
}

impl Trouble {
    /// Whether the responder asked to begin again.
    pub(super) fn asks_for_restart(&self) -> bool {
        matches!(self, Self::Dialogue(failure) if failure.asks_for_restart())
    }

    /// Whether the kernel stopped it, so that it is to be tried again on the same link.
    pub(super) fn was_stopped(&self) -> bool {
        matches!(
            self,
            Self::Kernel(ECANCELED)
                | Self::Dialogue(Failure::Transport {
                    error: ECANCELED,
                    ..
                })
        )
    }

    /// Whether a program has the SPDM client.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Kernel(EBUSY))
    }

    /// The state that it leads to.
    pub(super) fn word(&self) -> Word {
        match self {
            Self::Unsupported(_) => Word::Unsupported,
            Self::NoSuchSlot => Word::Error,
            Self::Kernel(ENOTTY) => Word::Absent,
            Self::Kernel(EBUSY) => Word::Busy,
            Self::Kernel(ENODEV | ECANCELED)
            | Self::Dialogue(Failure::Transport {
                error: ENODEV | ECANCELED,
                ..
            }) => Word::Waiting,
            Self::Kernel(_) | Self::Dialogue(Failure::Transport { .. }) => Word::Error,
            Self::Dialogue(Failure::Protocol(error)) => match refusal(&error.reason) {
                Some(Refusal::Wrong | Refusal::Blacklisted) => Word::Failed,
                Some(_) => Word::Error,
                None if error.could_not_check() => Word::Error,
                None => Word::Failed,
            },
        }
    }

    /// What it says about the question whether the evidence is fresh.
    pub(super) fn verdict(&self) -> Verdict {
        match self.word() {
            Word::Failed => Verdict::No,
            _ => Verdict::NotChecked,
        }
    }

    /// The error number for who asked.
    pub(super) fn errno(&self) -> Error {
        match self {
            Self::Unsupported(_) => EOPNOTSUPP,
            Self::NoSuchSlot => ENXIO,
            Self::Kernel(ENOTTY) => EOPNOTSUPP,
            Self::Kernel(ENOTCONN | ECANCELED)
            | Self::Dialogue(Failure::Transport {
                error: ENOTCONN | ECANCELED,
                ..
            }) => EAGAIN,
            Self::Dialogue(Failure::Transport {
                error: EMSGSIZE, ..
            }) => EPROTO,
            Self::Kernel(error) | Self::Dialogue(Failure::Transport { error, .. }) => *error,
            Self::Dialogue(Failure::Protocol(error)) => match refusal(&error.reason) {
                Some(Refusal::Wrong | Refusal::Blacklisted) => EKEYREJECTED,
                Some(Refusal::Unsupported) => EOPNOTSUPP,
                Some(Refusal::Failed(errno)) => Error::from_errno(errno),
                None => match error.reason {
                    Reason::NotCapable | Reason::KeyUsage => EOPNOTSUPP,
                    Reason::Late { .. } | Reason::Retries(_) => ETIMEDOUT,
                    Reason::Changed => EAGAIN,
                    Reason::Certificate { .. } | Reason::Differs | Reason::BelowFloor(_) => {
                        EKEYREJECTED
                    }
                    _ => EPROTO,
                },
            },
        }
    }

    /// What happened, without the word.
    pub(super) fn sentence(&self) -> Sentence {
        match self {
            Self::Unsupported(what) => Sentence::of(what),
            Self::NoSuchSlot => Sentence::of("there is no certificate chain in this slot"),
            Self::Kernel(ENOTTY) => Sentence::of("the engine has no SPDM client"),
            Self::Kernel(EBUSY) => Sentence::of("a program is connected to the SPDM client"),
            Self::Kernel(error) => Sentence::of(Errno(*error)),
            Self::Dialogue(Failure::Transport { message, error }) => {
                Sentence::of(format_args!("{message}: {}", Errno(*error)))
            }
            Self::Dialogue(Failure::Protocol(error)) => Sentence::of(error),
        }
    }
}

fn refusal(reason: &Reason) -> Option<Refusal> {
    match reason {
        Reason::Crypto(refusal)
        | Reason::Certificate {
            fault: CertificateFault::Signature(refusal),
            ..
        } => Some(*refusal),
        _ => None,
    }
}

/// An error number of the kernel, in words.
struct Errno(Error);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ENODEV => f.write_str("the device is gone"),
            ENOTCONN => f.write_str("the connection was lost"),
            ECANCELED => f.write_str("interrupted, because the system goes to sleep"),
            ETIMEDOUT => f.write_str("no answer in time"),
            EMSGSIZE => f.write_str("the answer is longer than agreed"),
            ENOMEM => f.write_str("no memory"),
            error => write!(f, "error {}", error.to_errno()),
        }
    }
}
