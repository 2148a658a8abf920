// SPDX-License-Identifier: GPL-2.0
//! Bus messages and the firmware's clients.

use serde_json::json;

use crate::guest::*;

fn bus(payload: &[u8]) -> Message {
    let mut guest = Guest::new();
    guest.set_up();
    guest.exchange(&Message::new(0, 0, payload))
}

fn uuid(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[test]
fn bus_messages_have_the_ids_0_and_0() {
    let answer = bus(&START);
    assert_eq!((answer.fw_id, answer.host_id), (0, 0));
    assert_eq!((answer.flags, answer.status, answer.reserved), (0, 0, 0));
}

#[test]
fn the_start_response_names_firmware_version_protocol_version_and_no_capabilities() {
    let version = [1, 0, 2, 0, 3, 0, 4, 0];
    let expected = [&[0x80, 0, 0, 0][..], &version, &[1, 0], &[0]].concat();
    assert_eq!(bus(&START).payload, expected);
}

#[test]
fn a_start_request_may_carry_capabilities() {
    let answer = bus(&[0, 0, 0, 0, 1, 0, 3, 0xa, 0xb, 0xc]);
    assert_eq!(answer.payload[0], 0x80);
}

#[test]
fn a_start_request_of_another_version_is_not_supported() {
    assert_eq!(
        bus(&[0, 0, 0, 0, 2, 0, 0]),
        Message::new(0, 0, b"").with_status(0x01)
    );
}

#[test]
fn bus_messages_of_a_wrong_length_are_invalid() {
    for payload in [
        &START[..6],
        &[0, 0, 0, 0, 1, 0, 1][..],
        &[0, 0, 0, 0, 1, 0, 0, 0][..],
        &[1, 0, 0, 0, 0][..],
    ] {
        assert_eq!(bus(payload).status, 0x08, "{payload:x?}");
    }
}

#[test]
fn unknown_bus_messages_are_corrupted() {
    for payload in [&[2, 0, 0, 0][..], &[0x80, 0, 0, 0], &[0, 0, 0], &[]] {
        assert_eq!(bus(payload).status, 0x06, "{payload:x?}");
    }
}

#[test]
fn the_clients_request_comes_after_the_start_request() {
    assert_eq!(bus(&CLIENTS).status, 0x06);
}

#[test]
fn the_clients_response_has_28_bytes_for_each_client() {
    let mut guest = Guest::new();
    guest.set_up();
    guest.exchange(&Message::new(0, 0, &START));
    let payload = guest.exchange(&Message::new(0, 0, &CLIENTS)).payload;
    assert_eq!(payload[..4], [0x81, 0, 0, 0]);
    let count = word(&payload, 4);
    assert_eq!(payload[6..8], [0, 0]);
    assert_eq!(payload.len(), 8 + 28 * usize::from(count));

    let table = [
        ("e85149df-9447-4c9a-8367-c4e33464f1b4", 4096),
        ("44444444-4444-4444-4444-444444444444", 5120),
        ("11111111-1111-1111-1111-111111111111", 5120),
        ("62756c6b-6563-686f-8000-000000000001", 65516),
        ("6c617465-6563-686f-8000-000000000002", 5120),
        ("756e6173-6b65-6421-8000-000000000003", 4096),
    ];
    assert_eq!(usize::from(count), table.len());
    for (index, (text, mtu)) in table.into_iter().enumerate() {
        let row = &payload[8 + 28 * index..][..28];
        assert_eq!(usize::from(word(row, 0)), index + 1, "id");
        assert_eq!(row[2..4], [1, 0], "version");
        assert_eq!(row[4..20], uuid(text), "UUID in printed order");
        assert_eq!(dword(row, 20), mtu);
        assert_eq!(dword(row, 24), 0, "flags");
    }
}

#[test]
fn both_test_clients_echo() {
    let mut guest = Guest::new();
    guest.bring_up();
    for fw_id in [2, 3] {
        let message = Message::new(fw_id, 77, b"echo");
        assert_eq!(guest.exchange(&message), message);
    }
}

#[test]
fn spdm_messages_are_bare() {
    let mut guest = Guest::new();
    guest.bring_up();
    let version = guest.exchange(&Message::new(1, 5, &[0x10, 0x84, 0, 0]));
    let versions = [0, 0x10, 0, 0x11, 0, 0x12, 0, 0x13];
    let expected = [&[0x10, 0x04, 0, 0, 0, 4][..], &versions].concat();
    assert_eq!(version, Message::new(1, 5, &expected));
    let state = guest.state()["clients"][0]["state"].clone();
    assert_eq!(state["phase"], "version");
}

#[test]
fn firmware_that_was_reset_asks_to_begin_again_and_a_new_link_does_not() {
    let mut guest = Guest::new();
    guest.bring_up();
    let get_version = Message::new(1, 5, &[0x10, 0x84, 0, 0]);
    let get_digests = Message::new(1, 5, &[0x10, 0x81, 0, 0]);
    guest.exchange(&get_version);
    guest.write(H_CSR, IE);
    guest.bring_up();
    assert_eq!(guest.exchange(&get_digests).payload, [0x10, 0x7f, 0x04, 0]);
    guest.ok(json!({"cmd": "reset_firmware"}));
    guest.pass_ms(10);
    guest.write(H_CSR, IE);
    guest.bring_up();
    assert_eq!(guest.exchange(&get_digests).payload, [0x10, 0x7f, 0x43, 0]);
    assert_eq!(guest.exchange(&get_version).payload[1], 0x04);
}

#[test]
fn the_late_client_answers_late_and_holds_nobody_up() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.submit(&Message::new(5, 1, b"late"));
    assert_eq!(guest.look(), None);
    guest.exchange(&Message::new(2, 2, b"early"));
    guest.pass_ms(299);
    assert_eq!(guest.look(), None);
    guest.pass_ms(1);
    assert_eq!(guest.take().unwrap(), Message::new(5, 1, b"late"));
}

#[test]
fn the_unasked_client_speaks_to_who_woke_it_at_an_interval() {
    let mut guest = Guest::new();
    guest.bring_up();
    let request: Vec<u8> = [2u32, 5000, 8]
        .iter()
        .flat_map(|a| a.to_le_bytes())
        .collect();
    guest.submit(&Message::new(6, 42, &request));
    assert_eq!(guest.look(), None);
    for number in 0..2 {
        guest.pass_ms(5);
        let payload = [number, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(guest.take().unwrap(), Message::new(6, 42, &payload));
    }
    guest.pass_ms(100);
    assert_eq!(guest.look(), None);
}

#[test]
fn answers_come_after_the_response_latency() {
    let mut guest = Guest::with(|settings| settings.consume_latency_us = 100);
    guest.handshake();
    guest.request_setup(setup_request());
    assert_eq!(guest.drain(), [0u32; 0]);
    guest.pass_us(100);
    assert_eq!(guest.drain(), [0xcafe_8086, 0]);
    guest.ok(serde_json::json!({"cmd": "set", "response_latency_us": 200}));
    guest.submit(&Message::new(0, 0, &START));
    assert_eq!(guest.counters()[1], 0);
    guest.pass_us(100);
    assert_eq!(guest.counters(), [1, 1, 0, 0]);
    guest.pass_us(200);
    assert_eq!(guest.counters(), [1, 1, 1, 0]);
}
