// SPDX-License-Identifier: GPL-2.0
//! Faults of chunks.

use serde_json::json;

use super::{run, Row};
use crate::requester::*;

/// The first two chunks of a chain's certificate, 100 bytes each, after arming.
fn chunks(r: &mut Requester, fault: &str) -> [Vec<u8>; 2] {
    r.device().faults().clear();
    r.connect(Wish::chunks(0x13, 100));
    let request = r.request(&[0x82, 0, 0, 0, 0, 0xff, 0xff]);
    assert_eq!(r.ask(&request)[1..3], [0x7f, 0x0f]);
    let handle = 1; // ALGORITHMS took none, DIGESTS was not asked for
    r.arm(fault, None, None);
    let first = r.get(handle - 1, 0);
    [first, r.get(handle - 1, 1)]
}

/// The fields of the first chunk: parameters, sequence number, size, size of the whole.
fn header(chunk: &[u8]) -> ([u8; 2], u32, u32, u32) {
    let number = |at: usize| u32::from_le_bytes(chunk[at..at + 4].try_into().unwrap());
    assert_eq!(chunk[..2], [0x13, 6]);
    ([chunk[2], chunk[3]], number(4), number(8), number(12))
}

fn whole(r: &mut Requester) -> u32 {
    r.connect(Wish::version(0x13));
    r.chain(0, 4000).len() as u32 + 8
}

/// The acknowledgement of a request's first chunk.
fn acknowledgement(r: &mut Requester, fault: &str) -> Vec<u8> {
    r.device().faults().clear();
    r.set(json!({"data_transfer_size": 42}));
    r.connect(Wish::chunks(0x13, 4096));
    let mut chunk = r.request(&[0x85, 0, 5]);
    chunk.extend([0, 0, 0, 0, 26, 0, 0, 0, 45, 0, 0, 0]);
    chunk.extend(&r.get_measurements(1, 0xff, 0)[..26]);
    r.arm(fault, None, None);
    r.ask(&chunk)
}

pub(super) const ROWS: &[Row] = &[
    ("spdm-chunk-sequence", |r| {
        let chunk = &chunks(r, "spdm-chunk-sequence")[0];
        assert_eq!(header(chunk), ([0, 0], 9, 84, whole(r)));
    }),
    ("spdm-chunk-handle", |r| {
        let chunk = &chunks(r, "spdm-chunk-handle")[0];
        assert_eq!(header(chunk), ([0, 0xee], 0, 84, whole(r)));
    }),
    ("spdm-chunk-size", |r| {
        let chunk = &chunks(r, "spdm-chunk-size")[0];
        assert_eq!(chunk.len(), 100);
        assert_eq!(header(chunk), ([0, 0], 0, u32::MAX, whole(r)));
    }),
    ("spdm-chunk-large-size", |r| {
        let chunk = &chunks(r, "spdm-chunk-large-size")[0];
        assert_eq!(header(chunk), ([0, 0], 0, 84, u32::MAX));
    }),
    ("spdm-chunk-short", |r| {
        let chunk = &chunks(r, "spdm-chunk-short")[0];
        assert_eq!(chunk.len(), 99);
        assert_eq!(header(chunk), ([0, 0], 0, 83, whole(r)));
    }),
    ("spdm-chunk-last-early", |r| {
        let [first, second] = chunks(r, "spdm-chunk-last-early");
        assert_eq!(header(&first), ([1, 0], 0, 84, whole(r)));
        assert_eq!(second, [0x13, 0x7f, 4, 0], "the responder is done");
    }),
    ("spdm-chunk-last-never", |r| {
        r.device().faults().clear();
        r.connect(Wish::chunks(0x13, 100));
        let request = r.request(&[0x81, 0, 0]);
        let request = [&*request].concat();
        r.set(json!({"slots": [0, 1, 2]}));
        r.connect(Wish::chunks(0x13, 100));
        assert_eq!(r.ask(&request), [0x13, 0x7f, 0x0f, 0, 0]);
        assert_eq!(r.get(0, 0).len(), 100);
        r.arm("spdm-chunk-last-never", None, None);
        let last = r.get(0, 1);
        assert_eq!((last[2], last.len()), (0, 12 + 148 - 84));
        assert_eq!(r.get(0, 2), [0x13, 6, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    }),
    ("spdm-ack-sequence", |r| {
        let ack = acknowledgement(r, "spdm-ack-sequence");
        assert_eq!(ack, [0x13, 5, 0, 5, 9, 0]);
    }),
    ("spdm-ack-handle", |r| {
        let ack = acknowledgement(r, "spdm-ack-handle");
        assert_eq!(ack, [0x13, 5, 0, 0xee, 0, 0]);
    }),
    ("spdm-ack-early-error", |r| {
        let ack = acknowledgement(r, "spdm-ack-early-error");
        assert_eq!(ack, [0x13, 5, 1, 5, 0, 0, 0x13, 0x7f, 1, 0]);
    }),
];

#[test]
fn each_does_what_it_says() {
    run(ROWS);
}
