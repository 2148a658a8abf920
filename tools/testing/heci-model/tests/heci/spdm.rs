// SPDX-License-Identifier: GPL-2.0
//! SPDM through the shared memory, and its commands.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use heci_model::clients;
use heci_model::spdm::socket::Remote;
use serde_json::{json, Value};

use crate::guest::*;

fn ask(guest: &mut Guest, request: &[u8]) -> Vec<u8> {
    guest.exchange(&Message::new(1, 7, request)).payload
}

const GET_VERSION: [u8; 4] = [0x10, 0x84, 0, 0];

/// A guest that has negotiated 1.2 without chunks.
fn negotiated() -> Guest {
    let mut guest = Guest::new();
    guest.bring_up();
    negotiate(&mut guest);
    guest
}

fn negotiate(guest: &mut Guest) {
    let mut get_capabilities = vec![0x12, 0xe1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    get_capabilities.extend([0, 16, 0, 0, 0, 16, 0, 0]);
    let mut negotiate = vec![0x12, 0xe3, 0, 0, 32, 0, 1, 2, 0x80, 0, 0, 0, 2];
    negotiate.resize(32, 0);
    for (request, code) in [
        (&GET_VERSION[..], 0x04),
        (&get_capabilities, 0x61),
        (&negotiate, 0x63),
    ] {
        assert_eq!(ask(guest, request)[1], code);
    }
}

#[test]
fn a_connection_goes_through_the_link() {
    let mut guest = negotiated();
    let state = guest.state()["clients"][0]["state"].clone();
    let expected = json!({"phase": "algorithms", "version": "1.2", "hash": "sha384",
        "asym": "ecdsa-p384", "slots": [0, 1]});
    assert_eq!(state, expected);
    assert_eq!(ask(&mut guest, &[0x12, 0x81, 0, 0]).len(), 100);
    let largest = ask(&mut guest, &[0x12, 0x82, 0, 0, 0, 0, 0xff, 0xff]);
    assert!(largest.len() <= 4096);
}

#[test]
fn the_spdm_command_shows_identity_and_measurements() {
    let mut guest = negotiated();
    let certificate = ask(&mut guest, &[0x12, 0x82, 1, 0, 0, 0, 0xff, 0xff]);
    let chain: String = certificate[8 + 52..]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let spdm = guest.ok(json!({"cmd": "spdm", "slot": 1}));
    let certificates = spdm["certificates"].as_array().unwrap();
    let texts: Vec<&str> = certificates.iter().map(|c| c.as_str().unwrap()).collect();
    assert_eq!(texts.concat(), chain);
    assert_eq!(spdm["root"], certificates[0]);
    assert_eq!(spdm["asym"], "ecdsa-p384");
    let measurements = spdm["measurements"].as_array().unwrap();
    assert_eq!(measurements.len(), 11);
    let svn = json!({"index": 6, "type": 7, "data": "0700000000000000"});
    assert_eq!(measurements[5], svn);
    let rsa = guest.ok(json!({"cmd": "spdm", "asym": "rsassa-2048"}));
    assert_ne!(rsa["root"], spdm["root"]);
    let refused = guest.command(json!({"cmd": "spdm", "slot": 5}));
    assert_eq!(refused["ok"], false);
}

#[test]
fn measurements_change_by_command() {
    let mut guest = negotiated();
    let raw = |guest: &mut Guest, index| ask(guest, &[0x12, 0xe0, 2, index]);
    guest.ok(json!({"cmd": "spdm_measurement", "index": 6, "data": "0800000000000000"}));
    assert_eq!(raw(&mut guest, 6)[15..23], [8, 0, 0, 0, 0, 0, 0, 0]);
    guest.ok(json!({"cmd": "spdm_measurement", "index": 100, "type": 9, "data": "ab"}));
    assert_eq!(
        raw(&mut guest, 100)[8..16],
        [100, 1, 4, 0, 0x89, 1, 0, 0xab]
    );
    guest.ok(json!({"cmd": "spdm_measurement", "index": 100}));
    assert_eq!(raw(&mut guest, 100), [0x12, 0x7f, 1, 0]);
    for bad in [
        json!({"cmd": "spdm_measurement", "index": 0, "type": 1, "data": ""}),
        json!({"cmd": "spdm_measurement", "index": 100, "data": ""}),
        json!({"cmd": "spdm_measurement", "index": 1, "data": "0"}),
    ] {
        assert_eq!(guest.command(bad)["ok"], false);
    }
}

#[test]
fn settings_hold_from_the_next_connection_on() {
    let mut guest = negotiated();
    guest.ok(json!({"cmd": "spdm_set", "slots": [4], "seed": "other"}));
    assert_eq!(guest.state()["settings"]["spdm"]["seed"], "other");
    assert_eq!(ask(&mut guest, &[0x12, 0x81, 0, 0])[3], 0b11);
    negotiate(&mut guest);
    assert_eq!(ask(&mut guest, &[0x12, 0x81, 0, 0])[3], 0b1_0000);
    let answer = guest.command(json!({"cmd": "spdm_set", "slots": [8]}));
    assert_eq!(answer["error"], "slots: from 0 to 7");
    let answer = guest.command(json!({"cmd": "spdm_set", "slot": [8]}));
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains("`slot`"), "{error}");
}

#[test]
fn faults_are_told_on_which_response_they_act() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.ok(json!({"cmd": "fault", "name": "spdm-busy", "on": "digests", "count": 0}));
    negotiate(&mut guest);
    assert_eq!(ask(&mut guest, &[0x12, 0x81, 0, 0]), [0x12, 0x7f, 3, 0]);
    for bad in [
        json!({"cmd": "fault", "name": "spdm-busy", "on": "digest"}),
        json!({"cmd": "fault", "name": "setup-short", "on": "digests"}),
        json!({"cmd": "fault", "name": "spdm-digests-wrong", "on": "digests"}),
    ] {
        assert_eq!(guest.command(bad)["ok"], false);
    }
}

/// Looks for a message until another thread has brought it.
fn wait(guest: &mut Guest) -> Option<Message> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        let message = guest.take();
        if message.is_some() {
            return message;
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}

/// A guest whose SPDM client leads to the responder at the other end of the stream.
fn remote() -> (Guest, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (remote, line) = Remote::connect(&address).unwrap();
    let guest = Guest::of(clients::all(Some(Box::new(remote)), Duration::ZERO));
    let shared = Arc::clone(&guest.shared);
    thread::spawn(move || line.run(&shared));
    (guest, listener.accept().unwrap().0)
}

#[test]
fn messages_go_to_another_responder_one_frame_each() {
    let (mut guest, mut responder) = remote();
    guest.bring_up();
    for number in [1, 2] {
        guest.submit(&Message::new(1, 9, &GET_VERSION));
        let mut frame = [0; 16];
        responder.read_exact(&mut frame).unwrap();
        assert_eq!(frame, *b"\0\0\0\x01\0\0\0\0\0\0\0\x04\x10\x84\0\0");
        let answer = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0x77, number];
        responder.write_all(&answer).unwrap();
        assert_eq!(wait(&mut guest), Some(Message::new(1, 9, &[0x77, number])));
    }
}

#[test]
fn an_answer_that_comes_after_a_reset_is_dropped() {
    let (mut guest, mut responder) = remote();
    guest.bring_up();
    guest.submit(&Message::new(1, 9, &GET_VERSION));
    responder.read_exact(&mut [0; 16]).unwrap();
    guest.write(H_CSR, IE);
    guest.bring_up();
    guest.submit(&Message::new(1, 10, &GET_VERSION));
    responder
        .write_all(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1])
        .unwrap();
    responder.read_exact(&mut [0; 16]).unwrap();
    responder
        .write_all(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2])
        .unwrap();
    assert_eq!(wait(&mut guest), Some(Message::new(1, 10, &[2])));
}

#[test]
fn an_engine_may_have_no_spdm_client() {
    let mut guest = Guest::of(clients::all(None, Duration::ZERO));
    guest.bring_up();
    let state = guest.state();
    let clients: &Vec<Value> = state["clients"].as_array().unwrap();
    assert_eq!(clients.len(), 5);
    assert!(clients
        .iter()
        .all(|c| !c["uuid"].as_str().unwrap().starts_with("e85149df")));
}
