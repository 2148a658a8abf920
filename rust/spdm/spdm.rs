// SPDX-License-Identifier: GPL-2.0

//! SPDM (DMTF DSP0274) from the requester's side, without memory, I/O, clock or randomness of its
//! own: codec, transcripts, certificate chains and the requester as a state machine.
//!
//! Versions 1.0 to 1.3, and 1.4 with classical algorithms. Outside sessions only.
//!
//! ```text
//!  requester   one operation at a time: connect, digests, certificate, challenge, measurements
//!    |   \
//!    |    transcript, chain   what is hashed, who signed whom      (crypto: two traits)
//!  exchange    one request and its answer: chunks, Busy, ResponseNotReady, time limits
//!    |
//!  transport   one trait: bytes out, bytes in, a deadline
//! ```
//!
//! The kernel module and the host crate mount this same file. Inside, only `self::` and `super::`
//! paths resolve in both.
//!
//! All integers on the wire are little endian, all times are microseconds of a monotonic clock.

#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod algorithms;
pub mod blocks;
pub mod capabilities;
pub mod certificate;
pub mod chain;
pub mod challenge;
pub mod chunk;
pub mod code;
mod collect;
pub mod config;
pub mod crypto;
pub mod der;
pub mod digests;
pub mod error;
pub mod error_response;
pub mod evidence;
mod exchange;
pub mod measurements;
pub mod negotiate;
pub mod pss;
pub mod requester;
pub mod signing;
pub mod transcript;
pub mod transport;
pub mod version;
pub mod wire;
pub mod x509;
