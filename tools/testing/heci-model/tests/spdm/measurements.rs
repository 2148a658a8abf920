// SPDX-License-Identifier: GPL-2.0
//! MEASUREMENTS.

use serde_json::json;

use crate::crypto::digest;
use crate::requester::*;

fn connected(version: u8) -> Requester {
    let versions = json!({"versions": ["1.0", "1.1", "1.2", "1.3", "1.4"]});
    let mut r = Requester::connected(Wish::version(version), versions);
    r.chain(0, 4000);
    r.chain(1, 4000);
    r
}

/// The record in MEASUREMENTS.
fn record(response: &[u8]) -> &[u8] {
    let size = u32::from_le_bytes([response[5], response[6], response[7], 0]) as usize;
    &response[8..8 + size]
}

/// Index, type and value of each block.
fn blocks(response: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    let mut rest = record(response);
    let mut blocks = Vec::new();
    while let [index, 1, size_low, size_high, kind, low, high, ..] = *rest {
        let size = usize::from(u16::from_le_bytes([low, high]));
        assert_eq!(u16::from_le_bytes([size_low, size_high]) as usize, size + 3);
        blocks.push((index, kind, rest[7..7 + size].to_vec()));
        rest = &rest[7 + size..];
    }
    assert!(rest.is_empty());
    assert_eq!(usize::from(response[4]), blocks.len());
    blocks
}

#[test]
fn all_measurements_are_signed_at_once_in_every_version() {
    for version in 0x10..=0x14 {
        let mut r = connected(version);
        let (response, right) = r.measure(1, 0xff, 1);
        assert!(right || version == 0x10, "{version:x}");
        let detail = match version {
            0x10 => 0,
            0x11 => 1,
            _ => 0x21,
        };
        assert_eq!(response[..5], [version, 0x60, 0, detail, 11]);
        let rest = &response[8 + record(&response).len() + 32..];
        let echoed: &[u8] = if version >= 0x13 {
            b"\0\0context!"
        } else {
            b"\0\0"
        };
        assert_eq!(rest[..rest.len() - 96], *echoed);
    }
    assert!(
        connected(0x10).measure(1, 0xff, 0).1,
        "slot 0, as 1.0 has no other"
    );
}

#[test]
fn one_by_one_the_last_is_signed_for_all() {
    for version in 0x10..=0x14 {
        let mut r = connected(version);
        let (count, _) = r.measure(0, 0, 0);
        assert_eq!(count[2..8], [11, 0, 0, 0, 0, 0]);
        let indices = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0xfd, 0xfe];
        for index in indices {
            let signed = index == 0xfe;
            let (response, right) = r.measure(signed.into(), index, 0);
            assert_eq!(blocks(&response)[0].0, index);
            assert_eq!(right, signed);
        }
        for index in (1..=0xfe).filter(|index| !indices.contains(index)) {
            assert_eq!(r.measure(0, index, 0).0, [version, 0x7f, 1, 0]);
        }
    }
}

#[test]
fn unsigned_measurements_have_nonce_opaque_and_context_too() {
    for version in 0x10..=0x14 {
        let mut r = connected(version);
        let (response, _) = r.measure(0, 6, 0);
        let echoed = if version >= 0x13 { 8 } else { 0 };
        assert_eq!(response.len(), 8 + 15 + 32 + 2 + echoed);
        assert_eq!(response[..4], [version, 0x60, 0, 0]);
        assert_eq!(blocks(&response), [(6, 0x87, 7u64.to_le_bytes().to_vec())]);
    }
}

#[test]
fn raw_bit_streams_come_from_1_2_on() {
    for version in 0x10..=0x14 {
        let mut r = connected(version);
        let (response, right) = r.measure(3, 0xff, 0);
        assert!(right);
        let raw = if version >= 0x12 { 0x80 } else { 0 };
        let types: Vec<u8> = blocks(&response).iter().map(|block| block.1).collect();
        let digested = [0, 1, 2, 3].map(|kind| kind | raw);
        assert_eq!(types[..4], digested);
        assert_eq!(types[4..], [0x86, 0x87, 8, 0x89, 0x8a, 0x84, 0x85]);
    }
}

#[test]
fn digests_are_those_of_the_measurement_hash() {
    let raw = blocks(&connected(0x12).measure(2, 1, 0).0)[0].2.clone();
    for (name, hash) in [("base", 2), ("sha256", 1), ("sha384", 2), ("sha512", 4)] {
        let changes = json!({"measurement_hash": name});
        let mut r = Requester::connected(Wish::version(0x12), changes);
        let digests = blocks(&r.measure(0, 1, 0).0);
        assert_eq!(digests, [(1, 0, digest(hash, &raw))]);
    }
    let changes = json!({"measurement_hash": "raw"});
    let mut r = Requester::connected(Wish::version(0x12), changes);
    assert_eq!(blocks(&r.measure(0, 1, 0).0), [(1, 0x80, raw)]);
}

#[test]
fn another_request_ends_the_transcript_and_so_does_a_refused_one() {
    let mut r = connected(0x12);
    r.measure(0, 1, 0);
    r.measure(0, 100, 0);
    assert!(r.measure(1, 2, 0).1, "refused");
    r.measure(0, 1, 0);
    r.digests();
    r.measurements.clear();
    assert!(r.measure(1, 2, 0).1, "digests");
    r.measure(0, 1, 0);
    r.ask(&[0x12, 0xfe, 0, 0]);
    r.measurements.clear();
    assert!(r.measure(1, 2, 0).1, "vendor defined");
    assert!(r.measure(1, 2, 0).1, "signed");
}

#[test]
fn a_change_between_two_requests_is_told() {
    let mut r = connected(0x12);
    r.measure(0, 1, 0);
    let set = |r: &mut Requester| {
        let measurements = &mut r.device().engine().measurements;
        measurements.set(2, None, Some(b"new")).unwrap();
    };
    set(&mut r);
    let (response, right) = r.measure(1, 2, 0);
    assert!(right);
    assert_eq!(response[3], 0x10, "changed");
    assert_eq!(blocks(&response)[0].2, digest(SHA384, b"new"));
    assert_eq!(r.measure(1, 2, 0).0[3], 0x20, "not since then");
    r.measure(0, 1, 0);
    set(&mut r);
    r.digests();
    assert_eq!(r.measure(1, 2, 0).0[3], 0x20, "digests began it anew");
}

#[test]
fn bodies_of_another_length_are_invalid() {
    for (version, signed, unsigned) in [(0x10, 36, 4), (0x11, 37, 4), (0x12, 37, 4), (0x13, 45, 12)]
    {
        let mut r = connected(version);
        for (attributes, right) in [(1, signed), (0, unsigned)] {
            for length in 4..50 {
                let mut request = r.request(&[0xe0, attributes, 1]);
                request.resize(length, 0);
                let code = if length == right { 0x60 } else { 0x7f };
                assert_eq!(r.ask(&request)[1], code, "{version:x} {length}");
            }
        }
    }
}

#[test]
fn without_a_measurement_specification_they_are_unexpected() {
    let mut r = Requester::new();
    r.ask(&[0x10, 0x84, 0, 0]);
    let request = r.get_capabilities(0);
    r.ask(&request);
    let mut request = r.negotiate_algorithms();
    request[6] = 0;
    r.ask(&request);
    assert_eq!(r.measure(0, 1, 0).0, [0x12, 0x7f, 4, 0]);
}
