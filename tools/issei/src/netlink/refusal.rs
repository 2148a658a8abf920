// SPDX-License-Identifier: GPL-2.0

//! Why the kernel gives no evidence, and what to do about it.

use std::io;

use netlink_packet_core::{DoneMessage, ErrorMessage};
use nix::errno::Errno;

use super::message::attributes;
use crate::exit::{Exit, Failure};

/// What the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An error, with the reason if it told one.
    Error {
        /// Its number.
        errno: Errno,
        /// The reason.
        reason: Option<String>,
    },
    /// The family is not there.
    NoFamily,
    /// What it said cannot be understood.
    Protocol(String),
}

impl Refusal {
    pub(super) fn socket(error: &io::Error) -> Self {
        Self::Error {
            errno: Errno::from_raw(error.raw_os_error().unwrap_or_default()),
            reason: None,
        }
    }

    pub(super) fn no_family() -> Self {
        Self::NoFamily
    }

    pub(super) fn protocol(text: impl Into<String>) -> Self {
        Self::Protocol(text.into())
    }

    pub(super) fn is(&self, wanted: Errno) -> bool {
        matches!(self, Self::Error { errno, .. } if *errno == wanted)
    }

    /// Replaces the reason, of which the kernel cuts all but the beginning, by the whole one.
    pub(super) fn with_reason(mut self, whole: Option<String>) -> Self {
        if let (Self::Error { reason, .. }, Some(whole)) = (&mut self, whole) {
            *reason = Some(whole);
        }
        self
    }

    /// The failure that it is for the user of `device`.
    pub(super) fn explain(self, device: &str) -> Failure {
        let (errno, reason) = match self {
            Self::Error { errno, reason } => (errno, reason),
            Self::NoFamily => {
                let message = format!("{device}: the driver hands out no evidence");
                return Failure::new(Exit::Unsupported, message).advise(
                    "this needs issei_rust of the version of this program, or a later one",
                );
            }
            Self::Protocol(text) => {
                let message = format!("{device}: what the driver says is not understood: {text}");
                return Failure::new(Exit::Protocol, message);
            }
        };
        let (exit, short, advice) = meaning(errno);
        let reason = match reason {
            Some(reason) => reason,
            None if short.is_empty() => errno.desc().to_owned(),
            None => short.to_owned(),
        };
        let failure = Failure::new(exit, format!("{device}: {reason}"));
        match advice {
            "" => failure,
            advice => failure.advise(advice),
        }
    }
}

/// The exit status for an error, what it means, and what to do.
fn meaning(errno: Errno) -> (Exit, &'static str, &'static str) {
    match errno {
        Errno::EPERM | Errno::EACCES => (
            Exit::Permission,
            "not permitted",
            "run this as root; evidence needs CAP_NET_ADMIN in the initial namespaces",
        ),
        Errno::EBUSY => (
            Exit::Busy,
            "a program is connected to the SPDM client",
            "end that program (fuser /dev/issei*), or try again later",
        ),
        Errno::ETIMEDOUT => (
            Exit::NotReady,
            "the engine did not answer in time",
            "try again; if it stays silent, reset the link: echo 1 > /sys/class/issei/issei<N>/reset",
        ),
        Errno::EAGAIN => (
            Exit::NotReady,
            "the link went down meanwhile, or the measurements changed",
            "try again; if the link is down, link_state and the kernel log say how it is",
        ),
        Errno::ENOMEM | Errno::ENOBUFS => (Exit::NotReady, "not enough memory", "try again later"),
        Errno::EINTR => (Exit::NotReady, "interrupted", "try again"),
        Errno::EPROTO | Errno::EBADMSG | Errno::EMSGSIZE => (
            Exit::Protocol,
            "the engine broke the protocol",
            "the kernel log and spdm_statistics in debugfs say more",
        ),
        Errno::EKEYREJECTED => (
            Exit::Failed,
            "a signature or the certificate chain is wrong",
            "do not trust this engine before you know why",
        ),
        Errno::EOPNOTSUPP => (
            Exit::Unsupported,
            "the engine does not sign measurements, or has no SPDM client",
            "isseictl clients lists what it has; an algorithm that the kernel lacks may be in a module",
        ),
        Errno::ENXIO => (
            Exit::Unsupported,
            "there is no certificate chain in this slot",
            "isseictl certs lists the slots",
        ),
        Errno::ENODATA => (
            Exit::NothingToCompare,
            "there is no evidence yet",
            "isseictl info says what the driver is doing",
        ),
        Errno::ENODEV => (
            Exit::NoDevice,
            "the device is gone",
            "was the driver unloaded just now? isseictl info looks again",
        ),
        _ => (Exit::Protocol, "", ""),
    }
}

/// The end of a dump.
pub(super) fn of_done(done: &DoneMessage) -> Result<(), Refusal> {
    result(done.code, &done.extended_ack)
}

/// An error, or the acknowledgement that there is none.
pub(super) fn of_error(error: &ErrorMessage) -> Result<(), Refusal> {
    /// The header of the request, which is told, too.
    const HEADER: usize = 16;
    let extended_ack = error.header.get(HEADER..).unwrap_or_default();
    result(error.raw_code(), extended_ack)
}

fn result(code: i32, extended_ack: &[u8]) -> Result<(), Refusal> {
    /// Linux `NLMSGERR_ATTR_MSG`.
    const MESSAGE: u16 = 1;
    if code >= 0 {
        return Ok(());
    }
    let attributes = attributes(extended_ack).unwrap_or_default();
    let message = attributes
        .iter()
        .find(|attribute| attribute.kind == MESSAGE);
    Err(Refusal::Error {
        errno: Errno::from_raw(code.saturating_neg()),
        reason: message.and_then(|message| message.as_text().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::message::Attribute;
    use super::*;
    use netlink_packet_core::{DefaultNla, Emitable};

    fn refused(errno: Errno, reason: Option<&str>) -> Failure {
        let refusal = Refusal::Error {
            errno,
            reason: reason.map(str::to_owned),
        };
        refusal.explain("issei0")
    }

    #[test]
    fn every_error_has_its_status_and_a_way_out() {
        for (errno, exit) in [
            (Errno::EPERM, Exit::Permission),
            (Errno::EBUSY, Exit::Busy),
            (Errno::ETIMEDOUT, Exit::NotReady),
            (Errno::EAGAIN, Exit::NotReady),
            (Errno::ENOMEM, Exit::NotReady),
            (Errno::EPROTO, Exit::Protocol),
            (Errno::EKEYREJECTED, Exit::Failed),
            (Errno::EOPNOTSUPP, Exit::Unsupported),
            (Errno::ENXIO, Exit::Unsupported),
            (Errno::ENODATA, Exit::NothingToCompare),
            (Errno::ENODEV, Exit::NoDevice),
        ] {
            let failure = refused(errno, None);
            assert_eq!(failure.exit, exit, "{errno}");
            assert!(failure.advice.is_some(), "{errno}");
            assert!(failure.message.starts_with("issei0: "), "{failure}");
        }
        let other = refused(Errno::EIO, None);
        assert_eq!(other.exit, Exit::Protocol);
        assert!(other.message.len() > "issei0: ".len(), "{other}");
    }

    #[test]
    fn the_reason_of_the_driver_comes_first() {
        let reason = "MEASUREMENTS: Signature: wrong signature";
        let failure = refused(Errno::EKEYREJECTED, Some(reason));
        assert_eq!(failure.message, format!("issei0: {reason}"));
        assert_eq!(failure.exit, Exit::Failed);
    }

    #[test]
    fn the_whole_reason_stands_for_its_beginning() {
        let refused = |reason: Option<&str>| Refusal::Error {
            errno: Errno::EKEYREJECTED,
            reason: reason.map(str::to_owned),
        };
        let cut = refused(Some("CertChain: too wea"));
        let whole = Some("CertChain: too weak".to_owned());
        let expected = refused(whole.as_deref());
        assert_eq!(cut.clone().with_reason(whole.clone()), expected);
        assert_eq!(refused(None).with_reason(whole.clone()), expected);
        assert_eq!(cut.clone().with_reason(None), cut);
        assert_eq!(Refusal::NoFamily.with_reason(whole), Refusal::NoFamily);
    }

    #[test]
    fn extended_acknowledgements_are_read() {
        let nla = DefaultNla::from(&Attribute::bytes(1, b"why\0"));
        let mut bytes = vec![0; nla.buffer_len()];
        nla.emit(&mut bytes);
        let mut done = DoneMessage::default();
        done.code = -(Errno::EBUSY as i32);
        done.extended_ack = bytes;
        let expected = Refusal::Error {
            errno: Errno::EBUSY,
            reason: Some("why".into()),
        };
        assert_eq!(of_done(&done), Err(expected));
        assert_eq!(of_done(&DoneMessage::default()), Ok(()));
    }
}
