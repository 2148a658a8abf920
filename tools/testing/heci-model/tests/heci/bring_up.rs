// SPDX-License-Identifier: GPL-2.0
//! Resets, of the host and of the firmware, and the steps of the bring-up.

use serde_json::json;

use crate::guest::*;

#[test]
fn the_host_resets_and_waits_for_firmware_ready() {
    let mut guest = Guest::new();
    assert_eq!(guest.firmware(), RDY, "ready after power-on");
    guest.write(H_CSR, IE | RST | IG | IS);
    assert_eq!(guest.h_csr(), RST | IE);
    assert_eq!(guest.firmware(), 0);
    guest.pass_us(999);
    assert_eq!(guest.firmware(), 0);
    assert_eq!(guest.interrupts(), 0);
    guest.pass_us(1);
    assert_eq!(guest.firmware(), RDY);
    assert_eq!(guest.interrupts(), 1);
    assert_eq!(guest.h_csr(), RST | IE | IS, "the host releases RST itself");
}

#[test]
fn an_immediate_ready_still_interrupts() {
    let mut guest = Guest::with(|settings| settings.ready_latency_us = 0);
    guest.write(H_CSR, IE | RST | IG | IS);
    assert_eq!(guest.firmware(), RDY);
    assert_eq!(guest.interrupts(), 1);
}

#[test]
fn rst_while_rst_is_set_is_ignored() {
    let mut guest = Guest::new();
    guest.write(H_CSR, IE | RST | IG);
    guest.pass_ms(1);
    guest.write(H_CSR, IE | RST | IG | IS);
    assert_eq!(guest.firmware(), RDY, "no second reset");
    guest.write(H_CSR, IE);
    guest.write(H_CSR, IE | RST | IG | IS);
    assert_eq!(guest.firmware(), 0, "after RST was cleared there is one");
    let counters = guest.ok(json!({"cmd": "counters"}));
    assert_eq!(counters["resets"], json!({"host": 2, "firmware": 0}));
}

#[test]
fn a_reset_empties_both_circular_buffers() {
    let mut guest = Guest::new();
    guest.handshake();
    guest.request_setup(setup_request());
    guest.write(H_CB_WW, 1);
    guest.write(H_CSR, RST | IG);
    assert_eq!(filled(guest.read(H_CSR)), 0);
    assert_eq!(filled(guest.read(FW_CSR_HA)), 0);
}

#[test]
fn the_firmware_is_ready_within_2_s_by_default() {
    let mut guest = Guest::new();
    let settings = guest.state()["settings"].clone();
    assert!(settings["ready_latency_us"].as_u64().unwrap() < 2_000_000);
}

#[test]
fn the_firmware_ignores_a_host_that_is_not_ready() {
    let mut guest = Guest::new();
    for dword in setup_request() {
        guest.write(H_CB_WW, dword);
    }
    guest.write(H_CSR, IE | IG);
    assert_eq!(guest.drain(), [0u32; 0]);
    guest.write(H_CSR, IE | RDY | IG);
    assert_eq!(guest.drain(), [0xcafe_8086, 0]);
}

#[test]
fn the_whole_bring_up_ends_with_the_link_up() {
    let mut guest = Guest::new();
    for link in ["setup", "started", "up"] {
        match link {
            "setup" => guest.set_up(),
            "started" => drop(guest.exchange(&Message::new(0, 0, &START))),
            _ => drop(guest.exchange(&Message::new(0, 0, &CLIENTS))),
        }
        assert_eq!(guest.state()["link"], link);
    }
}

#[test]
fn every_step_of_the_bring_up_interrupts_once() {
    let mut guest = Guest::new();
    guest.handshake();
    guest.request_setup(setup_request());
    assert_eq!(guest.interrupts(), 1);
    guest.acknowledge();
    guest.exchange(&Message::new(0, 0, &START));
    assert_eq!(guest.interrupts(), 1);
    guest.exchange(&Message::new(0, 0, &CLIENTS));
    assert_eq!(guest.interrupts(), 1);
}

#[test]
fn firmware_ready_gone_means_that_the_firmware_reset_itself() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.ok(json!({"cmd": "reset_firmware", "down_ms": 50}));
    assert_eq!(guest.firmware(), RST);
    assert_eq!(guest.interrupts(), 1);
    assert_eq!(guest.state()["link"], "down");
    guest.acknowledge();
    guest.pass_ms(50);
    assert_eq!(guest.firmware(), RDY);
    assert_eq!(guest.interrupts(), 1);
    assert_eq!(guest.state()["link"], "ready");
    guest.bring_up();
    let counters = guest.ok(json!({"cmd": "counters"}));
    assert_eq!(counters["resets"], json!({"host": 2, "firmware": 1}));
}

#[test]
fn an_announced_reset_is_answered_with_ig() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.ok(json!({"cmd": "reset_firmware"}));
    assert_eq!(guest.firmware(), RST);
    guest.ring();
    assert_eq!(guest.firmware(), 0);
    guest.pass_ms(10);
    assert_eq!(guest.firmware(), RDY);
}

#[test]
fn a_firmware_reset_loses_every_message_under_way() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.submit(&Message::new(5, 1, b"late"));
    guest.ok(json!({"cmd": "reset_firmware"}));
    let before = guest.counters();
    guest.pass_ms(400);
    assert_eq!(guest.counters(), before);
}

#[test]
fn a_host_reset_does_not_shorten_a_firmware_reset() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.ok(json!({"cmd": "reset_firmware", "down_ms": 100}));
    guest.pass_ms(20);
    guest.write(H_CSR, IE | RST | IG | IS);
    assert_eq!(
        guest.firmware(),
        0,
        "the host's reset answers the announcement"
    );
    guest.pass_ms(79);
    assert_eq!(guest.firmware(), 0);
    guest.pass_ms(1);
    assert_eq!(guest.firmware(), RDY);
}

#[test]
fn an_orderly_reset_without_interrupts_is_taken() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.write(H_CSR, RST | IG | IS);
    guest.write(H_CSR, IG);
    guest.pass_ms(500);
    assert_eq!(guest.firmware(), RDY);
    assert_eq!(guest.interrupts(), 0);
    assert_eq!(guest.state()["shared_memory"], json!(null));
    guest.bring_up();
}
