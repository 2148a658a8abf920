// SPDX-License-Identifier: GPL-2.0

//! Tests of the mounted files.

mod chain;
mod chunks;
mod errors;
mod flows;
mod host;
mod patience;
mod support;
mod vectors;
