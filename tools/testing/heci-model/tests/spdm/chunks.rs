// SPDX-License-Identifier: GPL-2.0
//! Messages in chunks, and messages that are too large.

use serde_json::json;

use crate::requester::*;

const ALL: [&str; 5] = ["1.0", "1.1", "1.2", "1.3", "1.4"];

#[test]
fn a_large_response_is_the_same_in_chunks_of_any_size() {
    for version in 0x12..=0x14 {
        let mut r = Requester::connected(Wish::version(version), json!({"versions": ALL}));
        let chain = r.chain(0, 4000);
        for transfer in [42, 43, 100, 1000, 1500] {
            r.connect(Wish::chunks(version, transfer));
            let certificate = r.portion(0, 0, 0xffff);
            assert_eq!(certificate[8..], chain);
        }
    }
}

#[test]
fn chunks_are_not_part_of_transcripts_and_their_messages_are() {
    let mut r = Requester::connected(Wish::chunks(0x12, 100), json!({}));
    let request = r.request(&[0x82, 0, 0, 0, 0, 0xff, 0xff]);
    let error = r.ask(&request);
    let certificate = r.collect(&error);
    r.chains[0] = certificate[8..].to_vec();
    r.certificates = [request, certificate].concat();
    let mut request = r.request(&[0x83, 0, 0]);
    request.extend([7; 32]);
    let error = r.ask(&request);
    let auth = r.collect(&error);
    let (body, signature) = auth.split_at(auth.len() - 96);
    let transcript = [&r.vca, &r.certificates, &request, body].concat();
    let context = "responder-challenge_auth signing";
    assert!(r.signed(0, context, &transcript, signature));
}

#[test]
fn a_large_request_is_answered_in_the_last_acknowledgement() {
    for version in 0x12..=0x14 {
        let changes = json!({"versions": ALL, "data_transfer_size": 42});
        let mut r = Requester::connected(Wish::chunks(version, 4096), changes);
        let plain = r.portion(0, 0, 0xffff);
        r.chains[0] = plain[8..].to_vec();
        let request = r.get_measurements(1, 0xff, 0);
        if request.len() > 42 {
            let response = r.send(9, &request, 42);
            let (body, signature) = response.split_at(response.len() - 96);
            let transcript = [&r.vca, &request, body].concat();
            let context = "responder-measurements signing";
            assert!(r.signed(0, context, &transcript, signature));
        }
        r.connect(r.wish);
        let mut request = r.request(&[0xe1, 0, 0]);
        request.resize(100, 0);
        assert_eq!(r.send(1, &request, 42), [version, 0x7f, 4, 0]);
    }
}

#[test]
fn both_directions_can_be_in_chunks() {
    let changes = json!({"data_transfer_size": 42});
    let mut r = Requester::connected(Wish::chunks(0x13, 42), changes);
    let request = r.get_measurements(1, 0xff, 0);
    let error = r.send(3, &request, 42);
    let response = r.collect(&error);
    assert_eq!(response[..5], [0x13, 0x60, 0, 0x20, 11]);
}

#[test]
fn a_chunk_that_breaks_a_rule_is_refused_early() {
    let size = |size: u32| size.to_le_bytes().to_vec();
    // Parameters, sequence number, chunk size, large size, bytes of the chunk.
    let first = |attributes, sequence, chunk: u32, large, carried| {
        let header = vec![0x12, 0x85, attributes, 1];
        [
            header,
            size(sequence),
            size(chunk),
            size(large),
            vec![0x12; carried],
        ]
        .concat()
    };
    for bad in [
        first(1, 0, 26, 100, 26),
        first(0, 1, 26, 100, 26),
        first(0, 0, 26, 42, 26),
        first(0, 0, 26, 0x1_2001, 26),
        first(0, 0, 25, 100, 25),
        first(0, 0, 27, 100, 26),
        first(0, 0, 25, 100, 26),
        first(0, 0, 26, 26, 26),
        first(1, 0, 0, 100, 0),
    ] {
        let changes = json!({"data_transfer_size": 42});
        let mut r = Requester::connected(Wish::chunks(0x12, 4096), changes);
        let ack = r.ask(&bad);
        assert_eq!(ack[..4], [0x12, 5, 1, 1], "{bad:x?}");
        assert_eq!(ack[6..], [0x12, 0x7f, 1, 0], "{bad:x?}");
        let good = first(0, 0, 26, 100, 26);
        assert_eq!(r.ask(&good), [0x12, 5, 0, 1, 0, 0], "{bad:x?}");
        let wrong_handle = [vec![0x12, 0x85, 0, 2], size(1), size(30), vec![0; 30]].concat();
        assert_eq!(r.ask(&wrong_handle)[2], 1);
    }
}

#[test]
fn chunks_are_fetched_in_order_by_their_handle() {
    let mut r = Requester::connected(Wish::chunks(0x12, 100), json!({}));
    let request = r.request(&[0x82, 0, 0, 0, 0, 0xff, 0xff]);
    let [first, second] = [(); 2].map(|()| r.ask(&request));
    assert_eq!((first[4], second[4]), (0, 1));
    let invalid = [0x12, 0x7f, 1, 0];
    assert_eq!(r.get(0, 0), invalid, "the handle before");
    assert_eq!(r.get(1, 1), invalid, "not the first");
    assert_eq!(r.get(1, 0)[1], 6);
    assert_eq!(r.get(1, 0), invalid, "again");
    assert_eq!(r.get(1, 1)[1], 6);
    r.digests();
    assert_eq!(r.get(1, 2), [0x12, 0x7f, 4, 0], "given up");
}

#[test]
fn without_chunks_too_large_a_response_is_refused_with_its_size() {
    for (limit, fits) in [(100, true), (99, false)] {
        let wish = Wish {
            transfer: limit,
            message: limit,
            ..Wish::version(0x12)
        };
        let mut r = Requester::connected(wish, json!({}));
        let digests = r.digests();
        assert_eq!(digests.len() == 100, fits);
        assert_eq!(digests == [0x12, 0x7f, 0x0d, 0, 100, 0, 0, 0], !fits);
    }
    let mut r = Requester::connected(Wish::chunks(0x12, 4096), json!({}));
    r.wish.message = 5000;
    r.connect(r.wish);
    let measurements = &mut r.device().engine().measurements;
    measurements.set(9, None, Some(&[0; 5000])).unwrap();
    assert_eq!(r.measure(0, 9, 0).0[..4], [0x12, 0x7f, 0x0d, 0]);
    let mut r = Requester::connected(Wish::version(0x11), json!({}));
    let measurements = &mut r.device().engine().measurements;
    measurements.set(9, None, Some(&[0; 5000])).unwrap();
    assert_eq!(r.measure(0, 9, 0).0, [0x11, 0x7f, 5, 0], "before 1.2");
}

#[test]
fn too_large_a_request_in_one_piece_is_refused() {
    let changes = json!({"data_transfer_size": 43});
    let mut r = Requester::connected(Wish::chunks(0x12, 4096), changes);
    let mut request = r.request(&[0x83, 0, 0]);
    request.resize(44, 0);
    assert_eq!(r.ask(&request), [0x12, 0x7f, 0x0e, 0]);
    request.pop();
    assert_eq!(r.ask(&request), [0x12, 0x7f, 0x01, 0]);
}

#[test]
fn chunks_are_not_supported_unless_both_sides_say_so() {
    for (wish, capabilities) in [
        (Wish::version(0x12), json!(["cert", "chunk"])),
        (Wish::chunks(0x12, 100), json!(["cert"])),
        (Wish::version(0x11), json!(["cert", "chunk"])),
    ] {
        let mut r = Requester::connected(wish, json!({"capabilities": capabilities}));
        let version = wish.version;
        assert_eq!(r.get(0, 0), [version, 0x7f, 7, 0x86]);
        assert_eq!(r.ask(&[version, 0x85, 0, 0]), [version, 0x7f, 7, 0x85]);
    }
}

#[test]
fn measurements_of_60_kib_come_in_chunks() {
    let mut r = Requester::connected(Wish::chunks(0x13, 4096), json!({}));
    let measurements = &mut r.device().engine().measurements;
    measurements.set(9, None, Some(&[7; 60_000])).unwrap();
    let request = r.get_measurements(0, 9, 0);
    let error = r.ask(&request);
    let response = r.collect(&error);
    assert_eq!(response.len(), 8 + 60_007 + 32 + 2 + 8);
}
