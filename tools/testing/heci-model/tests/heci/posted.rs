// SPDX-License-Identifier: GPL-2.0
//! Register writes whose effect comes late, as a posted write's does.

use crate::guest::*;

fn guest() -> Guest {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.acknowledge();
    guest.read(H_CSR);
    guest.interrupts();
    guest.ok(serde_json::json!({"cmd": "set", "write_delay_us": 100}));
    guest
}

#[test]
fn a_write_takes_effect_after_the_delay() {
    let mut guest = guest();
    guest.submit(&Message::new(2, 1, b"x"));
    guest.pass_us(99);
    assert_eq!(guest.look(), None);
    guest.pass_us(1);
    assert_eq!(guest.look().unwrap().payload, b"x");
}

#[test]
fn any_register_read_completes_all_writes_first() {
    for register in [H_CSR, FW_CSR_HA, FW_CB_RW, 0x100] {
        let mut guest = guest();
        guest.write(H_CB_WW, 1);
        guest.submit(&Message::new(2, 1, b"x"));
        guest.read(register);
        assert!(guest.state()["posted_writes"] == 0);
        assert_eq!(filled(guest.read(H_CSR)), 1);
    }
}

#[test]
fn a_configuration_access_completes_all_writes_first() {
    let mut guest = guest();
    guest.submit(&Message::new(2, 1, b"x"));
    guest.sleep();
    assert_eq!(guest.look().unwrap().payload, b"x");
}

#[test]
fn writes_stay_in_order_when_the_delay_changes() {
    let mut guest = guest();
    guest.write(H_CSR, RST | IG);
    guest.ok(serde_json::json!({"cmd": "set", "write_delay_us": 0}));
    guest.write(H_CSR, RDY | IE);
    assert_eq!(guest.state()["posted_writes"], 2);
    guest.pass_us(100);
    assert_eq!(guest.h_csr(), RDY | IE);
    let counters = guest.ok(serde_json::json!({"cmd": "counters"}));
    assert_eq!(counters["resets"]["host"], 2);
}

#[test]
fn an_acknowledge_on_its_way_swallows_the_next_interrupt() {
    let mut guest = guest();
    guest.submit(&Message::new(2, 1, b"a"));
    guest.pass_us(100);
    assert_eq!(guest.interrupts(), 1);
    let read = guest.counters()[3] + 1;
    guest.set_counter(3, read);
    guest.write(H_CSR, 0x20 | IE | RDY | IG);
    guest.write(H_CSR, 0x20 | IE | RDY | IS);
    guest.ok(serde_json::json!({"cmd": "send", "fw_id": 2, "host_id": 1, "data": "62"}));
    assert_eq!(guest.look().unwrap().payload, b"b");
    assert_eq!(guest.interrupts(), 0, "IS stands still");
    guest.pass_us(100);
    assert_eq!(guest.h_csr() & IS, 0, "cleared, and nobody was told");
    assert_eq!(guest.interrupts(), 0);
}
