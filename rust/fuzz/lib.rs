// SPDX-License-Identifier: GPL-2.0

//! Fuzz targets of `rust/ham` and `rust/spdm`: each takes any bytes, and panics if what they lead to
//! breaks a rule.
//!
//! `cargo test` runs each target on its inputs and on changes of them, and a check does that for a
//! while. `make fuzz` runs them under libFuzzer, which looks for inputs that reach new code. What it finds goes into `corpus/`: a file
//! for each target, with one input a line in hexadecimal; see the program `corpus`. More inputs are
//! made of the recorded exchanges of `rust/spdm/tests/vectors`.

#![forbid(unsafe_code)]

pub mod blind;
mod chain;
mod change;
pub mod corpus;
mod evidence;
mod ham;
mod message;
mod pss;
mod requester;
mod requests;
mod responses;

#[cfg(test)]
mod small;
#[cfg(test)]
mod tests;

/// A fuzz target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:literal: $run:path;)+) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[$(Target { name: $name, run: $run }),+];
    };
}

targets! {
    "ham-wire": ham::wire;
    "ham-link": ham::link;
    "ham-poll": ham::poll;
    "requests": requests::any;
    "version": responses::version;
    "capabilities": responses::capabilities;
    "algorithms": responses::algorithms;
    "digests": responses::digests;
    "certificate": responses::certificate;
    "challenge-auth": responses::challenge_auth;
    "measurements": responses::measurements;
    "error": responses::error;
    "chunk-send-ack": responses::chunk_send_ack;
    "chunk-response": responses::chunk_response;
    "x509": chain::x509;
    "chain": chain::chain;
    "pss": pss::pss;
    "evidence": evidence::evidence;
    "requester": requester::requester;
}

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.iter().copied().find(|target| target.name == name)
    }
}
