// SPDX-License-Identifier: GPL-2.0

//! `rust/ham` for the host: the same files that the kernel module mounts, with their tests.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[path = "ham.rs"]
mod mounted;
pub use mounted::*;

#[cfg(test)]
mod tests;
