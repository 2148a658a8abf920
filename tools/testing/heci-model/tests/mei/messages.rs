// SPDX-License-Identifier: GPL-2.0
//! Messages through the circular buffers and the DMA ring, and interrupts.

use serde_json::json;

use crate::guest::*;

/// Echoes `bytes` through the ring; the answer must come the same way.
fn echo_through_ring(guest: &mut Guest, bytes: &[u8]) {
    guest.credit(ECHO, 1);
    let packet = guest.write_ring(ECHO, 1, bytes);
    guest.submit(&packet);
    let packets = guest.drain();
    assert_eq!(packets.len(), 2, "{packets:?}");
    assert_eq!((packets[1].me, packets[1].host), (ECHO, 1));
    assert!(packets[1].complete);
    assert_eq!(guest.read_ring(&packets[1]), bytes);
}

#[test]
fn what_fits_the_circular_buffer_comes_through_it() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    for length in [1, 3, 4, 5, 64, 507, 508] {
        guest.credit(ECHO, 1);
        guest.submit(&Packet::new(ECHO, 1, &pattern(length)));
        let packets = guest.drain();
        assert_eq!(packets[1..], [Packet::new(ECHO, 1, &pattern(length))]);
    }
    assert_eq!(guest.ok(json!({"cmd": "counters"}))["ring"]["f2h"], 0);
}

#[test]
fn what_does_not_fit_comes_through_the_ring_which_wraps() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    for round in 0..20 {
        echo_through_ring(&mut guest, &pattern(MTU - round));
        echo_through_ring(&mut guest, &pattern(509 + round));
    }
    let counters = guest.ok(json!({"cmd": "counters"}));
    assert_eq!(counters["ring"], json!({"h2f": 40, "f2h": 40}));
    assert_eq!(counters["messages"]["f2h"], 40);
}

#[test]
fn a_message_may_come_in_pieces_of_both_kinds() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    guest.credit(ECHO, 1);
    let message = pattern(1000);
    let mut first = Packet::new(ECHO, 1, &message[..100]);
    first.complete = false;
    guest.submit(&first);
    assert_eq!(guest.drain(), []);
    let mut second = guest.write_ring(ECHO, 1, &message[100..900]);
    second.complete = false;
    guest.submit(&second);
    guest.submit(&Packet::new(ECHO, 1, &message[900..]));
    let packets = guest.drain();
    assert_eq!(guest.read_ring(&packets[1]), message);
}

#[test]
fn a_full_ring_makes_the_message_wait() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    // The host has read all but the last 1000 bytes.
    let message = pattern(MTU);
    echo_through_ring(&mut guest, &message);
    let read = dword(&guest.peek(CONTROL + 24, 4), 0);
    let full = read.wrapping_sub((RING_SIZE - 1000) / 4);
    guest.poke(CONTROL + 24, &full.to_le_bytes());
    guest.credit(ECHO, 1);
    let packet = guest.write_ring(ECHO, 1, &message);
    guest.submit(&packet);
    let packets = guest.drain();
    assert_eq!(packets.len(), 2);
    assert!(!packets[1].complete);
    assert_eq!(dword(&packets[1].bytes, 0), 1000);
    guest.ring();
    assert_eq!(guest.drain(), [], "the ring is full");
    guest.poke(CONTROL + 24, &read.to_le_bytes());
    let start = guest.read_ring(&packets[1]);
    guest.ring();
    let rest = guest.take().unwrap();
    assert!(rest.complete);
    assert_eq!([start, guest.read_ring(&rest)].concat(), message);
}

#[test]
fn without_the_ring_a_large_message_comes_in_pieces() {
    let mut guest = Guest::with(true, |_| ());
    guest.handshake();
    guest.start();
    guest.enumerate();
    guest.connect(ECHO, 1);
    guest.credit(ECHO, 1);
    let message = pattern(5000);
    for (n, piece) in message.chunks(508).enumerate() {
        let mut packet = Packet::new(ECHO, 1, piece);
        packet.complete = n == 5000 / 508;
        guest.submit(&packet);
    }
    let packets = guest.drain();
    assert_eq!(packets.len(), 1 + 10);
    let complete: Vec<bool> = packets.iter().map(|packet| packet.complete).collect();
    assert_eq!(complete[1..10], [false; 9]);
    assert!(complete[10]);
    let bytes: Vec<u8> = packets[1..].iter().flat_map(|p| p.bytes.clone()).collect();
    assert_eq!(bytes, message);
}

#[test]
fn an_incomplete_packet_waits_for_its_rest() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    guest.credit(ECHO, 1);
    guest.write(H_CB_WW, 0x8008_0000 | 1 << 8 | u32::from(ECHO));
    guest.write(H_CB_WW, 1);
    guest.ring();
    assert_eq!(guest.drain(), []);
    guest.write(H_CB_WW, 2);
    guest.ring();
    assert_eq!(guest.drain().len(), 2);
}

#[test]
fn what_cannot_be_resets_the_firmware() {
    let broken: [fn(&mut Guest); 5] = [
        // more than fits
        |guest| {
            (0..129).for_each(|_| guest.write(H_CB_WW, 0));
            guest.ring();
        },
        // a length beyond the buffer
        |guest| {
            guest.write(H_CB_WW, 0x81fd_0000);
            guest.ring();
        },
        // an extended header
        |guest| {
            guest.write(H_CB_WW, 0x9004_0000);
            guest.write(H_CB_WW, 0);
            guest.ring();
        },
        // a ring index that does not cover the length
        |guest| {
            let packet = guest.write_ring(ECHO, 1, &pattern(600));
            guest.poke(CONTROL, &149u32.to_le_bytes());
            guest.submit(&packet);
        },
        // a ring message without a length
        |guest| {
            let mut packet = Packet::new(ECHO, 1, &[1, 2]);
            packet.ring = true;
            guest.submit(&packet);
        },
    ];
    for action in broken {
        let mut guest = Guest::up();
        guest.connect(ECHO, 1);
        action(&mut guest);
        assert_eq!(guest.firmware(), RST);
        let counters = guest.ok(json!({"cmd": "counters"}));
        assert_eq!(counters["resets"]["firmware"], 1);
        guest.pass_ms(10);
        guest.handshake();
        guest.start();
    }
}

#[test]
fn memory_that_goes_away_ends_the_link() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    let packet = guest.write_ring(ECHO, 1, &pattern(600));
    guest.shared.with(|device, _| device.memory().unmap_all());
    guest.submit(&packet);
    assert_eq!(guest.state()["link"], "ready");
    assert_eq!(guest.ok(json!({"cmd": "counters"}))["dma_errors"], 1);
}

#[test]
fn the_firmware_interrupts_when_it_has_taken_or_said_something() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    guest.acknowledge();
    guest.interrupts();
    guest.credit(ECHO, 1);
    assert_eq!(guest.interrupts(), 1, "taken, nothing said");
    guest.acknowledge();
    guest.submit(&Packet::new(ECHO, 1, &[1]));
    assert_eq!(guest.interrupts(), 1, "taken and answered at once");
    guest.acknowledge();
    guest.drain();
    assert_eq!(guest.interrupts(), 0, "nothing left");
    guest.ok(json!({"cmd": "set", "notify": "every-doorbell"}));
    guest.ring();
    assert_eq!(guest.interrupts(), 1);
}

#[test]
fn an_answer_takes_the_response_latency() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    guest.ok(json!({"cmd": "set", "response_latency_us": 500}));
    guest.credit(ECHO, 1);
    guest.submit(&Packet::new(ECHO, 1, &[1]));
    assert_eq!(guest.drain().len(), 1, "the credit");
    guest.acknowledge();
    guest.interrupts();
    guest.pass_us(499);
    assert_eq!(guest.interrupts(), 0);
    guest.pass_us(1);
    assert_eq!(guest.interrupts(), 1);
    assert_eq!(guest.drain(), [Packet::new(ECHO, 1, &[1])]);
    // The credit of a connection comes after the answer that makes it.
    guest.submit(&Packet::new(0, 0, &[0x06, ECHO, 2, 0]));
    assert_eq!(guest.drain(), []);
    guest.pass_us(500);
    let commands: Vec<u8> = guest.drain().iter().map(|packet| packet.bytes[0]).collect();
    assert_eq!(commands, [0x86, 0x08]);
}
