// SPDX-License-Identifier: GPL-2.0
//! What programs that run in a guest have in common: the [`Device`] and its PCI [`Function`], the
//! [`Model`] behind it and the firmware [`Client`]s of that, and the system around them.

mod client;
mod device;
mod function;
pub mod ioctl;
mod model;
mod system;

pub use client::Client;
pub use device::Device;
pub use function::{rescan, Function};
pub use model::Model;
pub use system::{retry, run, sleep, until};
