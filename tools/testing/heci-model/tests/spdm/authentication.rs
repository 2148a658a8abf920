// SPDX-License-Identifier: GPL-2.0
//! DIGESTS, CERTIFICATE, CHALLENGE_AUTH.

use serde_json::json;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use crate::crypto::*;
use crate::requester::*;

const ALL: [&str; 5] = ["1.0", "1.1", "1.2", "1.3", "1.4"];

fn connected(version: u8) -> Requester {
    Requester::connected(Wish::version(version), json!({"versions": ALL}))
}

#[test]
fn digests_cover_the_whole_chain_of_each_slot() {
    for version in 0x10..=0x14 {
        let mut r = connected(version);
        let digests = r.digests();
        let supported = if version >= 0x13 { 3 } else { 0 };
        assert_eq!(digests[..4], [version, 1, supported, 3]);
        let chains = [r.chain(0, 4000), r.chain(1, 4000)].map(|chain| digest(SHA384, &chain));
        assert_eq!(digests[4..], chains.concat());
    }
}

#[test]
fn several_key_pairs_are_described_if_both_sides_want_them() {
    let mut r = Requester::new();
    r.set(json!({"capabilities": ["cert", "multi-key"]}));
    r.wish = Wish::version(0x13);
    r.ask(&[0x10, 0x84, 0, 0]);
    let request = r.get_capabilities(0);
    r.ask(&request);
    let mut request = r.negotiate_algorithms();
    request[7] |= 0x10;
    assert_eq!(r.ask(&request)[7], 0x12);
    let digests = r.digests();
    assert_eq!(digests[4 + 2 * 48..], [1, 2, 1, 1, 6, 0, 6, 0]);
    assert_eq!(r.portion(1, 0, 1)[3], 1, "certificate model");
}

#[test]
fn a_chain_is_length_root_hash_and_certificates_from_the_root_down() {
    let mut r = connected(0x12);
    let chain = r.chain(0, 4000);
    assert_eq!(chain[..2], (chain.len() as u16).to_le_bytes());
    assert_eq!(chain[2..4], [0, 0]);
    let certificates = split(&chain[52..]);
    assert_eq!(certificates.len(), 3);
    assert_eq!(chain[4..52], digest(SHA384, certificates[0]));
    assert!(issued(certificates[0], certificates[0]));
    assert!(issued(certificates[1], certificates[0]));
    assert!(issued(certificates[2], certificates[1]));
    for (number, certificate) in certificates.iter().enumerate() {
        let tbs = parse(certificate).tbs_certificate;
        let (_, constraints) = tbs.get::<BasicConstraints>().unwrap().unwrap();
        let (_, usage) = tbs.get::<KeyUsage>().unwrap().unwrap();
        assert_eq!(constraints.ca, number < 2);
        assert_eq!(usage.key_cert_sign(), number < 2);
        assert_eq!(usage.digital_signature(), number == 2);
    }
}

#[test]
fn portions_of_any_size_make_the_same_chain() {
    let mut r = connected(0x12);
    let chain = r.chain(0, 4000);
    for length in [1, 7, 100, 1023, u16::MAX] {
        assert_eq!(r.chain(0, length), chain);
    }
    let last = r.portion(0, chain.len() - 1, 100);
    assert_eq!(last[4..8], [1, 0, 0, 0]);
    assert_eq!(last[8..], chain[chain.len() - 1..]);
    for offset in [chain.len(), chain.len() + 1, 0xffff] {
        assert_eq!(r.portion(0, offset, 1), [0x12, 0x7f, 1, 0]);
    }
}

#[test]
fn a_portion_fits_what_the_requester_takes() {
    let wish = Wish {
        transfer: 100,
        message: 100,
        ..Wish::version(0x12)
    };
    let mut r = Requester::connected(wish, json!({}));
    assert_eq!(r.portion(0, 0, 0xffff).len(), 100);
}

#[test]
fn slots_that_are_not_provisioned_are_invalid() {
    let mut r = Requester::connected(Wish::version(0x12), json!({"slots": [2, 7]}));
    assert_eq!(r.digests()[3], 0x84);
    let chains = [r.chain(2, 4000), r.chain(7, 4000)];
    assert_ne!(chains[0], chains[1]);
    for slot in [0, 1, 3, 6, 8, 15] {
        assert_eq!(r.portion(slot, 0, 1), [0x12, 0x7f, 1, 0]);
        assert_eq!(r.challenge(slot, 0).0, [0x12, 0x7f, 1, 0]);
        assert_eq!(r.measure(1, 0xff, slot).0, [0x12, 0x7f, 1, 0]);
    }
    r.digests();
    assert!(r.challenge(7, 0).1);
    let mut r = Requester::connected(Wish::version(0x12), json!({"slots": []}));
    assert_eq!(r.digests(), [0x12, 0x7f, 5, 0]);
}

#[test]
fn the_size_of_a_slot_can_be_asked_for_from_1_3_on() {
    let mut r = connected(0x13);
    let size = r.chain(0, 4000).len() as u16;
    let expected = [&[0x13, 2, 0, 0, 0, 0][..], &size.to_le_bytes()].concat();
    assert_eq!(r.ask(&[0x13, 0x82, 0, 1, 0xff, 0xff, 0, 0]), expected);
    let mut r = connected(0x12);
    assert_eq!(r.ask(&[0x12, 0x82, 0, 1, 0, 0, 1, 0]).len(), 9);
}

#[test]
fn large_offsets_are_not_supported() {
    let mut r = connected(0x14);
    let request = [0x14, 0x82, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0];
    assert_eq!(r.ask(&request), [0x14, 0x7f, 0x07, 0x82]);
}

#[test]
fn bodies_of_another_length_are_invalid() {
    let mut r = connected(0x12);
    for rest in [
        &[0x81, 0, 0, 0][..],
        &[0x82, 0, 0, 0, 0, 1],
        &[0x82, 0, 0, 0, 0, 1, 0, 0],
    ] {
        let request = r.request(rest);
        assert_eq!(r.ask(&request), [0x12, 0x7f, 1, 0]);
    }
    for (version, right) in [(0x12, 36), (0x13, 44)] {
        let mut r = connected(version);
        for length in 4..50 {
            let mut request = r.request(&[0x83, 0, 0]);
            request.resize(length, 0);
            let code = if length == right { 0x03 } else { 0x7f };
            assert_eq!(r.ask(&request)[1], code, "{length}");
        }
    }
}

#[test]
fn a_challenge_is_signed_in_every_version() {
    for version in 0x10..=0x14 {
        for summary in [0, 1, 0xff] {
            let mut r = connected(version);
            r.digests();
            r.chain(0, 1000);
            r.chain(1, 700);
            let (auth, right) = r.challenge(1, summary);
            assert!(right, "{version:x}");
            assert_eq!(auth[2..4], [1, 3]);
            assert_eq!(auth[4..52], digest(SHA384, &r.chains[1]));
            let rest = &auth[84 + if summary == 0 { 0 } else { 48 }..];
            let echoed: &[u8] = if version >= 0x13 {
                b"\0\0context!"
            } else {
                b"\0\0"
            };
            assert_eq!(rest[..rest.len() - 96], *echoed);
        }
    }
}

#[test]
fn every_pair_of_algorithms_signs() {
    for asym in (0..9).map(|bit| 1 << bit) {
        for hash in (0..6).map(|bit| 1 << bit) {
            let wish = Wish {
                hash,
                asym,
                ..Wish::version(0x12)
            };
            let mut r = Requester::connected(wish, json!({}));
            r.digests();
            let chain = r.chain(0, 4000);
            let certificates = split(&chain[4 + digest(hash, b"").len()..]);
            assert!(issued(certificates[1], certificates[0]), "{asym:#x}");
            assert!(issued(certificates[2], certificates[1]), "{asym:#x}");
            assert!(r.challenge(0, 0xff).1, "{asym:#x} {hash:#x}");
        }
    }
}

#[test]
fn a_summary_covers_the_blocks_in_order() {
    for (summary, blocks) in [(1, 2), (0xff, 11)] {
        let mut r = connected(0x12);
        let (measurements, _) = r.measure(0, 0xff, 0);
        let mut record = &measurements[8..];
        let mut covered = Vec::new();
        for _ in 0..blocks {
            let size = 4 + usize::from(u16::from_le_bytes([record[2], record[3]]));
            covered.extend(&record[..size]);
            record = &record[size..];
        }
        r.chain(0, 4000);
        let auth = r.challenge(0, summary).0;
        assert_eq!(auth[84..132], digest(SHA384, &covered));
    }
    let mut r = connected(0x12);
    assert_eq!(r.challenge(0, 2).0, [0x12, 0x7f, 1, 0]);
}

#[test]
fn nonces_differ() {
    let mut r = connected(0x12);
    r.chain(0, 4000);
    let nonces = [(); 2].map(|()| r.challenge(0, 0).0[52..84].to_vec());
    assert_ne!(nonces[0], nonces[1]);
}

#[test]
fn the_transcript_of_certificates_begins_with_digests_and_ends_with_measurements() {
    let mut r = connected(0x12);
    r.chain(0, 4000);
    assert!(r.challenge(0, 0).1, "without digests");
    assert!(r.challenge(0, 0).1, "without anything");
    r.chain(1, 4000);
    r.digests();
    assert!(r.challenge(0, 0).1, "digests begin anew");
    r.digests();
    r.measure(0, 1, 0);
    r.certificates.clear();
    assert!(r.challenge(0, 0).1, "measurements end it");
}

#[test]
fn chains_of_60_kib_come_in_portions() {
    let changes = json!({"chain_size": 65535, "chain_length": 5});
    let mut r = Requester::connected(Wish::version(0x13), changes);
    r.digests();
    let chain = r.chain(0, 4000);
    assert!(chain.len() > 65_300, "{}", chain.len());
    assert_eq!(split(&chain[52..]).len(), 5);
    assert!(r.challenge(0, 0).1);
}

#[test]
fn an_alias_certificate_follows_the_firmware() {
    let capabilities = json!(["cert", "chal", "meas-sig", "alias-cert"]);
    let changes = json!({"capabilities": capabilities, "chain_length": 4});
    let mut r = Requester::connected(Wish::version(0x12), changes);
    let before = r.chain(0, 4000);
    r.device()
        .engine()
        .measurements
        .set(2, None, Some(b"new"))
        .unwrap();
    r.connect(Wish::version(0x12));
    r.digests();
    let after = r.chain(0, 4000);
    let (before, after) = (split(&before[52..]), split(&after[52..]));
    assert_eq!(before[..3], after[..3]);
    assert_ne!(public_key(before[3]), public_key(after[3]));
    assert!(issued(after[3], after[2]));
    assert!(r.challenge(0, 0).1);
}

#[test]
fn another_seed_is_another_device_of_the_same_vendor() {
    let mut r = connected(0x12);
    let before = r.chain(0, 4000);
    r.set(json!({"seed": "0002"}));
    assert_eq!(r.chain(0, 4000), before, "not within a connection");
    r.connect(Wish::version(0x12));
    let after = r.chain(0, 4000);
    let (before, after) = (split(&before[52..]), split(&after[52..]));
    assert_eq!(before[..2], after[..2]);
    assert_ne!(public_key(before[2]), public_key(after[2]));
}

#[test]
fn a_chain_may_leave_its_root_out() {
    let mut r = connected(0x12);
    let whole = r.chain(0, 4000);
    r.set(json!({"omit_root": true}));
    r.connect(Wish::version(0x12));
    let chain = r.chain(0, 4000);
    assert_eq!(chain[4..52], whole[4..52]);
    assert_eq!(split(&chain[52..]), split(&whole[52..])[1..]);
}

#[test]
fn what_the_responder_cannot_do_is_not_supported() {
    let changes = json!({"capabilities": ["meas"]});
    let mut r = Requester::connected(Wish::version(0x12), changes);
    assert_eq!(r.digests(), [0x12, 0x7f, 7, 0x81]);
    assert_eq!(r.portion(0, 0, 1), [0x12, 0x7f, 7, 0x82]);
    assert_eq!(r.challenge(0, 0).0, [0x12, 0x7f, 7, 0x83]);
    assert_eq!(r.measure(1, 0xff, 0).0, [0x12, 0x7f, 7, 0xe0]);
    assert_eq!(r.measure(0, 0xff, 0).0[1], 0x60);
    let changes = json!({"capabilities": ["cert", "chal"]});
    let mut r = Requester::connected(Wish::version(0x12), changes);
    assert_eq!(r.measure(0, 0xff, 0).0, [0x12, 0x7f, 7, 0xe0]);
    assert_eq!(r.challenge(0, 0xff).0, [0x12, 0x7f, 1, 0], "no summary");
    r.chain(0, 4000);
    assert!(r.challenge(0, 0).1);
}
