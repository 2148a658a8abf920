// SPDX-License-Identifier: GPL-2.0

//! Tests of the mounted files.

use proptest::test_runner::Config;

mod bus;
mod counters;
mod fault;
mod link;
mod poll;
mod wire;

/// Property tests with this many cases. What they find becomes a test of its own, not a seed in a file.
fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}
