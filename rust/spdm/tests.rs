// SPDX-License-Identifier: GPL-2.0

//! Tests of the mounted files.

mod flows;
mod support;
mod vectors;
