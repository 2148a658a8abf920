// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers for what the `kernel` crate of Linux 7.3 lacks.
//!
//! Each module is one abstraction, written so that it can move to `rust/kernel` unchanged. A crate
//! mounts this file as a module; nothing here knows the driver that uses it.

pub(crate) mod attribute;
pub(crate) mod blob;
pub(crate) mod boot;
pub(crate) mod capability;
pub(crate) mod chardev;
pub(crate) mod class;
pub(crate) mod clock;
pub(crate) mod debugfs;
pub(crate) mod deferred;
mod fops;
pub(crate) mod global;
pub(crate) mod hash;
pub(crate) mod irq;
pub(crate) mod keyring;
pub(crate) mod kobject;
pub(crate) mod netlink;
pub(crate) mod param;
pub(crate) mod pci;
pub(crate) mod poll;
mod presence;
pub(crate) mod random;
mod shim;
pub(crate) mod signature;
pub(crate) mod sleep;
pub(crate) mod timer;
pub(crate) mod wait;
pub(crate) mod work;
