// SPDX-License-Identifier: GPL-2.0
//! The two sections and the four counters.

use serde_json::json;

use crate::guest::*;

#[test]
fn sections_and_control_block_follow_each_other() {
    let mut guest = Guest::new();
    guest.set_up();
    guest.submit(&Message::new(0, 0, &START));
    assert_eq!(guest.counters(), [1, 1, 1, 0]);
    assert_eq!(guest.peek(SHARED + SECTION, 4), [15, 0, 0, 0]);
    assert_eq!(
        guest.peek(CONTROL + 16, 16),
        [0; 16],
        "no more than 4 counters"
    );
}

#[test]
fn the_receiver_counts_a_message_as_read_and_the_sender_as_written() {
    let mut guest = Guest::new();
    guest.bring_up();
    let before = guest.counters();
    guest.submit(&Message::new(2, 1, b"x"));
    let [h2f_wr, h2f_rd, f2h_wr, f2h_rd] = before;
    assert_eq!(
        guest.counters(),
        [h2f_wr + 1, h2f_rd + 1, f2h_wr + 1, f2h_rd]
    );
}

#[test]
fn the_firmware_sees_a_message_only_by_the_doorbell() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.publish(&Message::new(2, 1, b"x"));
    guest.pass_ms(1000);
    assert_eq!(guest.look(), None);
    guest.ring();
    assert_eq!(guest.look().unwrap().payload, b"x");
}

#[test]
fn a_polling_firmware_needs_no_doorbell() {
    let mut guest = Guest::with(|settings| settings.poll_us = 100);
    guest.bring_up();
    guest.publish(&Message::new(2, 1, b"x"));
    guest.pass_us(100);
    assert_eq!(guest.look().unwrap().payload, b"x");
    assert_eq!(guest.interrupts(), 1);
    guest.sleep();
    assert_eq!(guest.state()["events"], 0, "polling ends with the link");
}

#[test]
fn a_section_holds_one_message_until_the_host_has_read_it() {
    let mut guest = Guest::new();
    guest.bring_up();
    for payload in [b"1", b"2", b"3"] {
        guest.submit(&Message::new(2, 1, payload));
    }
    assert_eq!(guest.state()["outgoing"], 2);
    for payload in [b"1", b"2", b"3"] {
        assert_eq!(guest.take().unwrap().payload, payload);
    }
    assert_eq!(guest.take(), None);
}

#[test]
fn the_firmware_publishes_the_next_message_when_the_host_rings_for_the_last() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.submit(&Message::new(2, 1, b"1"));
    guest.submit(&Message::new(2, 1, b"2"));
    let read = guest.counters()[3] + 1;
    guest.set_counter(3, read);
    guest.pass_ms(100);
    assert_eq!(
        guest.look(),
        None,
        "consumed, but the doorbell has not rung"
    );
    guest.ring();
    assert_eq!(guest.look().unwrap().payload, b"2");
}

#[test]
fn an_answer_that_comes_later_finds_the_section_free_by_itself() {
    let mut guest = Guest::with(|settings| settings.response_latency_us = 500);
    guest.set_up();
    guest.submit(&Message::new(0, 0, &START));
    assert_eq!(guest.look(), None);
    guest.pass_us(500);
    assert!(guest.look().is_some());
    let read = guest.counters()[3] + 1;
    guest.set_counter(3, read);
    guest.publish(&Message::new(0, 0, &CLIENTS));
    guest.ring();
    guest.pass_us(500);
    assert!(guest.look().is_some());
}

#[test]
fn impossible_counters_reset_the_firmware() {
    for written in [2, u32::MAX] {
        let mut guest = Guest::new();
        guest.set_up();
        guest.set_counter(0, written);
        guest.ring();
        assert_eq!(guest.firmware(), RST, "h2f_wr {written}");
        guest.pass_ms(10);
        guest.bring_up();
    }
}

#[test]
fn the_header_is_20_bytes_in_this_order() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.submit(&Message::new(2, 0x0304, b"payload"));
    let bytes = guest.peek(SHARED + SECTION, 27);
    let header = [7, 0, 0, 0, 2, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(bytes[..20], header);
    assert_eq!(&bytes[20..], b"payload");
}

#[test]
fn the_largest_payload_is_the_section_less_the_header() {
    let mut guest = Guest::new();
    guest.bring_up();
    let payload: Vec<u8> = (0..SECTION as u32 - 20).map(|i| (i * 7) as u8).collect();
    let answer = guest.exchange(&Message::new(4, 1, &payload));
    assert_eq!(answer, Message::new(4, 1, &payload));
}

#[test]
fn a_length_beyond_the_section_is_a_corrupted_header() {
    for length in [SECTION as u32 - 19, u32::MAX] {
        let mut guest = Guest::new();
        guest.bring_up();
        let mut message = Message::new(4, 1, b"");
        message.length = length;
        let answer = guest.exchange(&message);
        assert_eq!(answer, Message::new(4, 1, b"").with_status(0x07));
    }
}

#[test]
fn one_id_of_zero_alone_is_a_corrupted_header() {
    let mut guest = Guest::new();
    guest.bring_up();
    for (fw_id, host_id) in [(0, 1), (1, 0)] {
        let answer = guest.exchange(&Message::new(fw_id, host_id, b"x"));
        assert_eq!(answer, Message::new(fw_id, host_id, b"").with_status(0x07));
    }
}

#[test]
fn an_unknown_firmware_id_is_answered_with_client_does_not_exist() {
    let mut guest = Guest::new();
    guest.bring_up();
    for fw_id in [7, 0xffff] {
        let answer = guest.exchange(&Message::new(fw_id, 9, b"x"));
        assert_eq!(answer, Message::new(fw_id, 9, b"").with_status(0x03));
    }
}

#[test]
fn clients_do_not_exist_before_they_were_asked_for() {
    let mut guest = Guest::new();
    guest.set_up();
    let answer = guest.exchange(&Message::new(2, 1, b"x"));
    assert_eq!(answer.status, 0x03);
}

#[test]
fn a_message_beyond_the_mtu_is_too_big() {
    let mut guest = Guest::new();
    guest.bring_up();
    let fits = vec![1; 5120];
    assert_eq!(guest.exchange(&Message::new(2, 1, &fits)).status, 0);
    let over = vec![1; 5121];
    let answer = guest.exchange(&Message::new(2, 1, &over));
    assert_eq!(answer, Message::new(2, 1, b"").with_status(0x04));
}

#[test]
fn a_message_may_be_empty() {
    let mut guest = Guest::new();
    guest.bring_up();
    assert_eq!(
        guest.exchange(&Message::new(2, 1, b"")),
        Message::new(2, 1, b"")
    );
}

#[test]
fn an_answer_too_long_for_a_small_section_is_too_big() {
    let mut guest = Guest::new();
    guest.handshake();
    let mut request = setup_request();
    request[5] = 1024;
    guest.request_setup(request);
    guest.drain();
    let control = SHARED + SECTION + 1024;
    for (number, message) in [
        Message::new(0, 0, &START),
        Message::new(0, 0, &CLIENTS),
        Message::new(2, 1, &[1; 1005]),
    ]
    .iter()
    .enumerate()
    {
        guest.publish(message);
        guest.poke(control, &[number as u8 + 1]);
        guest.poke(control + 12, &[number as u8]);
        guest.ring();
    }
    let header = guest.peek(SHARED + SECTION, 20);
    assert_eq!((dword(&header, 0), dword(&header, 12)), (0, 0x04));
}

#[test]
fn messages_that_wait_for_the_host_are_bounded() {
    let mut guest = Guest::new();
    guest.bring_up();
    for _ in 0..3000 {
        guest.submit(&Message::new(2, 1, b"x"));
    }
    assert_eq!(guest.state()["outgoing"], 2048);
    guest.ok(json!({"cmd": "reset_firmware"}));
    assert_eq!(guest.state()["outgoing"], 0);
}
