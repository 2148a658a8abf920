// SPDX-License-Identifier: GPL-2.0

//! Messages in chunks, with one thing wrong.

use super::support::responder::Responder;
use super::support::wire::{config, error_of, run, Wire};
use crate::config::Config;

const SEND: u8 = 0x85;
const GET: u8 = 0x86;

/// A requester and a responder for messages of that size.
fn small(version: u8, size: u32) -> (Config, Responder) {
    let mut config = config();
    config.data_transfer_size = size;
    let mut responder = Responder::new(version);
    responder.data_transfer_size = size;
    (config, responder)
}

/// Changes the `number`-th answer to chunks, and returns the error.
fn changed(version: u8, code: u8, number: u32, change: impl Fn(&mut Vec<u8>)) -> String {
    let (config, responder) = small(version, 42);
    let mut count = 0;
    let error = error_of(config, responder, code, |response| {
        if count == number {
            change(response);
        }
        count += 1;
    });
    error.to_string()
}

fn set(at: usize, bytes: &'static [u8]) -> impl Fn(&mut Vec<u8>) {
    move |response| response[at..at + bytes.len()].copy_from_slice(bytes)
}

#[test]
fn responses() {
    let differs = "differs from what it has to match";
    for (number, at, bytes, expected) in [
        (0, 1, &[0x02][..], "RequestResponseCode: 0x2 is not allowed"),
        (0, 3, &[0x5b], &*format!("Handle: {differs}")),
        (1, 4, &[0x02], &*format!("ChunkSeqNo: {differs}")),
        (
            0,
            8,
            &[0x1b],
            "ChunkSize: message of 42 bytes ends before byte 43",
        ),
        (0, 8, &[0x19], "42 bytes instead of 41"),
        (0, 12, &[42, 0], "LargeMessageSize: 42 is below 42"),
        (0, 12, &[1, 0, 1], "LargeMessageSize: 65537 is above 65536"),
        (0, 2, &[0x01], "LargeMessageSize: 0x1a contradicts itself"),
    ] {
        let text = changed(0x12, GET, number, set(at, bytes));
        assert_eq!(text, format!("CHUNK_RESPONSE: {expected}"));
    }
    // Chunk 0 says 68: one more and one less is found out with the last one.
    let text = changed(0x12, GET, 0, set(12, &[69]));
    assert_eq!(
        text,
        "CHUNK_RESPONSE: LargeMessageSize: 0x44 contradicts itself"
    );
    let text = changed(0x12, GET, 0, set(12, &[67]));
    assert_eq!(text, "CHUNK_RESPONSE: ChunkSize: 0xc is not allowed");
    let text = changed(0x12, GET, 1, set(2, &[1]));
    assert_eq!(
        text,
        "CHUNK_RESPONSE: LargeMessageSize: 0x38 contradicts itself"
    );
    let text = changed(0x12, GET, 2, set(2, &[0]));
    assert_eq!(text, "CHUNK_RESPONSE: ChunkSize: 0xc is not allowed");
    let shorter = |response: &mut Vec<u8>| {
        response.pop();
        response[8] -= 1;
    };
    for number in [0, 1] {
        let text = changed(0x12, GET, number, shorter);
        let size = 26 + 4 * number - 1;
        assert_eq!(
            text,
            format!("CHUNK_RESPONSE: ChunkSize: {size:#x} is not allowed")
        );
    }
    let empty = |response: &mut Vec<u8>| {
        response.truncate(12);
        response[8] = 0;
    };
    let text = changed(0x12, GET, 2, empty);
    assert_eq!(text, "CHUNK_RESPONSE: ChunkSize: 0x0 is not allowed");
    let text = changed(0x12, GET, 0, |response| response.truncate(11));
    assert_eq!(
        text,
        "CHUNK_RESPONSE: ChunkSize: message of 11 bytes ends before byte 12"
    );
    // What comes out of the chunks is a response, and no ERROR.
    let text = changed(0x12, GET, 0, set(17, &[0x7f]));
    assert_eq!(text, "DIGESTS: RequestResponseCode: 0x7f is not allowed");
    let text = changed(0x12, GET, 0, |response| {
        *response = vec![0x12, 0x7f, 0x05, 0]
    });
    assert_eq!(
        text,
        "GET_DIGESTS: the responder answered Unspecified (data 0x00)"
    );
    for error in [[0x42, 0x81], [0x0f, 0x00]] {
        let text = changed(0x12, GET, 0, |response| {
            *response = vec![0x12, 0x7f, error[0], 0];
            let data: &[u8] = if error[0] == 0x42 {
                &[0, error[1], 1, 2]
            } else {
                &[0]
            };
            response.extend(data);
        });
        assert!(
            text.starts_with("GET_DIGESTS: the responder answered"),
            "{text}"
        );
    }
}

#[test]
fn requests() {
    let differs = "differs from what it has to match";
    // CHALLENGE of 44 bytes: 26 in chunk 0, the rest in chunk 1. The response needs chunks, too.
    for (number, at, bytes, expected) in [
        (0, 1, &[0x06][..], "RequestResponseCode: 0x6 is not allowed"),
        (0, 3, &[0x7a], &*format!("Handle: {differs}")),
        (0, 4, &[0x01], &*format!("ChunkSeqNo: {differs}")),
        (0, 2, &[0x01], "missing"),
        (1, 4, &[0x00], &*format!("ChunkSeqNo: {differs}")),
    ] {
        let text = changed(0x13, SEND, number, set(at, bytes));
        assert_eq!(text, format!("CHUNK_SEND_ACK: {expected}"));
    }
    let text = changed(0x13, SEND, 0, |response| response.push(0));
    assert_eq!(text, "CHUNK_SEND_ACK: 7 bytes instead of 6");
    let text = changed(0x13, SEND, 0, |response| response.truncate(5));
    assert_eq!(
        text,
        "CHUNK_SEND_ACK: ChunkSeqNo: message of 5 bytes ends before byte 6"
    );
    let text = changed(0x13, SEND, 1, |response| response.truncate(6));
    assert_eq!(text, "CHUNK_SEND_ACK: missing");
    let early = |response: &mut Vec<u8>| {
        response[2] = 1;
        response.extend([0x13, 0x7f, 0x01, 0]);
    };
    let text = changed(0x13, SEND, 0, early);
    assert_eq!(
        text,
        "CHALLENGE: the responder answered InvalidRequest (data 0x00)"
    );
    let early = |response: &mut Vec<u8>| {
        response[2] = 1;
        response.extend([0x13, 0x03, 0x01, 0]);
    };
    let text = changed(0x13, SEND, 0, early);
    assert_eq!(text, "CHUNK_SEND_ACK: Param1: 0x1 contradicts itself");
    let text = changed(0x13, SEND, 0, |response| {
        *response = vec![0x13, 0x7f, 0x0e, 0]
    });
    assert_eq!(
        text,
        "CHALLENGE: the responder answered RequestTooLarge (data 0x00)"
    );
}

#[test]
fn a_busy_answer_to_the_whole_request_repeats_all_chunks() {
    let (config, mut responder) = small(0x13, 42);
    responder.busy_inside = true;
    let (_, wire, result) = run(config, Wire::new(responder));
    result.expect("it answers in the end");
    let sends: Vec<_> = wire
        .log
        .iter()
        .filter(|line| line.request[1] == SEND)
        .map(|line| (line.request[3], line.request[4], line.request[2]))
        .collect();
    assert_eq!(sends[..4], [(1, 0, 0), (1, 1, 1), (2, 0, 0), (2, 1, 1)]);
}

#[test]
fn nobody_asked_for_chunks() {
    for version in [0x11, 0x12] {
        let mut without = config();
        without.chunks = false;
        let error = error_of(without, Responder::new(version), 0x81, |response| {
            *response = vec![version, 0x7f, 0x0f, 0, 1];
        });
        let expected = "GET_DIGESTS: the responder answered LargeResponse (data 0x00)";
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn what_does_not_fit() {
    let (mut config, responder) = small(0x12, 42);
    config.max_spdm_msg_size = 67;
    let error = error_of(config, responder, 0, |_| {});
    assert_eq!(
        error.to_string(),
        "CHUNK_RESPONSE: LargeMessageSize: 68 is above 67"
    );
}
