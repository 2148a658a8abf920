// SPDX-License-Identifier: GPL-2.0

//! Tests of the mounted files.

use proptest::test_runner::Config;

mod capabilities;
mod chain;
mod chunks;
mod codec;
mod collect;
mod der;
mod errors;
mod evidence;
mod flows;
mod host;
mod hostile;
mod kinds;
mod names;
mod negotiate;
mod order;
mod patience;
mod pin;
mod pss;
mod summary;
mod support;
mod vectors;

/// Property tests with this many cases. What they find becomes a test of its own, not a seed in a file.
fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}
