// SPDX-License-Identifier: GPL-2.0

//! The decoders over small scopes, without chance: messages of every length, with every value of
//! every field that steers. A read outside of the message would be a panic: there is no `unsafe` in
//! what is tested.

use std::collections::BTreeMap;

use crate::{corpus, Target};

/// Bytes at the beginning in which what steers stands, but for lengths that follow a part of
/// variable length.
const HEAD: usize = 80;
/// Bytes of which each two are tried as a number.
const PAIRS: usize = 140;
/// Longest message of one byte repeated.
const FILLED: usize = 320;
/// Longest input that is shortened byte by byte.
const SHORTENED: usize = 2_000;

/// Inputs to begin with: so many recorded ones, and as many of all.
const SEEDS: usize = 3;

/// Upper bytes of a number of two bytes, with all lower ones beside each.
const UPPER: [u8; 4] = [0, 1, 0x80, 0xff];

/// Inputs that begin differently, the shortest of each kind; a few of them.
fn seeds(inputs: Vec<Vec<u8>>, kind: usize) -> Vec<Vec<u8>> {
    let mut seeds: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for input in inputs {
        let key = input.iter().take(kind).copied().collect();
        let seed = seeds.entry(key).or_insert_with(|| input.clone());
        if input.len() < seed.len() {
            *seed = input;
        }
    }
    let step = seeds.len().div_ceil(SEEDS).max(1);
    seeds.into_values().step_by(step).collect()
}

/// Tries a target, whose inputs begin with `layout` bytes that say how to read the message, and whose
/// numbers of two bytes that steer stand at these offsets in it.
fn try_all(name: &str, layout: usize, numbers: &[usize]) {
    let target = Target::named(name).expect("there is such a target");
    let run = |input: &[u8]| (target.run)(input);
    let recorded = corpus::recorded(name).expect("the recordings can be read");
    let all = corpus::inputs(name).expect("the inputs can be read");
    let longest = all.iter().max_by_key(|input| input.len().min(PAIRS));
    let longest = longest.expect("there is one").clone();
    // The layout, and the code of the message.
    let kind = layout + 2;
    let seeds = [seeds(recorded, kind), seeds(all, kind)].concat();
    for seed in &seeds {
        (0..seed.len().min(SHORTENED)).for_each(|length| run(&seed[..length]));
        for at in 0..seed.len().min(HEAD) {
            let mut input = seed.clone();
            for value in 0..=u8::MAX {
                input[at] = value;
                run(&input);
            }
        }
        for at in layout..seed.len().min(PAIRS).saturating_sub(1) {
            let mut input = seed.clone();
            for upper in UPPER {
                for lower in 0..=u8::MAX {
                    (input[at], input[at + 1]) = (lower, upper);
                    run(&input);
                }
            }
        }
    }
    // One message with every value of each number.
    for at in numbers.iter().map(|at| layout + at) {
        assert!(at + 2 <= longest.len(), "{name}: no number at {at}");
        let mut input = longest.clone();
        for value in 0..=u16::MAX {
            input[at..at + 2].copy_from_slice(&value.to_le_bytes());
            run(&input);
        }
    }
    // Every layout of messages of every length that consist of one byte.
    for fill in [0, 1, 0x80, 0xff] {
        for length in 0..FILLED {
            let mut input = vec![fill; layout + length];
            let head = seeds[length % seeds.len()].iter().take(layout + 2);
            input
                .iter_mut()
                .zip(head)
                .for_each(|(to, from)| *to = *from);
            let values = if layout == 0 { 0..=0 } else { 0..=u8::MAX };
            for value in values {
                if let Some(at) = layout.checked_sub(1) {
                    input[at] = value;
                }
                run(&input);
            }
        }
    }
}

macro_rules! tried {
    ($($test:ident: $name:literal, $layout:literal, $numbers:expr;)+) => {
        $(#[test] fn $test() { try_all($name, $layout, &$numbers); })+
    };
}

tried! {
    ham_wire: "ham-wire", 0, [0, 2, 12, 24];
    requests: "requests", 2, [];
    version: "version", 2, [4, 6];
    capabilities: "capabilities", 2, [8, 12, 14];
    algorithms: "algorithms", 2, [4, 8, 12, 16];
    digests: "digests", 2, [2];
    certificate: "certificate", 2, [4, 6];
    challenge_auth: "challenge-auth", 2, [2];
    measurements: "measurements", 2, [4, 5, 6, 10, 13];
    error: "error", 2, [2, 4, 6];
    chunk_send_ack: "chunk-send-ack", 2, [2, 4];
    chunk_response: "chunk-response", 2, [2, 4, 8, 10, 12, 14];
    x509: "x509", 0, [0, 2];
}
