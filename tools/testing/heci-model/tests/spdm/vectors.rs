// SPDX-License-Identifier: GPL-2.0
//! Recorded exchanges of an independent implementation (`rust/spdm/tests/vectors`): the requester
//! of these tests accepts their signatures, and the responder answers the same requests in the
//! same form.

use std::fs;
use std::path::PathBuf;

use serde_json::{json, Value};

use crate::crypto::{digest, signature_size};
use crate::requester::*;

/// A file: its name, and pairs of request and response.
type Recording = (String, Vec<(Vec<u8>, Vec<u8>)>);

fn recordings() -> Vec<Recording> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let directory = root.join("../../../rust/spdm/tests/vectors");
    let mut recordings = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let pairs = lines.chunks(2).map(|pair| {
            let bytes = |line: &str, mark| hex(line.strip_prefix(mark).unwrap());
            (bytes(pair[0], "> "), bytes(pair[1], "< "))
        });
        let name = path.file_stem().unwrap().to_str().unwrap();
        recordings.push((name.into(), pairs.collect()));
    }
    assert_eq!(recordings.len(), 9);
    recordings
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap())
}

#[test]
fn the_requester_accepts_every_signature() {
    let mut signatures = 0;
    for (name, pairs) in recordings() {
        let mut r = Requester::new();
        let algorithms = &pairs[2].1;
        r.wish.version = algorithms[0];
        r.wish.asym = number(&algorithms[12..16]);
        r.wish.hash = number(&algorithms[16..20]);
        let size = signature_size(r.wish.asym);
        for (request, response) in &pairs {
            let both = [&**request, response].concat();
            let (body, signature) = response.split_at(response.len().saturating_sub(size));
            match (request[1], response[1]) {
                (_, 0x7f) => {
                    assert_eq!(request[1], 0xe0);
                    r.measurements.clear();
                }
                (0x84 | 0xe1 | 0xe3, _) => r.vca.extend(both),
                (0x81, _) => r.certificates = both,
                (0x82, _) => {
                    r.certificates.extend(both);
                    r.chains[usize::from(response[2])] = response[8..].to_vec();
                }
                (0x83, _) => {
                    let transcript = [&r.vca, &r.certificates, request, body].concat();
                    let context = "responder-challenge_auth signing";
                    assert!(
                        r.signed(request[2], context, &transcript, signature),
                        "{name}"
                    );
                    signatures += 1;
                }
                (0xe0, _) if request[2] & 1 != 0 => {
                    let vca = if r.wish.version >= 0x12 {
                        &r.vca[..]
                    } else {
                        &[]
                    };
                    let transcript = [vca, &r.measurements, request, body].concat();
                    let context = "responder-measurements signing";
                    assert!(r.signed(0, context, &transcript, signature), "{name}");
                    signatures += 1;
                    r.measurements.clear();
                }
                _ => r.measurements.extend(both),
            }
        }
    }
    assert!(signatures >= 17, "{signatures}");
}

/// The settings of the implementation that was recorded.
fn settings(name: &str, algorithms: &[u8]) -> Value {
    let asym = match number(&algorithms[12..16]) {
        0x01 => "rsassa-2048",
        0x04 => "rsassa-3072",
        0x10 => "ecdsa-p256",
        _ => "ecdsa-p384",
    };
    let hash = match number(&algorithms[16..20]) {
        1 => "sha256",
        2 => "sha384",
        _ => "sha512",
    };
    let capabilities = match name.contains("unsigned") {
        true => json!(["cert", "chal", "meas"]),
        false => json!(["cert", "chal", "meas-sig", "meas-fresh"]),
    };
    let version = format!("1.{}", algorithms[0] & 0xf);
    json!({"versions": [version], "asym": [asym], "hash": [hash],
        "capabilities": capabilities})
}

#[test]
fn the_responder_answers_in_the_same_form() {
    for (name, pairs) in recordings() {
        let mut r = Requester::new();
        let algorithms = pairs[2].1.clone();
        r.set(settings(&name, &algorithms));
        let hash_size = digest(number(&algorithms[16..20]), b"").len();
        for (request, theirs) in &pairs {
            if request[1] == 0xe0 && theirs[1] == 0x7f {
                continue; // another index than ours
            }
            let ours = r.ask(request);
            match request[1] {
                0x84 => assert_eq!(ours, *theirs, "{name}"),
                0xe1 => {
                    assert_eq!(ours.len(), theirs.len(), "{name}");
                    assert_eq!(ours[..5], theirs[..5], "{name}");
                    // They can cache.
                    assert_eq!(ours[8], theirs[8] & !1, "{name}");
                }
                0xe3 => {
                    assert_eq!(ours.len(), theirs.len(), "{name}");
                    assert_eq!(ours[..36], theirs[..36], "{name}");
                    for (ours, theirs) in ours[36..].chunks(4).zip(theirs[36..].chunks(4)) {
                        assert_eq!(ours[..2], theirs[..2], "{name}");
                    }
                }
                0x81 | 0x83 => {
                    assert_eq!(ours[..4], theirs[..4], "{name}");
                    assert_eq!(ours.len(), theirs.len(), "{name}");
                }
                0x82 => {
                    assert_eq!(ours[..4], theirs[..4], "{name}");
                    for message in [&ours, theirs] {
                        let portion = u16::from_le_bytes([message[4], message[5]]);
                        assert_eq!(message.len(), 8 + usize::from(portion));
                        assert_eq!(message[6..8], [0; 2]);
                        assert_eq!(message[8..10], portion.to_le_bytes());
                        assert_eq!(message[10..12], [0; 2]);
                        assert_eq!(message[12 + hash_size], 0x30);
                    }
                }
                _ if ours[1] == 0x7f => {
                    // An index that they have and we have not.
                    assert!(request[3] == 16 || request[3] == 17, "{name}");
                }
                _ => {
                    // A total, and how many there are, is up to the implementation.
                    assert_eq!((&ours[..2], ours[3]), (&theirs[..2], theirs[3]), "{name}");
                    let rest = |message: &[u8]| {
                        let record = number(&[message[5], message[6], message[7], 0]);
                        message.len() - record as usize
                    };
                    assert_eq!(rest(&ours), rest(theirs), "{name}");
                }
            }
        }
    }
}
