// SPDX-License-Identifier: GPL-2.0
//! Faults of signatures: only the signature is wrong, and in just this way.

use serde_json::json;

use super::{recovers, run, Row};
use crate::crypto::{digest, public_key, split, verify};
use crate::requester::*;

/// CHALLENGE_AUTH of slot 0 with a fault: transcript and signature, which must be wrong.
fn challenge(r: &mut Requester, fault: &str, wish: Wish) -> (Vec<u8>, Vec<u8>) {
    r.device().faults().clear();
    r.connect(wish);
    r.chain(0, 4000);
    let certificates = r.certificates.clone();
    r.arm(fault, None, None);
    let (auth, right) = r.challenge(0, 0);
    assert!(!right);
    let mut request = r.request(&[0x83, 0, 0]);
    request.extend([0xa5; 32]);
    if wish.version >= 0x13 {
        request.extend(*b"context!");
    }
    let (body, signature) = auth.split_at(auth.len() - 96);
    let transcript = [&r.vca, &certificates, &request, body].concat();
    (transcript, signature.to_vec())
}

const AUTH: &str = "responder-challenge_auth signing";

pub(super) const ROWS: &[Row] = &[
    ("spdm-signature-flipped", |r| {
        let (transcript, mut signature) =
            challenge(r, "spdm-signature-flipped", Wish::version(0x13));
        signature[0] ^= 1;
        assert!(r.signed(0, AUTH, &transcript, &signature));
        recovers(r);
    }),
    ("spdm-signature-zero", |r| {
        let (_, signature) = challenge(r, "spdm-signature-zero", Wish::version(0x13));
        assert_eq!(signature, [0; 96]);
        recovers(r);
    }),
    ("spdm-signature-reversed", |r| {
        let (transcript, mut signature) =
            challenge(r, "spdm-signature-reversed", Wish::version(0x13));
        signature[..48].reverse();
        signature[48..].reverse();
        assert!(r.signed(0, AUTH, &transcript, &signature));
        recovers(r);
    }),
    ("spdm-signature-key", |r| {
        let (_, signature) = challenge(r, "spdm-signature-key", Wish::version(0x13));
        assert_ne!(signature, [0; 96]);
        recovers(r);
    }),
    ("spdm-signature-transcript", |r| {
        let (_, signature) = challenge(r, "spdm-signature-transcript", Wish::version(0x13));
        let vca = r.vca.clone();
        assert!(r.signed(0, AUTH, &vca, &signature));
        recovers(r);
    }),
    ("spdm-signature-context", |r| {
        let (transcript, signature) = challenge(r, "spdm-signature-context", Wish::version(0x13));
        let other = "responder-measurements signing";
        assert!(r.signed(0, other, &transcript, &signature));
        recovers(r);
    }),
    ("spdm-signature-version", |r| {
        let (transcript, signature) = challenge(r, "spdm-signature-version", Wish::version(0x13));
        r.wish.version = 0x12;
        assert!(r.signed(0, AUTH, &transcript, &signature));
        recovers(r);
    }),
    ("spdm-signature-bare", |r| {
        let (transcript, signature) = challenge(r, "spdm-signature-bare", Wish::version(0x13));
        r.wish.version = 0x11;
        assert!(r.signed(0, AUTH, &transcript, &signature));
        recovers(r);
    }),
];

#[test]
fn each_does_what_it_says() {
    run(ROWS);
}

#[test]
fn measurements_have_the_same_faults() {
    let mut r = Requester::connected(Wish::version(0x12), json!({}));
    r.chain(0, 4000);
    for (fault, _) in ROWS {
        r.arm(fault, None, None);
        assert!(!r.measure(1, 1, 0).1, "{fault}");
        assert!(r.measure(1, 1, 0).1, "{fault}");
    }
}

#[test]
fn any_bit_of_a_signature_can_be_flipped() {
    let mut r = Requester::connected(Wish::version(0x12), json!({}));
    r.chain(0, 4000);
    let key = public_key(split(&r.chains[0][52..]).last().unwrap());
    for bit in [0, 100, 767] {
        r.arm("spdm-signature-flipped", Some(bit), None);
        let (mut response, right) = r.measure(1, 1, 0);
        assert!(!right);
        let at = response.len() - 96 + bit as usize / 8;
        response[at] ^= 1 << (bit % 8);
        let (body, signature) = response.split_at(response.len() - 96);
        let request = r.get_measurements(1, 1, 0);
        let mut message = vec![0; 100];
        for at in [0, 16, 32, 48] {
            message[at..at + 16].copy_from_slice(b"dmtf-spdm-v1.2.*");
        }
        message[70..].copy_from_slice(b"responder-measurements signing");
        let transcript = [&r.vca, &*request, body].concat();
        message.extend(digest(SHA384, &transcript));
        assert!(verify(P384, SHA384, &key, &message, signature));
    }
}
