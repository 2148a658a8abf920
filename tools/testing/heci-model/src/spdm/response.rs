// SPDX-License-Identifier: GPL-2.0
//! Kinds of responses, by which faults can be told where to act.

use serde::{Deserialize, Serialize};

use super::wire::request;

/// A kind of response. An ERROR counts as the response that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// VERSION
    Version,
    /// CAPABILITIES
    Capabilities,
    /// ALGORITHMS
    Algorithms,
    /// DIGESTS
    Digests,
    /// CERTIFICATE
    Certificate,
    /// CHALLENGE_AUTH
    ChallengeAuth,
    /// MEASUREMENTS
    Measurements,
    /// CHUNK_SEND_ACK
    ChunkSendAck,
    /// CHUNK_RESPONSE
    ChunkResponse,
}

impl Response {
    /// What answers this request; RESPOND_IF_READY is answered like the request that it names.
    pub(super) fn to(request: &[u8]) -> Option<Self> {
        let [_, code, named, ..] = *request else {
            return None;
        };
        let code = match code {
            request::RESPOND_IF_READY => named,
            code => code,
        };
        Some(match code {
            request::GET_VERSION => Self::Version,
            request::GET_CAPABILITIES => Self::Capabilities,
            request::NEGOTIATE_ALGORITHMS => Self::Algorithms,
            request::GET_DIGESTS => Self::Digests,
            request::GET_CERTIFICATE => Self::Certificate,
            request::CHALLENGE => Self::ChallengeAuth,
            request::GET_MEASUREMENTS => Self::Measurements,
            request::CHUNK_SEND => Self::ChunkSendAck,
            request::CHUNK_GET => Self::ChunkResponse,
            _ => return None,
        })
    }

    /// The request code with the high bit off.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Version => 0x04,
            Self::Capabilities => 0x61,
            Self::Algorithms => 0x63,
            Self::Digests => 0x01,
            Self::Certificate => 0x02,
            Self::ChallengeAuth => 0x03,
            Self::Measurements => 0x60,
            Self::ChunkSendAck => 0x05,
            Self::ChunkResponse => 0x06,
        }
    }

    /// Whether it carries a part of another message.
    pub(super) fn is_chunk(self) -> bool {
        matches!(self, Self::ChunkSendAck | Self::ChunkResponse)
    }
}
