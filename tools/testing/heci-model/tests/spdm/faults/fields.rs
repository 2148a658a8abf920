// SPDX-License-Identifier: GPL-2.0
//! Faults of a message's fields: the field has the value that the fault says, the others have
//! not changed, and signatures cover the wrong value.

use serde_json::json;

use super::{recovers, run, Row};
use crate::crypto::digest;
use crate::requester::*;

/// A fault, where the field begins, and its value by default.
type Field = (&'static str, Message, usize, &'static [u8]);

/// The messages that are the same each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Version,
    Capabilities,
    Algorithms,
    Digests,
    Certificate,
    ChallengeAuth,
    Measurements,
    /// With the count of measurements.
    Count,
}

use Message::*;

/// Messages without a signature.
pub(super) const LISTED: &[Field] = &[
    ("spdm-version-count", Version, 5, &[255]),
    ("spdm-capabilities-flags", Capabilities, 8, &[0x36, 0, 0, 0]),
    ("spdm-capabilities-exponent", Capabilities, 5, &[32]),
    (
        "spdm-capabilities-transfer",
        Capabilities,
        12,
        &[41, 0, 0, 0],
    ),
    (
        "spdm-capabilities-message",
        Capabilities,
        16,
        &[41, 0, 0, 0],
    ),
    ("spdm-algorithms-specification", Algorithms, 6, &[3]),
    ("spdm-algorithms-other", Algorithms, 7, &[3]),
    (
        "spdm-algorithms-measurement-hash",
        Algorithms,
        8,
        &[6, 0, 0, 0],
    ),
    ("spdm-algorithms-asym", Algorithms, 12, &[0x90, 0, 0, 0]),
    ("spdm-algorithms-hash", Algorithms, 16, &[3, 0, 0, 0]),
    (
        "spdm-algorithms-post-quantum",
        Algorithms,
        20,
        &[1, 0, 0, 0],
    ),
    ("spdm-algorithms-extended", Algorithms, 32, &[1]),
    ("spdm-algorithms-length", Algorithms, 4, &[0xff, 0xff]),
    ("spdm-digests-mask", Digests, 3, &[0xff]),
    ("spdm-digests-supported", Digests, 2, &[0]),
    ("spdm-certificate-slot", Certificate, 2, &[7]),
    ("spdm-certificate-portion", Certificate, 4, &[0xff, 0xff]),
    ("spdm-certificate-remainder", Certificate, 6, &[0xff, 0xff]),
    ("spdm-measurements-total", Count, 2, &[255]),
];

/// Offset of the record in MEASUREMENTS.
const RECORD: usize = 8;

/// Messages with a signature, which must be right.
pub(super) const SIGNED: &[Field] = &[
    ("spdm-challenge-slot", ChallengeAuth, 2, &[7]),
    ("spdm-challenge-mask", ChallengeAuth, 3, &[0]),
    ("spdm-challenge-opaque-length", ChallengeAuth, 132, &[0, 4]),
    ("spdm-challenge-context", ChallengeAuth, 134, b"bontext!"),
    ("spdm-measurements-slot", Measurements, 3, &[0x27]),
    ("spdm-measurements-changed", Measurements, 3, &[0x10]),
    ("spdm-measurements-count", Measurements, 4, &[255]),
    (
        "spdm-measurements-length",
        Measurements,
        5,
        &[255, 255, 255],
    ),
    ("spdm-measurements-index", Measurements, RECORD, &[0xef]),
    (
        "spdm-measurements-specification",
        Measurements,
        RECORD + 1,
        &[2],
    ),
    (
        "spdm-measurements-block-size",
        Measurements,
        RECORD + 2,
        &[255, 255],
    ),
    ("spdm-measurements-type", Measurements, RECORD + 4, &[0x7f]),
    (
        "spdm-measurements-value-size",
        Measurements,
        RECORD + 5,
        &[255, 255],
    ),
    ("spdm-measurements-value", Measurements, RECORD + 7, &[0]),
    (
        "spdm-measurements-opaque-length",
        Measurements,
        RECORD + 87,
        &[0, 4],
    ),
    (
        "spdm-measurements-context",
        Measurements,
        RECORD + 89,
        b"bontext!",
    ),
];

/// Goes to `message`, with the fault armed just before it.
fn reach(r: &mut Requester, message: Message, fault: Option<&str>) -> (Vec<u8>, bool) {
    r.wish = Wish::version(0x13);
    let arm = |r: &mut Requester| {
        if let Some(fault) = fault {
            r.arm(fault, None, None);
        }
    };
    let response = match message {
        Version | Capabilities | Algorithms => {
            arm(r);
            let requests = [
                vec![0x10, 0x84, 0, 0],
                r.get_capabilities(0),
                r.negotiate_algorithms(),
            ];
            let responses = requests.map(|request| r.ask(&request));
            (responses[message as usize].clone(), false)
        }
        _ => {
            r.connect(Wish::version(0x13));
            r.chain(0, 4000);
            arm(r);
            match message {
                Digests => (r.digests(), false),
                Certificate => (r.portion(0, 0, 1000), false),
                ChallengeAuth => r.challenge(0, 0xff),
                Count => r.measure(0, 0, 0),
                _ => r.measure(1, 1, 0),
            }
        }
    };
    if let Some(fault) = fault {
        assert_eq!(r.fired(fault), 1, "{fault}");
    }
    response
}

/// Blanks what is fresh each time: nonces, and signatures at the end.
fn blank(message: Message, response: &mut Vec<u8>) {
    let nonce = match message {
        ChallengeAuth => 52,
        Measurements => RECORD + 55,
        Count => RECORD,
        _ => return,
    };
    response[nonce..nonce + 32].fill(0);
    if message != Count {
        response.truncate(response.len() - 96);
    }
}

fn compare(rows: &[Field], signed: bool) {
    let mut r = Requester::new();
    for (name, message, at, value) in rows {
        println!("{name}");
        r = r.renew();
        let (mut faulty, right) = reach(&mut r, *message, Some(name));
        assert_eq!(right, signed, "{name}");
        let (mut good, _) = reach(&mut r, *message, None);
        blank(*message, &mut faulty);
        blank(*message, &mut good);
        let field = *at..at + value.len();
        assert_eq!(faulty[field.clone()], **value, "{name}");
        assert_ne!(good[field.clone()], **value, "{name}");
        good[field].copy_from_slice(value);
        assert_eq!(faulty, good, "{name}");
    }
}

#[test]
fn unsigned_fields_have_the_value_and_nothing_else_changes() {
    compare(LISTED, false);
}

#[test]
fn signed_fields_have_the_value_and_nothing_else_changes() {
    compare(SIGNED, true);
}

/// The responses to GET_VERSION, GET_CAPABILITIES and NEGOTIATE_ALGORITHMS.
fn vca(r: &mut Requester) -> [Vec<u8>; 3] {
    r.wish = Wish::version(0x13);
    let requests = [
        vec![0x10, 0x84, 0, 0],
        r.get_capabilities(0),
        r.negotiate_algorithms(),
    ];
    requests.map(|request| r.ask(&request))
}

/// A requester that has read the chain of slot 0, with the fault armed again.
fn connected(r: &mut Requester, fault: &str) {
    r.device().faults().clear();
    r.connect(Wish::version(0x13));
    r.chain(0, 4000);
    r.arm(fault, None, None);
}

/// The indices of the blocks in signed MEASUREMENTS.
fn indices(r: &mut Requester, fault: &str) -> Vec<u8> {
    connected(r, fault);
    let (response, right) = r.measure(1, 0xff, 0);
    assert!(right);
    let size = u32::from_le_bytes([response[5], response[6], response[7], 0]);
    let mut record = &response[RECORD..RECORD + size as usize];
    let mut indices = Vec::new();
    while let [index, _, low, high, ..] = *record {
        indices.push(index);
        record = &record[4 + usize::from(u16::from_le_bytes([low, high]))..];
    }
    assert_eq!(response[4], indices.len() as u8);
    indices
}

pub(super) const ROWS: &[Row] = &[
    ("spdm-version-none", |r| {
        assert_eq!(vca(r)[0], [0x10, 4, 0, 0, 0, 0]);
        recovers(r);
    }),
    ("spdm-version-only", |r| {
        assert_eq!(vca(r)[0], [0x10, 4, 0, 0, 0, 1, 0, 0x10]);
        recovers(r);
    }),
    ("spdm-capabilities-unasked", |r| {
        let response = &vca(r)[1];
        assert_eq!((response[2], response.len()), (1, 20 + 30));
        recovers(r);
    }),
    ("spdm-capabilities-no-block", |r| {
        r.wish = Wish::chunks(0x13, 4096);
        r.ask(&[0x10, 0x84, 0, 0]);
        let request = r.get_capabilities(1);
        let response = r.ask(&request);
        assert_eq!((response[2], response.len()), (1, 20));
        recovers(r);
    }),
    ("spdm-algorithms-table", |r| {
        let tables = [2, 0x20, 3, 0, 3, 0x20, 3, 0, 4, 0x20, 3, 0, 5, 0x20, 3, 0];
        assert_eq!(vca(r)[2][36..], tables);
        recovers(r);
    }),
    ("spdm-algorithms-unasked", |r| {
        let response = &vca(r)[2];
        assert_eq!(response[2], 5);
        assert_eq!(response[4..6], (response.len() as u16).to_le_bytes());
        assert_eq!(response[52..], [5, 0x20, 0, 0]);
        recovers(r);
    }),
    ("spdm-digests-wrong", |r| {
        connected(r, "spdm-digests-wrong");
        let wrong = r.digests();
        let mut right = r.digests();
        assert_eq!(right[4..52], digest(SHA384, &r.chains[0]));
        right[4] ^= 1;
        assert_eq!(wrong, right);
        recovers(r);
    }),
    ("spdm-certificate-more", |r| {
        connected(r, "spdm-certificate-more");
        let more = r.portion(0, 5, 100);
        assert_eq!(more[4..6], [101, 0]);
        assert_eq!(more[8..], r.chains[0][5..106]);
        recovers(r);
    }),
    ("spdm-certificate-empty", |r| {
        connected(r, "spdm-certificate-empty");
        let empty = r.portion(0, 0, 1000);
        assert_eq!((empty.len(), &empty[4..6]), (8, &[0, 0][..]));
        assert_ne!(empty[6..8], [0, 0]);
        recovers(r);
    }),
    ("spdm-certificate-changed", |r| {
        connected(r, "spdm-certificate-changed");
        r.digests();
        let mut chain = r.chains[0].clone();
        let changed = r.portion(0, 0, 4000);
        chain[0] ^= 1;
        assert_eq!(changed[8..], chain);
        assert!(r.challenge(0, 0).1, "it is in the transcript");
    }),
    ("spdm-challenge-chain-hash", |r| {
        connected(r, "spdm-challenge-chain-hash");
        let (mut auth, right) = r.challenge(0, 0);
        assert!(right);
        auth[4] ^= 1;
        assert_eq!(auth[4..52], digest(SHA384, &r.chains[0]));
        recovers(r);
    }),
    ("spdm-challenge-summary", |r| {
        connected(r, "spdm-challenge-summary");
        let (mut wrong, right) = r.challenge(0, 1);
        assert!(right);
        wrong[84] ^= 1;
        assert_eq!(wrong[84..132], r.challenge(0, 1).0[84..132]);
        recovers(r);
    }),
    ("spdm-challenge-opaque", |r| {
        connected(r, "spdm-challenge-opaque");
        let (auth, right) = r.challenge(0, 0);
        assert!(right);
        assert_eq!(auth[84..86], 1025u16.to_le_bytes());
        assert_eq!(auth.len(), 86 + 1025 + 8 + 96);
        recovers(r);
    }),
    ("spdm-measurements-opaque", |r| {
        connected(r, "spdm-measurements-opaque");
        let (response, right) = r.measure(1, 6, 0);
        assert!(right);
        let opaque = RECORD + 15 + 32;
        assert_eq!(response[opaque..opaque + 2], 1025u16.to_le_bytes());
        assert_eq!(response.len(), opaque + 2 + 1025 + 8 + 96);
        recovers(r);
    }),
    ("spdm-measurements-missing", |r| {
        let left = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0xfd];
        assert_eq!(indices(r, "spdm-measurements-missing"), left);
        recovers(r);
    }),
    ("spdm-measurements-twice", |r| {
        let twice = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0xfd, 0xfe, 1];
        assert_eq!(indices(r, "spdm-measurements-twice"), twice);
        recovers(r);
    }),
    ("spdm-measurements-reversed", |r| {
        let reversed = [0xfe, 0xfd, 9, 8, 7, 6, 5, 4, 3, 2, 1];
        assert_eq!(indices(r, "spdm-measurements-reversed"), reversed);
        recovers(r);
    }),
];

#[test]
fn each_does_what_it_says() {
    run(ROWS);
}

#[test]
fn values_replace_the_default() {
    let mut r = Requester::new();
    r.arm("spdm-version-only", Some(0x2000), None);
    assert_eq!(vca(&mut r)[0], [0x10, 4, 0, 0, 0, 1, 0, 0x20]);
    let only = json!({"slots": [1]});
    let mut r = Requester::connected(Wish::version(0x13), only);
    r.arm("spdm-digests-wrong", Some(1), None);
    let wrong = r.digests();
    assert_ne!(wrong, r.digests());
}
