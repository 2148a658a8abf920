// SPDX-License-Identifier: GPL-2.0

//! What the tests share: the recorded exchanges, a scripted transport, a crypto layer that
//! remembers.

pub(super) mod crypto;
pub(super) mod script;
pub(super) mod vectors;
