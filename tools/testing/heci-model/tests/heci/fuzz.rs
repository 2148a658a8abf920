// SPDX-License-Identifier: GPL-2.0
//! The fuzzer: what it does, that the same seed does the same, and that it tells whom it touched.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use heci_model::trace::Trace;
use serde_json::{json, Value};
use vfio_user::ServerBackend;

use crate::guest::*;

/// A trace that can be read.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn take(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let lines = bytes.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

fn switch(guest: &mut Guest, seed: u64, one_in: u64) {
    guest.ok(json!({"cmd": "fuzz", "seed": seed, "one_in": one_in}));
}

/// How many mutations messages of this client may have had.
fn touched(guest: &mut Guest, fw_id: u16) -> u64 {
    let fuzz = &guest.state()["fuzz"];
    let own = fuzz["touched"][fw_id.to_string()].as_u64().unwrap_or(0);
    own + fuzz["touched_all"].as_u64().unwrap()
}

/// A function reset and a bring-up, without mutations.
fn revive(guest: &mut Guest) {
    switch(guest, 0, 0);
    guest.backend.reset().unwrap();
    guest.write_config(0x8e, &[0x01]);
    guest.write_config(0x04, &[0x06]);
    guest.bring_up();
}

/// A host that echoes with two clients in turn. Returns the messages that came for each.
fn talk(guest: &mut Guest, rounds: u8) -> Vec<Option<Message>> {
    let mut came = Vec::new();
    for round in 0..rounds {
        guest.submit(&request(round));
        guest.pass_ms(1);
        guest.read(FW_CSR_HA);
        came.push(guest.take());
    }
    came
}

fn request(round: u8) -> Message {
    Message::new(2 + u16::from(round % 2), 1, &[round; 40])
}

#[test]
fn it_is_off_until_it_is_switched_on() {
    let mut guest = Guest::new();
    guest.bring_up();
    for (round, came) in talk(&mut guest, 200).into_iter().enumerate() {
        assert_eq!(came, Some(request(round as u8)));
    }
    assert_eq!(guest.state()["fuzz"]["mutations"], 0);
    switch(&mut guest, 1, 20);
    talk(&mut guest, 200);
    let mutations = guest.state()["fuzz"]["mutations"].clone();
    assert!(mutations.as_u64().unwrap() > 20, "{mutations}");
    revive(&mut guest);
    for (round, came) in talk(&mut guest, 200).into_iter().enumerate() {
        assert_eq!(came, Some(request(round as u8)));
    }
    assert_eq!(guest.state()["fuzz"]["mutations"], mutations);
}

#[test]
fn the_same_seed_does_the_same_and_another_does_not() {
    let trace = |seed| {
        let lines = Lines::default();
        let mut guest = Guest::traced(Trace::new(Box::new(lines.clone())));
        guest.bring_up();
        switch(&mut guest, seed, 20);
        talk(&mut guest, 200);
        lines.take()
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}

#[test]
fn the_rate_is_what_was_asked_for() {
    let mut guest = Guest::new();
    guest.bring_up();
    // Occasions without a consequence for what comes after: reads of a register, two each.
    switch(&mut guest, 3, 100);
    for _ in 0..10_000 {
        guest.read(FW_CSR_HA);
    }
    let mutations = guest.state()["fuzz"]["mutations"].as_u64().unwrap();
    assert!((120..280).contains(&mutations), "{mutations}");
}

#[test]
fn everything_that_can_be_mutated_is_and_stands_in_the_trace() {
    let lines = Lines::default();
    let mut guest = Guest::traced(Trace::new(Box::new(lines.clone())));
    let (mut events, mut faults) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..150 {
        revive(&mut guest);
        let before = guest.state()["fuzz"]["mutations"].as_u64().unwrap();
        lines.take();
        switch(&mut guest, seed, 50);
        guest.write(H_CSR, 0x20 | IE | RST | IG | IS);
        guest.poke(SHARED, &vec![0; 2 * SECTION as usize + 4096]);
        guest.pass_ms(2);
        guest.write(H_CSR, 0x20 | IE | IS | IG);
        guest.ring();
        guest.request_setup(setup_request());
        guest.drain();
        for bus in [&START[..], &CLIENTS] {
            guest.submit(&Message::new(0, 0, bus));
            guest.pass_ms(1);
            guest.take();
        }
        talk(&mut guest, 20);
        let after = guest.state()["fuzz"]["mutations"].as_u64().unwrap();
        let mut traced = 0;
        for line in lines.take() {
            let event = line["event"].as_str().unwrap().to_owned();
            if event == "fault" {
                traced += 1;
                faults.insert(line["fault"].as_str().unwrap().to_owned());
            } else if event.starts_with("fuzz_") {
                traced += 1;
                events.insert(event);
            }
        }
        assert_eq!(traced, after - before);
    }
    let kinds = [
        "delay",
        "interrupt",
        "message",
        "register",
        "setup",
        "unasked",
    ];
    let expected = kinds.map(|kind| format!("fuzz_{kind}"));
    assert_eq!(events, expected.into_iter().collect());
    assert!(faults.len() > 40, "{faults:?}");
}

#[test]
fn who_gets_something_wrong_was_touched() {
    let mut guest = Guest::new();
    let (mut right, mut wrong) = (0, 0);
    for seed in 0..300 {
        revive(&mut guest);
        let before = [2, 3].map(|id| touched(&mut guest, id));
        switch(&mut guest, seed, 1000);
        for round in 0..30 {
            guest.submit(&request(round));
            guest.pass_ms(1);
            let Some(came) = guest.take().filter(|came| matches!(came.fw_id, 2 | 3)) else {
                continue;
            };
            // An answer to an earlier request is late, but right.
            let number = came.payload.first().copied().unwrap_or(round);
            if number <= round && came == request(number) {
                right += 1;
                continue;
            }
            wrong += 1;
            let now = [2, 3].map(|id| touched(&mut guest, id));
            let client = usize::from(came.fw_id - 2);
            assert!(now[client] > before[client], "seed {seed}: {came:?}");
        }
    }
    assert!(right > 1000 && wrong > 20, "{right} {wrong}");
}
