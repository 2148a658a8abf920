// SPDX-License-Identifier: GPL-2.0
//! Transcripts and what is signed of them (DSP0274, "Signature generation").

use super::algorithms::{Asym, Hash, Version};
use super::key::Key;
use super::wire::request;
use crate::faults::Fault;
use crate::hw::Hw;

/// What both sides remember of their messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcripts {
    /// Version, capabilities, algorithms.
    pub(super) vca: Vec<u8>,
    /// Digests and certificates.
    pub(super) certificates: Vec<u8>,
    /// Measurements since the last signed ones, or since any other request or an ERROR.
    pub(super) measurements: Vec<u8>,
    /// Generation of the measurements when their transcript began.
    pub(super) generation: Option<u64>,
}

impl Transcripts {
    /// A request with this code has come: what it makes void is forgotten. Chunks and
    /// RESPOND_IF_READY do not count, the requests in them do.
    pub(super) fn begin(&mut self, code: u8) {
        match code {
            request::CHUNK_SEND | request::CHUNK_GET | request::RESPOND_IF_READY => return,
            request::GET_VERSION => *self = Self::default(),
            request::GET_DIGESTS | request::GET_MEASUREMENTS => self.certificates.clear(),
            _ => (),
        }
        if code != request::GET_MEASUREMENTS {
            self.end_measurements();
        }
    }

    /// The transcript of measurements begins anew.
    pub(super) fn end_measurements(&mut self) {
        self.measurements.clear();
        self.generation = None;
    }
}

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    ChallengeAuth,
    Measurements,
}

impl Purpose {
    fn context(self) -> &'static [u8] {
        match self {
            Self::ChallengeAuth => b"responder-challenge_auth signing",
            Self::Measurements => b"responder-measurements signing",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::ChallengeAuth => Self::Measurements,
            Self::Measurements => Self::ChallengeAuth,
        }
    }
}

/// The 100 bytes before the hash of a transcript: the version four times, zeros, the context.
pub(super) fn combined_prefix(version: Version, purpose: Purpose) -> Vec<u8> {
    let minor = version.byte() & 0xf;
    let mut prefix = format!("dmtf-spdm-v1.{minor}.*").repeat(4).into_bytes();
    let context = purpose.context();
    prefix.resize(100 - context.len(), 0);
    prefix.extend(context);
    prefix
}

/// How to sign.
pub(super) struct Signer<'a> {
    pub(super) version: Version,
    pub(super) hash: Hash,
    pub(super) asym: Asym,
    pub(super) key: &'a Key,
    pub(super) purpose: Purpose,
}

impl Signer<'_> {
    /// The signature over `transcript`, with the faults of signatures; `vca` is the beginning that
    /// is signed in its place by one of them.
    ///
    /// # Errors
    ///
    /// A text for people: the key cannot sign.
    pub(super) fn sign(
        &self,
        hw: &mut Hw,
        transcript: &[u8],
        vca: &[u8],
    ) -> Result<Vec<u8>, String> {
        let transcript = match hw.fault(Fault::SpdmSignatureTranscript) {
            Some(_) => vca,
            None => transcript,
        };
        let mut version = self.version;
        if hw.fault(Fault::SpdmSignatureVersion).is_some() {
            version = match version {
                Version::V12 => Version::V13,
                _ => Version::V12,
            };
        }
        let mut purpose = self.purpose;
        if hw.fault(Fault::SpdmSignatureContext).is_some() {
            purpose = purpose.other();
        }
        let bare = hw.fault(Fault::SpdmSignatureBare).is_some();
        let mut digest = self.hash.digest(&[transcript]);
        if version >= Version::V12 && !bare {
            digest = self
                .hash
                .digest(&[&combined_prefix(version, purpose), &digest]);
        }
        let other = match hw.fault(Fault::SpdmSignatureKey) {
            Some(_) => Some(Key::other(self.asym)?),
            None => None,
        };
        let key = other.as_ref().unwrap_or(self.key);
        let mut signature = key.sign(self.hash, &digest, self.asym.is_pss())?;
        if let Some(bit) = hw.fault(Fault::SpdmSignatureFlipped) {
            flip(&mut signature, bit);
        }
        if hw.fault(Fault::SpdmSignatureZero).is_some() {
            signature.fill(0);
        }
        if hw.fault(Fault::SpdmSignatureReversed).is_some() {
            match self.key {
                Key::Rsa(_) => signature.reverse(),
                _ => {
                    let half = signature.len() / 2;
                    signature.chunks_mut(half).for_each(<[u8]>::reverse);
                }
            }
        }
        Ok(signature)
    }
}

/// Flips a bit, which counts from the lowest of the first byte, if there is one.
pub(super) fn flip(bytes: &mut [u8], bit: u64) {
    let index = usize::try_from(bit / 8).ok();
    if let Some(byte) = index.and_then(|index| bytes.get_mut(index)) {
        *byte ^= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_version_zeros_and_context() {
        let prefix = combined_prefix(Version::V12, Purpose::ChallengeAuth);
        assert_eq!(prefix.len(), 100);
        assert_eq!(prefix[..20], *b"dmtf-spdm-v1.2.*dmtf");
        assert_eq!(prefix[64..68], [0; 4]);
        assert_eq!(prefix[68..], *b"responder-challenge_auth signing");
        let prefix = combined_prefix(Version::V13, Purpose::Measurements);
        assert_eq!(prefix[48..70], *b"dmtf-spdm-v1.3.*\0\0\0\0\0\0");
        assert_eq!(prefix[70..], *b"responder-measurements signing");
    }

    #[test]
    fn other_requests_void_transcripts() {
        let full = || Transcripts {
            vca: vec![1],
            certificates: vec![2],
            measurements: vec![3],
            generation: Some(0),
        };
        let after = |code| {
            let mut transcripts = full();
            transcripts.begin(code);
            [
                transcripts.vca.len(),
                transcripts.certificates.len(),
                transcripts.measurements.len(),
            ]
        };
        assert_eq!(after(request::GET_VERSION), [0, 0, 0]);
        assert_eq!(after(request::GET_DIGESTS), [1, 0, 0]);
        assert_eq!(after(request::GET_CERTIFICATE), [1, 1, 0]);
        assert_eq!(after(request::CHALLENGE), [1, 1, 0]);
        assert_eq!(after(request::GET_MEASUREMENTS), [1, 0, 1]);
        assert_eq!(after(request::CHUNK_GET), [1, 1, 1]);
        assert_eq!(after(request::RESPOND_IF_READY), [1, 1, 1]);
        assert_eq!(after(0xfe), [1, 1, 0]);
    }
}
