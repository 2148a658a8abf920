// SPDX-License-Identifier: GPL-2.0
//! Connections and flow control.

use serde_json::json;

use crate::guest::*;

#[test]
fn a_connection_is_refused_for_a_reason() {
    let mut guest = Guest::up();
    assert_eq!(guest.bus(&[0x06, 99, 1, 0]), [0x86, 99, 1, 1]);
    assert_eq!(guest.bus(&[0x06, 0, 1, 0]), [0x86, 0, 1, 1]);
    assert_eq!(guest.bus(&[0x06, ECHO, 0, 0]), [0x86, ECHO, 0, 4]);
    guest.connect(ECHO, 1);
    assert_eq!(guest.bus(&[0x06, ECHO, 1, 0]), [0x86, ECHO, 1, 2]);
    for host in 2..=32 {
        guest.connect(ECHO, host);
    }
    assert_eq!(guest.bus(&[0x06, ECHO, 33, 0]), [0x86, ECHO, 33, 3]);
    guest.connect(SPDM, 33);
}

#[test]
fn a_connection_can_be_ended_once() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    assert_eq!(guest.bus(&[0x07, ECHO, 1, 0]), [0x87, ECHO, 1, 0]);
    assert_eq!(guest.bus(&[0x07, ECHO, 1, 0]), [0x87, ECHO, 1, 1]);
    guest.connect(ECHO, 1);
}

#[test]
fn an_answer_waits_for_a_credit_and_the_firmware_gives_one_for_each_message() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    for message in [[1], [2]] {
        guest.submit(&Packet::new(ECHO, 1, &message));
        let credit = Packet::new(0, 0, &[0x08, ECHO, 1, 0, 0, 0, 0, 0]);
        assert_eq!(guest.drain(), [credit]);
    }
    assert_eq!(guest.state()["connections"][0]["waiting"], 2);
    for message in [[1], [2]] {
        guest.credit(ECHO, 1);
        assert_eq!(guest.drain(), [Packet::new(ECHO, 1, &message)]);
    }
    guest.credit(ECHO, 1);
    assert_eq!(guest.drain(), []);
    assert_eq!(guest.state()["connections"][0]["credits"], 1);
}

#[test]
fn nothing_reaches_a_connection_that_has_ended() {
    let mut guest = Guest::up();
    guest.connect(LATE, 1);
    guest.credit(LATE, 1);
    guest.submit(&Packet::new(LATE, 1, b"late"));
    guest.drain();
    guest.bus(&[0x07, LATE, 1, 0]);
    // The same host address again must not get the answer to another's message.
    guest.connect(LATE, 1);
    guest.credit(LATE, 1);
    guest.pass_ms(400);
    assert_eq!(guest.drain(), []);
}

#[test]
fn messages_of_strangers_are_dropped() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    guest.submit(&Packet::new(ECHO, 2, &[1]));
    guest.submit(&Packet::new(99, 1, &[1]));
    guest.credit(ECHO, 2);
    assert_eq!(guest.drain(), []);
    assert_eq!(guest.ok(json!({"cmd": "counters"}))["messages"]["h2f"], 0);
}

#[test]
fn a_message_above_the_mtu_ends_its_connection() {
    let mut guest = Guest::up();
    guest.connect(SPDM, 1);
    guest.connect(ECHO, 2);
    let packet = guest.write_ring(SPDM, 1, &pattern(4097));
    guest.submit(&packet);
    assert_eq!(guest.drain(), [Packet::new(0, 0, &[0x07, SPDM, 1, 0])]);
    guest.submit(&Packet::new(0, 0, &[0x87, SPDM, 1, 0]));
    assert_eq!(guest.drain(), []);
    let connections = guest.state()["connections"].clone();
    assert_eq!(connections.as_array().unwrap().len(), 1);
    assert_eq!(connections[0]["host_id"], 2);
}

#[test]
fn the_control_socket_can_speak_to_a_connection_only() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    guest.credit(ECHO, 1);
    guest.ok(json!({"cmd": "send", "fw_id": ECHO, "host_id": 1, "data": "0102"}));
    assert_eq!(guest.drain(), [Packet::new(ECHO, 1, &[1, 2])]);
    for (fw_id, host_id) in [(ECHO.into(), 2), (0, 0), (260, 1)] {
        let command = json!({"cmd": "send", "fw_id": fw_id, "host_id": host_id, "data": ""});
        assert_eq!(guest.command(command)["ok"], false);
    }
}

#[test]
fn spdm_answers_as_in_the_other_personality() {
    let mut guest = Guest::up();
    guest.connect(SPDM, 1);
    guest.credit(SPDM, 1);
    guest.submit(&Packet::new(SPDM, 1, &[0x10, 0x84, 0, 0]));
    let packets = guest.drain();
    assert_eq!(packets[1].me, SPDM);
    let version = [0x10, 4, 0, 0, 0, 4, 0, 0x10, 0, 0x11, 0, 0x12, 0, 0x13];
    assert_eq!(packets[1].bytes, version);
}
