// SPDX-License-Identifier: GPL-2.0

//! What the tests share: the recorded exchanges, transports, a responder, certificates, and a crypto
//! layer that remembers.

pub(super) mod crypto;
pub(super) mod der;
pub(super) mod responder;
pub(super) mod script;
pub(super) mod vectors;
pub(super) mod wire;
