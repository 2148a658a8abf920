// SPDX-License-Identifier: GPL-2.0

//! `rust/spdm` for the host: the same files that the kernel module mounts, with their tests, and the
//! crypto traits over RustCrypto.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[path = "spdm.rs"]
mod mounted;
pub use mounted::*;

#[cfg(feature = "host")]
pub mod host;

#[cfg(test)]
mod tests;
