// SPDX-License-Identifier: GPL-2.0

//! Driver for the HECI function of Intel's Silicon Security Engine.
//!
//! Programs talk to the engine's firmware clients through `/dev/issei<N>`, as with Intel's own
//! driver. The way of a message: [`cdev`] copies it from user memory, [`clients`] queues it, [`link`]
//! writes it into the memory of [`shm`] and rings the doorbell of [`heci`]. One more user is in the
//! driver itself: the agent of [`spdm`].

use kernel::prelude::*;

mod cdev;
mod clients;
mod debugfs;
mod device;
#[path = "../../../rust/ham/ham.rs"]
pub mod ham;
mod heci;
#[path = "../../../rust/kapi/kapi.rs"]
pub(crate) mod kapi;
mod link;
mod pci;
mod regs;
mod shm;
pub mod spdm;
mod stats;
mod sysfs;

pub(crate) const MODULE_NAME: &CStr = <LocalModule as kernel::ModuleMetadata>::NAME;

module! {
    type: pci::IsseiModule,
    name: "issei_rust",
    authors: ["The issei_rust authors"],
    description: "Intel Silicon Security Engine Interface",
    license: "GPL",
}
