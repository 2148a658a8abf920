// SPDX-License-Identifier: GPL-2.0

//! What `isseictl` is made of.
//!
//! ```text
//!  args -> commands -> console     the command line, what it asks for, and how it is said
//!             |
//!    sysfs, netlink                the driver
//!             |
//!  evidence, log -> verify -> check   what was said, what is wrong with it
//! ```

#![forbid(unsafe_code)]
// Nothing that a device, a driver or a file says may end the program.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod args;
pub mod certificate;
pub mod check;
pub mod commands;
pub mod console;
pub mod evidence;
pub mod exit;
pub mod log;
pub mod manual;
pub mod measurements;
pub mod netlink;
pub mod nonce;
pub mod roots;
pub mod sysfs;
pub mod verify;
