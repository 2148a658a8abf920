// SPDX-License-Identifier: GPL-2.0
//! Every fault of the table does what its description says, and no more than it was armed for;
//! those of SPDM have tests of their own.

use std::collections::BTreeSet;

use heci_model::faults::Fault;
use serde_json::json;

use crate::guest::*;

/// A fault, what to do while it is armed, and what must then be seen.
type Row = (&'static str, fn(&mut Guest));

fn setup(guest: &mut Guest) -> Vec<u32> {
    guest.handshake();
    guest.request_setup(setup_request());
    guest.drain()
}

fn start(guest: &mut Guest) -> Option<Message> {
    guest.set_up();
    guest.submit(&Message::new(0, 0, &START));
    guest.take()
}

fn clients(guest: &mut Guest) -> Option<Message> {
    start(guest);
    guest.submit(&Message::new(0, 0, &CLIENTS));
    guest.take()
}

/// The echo of `x`.
fn echo(guest: &mut Guest) -> Message {
    guest.bring_up();
    guest.exchange(&Message::new(2, 1, b"x"))
}

/// A field of the second row of the clients response.
fn second(guest: &mut Guest, offset: usize) -> u32 {
    dword(&clients(guest).unwrap().payload, 8 + 28 + offset)
}

/// Counters before and after an echo was submitted.
fn submit(guest: &mut Guest) -> ([u32; 4], [u32; 4]) {
    guest.bring_up();
    let before = guest.counters();
    guest.submit(&Message::new(2, 1, b"x"));
    (before, guest.counters())
}

fn resets_itself(guest: &mut Guest) {
    assert_eq!(guest.firmware(), RST);
    guest.pass_ms(9);
    assert_eq!(guest.firmware(), RST);
    guest.pass_ms(1);
    assert_eq!(guest.firmware(), RDY);
}

const ROWS: &[Row] = &[
    ("setup-wrong-id", |g| assert_eq!(setup(g), [0xcafe_8087, 0])),
    ("setup-status", |g| {
        assert_eq!(setup(g), [0xcafe_8086, 0xff])
    }),
    ("setup-short", |g| assert_eq!(setup(g), [0xcafe_8086])),
    ("setup-long", |g| assert_eq!(setup(g), [0xcafe_8086, 0, 0])),
    ("setup-never", |g| {
        assert_eq!(setup(g), [0u32; 0]);
        assert_eq!(g.interrupts(), 0);
    }),
    ("setup-overflow", |g| {
        g.handshake();
        g.request_setup(setup_request());
        assert_eq!(filled(g.read(FW_CSR_HA)), 33);
    }),
    ("reset-at-host-ready", |g| {
        g.handshake();
        resets_itself(g);
    }),
    ("reset-at-setup", |g| {
        assert_eq!(setup(g), [0u32; 0]);
        resets_itself(g);
    }),
    ("start-short", |g| assert_eq!(start(g).unwrap().length, 14)),
    ("start-long", |g| assert_eq!(start(g).unwrap().length, 16)),
    ("start-capabilities", |g| {
        assert_eq!(start(g).unwrap().payload[14..], [255]);
    }),
    ("start-wrong-command", |g| {
        assert_eq!(dword(&start(g).unwrap().payload, 0), 0x82);
    }),
    ("start-wrong-version", |g| {
        assert_eq!(word(&start(g).unwrap().payload, 12), 2);
    }),
    ("start-status", |g| {
        assert_eq!(start(g).unwrap().status, 0xff)
    }),
    ("start-flags", |g| {
        let message = start(g).unwrap();
        assert_eq!((message.flags, message.reserved), (u32::MAX, u32::MAX));
    }),
    ("start-twice", |g| {
        let first = start(g);
        assert!(first.is_some());
        assert_eq!(g.take(), first);
        assert_eq!(g.take(), None);
    }),
    ("start-never", |g| assert_eq!(start(g), None)),
    ("reset-at-start", |g| {
        assert_eq!(start(g), None);
        resets_itself(g);
    }),
    ("clients-more", |g| {
        assert_eq!(word(&clients(g).unwrap().payload, 4), 7);
    }),
    ("clients-fewer", |g| {
        assert_eq!(word(&clients(g).unwrap().payload, 4), 5);
    }),
    ("clients-65535", |g| {
        assert_eq!(word(&clients(g).unwrap().payload, 4), 65535);
    }),
    ("clients-none", |g| {
        assert_eq!(clients(g).unwrap().payload, [0x81, 0, 0, 0, 0, 0, 0, 0]);
    }),
    ("clients-short", |g| {
        assert_eq!(clients(g).unwrap().length, 175)
    }),
    ("clients-long", |g| {
        assert_eq!(clients(g).unwrap().length, 177)
    }),
    ("clients-wrong-command", |g| {
        assert_eq!(dword(&clients(g).unwrap().payload, 0), 0x82);
    }),
    ("clients-duplicate-id", |g| {
        assert_eq!(second(g, 0) as u16, 1)
    }),
    ("clients-duplicate-uuid", |g| {
        assert_eq!(second(g, 4), 0xdf49_51e8);
    }),
    ("clients-zero-id", |g| assert_eq!(second(g, 0) as u16, 0)),
    ("clients-zero-mtu", |g| assert_eq!(second(g, 20), 0)),
    ("clients-giant-mtu", |g| assert_eq!(second(g, 20), u32::MAX)),
    ("clients-flags", |g| assert_eq!(second(g, 24), u32::MAX)),
    ("clients-reserved", |g| {
        let payload = clients(g).unwrap().payload;
        assert_eq!(word(&payload, 6), 0xffff);
        let reserved: Vec<u8> = payload[8..].chunks(28).map(|row| row[3]).collect();
        assert_eq!(reserved, [0xff; 6]);
    }),
    ("clients-twice", |g| {
        let first = clients(g);
        assert!(first.is_some());
        assert_eq!(g.take(), first);
        assert_eq!(g.take(), None);
    }),
    ("clients-status", |g| {
        assert_eq!(clients(g).unwrap().status, 0xff);
    }),
    ("clients-never", |g| assert_eq!(clients(g), None)),
    ("reset-at-clients", |g| {
        assert_eq!(clients(g), None);
        resets_itself(g);
    }),
    ("message-length-over", |g| assert_eq!(echo(g).length, 65517)),
    ("message-length-max", |g| {
        assert_eq!(echo(g).length, u32::MAX)
    }),
    ("message-over-mtu", |g| assert_eq!(echo(g).length, 5121)),
    ("message-empty", |g| assert_eq!(echo(g).length, 0)),
    ("message-wrong-host", |g| {
        assert_eq!(echo(g).host_id, 0xffff)
    }),
    ("message-wrong-firmware", |g| {
        assert_eq!(echo(g).fw_id, 0xffff)
    }),
    ("message-zero-host", |g| {
        let message = echo(g);
        assert_eq!((message.fw_id, message.host_id), (2, 0));
    }),
    ("message-zero-firmware", |g| {
        let message = echo(g);
        assert_eq!((message.fw_id, message.host_id), (0, 1));
    }),
    ("message-bus", |g| {
        assert_eq!(echo(g), Message::new(0, 0, b"no bus message"));
    }),
    ("message-status", |g| assert_eq!(echo(g).status, 0xff)),
    ("message-flags", |g| {
        let message = echo(g);
        assert_eq!((message.flags, message.reserved), (u32::MAX, u32::MAX));
    }),
    ("message-swallowed", |g| {
        let (before, after) = submit(g);
        assert_eq!(after[1], before[1] + 1);
        assert_eq!(g.look(), None);
    }),
    ("message-duplicated", |g| {
        let first = echo(g);
        assert_eq!(g.take(), Some(first));
        assert_eq!(g.take(), None);
    }),
    ("counter-f2h-jump", |g| step(g, 2, 2)),
    ("counter-f2h-back", |g| step(g, 2, u32::MAX)),
    ("counter-f2h-stuck", |g| {
        step(g, 2, 0);
        assert_eq!(g.interrupts(), 1);
    }),
    ("counter-h2f-jump", |g| step(g, 1, 2)),
    ("counter-h2f-back", |g| step(g, 1, u32::MAX)),
    ("header-changes", |g| {
        g.bring_up();
        g.arm("header-changes");
        g.submit(&Message::new(2, 1, b"x"));
        let mut lengths = Vec::new();
        for _ in 0..4 {
            lengths.push(g.look().unwrap().length);
            g.pass_us(20);
        }
        assert_eq!(lengths, [1, u32::MAX, 1, u32::MAX]);
        g.pass_ms(100);
        assert_eq!(g.state()["events"], 0);
        // The message after it does not change.
        g.take();
        g.arm("header-changes");
        g.submit(&Message::new(2, 1, b"x"));
        g.take();
        g.submit(&Message::new(2, 1, b"yy"));
        g.pass_us(20);
        assert_eq!(g.look().unwrap().length, 2);
        assert_eq!(g.state()["events"], 0);
    }),
    ("reset-after-response", |g| {
        g.set_up();
        g.arm("reset-after-response");
        g.submit(&Message::new(0, 0, &START));
        assert_eq!(g.counters(), [1, 1, 1, 0]);
        resets_itself(g);
    }),
    ("not-consumed", |g| {
        g.set_up();
        g.arm("not-consumed");
        for _ in 0..3 {
            g.submit(&Message::new(0, 0, &START));
            g.set_counter(0, 1);
            assert_eq!(g.counters(), [1, 0, 0, 0]);
            g.pass_ms(1000);
        }
    }),
    ("reset-after-consumption", |g| {
        g.set_up();
        g.arm("reset-after-consumption");
        g.submit(&Message::new(0, 0, &START));
        assert_eq!(g.counters(), [1, 1, 0, 0]);
        resets_itself(g);
    }),
    ("interrupt-lost", |g| {
        assert_eq!(interrupts(g, "interrupt-lost"), 0);
        assert_eq!(g.h_csr() & IS, IS);
        g.pass_ms(1000);
        assert_eq!(g.interrupts(), 0);
    }),
    ("interrupt-late", |g| {
        assert_eq!(interrupts(g, "interrupt-late"), 0);
        g.pass_ms(49);
        assert_eq!(g.interrupts(), 0);
        g.pass_ms(1);
        assert_eq!(g.interrupts(), 1);
    }),
    ("interrupt-storm", |g| {
        assert_eq!(interrupts(g, "interrupt-storm"), 1);
        g.pass_us(200);
        assert_eq!(g.interrupts(), 10);
        g.pass_ms(100);
        assert_eq!(g.interrupts(), 989);
    }),
    ("ready-never", |g| {
        reset(g);
        g.pass_ms(100_000);
        assert_eq!(g.firmware(), 0);
        assert_eq!(g.interrupts(), 0);
    }),
    ("ready-late", |g| {
        reset(g);
        g.pass_ms(3000);
        assert_eq!(g.firmware(), 0);
        g.pass_ms(1);
        assert_eq!(g.firmware(), RDY);
        assert_eq!(g.interrupts(), 1);
    }),
    ("ready-reset", |g| {
        reset(g);
        g.pass_ms(1);
        assert_eq!(g.interrupts(), 1);
        resets_itself(g);
    }),
    ("doorbell-lost", |g| {
        g.bring_up();
        g.arm("doorbell-lost");
        g.submit(&Message::new(2, 1, b"x"));
        g.pass_ms(1000);
        assert_eq!(g.look(), None);
        g.ring();
        assert_eq!(g.take(), Some(Message::new(2, 1, b"x")));
    }),
    ("mmio-all-ones", |g| {
        assert_eq!(g.read(H_CSR), u32::MAX);
        assert_ne!(g.read(H_CSR), u32::MAX);
    }),
    ("reset-stuck", |g| {
        reset(g);
        g.write(H_CSR, IE);
        assert_eq!(g.h_csr() & RST, RST);
        g.write(H_CSR, IE);
        assert_eq!(g.h_csr() & RST, 0);
    }),
];

fn reset(guest: &mut Guest) {
    guest.write(H_CSR, RST | IE | IG);
    assert_eq!(guest.interrupts(), 0);
}

/// Interrupts of the setup response, with `fault` armed only then.
fn interrupts(guest: &mut Guest, fault: &str) -> usize {
    guest.ok(json!({"cmd": "clear_faults"}));
    guest.handshake();
    guest.acknowledge();
    guest.arm(fault);
    guest.request_setup(setup_request());
    guest.interrupts()
}

/// The first bus message moves the counter of this index by `step`.
fn step(guest: &mut Guest, index: usize, step: u32) {
    guest.set_up();
    guest.interrupts();
    guest.submit(&Message::new(0, 0, &START));
    assert_eq!(guest.counters()[index], step);
}

#[test]
fn every_fault_has_a_row() {
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.0).collect();
    let faults = Fault::ALL.iter().map(|fault| fault.info().name);
    let faults: BTreeSet<&str> = faults.filter(|name| !name.starts_with("spdm-")).collect();
    assert_eq!(rows, faults);
}

#[test]
fn every_fault_does_what_it_says_once() {
    for (name, act) in ROWS {
        println!("{name}");
        let mut guest = Guest::new();
        guest.arm(name);
        act(&mut guest);
        let faults = guest.ok(json!({"cmd": "faults"}))["faults"].clone();
        let row = faults
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == *name);
        assert_eq!(row.unwrap()["armed"]["fired"], 1, "{name}");
    }
}

#[test]
fn the_link_comes_up_after_every_fault() {
    for (name, act) in ROWS {
        println!("{name}");
        let mut guest = Guest::new();
        guest.arm(name);
        act(&mut guest);
        guest.write(H_CSR, IE);
        guest.pass_ms(10_000);
        guest.bring_up();
        let echo = Message::new(2, 1, b"x");
        assert_eq!(guest.exchange(&echo), echo);
    }
}

#[test]
fn a_fault_can_be_told_of_which_client() {
    let mut guest = Guest::new();
    guest.bring_up();
    let arm = |name, on| json!({"cmd": "fault", "name": name, "count": 0, "on": on});
    for name in [
        "message-empty",
        "header-changes",
        "reset-after-consumption",
        "not-consumed",
    ] {
        guest.ok(arm(name, 4));
    }
    let refused = guest.command(arm("setup-short", 4));
    assert_eq!(refused["ok"], false);
    let echo = |id| Message::new(id, 1, b"x");
    for id in [2, 3, 2] {
        assert_eq!(guest.exchange(&echo(id)), echo(id));
    }
    guest.ok(json!({"cmd": "clear_faults"}));
    guest.ok(arm("message-empty", 3));
    assert_eq!(guest.exchange(&echo(2)).length, 1);
    assert_eq!(guest.exchange(&echo(3)).length, 0);
}

#[test]
fn a_fault_waits_for_its_turn() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.ok(json!({"cmd": "fault", "name": "message-status", "start": 3, "count": 2, "value": 9}));
    let status: Vec<u32> = (0..6)
        .map(|_| guest.exchange(&Message::new(2, 1, b"x")).status)
        .collect();
    assert_eq!(status, [0, 0, 9, 9, 0, 0]);
}
