// SPDX-License-Identifier: GPL-2.0

//! Recorded exchanges of an independent implementation: accepted as they are, and refused after any
//! single change of a byte that a signature or a digest covers.

use super::support::crypto::Memory;
use super::support::script::Line;
use super::support::vectors::{all, replay, Vector};
use crate::code::Code;

#[test]
fn every_vector_is_accepted() {
    for vector in all() {
        let crypto = Memory::default();
        let lines = &vector.lines;
        let result = replay(vector.config(), vector.version, lines, lines, &crypto);
        match result {
            Ok(requester) => {
                let connection = requester.connection().expect("there is a connection");
                assert_eq!(connection.version, vector.version, "{}", vector.name);
            }
            Err(failure) => panic!("{}: {failure}", vector.name),
        }
    }
}

/// Bytes of the response in line `number` that a signature or a digest covers.
fn covered(vector: &Vector, number: usize) -> std::ops::Range<usize> {
    let is = |line: &Line, code: Code| line.request[1] == code.0;
    let lines = &vector.lines;
    let line = &lines[number];
    let whole = 0..line.response.len();
    let challenge = lines.iter().position(|line| is(line, Code::CHALLENGE));
    if line.response[1] == Code::ERROR.0 {
        0..0
    } else if challenge.is_some_and(|challenge| number <= challenge) {
        whole
    } else if is(line, Code::GET_CERTIFICATE) {
        // Read again, without a challenge after it: only the digest is over it.
        8..whole.end
    } else if is(line, Code::GET_DIGESTS) {
        // The digest of slot 0, if its chain or its key is used again. Those of slot 1 are not.
        let used = lines[number..]
            .iter()
            .any(|line| is(line, Code::GET_CERTIFICATE) || line.request[2] & 1 != 0);
        if used {
            4..4 + digest_size(vector)
        } else {
            0..0
        }
    } else if is(line, Code::GET_MEASUREMENTS) {
        // An ERROR makes the transcript begin anew.
        let signed = lines[number..]
            .iter()
            .take_while(|line| line.response[1] != Code::ERROR.0)
            .any(|line| line.request[2] & 1 != 0);
        let challenge = challenge.map(|challenge| &lines[challenge].request);
        let summed_up = challenge.is_some_and(|request| request[3] == 0xff)
            && line.request[3] == 0xff
            && line.request[2] & 2 == 0;
        if signed {
            whole
        } else if summed_up {
            // Number of blocks, length and record.
            let [a, b, c] = [5, 6, 7].map(|at| line.response[at]);
            4..8 + u32::from_le_bytes([a, b, c, 0]) as usize
        } else {
            0..0
        }
    } else {
        panic!("{}: line {number} is not expected", vector.name)
    }
}

fn digest_size(vector: &Vector) -> usize {
    match &vector.name[4..10] {
        "sha256" => 32,
        "sha384" => 48,
        "sha512" => 64,
        _ => panic!("the hash stands in the name"),
    }
}

#[test]
fn every_changed_byte_is_refused() {
    for vector in all() {
        let crypto = Memory::default();
        let config = vector.config();
        let lines = &vector.lines;
        let result = replay(config, vector.version, lines, lines, &crypto);
        assert!(result.is_ok(), "{} is accepted as it is", vector.name);
        crypto.freeze();
        let mut changed = vector.lines.clone();
        let mut changes = 0;
        for number in 0..vector.lines.len() {
            for at in covered(&vector, number) {
                changed[number].response[at] ^= 1 << (at % 8);
                let result = replay(config, vector.version, lines, &changed, &crypto);
                assert!(
                    result.is_err(),
                    "{}: line {number}, byte {at} is not covered",
                    vector.name
                );
                changed[number].response[at] ^= 1 << (at % 8);
                changes += 1;
            }
        }
        assert!(changes > 3_000, "{}: {changes}", vector.name);
    }
}
