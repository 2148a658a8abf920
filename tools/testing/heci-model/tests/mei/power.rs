// SPDX-License-Identifier: GPL-2.0
//! D0i3 and D3hot.

use serde_json::json;

use crate::guest::*;

const CIP: u32 = 1;
const IR: u32 = 2;
const I3: u32 = 4;

/// Goes to D0i3 as the driver does.
fn sleep(guest: &mut Guest) {
    assert_eq!(guest.bus(&[0x0a, 0, 0, 0]), [0x8a, 0, 0, 0]);
    guest.acknowledge();
    guest.interrupts();
    guest.write(H_D0I3C, I3 | IR);
    assert_eq!(guest.read(H_D0I3C), I3 | IR | CIP);
    guest.pass_us(50);
    assert_eq!(guest.read(H_D0I3C), I3 | IR);
    assert_eq!(guest.interrupts(), 1);
    assert_eq!(guest.h_csr() & (D0I3_IS | IS), D0I3_IS);
    guest.acknowledge();
}

#[test]
fn a_change_takes_its_time_and_interrupts_if_asked() {
    let mut guest = Guest::up();
    sleep(&mut guest);
    assert_eq!(guest.state()["d0i3"], true);
    guest.write(H_D0I3C, 0);
    assert_eq!(guest.read(H_D0I3C), CIP);
    guest.pass_us(50);
    assert_eq!(guest.read(H_D0I3C), 0);
    assert_eq!(guest.interrupts(), 0);
    guest.write(H_D0I3C, 0);
    assert_eq!(guest.read(H_D0I3C), 0, "no change");
    assert_eq!(guest.ok(json!({"cmd": "counters"}))["d0i3"], 1);
}

#[test]
fn an_answer_in_d0i3_calls_the_host_and_comes_after_it_woke_up() {
    let mut guest = Guest::up();
    guest.connect(LATE, 1);
    guest.credit(LATE, 1);
    guest.submit(&Packet::new(LATE, 1, b"zzz"));
    guest.drain();
    sleep(&mut guest);
    guest.pass_ms(300);
    assert_eq!(guest.interrupts(), 1);
    assert_eq!(guest.h_csr() & IS, IS);
    assert_eq!(guest.drain(), [], "still asleep");
    guest.acknowledge();
    guest.interrupts();
    guest.write(H_D0I3C, IR);
    guest.pass_us(50);
    assert_eq!(guest.interrupts(), 1);
    assert_eq!(guest.h_csr() & (D0I3_IS | IS), D0I3_IS | IS);
    assert_eq!(guest.drain(), [Packet::new(LATE, 1, b"zzz")]);
}

#[test]
fn the_register_outlives_a_reset_of_the_link() {
    let mut guest = Guest::up();
    guest.write(H_D0I3C, I3 | IR);
    guest.write(H_CSR, RST | IG | IS);
    guest.pass_us(50);
    assert_eq!(guest.read(H_D0I3C), I3 | IR);
    guest.write(H_D0I3C, 0);
    guest.pass_us(50);
    guest.write(H_CSR, 0);
    guest.handshake();
    guest.start();
}

#[test]
fn d3hot_ends_the_link() {
    let mut guest = Guest::up();
    guest.connect(ECHO, 1);
    guest.sleep();
    assert_eq!(guest.read(H_D0I3C), u32::MAX);
    guest.wake();
    assert_eq!(guest.state()["link"], "ready");
    assert_eq!(guest.ok(json!({"cmd": "counters"}))["d3hot"], 1);
    guest.handshake();
    guest.start();
}
