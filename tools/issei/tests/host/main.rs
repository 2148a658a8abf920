// SPDX-License-Identifier: GPL-2.0

//! Everything that needs no kernel: evidence is collected from the emulated engine or taken from
//! recorded exchanges, then verified, and not verified any more when anything of it is changed; a
//! sysfs is a directory.

mod commands;
mod files;
mod info;
mod log;
mod machine;
mod openssl;
mod program;
mod schema;
mod support;
mod verification;
