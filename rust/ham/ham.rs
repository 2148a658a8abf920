// SPDX-License-Identifier: GPL-2.0

//! HAM, the message protocol of Intel's Silicon Security Engine, and the state machine of the link
//! that carries it: wire layouts, checks and decisions, without memory, registers or locks.
//!
//! The kernel module and the host crate mount this same file. Inside, only `self::` and `super::`
//! paths resolve in both.
//!
//! Sources of the facts: Linux `Documentation/driver-api/issei` and `drivers/misc/issei`.

pub mod counters;
pub mod fault;
pub mod link;
pub mod poll;
pub mod wire;
