// SPDX-License-Identifier: GPL-2.0

//! Each target on its inputs, and on changes of them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::change::{change, Change};
use crate::{corpus, Target, TARGETS};

/// Runs a target on its inputs, on so many changes of them, and on as much noise.
fn fuzz(name: &str, cases: u32) {
    let target = Target::named(name).expect("there is such a target");
    let inputs = corpus::inputs(name).expect("the inputs can be read");
    assert!(!inputs.is_empty(), "there is something to begin with");
    inputs.iter().for_each(|input| (target.run)(input));

    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let which = 0..inputs.len();
    let changes = vec(any::<Change>(), 1..6);
    let changed = (which.clone(), which, changes).prop_map(|(one, other, changes)| {
        let mut input = inputs[one].clone();
        for one in changes {
            change(&mut input, one, &inputs[other]);
        }
        input
    });
    let input = prop_oneof![8 => changed, 1 => vec(any::<u8>(), 0..200)];
    let result = runner.run(&input, |input| {
        (target.run)(&input);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

macro_rules! fuzzed {
    ($($test:ident: $name:literal, $cases:literal;)+) => {
        $(#[test] fn $test() { fuzz($name, $cases); })+

        #[test]
        fn no_target_is_left_out() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$($name),+]);
        }
    };
}

fuzzed! {
    ham_wire: "ham-wire", 5_000;
    ham_link: "ham-link", 5_000;
    ham_poll: "ham-poll", 5_000;
    requests: "requests", 5_000;
    version: "version", 5_000;
    capabilities: "capabilities", 5_000;
    algorithms: "algorithms", 5_000;
    digests: "digests", 5_000;
    certificate: "certificate", 5_000;
    challenge_auth: "challenge-auth", 5_000;
    measurements: "measurements", 5_000;
    error: "error", 5_000;
    chunk_send_ack: "chunk-send-ack", 5_000;
    chunk_response: "chunk-response", 5_000;
    x509: "x509", 1_000;
    chain: "chain", 300;
    pss: "pss", 1_000;
    evidence: "evidence", 1_000;
    requester: "requester", 100;
}
