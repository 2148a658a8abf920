// SPDX-License-Identifier: GPL-2.0
//! Reset, start, enumeration, and what goes wrong there.

use serde_json::json;

use crate::guest::*;

#[test]
fn the_function_is_lunar_lakes_with_d0i3() {
    let mut guest = Guest::new();
    assert_eq!(dword(&guest.read_config(0, 4), 0), 0xa870_8086);
    assert_ne!(dword(&guest.read_config(0x40, 4), 0) & 1 << 31, 0);
    assert_eq!(guest.read(H_CSR) >> 24, 128);
    assert_eq!(guest.h_csr(), 0);
    assert_eq!(guest.read(ME_CSR_HA) >> 24, 128);
}

#[test]
fn the_host_reset_empties_the_buffers_and_announces_itself() {
    let mut guest = Guest::new();
    guest.handshake();
    guest.write(H_CB_WW, 5);
    guest.handshake();
    assert_eq!(filled(guest.read(H_CSR)), 0);
    let state = guest.state();
    assert_eq!(state["link"], "ready");
    assert_eq!(guest.ok(json!({"cmd": "counters"}))["resets"]["host"], 2);
}

#[test]
fn the_firmware_says_which_version_it_speaks() {
    let mut guest = Guest::new();
    guest.handshake();
    assert_eq!(guest.bus(&[0x01, 0, 1, 1]), [0x81, 1, 2, 2]);
    assert_eq!(guest.bus(&[0x01, 0, 9, 1]), [0x81, 1, 2, 2]);
    assert_eq!(guest.bus(&[0x01, 0, 3, 2]), [0x81, 0, 2, 2]);
    assert_eq!(guest.bus(&[0x01, 0, 0, 3]), [0x81, 0, 2, 2]);
}

#[test]
fn clients_have_properties() {
    let mut guest = Guest::up();
    let spdm = guest.bus(&[0x05, SPDM, 0, 0]);
    assert_eq!(spdm[..4], [0x85, SPDM, 0, 0]);
    let uuid = b"\xdf\x49\x51\xe8\x47\x94\x9a\x4c\x83\x67\xc4\xe3\x34\x64\xf1\xb4";
    assert_eq!(spdm[4..20], uuid[..]);
    assert_eq!(spdm[20..24], [1, 32, 0, 0]);
    assert_eq!(dword(&spdm, 24), 4096);
    let echo = guest.bus(&[0x05, ECHO, 0, 0]);
    assert_eq!(dword(&echo, 24) as usize, MTU);
    let none = guest.bus(&[0x05, 7, 0, 0]);
    assert_eq!(none.len(), 28);
    assert_eq!(none[..4], [0x85, 7, 1, 0]);
}

#[test]
fn a_ring_that_is_not_memory_is_refused() {
    let mut guest = Guest::new();
    guest.handshake();
    guest.start();
    let mut request = vec![0x12, 0, 0, 0];
    request.extend([0; 36]);
    assert_eq!(guest.bus(&request), [0x92, 4, 0, 0]);
    let mut without = Guest::with(true, |_| ());
    without.handshake();
    without.start();
    assert_eq!(without.offer_ring(), 5);
}

#[test]
fn stop_ends_the_link() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    assert_eq!(guest.bus(&[0x02, 0, 0, 0]), [0x82, 0, 0, 0]);
    let state = guest.state();
    assert_eq!(state["link"], "ready");
    assert_eq!(state["connections"], json!([]));
}

#[test]
fn what_the_firmware_does_not_know_has_no_effect() {
    let mut guest = Guest::up();
    for request in [&[0x7f, 0, 0, 0][..], &[0x14], &[0x12, 0], &[0x06, 1], &[]] {
        guest.submit(&Packet::new(0, 0, request));
        assert_eq!(guest.drain(), []);
    }
    guest.connect(ECHO, 1);
}

#[test]
fn notifications_are_not_allowed() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    let answer = guest.bus(&[0x10, ECHO, 1, 1]);
    assert_eq!(answer, [0x90, ECHO, 1, 5, 1, 0, 0, 0]);
}

#[test]
fn a_firmware_reset_ends_everything() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    guest.acknowledge();
    guest.interrupts();
    guest.ok(json!({"cmd": "reset_firmware", "down_ms": 5}));
    assert_eq!(guest.firmware(), RST);
    assert_eq!(guest.interrupts(), 1);
    guest.ring();
    assert_eq!(guest.firmware(), 0);
    guest.pass_ms(5);
    assert_eq!(guest.firmware(), RDY);
    assert_eq!(guest.state()["connections"], json!([]));
}

#[test]
fn registers_are_counted_by_their_names() {
    let mut guest = Guest::new();
    guest.ok(json!({"cmd": "counters", "clear": true}));
    for register in [H_CB_WW, H_CSR, ME_CB_RW, ME_CSR_HA, H_D0I3C, 0x10] {
        guest.read(register);
    }
    guest.write(H_D0I3C, 0);
    let counters = guest.ok(json!({"cmd": "counters"}));
    let each = json!({"H_CB_WW": 1, "H_CSR": 1, "ME_CB_RW": 1, "ME_CSR_HA": 1, "H_D0I3C": 1,
        "other": 1, "total": 6});
    assert_eq!(counters["mmio_read"], each);
    assert_eq!(counters["mmio_write"]["H_D0I3C"], 1);
    assert_eq!(counters["mmio_write"]["total"], 1);
}

#[test]
fn faults_of_what_all_functions_have_act_here_too() {
    let mut guest = Guest::new();
    guest.arm("mmio-all-ones");
    assert_eq!(guest.read(ME_CSR_HA), u32::MAX);
    guest.arm("ready-never");
    guest.write(H_CSR, D0I3_IE | IE | RST | IG | IS);
    guest.pass_ms(1000);
    assert_eq!(guest.firmware(), 0);
    guest.write(H_CSR, D0I3_IE | IE);
    guest.arm("interrupt-lost");
    guest.write(H_CSR, D0I3_IE | IE | RST | IG | IS);
    guest.pass_ms(1);
    assert_eq!(guest.firmware(), RDY);
    assert_eq!(guest.h_csr() & IS, IS);
    assert_eq!(guest.interrupts(), 0);
}
