// SPDX-License-Identifier: GPL-2.0
//! Faults that every response can have.

use std::time::Duration;

use heci_model::spdm::Response;
use serde_json::json;

use super::{recovers, run, Row};
use crate::requester::*;

const GET_VERSION: [u8; 4] = [0x10, 0x84, 0, 0];
const VERSION: [u8; 14] = [16, 4, 0, 0, 0, 4, 0, 0x10, 0, 0x11, 0, 0x12, 0, 0x13];

/// A requester at its first signed measurements, which an exchange of GET_DIGESTS would spoil.
fn not_ready(r: &mut Requester, fault: &str) -> Vec<u8> {
    r.device().faults().clear();
    r.connect(Wish::version(0x13));
    r.arm("spdm-not-ready", None, None);
    r.arm(fault, None, None);
    let request = r.get_measurements(0, 1, 0);
    r.ask(&request)
}

pub(super) const ROWS: &[Row] = &[
    ("spdm-silent", |r| {
        assert!(r.replies(&GET_VERSION).is_empty());
        let request = r.get_capabilities(0);
        assert_eq!(r.ask(&request), [0x10, 0x7f, 4, 0], "not acted upon");
        recovers(r);
    }),
    ("spdm-late", |r| {
        let replies = r.replies(&GET_VERSION);
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0].after, Duration::from_millis(3000));
        assert_eq!(replies[0].payload, VERSION);
        recovers(r);
    }),
    ("spdm-duplicated", |r| {
        let replies = r.replies(&GET_VERSION);
        assert_eq!(replies.len(), 2);
        assert_eq!(replies[0], replies[1]);
        assert_eq!(replies[0].payload, VERSION);
        recovers(r);
    }),
    ("spdm-replayed", |r| {
        r.device().faults().clear();
        r.connect(Wish::version(0x13));
        r.chain(0, 4000);
        let (first, right) = r.measure(1, 0xff, 0);
        assert!(right);
        r.arm("spdm-replayed", None, None);
        r.nonce = 0x77;
        let (second, right) = r.measure(1, 0xff, 0);
        assert!(!right);
        assert_eq!(first, second);
        recovers(r);
    }),
    ("spdm-busy", |r| {
        assert_eq!(r.ask(&GET_VERSION), [0x10, 0x7f, 3, 0]);
        recovers(r);
    }),
    ("spdm-error", |r| {
        assert_eq!(r.ask(&GET_VERSION), [0x10, 0x7f, 5, 0]);
        recovers(r);
    }),
    ("spdm-resynch", |r| {
        r.device().faults().clear();
        r.connect(Wish::version(0x13));
        r.arm("spdm-resynch", None, None);
        assert_eq!(r.digests(), [0x13, 0x7f, 0x43, 0]);
        assert_eq!(r.digests(), [0x13, 0x7f, 0x43, 0], "until GET_VERSION");
        recovers(r);
    }),
    ("spdm-not-ready", |r| {
        r.device().faults().clear();
        r.connect(Wish::version(0x13));
        r.chain(0, 4000);
        r.measure(0, 1, 0);
        r.arm("spdm-not-ready", None, None);
        let request = r.get_measurements(1, 2, 0);
        assert_eq!(r.ask(&request), [0x13, 0x7f, 0x42, 0, 10, 0xe0, 1, 8]);
        for bad in [[0x13, 0xff, 0x83, 1], [0x13, 0xff, 0xe0, 2]] {
            assert_eq!(r.ask(&bad), [0x13, 0x7f, 1, 0]);
        }
        let response = r.ask(&[0x13, 0xff, 0xe0, 1]);
        let (body, signature) = response.split_at(response.len() - 96);
        let transcript = [&r.vca, &r.measurements, &request, body].concat();
        assert!(r.signed(0, "responder-measurements signing", &transcript, signature));
        assert_eq!(
            r.ask(&[0x13, 0xff, 0xe0, 1]),
            [0x13, 0x7f, 4, 0],
            "only once"
        );
        recovers(r);
    }),
    ("spdm-not-ready-code", |r| {
        let error = not_ready(r, "spdm-not-ready-code");
        assert_eq!(error, [0x13, 0x7f, 0x42, 0, 10, 0x84, 1, 8]);
    }),
    ("spdm-not-ready-rdtm", |r| {
        let error = not_ready(r, "spdm-not-ready-rdtm");
        assert_eq!(error, [0x13, 0x7f, 0x42, 0, 10, 0xe0, 1, 1]);
    }),
    ("spdm-not-ready-short", |r| {
        let error = not_ready(r, "spdm-not-ready-short");
        assert_eq!(error, [0x13, 0x7f, 0x42, 0, 10, 0xe0, 1]);
    }),
    ("spdm-wrong-version", |r| {
        let response = r.ask(&GET_VERSION);
        assert_eq!((response[0], &response[1..]), (0x1f, &VERSION[1..]));
    }),
    ("spdm-wrong-code", |r| {
        let response = r.ask(&GET_VERSION);
        assert_eq!((response[1], &response[2..]), (0x7e, &VERSION[2..]));
    }),
    ("spdm-flipped", |r| {
        let response = r.ask(&GET_VERSION);
        assert_eq!((response[1], &response[2..]), (5, &VERSION[2..]));
    }),
    ("spdm-short", |r| {
        assert_eq!(r.ask(&GET_VERSION), VERSION[..13])
    }),
    ("spdm-truncated", |r| {
        assert_eq!(r.ask(&GET_VERSION), [0u8; 0])
    }),
    ("spdm-long", |r| {
        let longer = [&VERSION[..], &[0]].concat();
        assert_eq!(r.ask(&GET_VERSION), longer);
    }),
];

#[test]
fn each_does_what_it_says() {
    run(ROWS);
}

#[test]
fn a_response_can_be_cut_at_every_byte() {
    for length in 0..=VERSION.len() as u64 {
        let mut r = Requester::new();
        r.arm("spdm-truncated", Some(length), None);
        assert_eq!(r.ask(&GET_VERSION), VERSION[..length as usize]);
        recovers(&mut r);
    }
}

#[test]
fn every_bit_can_be_flipped() {
    for bit in 0..8 * VERSION.len() as u64 {
        let mut r = Requester::new();
        r.arm("spdm-flipped", Some(bit), None);
        let mut response = r.ask(&GET_VERSION);
        response[bit as usize / 8] ^= 1 << (bit % 8);
        assert_eq!(response, VERSION);
    }
}

#[test]
fn a_fault_can_be_told_on_which_response_it_acts() {
    let kinds = [
        (Response::Version, 0),
        (Response::Capabilities, 1),
        (Response::Algorithms, 2),
        (Response::Digests, 3),
        (Response::Certificate, 4),
        (Response::ChallengeAuth, 5),
        (Response::Measurements, 6),
    ];
    for (kind, number) in kinds {
        let mut r = Requester::new();
        r.wish = Wish::version(0x12);
        r.arm("spdm-busy", None, Some(kind));
        let mut request = r.request(&[0x83, 0, 0]);
        request.extend([0; 32]);
        let requests = [
            GET_VERSION.to_vec(),
            r.get_capabilities(0),
            r.negotiate_algorithms(),
            r.request(&[0x81, 0, 0]),
            r.request(&[0x82, 0, 0, 0, 0, 1, 0]),
            request,
            r.get_measurements(0, 1, 0),
        ];
        for (at, request) in requests.iter().enumerate() {
            let response = r.ask(request);
            assert_eq!(response[1..3] == [0x7f, 3], at == number, "{kind:?} {at}");
            if at == number {
                assert_ne!(r.ask(request)[1], 0x7f, "{kind:?} {at}");
            }
        }
    }
}

#[test]
fn an_error_in_place_of_version_has_its_version() {
    let mut r = Requester::connected(Wish::version(0x13), json!({}));
    for (fault, code) in [("spdm-busy", 0x03), ("spdm-error", 0x05)] {
        r.arm(fault, None, None);
        assert_eq!(r.ask(&GET_VERSION), [0x10, 0x7f, code, 0]);
    }
}

#[test]
fn busy_and_not_ready_can_last_for_ever() {
    for (fault, code) in [("spdm-busy", 0x03), ("spdm-not-ready", 0x42)] {
        let mut r = Requester::connected(Wish::version(0x12), json!({}));
        let fault = heci_model::faults::Fault::named(fault).unwrap();
        r.device().faults().arm(fault, 1, 0, None, None).unwrap();
        for _ in 0..3 {
            assert_eq!(r.digests()[2], code);
        }
        for _ in 0..3 {
            let response = r.ask(&[0x12, 0xff, 0x81, 3]);
            assert_eq!(response[2], code);
            if code == 0x42 {
                assert_eq!(response[4..], [10, 0x81, 3, 8], "the token stays");
            }
        }
    }
}
