// SPDX-License-Identifier: GPL-2.0

//! What a requester is told beforehand, and what it finds out when it connects.

#![forbid(unsafe_code)]

use super::algorithms::{AsymAlgorithm, HashAlgorithm, MeasurementHash};
use super::capabilities::{Capabilities, Flags};
use super::error::{Field, Reason};
use super::negotiate::{Offer, Selection};
use super::version::Version;

/// Times, in microseconds, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Round trip time of the transport, RTT.
    pub round_trip: u64,
    /// How long to wait after Busy.
    pub busy_delay: u64,
    /// How often one request may be answered with Busy or ResponseNotReady.
    pub retries: u32,
    /// Longest time for one request with all its chunks and retries, whatever the responder's
    /// CTExponent and RDTM allow.
    pub limit: u64,
}

/// ST1: longest time for an answer without cryptography, in microseconds.
const ST1: u64 = 100_000;

impl Timing {
    /// How long to wait for an answer that needs no cryptography: T1.
    pub fn plain(&self) -> u64 {
        self.round_trip.saturating_add(ST1).min(self.limit)
    }

    /// How long to wait for an answer that may need cryptography: T2, but never less than T1.
    pub fn cryptographic(&self, ct_exponent: u8) -> u64 {
        let time = 1_u64.checked_shl(ct_exponent.into()).unwrap_or(u64::MAX);
        self.round_trip
            .saturating_add(time.max(ST1))
            .min(self.limit)
    }
}

/// What a connection must not fall below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// Lowest version.
    pub version: Version,
    /// Least strength of the signature algorithm, in bits.
    pub asym: u16,
    /// Least strength of the hash algorithm, in bits.
    pub hash: u16,
    /// Least strength of the hash of measurements, in bits.
    pub measurement_hash: u16,
}

impl Floor {
    /// No floor at all.
    pub const NONE: Self = Self {
        version: Version::V10,
        asym: 0,
        hash: 0,
        measurement_hash: 0,
    };

    /// No weaker than this connection.
    pub fn of(connection: &Connection) -> Self {
        Self::in_version(connection.version, &connection.selection)
    }

    fn in_version(version: Version, selection: &Selection) -> Self {
        Self {
            version,
            asym: selection.asym.map_or(0, AsymAlgorithm::strength),
            hash: selection.hash.map_or(0, HashAlgorithm::strength),
            measurement_hash: selection
                .measurement_hash
                .map_or(0, MeasurementHash::strength),
        }
    }

    /// Whether a selection is no weaker. None at all is the weakest.
    ///
    /// # Errors
    ///
    /// - [`Reason::BelowFloor`]: which one is, with its strength.
    pub fn check(&self, selection: &Selection) -> Result<(), (Field, Reason)> {
        let found = Self::in_version(self.version, selection);
        for (field, strength, floor) in [
            (Field::BaseAsymAlgo, found.asym, self.asym),
            (Field::BaseHashAlgo, found.hash, self.hash),
            (
                Field::MeasurementHashAlgo,
                found.measurement_hash,
                self.measurement_hash,
            ),
        ] {
            if strength < floor {
                return Err((field, Reason::BelowFloor(strength.into())));
            }
        }
        Ok(())
    }
}

/// What a requester is told.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Lowest version to speak.
    pub lowest: Version,
    /// Highest version to speak.
    pub highest: Version,
    /// What is pinned: nothing weaker is offered or accepted.
    pub floor: Floor,
    /// Algorithms to offer; what is not known here or below the floor is left out.
    pub offer: Offer,
    /// Whether to ask for the responder's algorithms beforehand. From 1.3 on, with `chunks`.
    pub supported_algorithms: bool,
    /// Whether to take and send messages in chunks. From 1.2 on.
    pub chunks: bool,
    /// Longest single message, in bytes: what the transport carries.
    pub data_transfer_size: u32,
    /// Longest message in chunks, in bytes. Without `chunks` it is `data_transfer_size`.
    pub max_spdm_msg_size: u32,
    /// Longest portion of a chain to ask for, in bytes; less where it would not fit a message.
    pub portion: u16,
    /// CTExponent to tell the responder: 2^n microseconds.
    pub ct_exponent: u8,
    /// Bytes that the transport may add to the end of a message, less than its unit: 3 for PCI
    /// DOE, 0 where it tells lengths.
    pub padding: usize,
    /// Times.
    pub timing: Timing,
}

impl Config {
    /// All versions and algorithms, over a transport that carries messages of this many bytes.
    /// Chains come in portions that fit, so that only longer messages come in chunks.
    pub fn new(data_transfer_size: u32, max_spdm_msg_size: u32) -> Self {
        let portion = data_transfer_size.saturating_sub(super::certificate::CERTIFICATE_FIXED);
        Self {
            lowest: Version::V10,
            highest: Version::V14,
            floor: Floor::NONE,
            offer: Offer::everything(),
            supported_algorithms: false,
            chunks: true,
            data_transfer_size,
            max_spdm_msg_size,
            portion: u16::try_from(portion).unwrap_or(u16::MAX),
            ct_exponent: 0,
            padding: 0,
            timing: Timing {
                round_trip: 1_000_000,
                busy_delay: 50_000,
                retries: 20,
                limit: 10_000_000,
            },
        }
    }

    /// The flags to send. Like other requesters it says CERT and CHAL, although nobody asks it for
    /// either without mutual authentication.
    pub fn flags(&self) -> Flags {
        let chunk = if self.chunks { Flags::CHUNK.0 } else { 0 };
        Flags(Flags::CERT.0 | Flags::CHAL.0 | chunk)
    }

    /// Longest message at all, in bytes.
    pub fn longest(&self) -> u32 {
        if self.chunks {
            self.max_spdm_msg_size.max(self.data_transfer_size)
        } else {
            self.data_transfer_size
        }
    }
}

/// What was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The version in use.
    pub version: Version,
    /// What the responder can do.
    pub capabilities: Capabilities,
    /// What it selected.
    pub selection: Selection,
    /// Whether there is one key pair for each slot.
    pub multi_key: bool,
}
