// SPDX-License-Identifier: GPL-2.0
//! VERSION, CAPABILITIES, ALGORITHMS, and the order of requests.

use serde_json::json;

use crate::requester::*;

fn error(version: u8, code: u8, data: u8) -> Vec<u8> {
    vec![version, 0x7f, code, data]
}

#[test]
fn version_lists_what_is_offered() {
    let mut r = Requester::new();
    let version = [0x10, 4, 0, 0, 0, 4, 0, 0x10, 0, 0x11, 0, 0x12, 0, 0x13];
    assert_eq!(r.ask(&[0x10, 0x84, 0, 0]), version);
    r.set(json!({"versions": ["1.4"]}));
    assert_eq!(r.ask(&[0x10, 0x84, 0, 0]), [0x10, 4, 0, 0, 0, 1, 0, 0x14]);
}

#[test]
fn get_version_has_version_1_0_and_no_body() {
    let mut r = Requester::new();
    assert_eq!(r.ask(&[0x12, 0x84, 0, 0]), error(0x10, 0x41, 0));
    assert_eq!(r.ask(&[0x10, 0x84, 0, 0, 0]), error(0x10, 0x01, 0));
}

#[test]
fn a_request_without_a_header_is_invalid() {
    let mut r = Requester::new();
    for length in 0..4 {
        assert_eq!(r.ask(&[0x10, 0x84, 0, 0][..length]), error(0x10, 0x01, 0));
    }
}

#[test]
fn requests_out_of_order_are_unexpected() {
    let mut r = Requester::new();
    let (capabilities, algorithms) = (r.get_capabilities(0), r.negotiate_algorithms());
    let later = [
        vec![0x12, 0x81, 0, 0],
        vec![0x12, 0x82, 0, 0, 0, 0, 0, 1],
        [vec![0x12, 0x83, 0, 0], vec![0; 32]].concat(),
        vec![0x12, 0xe0, 0, 0],
        vec![0x12, 0x86, 0, 0, 0, 0],
        vec![0x12, 0xff, 0x83, 0],
    ];
    for request in later.iter().chain([&capabilities, &algorithms]) {
        assert_eq!(r.ask(request), error(0x10, 0x04, 0));
    }
    r.ask(&[0x10, 0x84, 0, 0]);
    for request in later.iter().chain([&algorithms]) {
        assert_eq!(r.ask(request), error(0x10, 0x04, 0));
    }
    r.ask(&capabilities);
    for request in later[..4].iter().chain([&capabilities]) {
        assert_eq!(r.ask(request), error(0x12, 0x04, 0));
    }
    assert_eq!(r.ask(&algorithms)[1], 0x63);
    assert_eq!(r.ask(&algorithms), error(0x12, 0x04, 0));
}

#[test]
fn another_version_than_the_agreed_one_is_a_mismatch() {
    let mut r = Requester::new();
    r.ask(&[0x10, 0x84, 0, 0]);
    r.wish.version = 0x14;
    let request = r.get_capabilities(0);
    assert_eq!(r.ask(&request), error(0x10, 0x41, 0));
    let mut r = Requester::connected(Wish::version(0x12), json!({}));
    assert_eq!(r.ask(&[0x11, 0x81, 0, 0]), error(0x12, 0x41, 0));
    assert_eq!(r.ask(&[0x12, 0x81, 0, 0])[1], 0x01);
}

#[test]
fn what_is_not_supported_is_named() {
    let mut r = Requester::connected(Wish::version(0x12), json!({}));
    for code in [0xe4, 0xe8, 0xed, 0xfe, 0x80, 0x00, 0x7f] {
        assert_eq!(r.ask(&[0x12, code, 0, 0]), error(0x12, 0x07, code));
    }
}

#[test]
fn capabilities_have_the_form_of_their_version() {
    for (version, expected) in [
        (0x10, "1061000000140000 36000000"),
        (0x11, "1161000000140000 36000000"),
        (0x12, "1261000000140000 36000200 00100000 00200100"),
        (0x13, "1361000000140000 36000200 00100000 00200100"),
        (0x14, "1461000000140000 36000200 00100000 00200100"),
    ] {
        let mut r = Requester::new();
        r.set(json!({"versions": ["1.0", "1.1", "1.2", "1.3", "1.4"]}));
        r.wish = Wish::version(version);
        r.ask(&[0x10, 0x84, 0, 0]);
        let request = r.get_capabilities(0);
        let response = r.ask(&request);
        assert_eq!(hex(&response), expected.replace(' ', ""), "{version:x}");
    }
}

#[test]
fn flags_follow_the_capabilities() {
    for (capabilities, flags) in [
        (json!([]), 0u32),
        (json!(["cert", "meas"]), 0x0a),
        (json!(["chal", "meas-sig"]), 0x14),
        (json!(["alias-cert", "chunk"]), 0x6_0000),
        (json!(["multi-key"]), 0x800_0000),
    ] {
        let mut r = Requester::new();
        r.set(json!({"capabilities": capabilities}));
        r.wish = Wish::version(0x13);
        r.ask(&[0x10, 0x84, 0, 0]);
        let request = r.get_capabilities(0);
        let response = r.ask(&request);
        assert_eq!(response[8..12], flags.to_le_bytes());
        let chunks = flags & CHUNK != 0;
        assert_eq!(response[12..16] == response[16..20], !chunks);
    }
}

#[test]
fn bad_capabilities_are_invalid() {
    let changes: [fn(&mut Wish); 4] = [
        |wish| wish.transfer = 41,
        |wish| wish.message = 4095,
        |wish| wish.message = 4097,
        |wish| (wish.transfer, wish.message, wish.flags) = (41, 4096, CHUNK),
    ];
    for change in changes {
        let mut r = Requester::new();
        r.ask(&[0x10, 0x84, 0, 0]);
        change(&mut r.wish);
        let request = r.get_capabilities(0);
        assert_eq!(r.ask(&request), error(0x10, 0x01, 0));
    }
    for (version, length) in [(0x10, 4), (0x11, 12), (0x12, 20), (0x13, 20)] {
        let mut r = Requester::new();
        r.wish.version = version;
        r.ask(&[0x10, 0x84, 0, 0]);
        let request = r.get_capabilities(0);
        assert_eq!(request.len(), length);
        let longer = [&*request, &[0]].concat();
        assert_eq!(r.ask(&longer), error(0x10, 0x01, 0));
        assert_eq!(r.ask(&request[..length - 1]), error(0x10, 0x01, 0));
        assert_eq!(r.ask(&request)[1], 0x61);
    }
    let mut r = Requester::new();
    r.ask(&[0x10, 0x84, 0, 0]);
    let mut request = r.get_capabilities(0);
    request[5] = 32;
    assert_eq!(r.ask(&request), error(0x10, 0x01, 0));
}

#[test]
fn the_algorithms_block_comes_when_asked_for_with_chunks() {
    let mut r = Requester::new();
    r.wish = Wish::chunks(0x13, 4096);
    r.ask(&[0x10, 0x84, 0, 0]);
    let request = r.get_capabilities(1);
    let response = r.ask(&request);
    assert_eq!(response[2], 1);
    let block = "0000 1e00 01 03 ff010000 3f000000 00000000 0000000000000000 00 00 00 00";
    assert_eq!(hex(&response[20..]), block.replace(' ', ""));

    r.wish = Wish::version(0x13);
    r.ask(&[0x10, 0x84, 0, 0]);
    let request = r.get_capabilities(1);
    assert_eq!(r.ask(&request), error(0x10, 0x01, 0), "no chunks");
    r.wish = Wish::chunks(0x12, 4096);
    let request = r.get_capabilities(1);
    assert_eq!(r.ask(&request).len(), 20, "before 1.3");
}

#[test]
fn algorithms_are_laid_out_as_the_table_says() {
    let mut r = Requester::new();
    let algorithms = r.connect(Wish::version(0x12));
    let expected = "12630400 3400 01 02 04000000 80000000 02000000 00000000 0000000000000000
        00 00 0000 02200000 03200000 04200000 05200000";
    assert_eq!(hex(&algorithms), expected.replace([' ', '\n'], ""));
    let algorithms = r.connect(Wish::version(0x10));
    let expected = "10630000 2400 01 00 04000000 80000000 02000000 00000000 0000000000000000
        00 00 0000";
    assert_eq!(hex(&algorithms), expected.replace([' ', '\n'], ""));
}

#[test]
fn the_preferred_common_algorithms_are_selected() {
    let mut r = Requester::new();
    r.set(
        json!({"hash": ["sha256", "sha3-512"], "asym": ["rsapss-3072", "ecdsa-p256"],
        "measurement_hash": "raw"}),
    );
    let all = Wish {
        hash: 0x3f,
        asym: 0x1ff,
        ..Wish::version(0x13)
    };
    let algorithms = r.connect(all);
    assert_eq!(algorithms[8..20], [1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0]);
    let algorithms = r.connect(Wish {
        hash: 0x20,
        asym: 0x10,
        ..all
    });
    assert_eq!(algorithms[12..20], [0x10, 0, 0, 0, 0x20, 0, 0, 0]);
}

#[test]
fn without_a_common_algorithm_the_request_is_invalid() {
    let mut r = Requester::new();
    r.set(json!({"hash": ["sha256"], "asym": ["ecdsa-p256"]}));
    for (hash, asym) in [(0x3e, P256), (SHA256, 0x1ef)] {
        r.ask(&[0x10, 0x84, 0, 0]);
        let request = r.get_capabilities(0);
        r.ask(&request);
        r.wish = Wish {
            hash,
            asym,
            ..r.wish
        };
        let request = r.negotiate_algorithms();
        assert_eq!(r.ask(&request), error(0x12, 0x01, 0));
    }
}

#[test]
fn bad_offers_are_invalid() {
    let changes: [fn(&mut Vec<u8>); 8] = [
        |request| request[4] += 1,
        |request| request.push(0),
        |request| request.truncate(request.len() - 1),
        |request| request[2] = 3,
        |request| request[2] = 5,
        |request| request[28] = 1,
        |request| request[33] = 0x10,
        |request| request[36] = 2,
    ];
    for change in changes {
        let mut r = Requester::new();
        r.ask(&[0x10, 0x84, 0, 0]);
        let request = r.get_capabilities(0);
        r.ask(&request);
        let good = r.negotiate_algorithms();
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(r.ask(&bad), error(0x12, 0x01, 0), "{bad:x?}");
        assert_eq!(r.ask(&good)[1], 0x63);
    }
}

#[test]
fn extended_algorithms_are_passed_over() {
    let mut r = Requester::new();
    r.ask(&[0x10, 0x84, 0, 0]);
    let request = r.get_capabilities(0);
    r.ask(&request);
    let mut request = r.negotiate_algorithms();
    (request[28], request[29], request[4]) = (1, 1, request[4] + 8);
    request.splice(32..32, [0, 0, 1, 0, 0, 0, 2, 0]);
    let response = r.ask(&request);
    assert_eq!(response[1], 0x63);
    assert_eq!(response[32..34], [0, 0]);
}

#[test]
fn no_measurement_is_selected_if_none_is_wanted_or_had() {
    let mut r = Requester::new();
    for capabilities in [json!(["cert", "chal"]), json!(["cert", "meas-sig"])] {
        r.set(json!({"capabilities": capabilities}));
        r.ask(&[0x10, 0x84, 0, 0]);
        let request = r.get_capabilities(0);
        r.ask(&request);
        let mut request = r.negotiate_algorithms();
        if capabilities[1] == "meas-sig" {
            request[6] = 0;
        }
        let response = r.ask(&request);
        assert_eq!((response[6], &response[8..12]), (0, &[0; 4][..]));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
