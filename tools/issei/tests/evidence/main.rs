// SPDX-License-Identifier: GPL-2.0

//! Evidence is collected from the emulated engine or taken from recorded exchanges, then verified,
//! and not verified any more when anything of it is changed.

mod files;
mod openssl;
mod support;
mod verification;
