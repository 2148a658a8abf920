// SPDX-License-Identifier: GPL-2.0

//! The SPDM agent: authenticates the engine by itself, keeps a log of what it signs, and collects
//! evidence for programs.
//!
//! The way of a sequence: a work item ([`agent`]) opens a [`transport`] to the firmware's SPDM
//! client, [`attest`] holds the dialogue of [`protocol`] over it with the kernel's [`crypto`], and
//! what comes of it is put into the [`log`], compared with the [`keys`] and with what was before
//! ([`state`]), and shown to users ([`sysfs`], [`netlink`]).
//!
//! The engine has one SPDM client, and that has one connection. The agent and programs share it:
//! who has it, keeps it until the sequence or the connection ends ([`crate::clients`]).
//!
//! Lock order: `state`, then the link lock. `published` and the lock of `jobs` are taken alone.

#[path = "../../../rust/spdm/spdm.rs"]
pub mod protocol;

mod agent;
mod attest;
pub(crate) mod capture;
pub(crate) mod crypto;
pub(crate) mod evidence;
mod jobs;
pub(crate) mod keys;
mod log;
pub(crate) mod netlink;
mod policy;
mod state;
pub(crate) mod sysfs;
mod text;
mod transport;
mod trouble;

pub(crate) use self::{
    agent::{
        collect,
        Agent,
        Retirement, //
    },
    jobs::Failure,
    policy::Verdict,
    state::Status, //
};

/// The SPDM client of the firmware. It carries bare SPDM messages. Source: Linux
/// `Documentation/driver-api/issei`.
pub(crate) const UUID: [u8; 16] = [
    0xe8, 0x51, 0x49, 0xdf, 0x94, 0x47, 0x4c, 0x9a, 0x83, 0x67, 0xc4, 0xe3, 0x34, 0x64, 0xf1, 0xb4,
];
