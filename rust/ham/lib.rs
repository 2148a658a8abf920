// SPDX-License-Identifier: GPL-2.0

//! The host's view of `rust/ham`: the same files that the kernel module mounts.

#![no_std]
