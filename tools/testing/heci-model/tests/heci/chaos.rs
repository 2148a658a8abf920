// SPDX-License-Identifier: GPL-2.0
//! A host without sense: whatever it does, the model neither panics nor stays broken.

use serde_json::json;
use vfio_user::ServerBackend;

use crate::guest::*;
use crate::machine::Random;

fn act(guest: &mut Guest, random: &mut Random) {
    let place = random.below(2 * SECTION + 0x1000 - 64);
    match random.below(14) {
        0 => drop(guest.read_bar(random.below(20), random.below(9) as usize)),
        1 => guest.write_bar(random.below(20), &random.bytes(9)),
        2 => drop(guest.read_config(random.below(260), random.below(9) as usize)),
        3 => guest.write_config(random.below(260), &random.bytes(9)),
        4 => guest.poke(SHARED + place, &random.bytes(64)),
        5 => guest.poke(CONTROL, &random.bytes(17)),
        6 => guest.poke(SHARED, &random.bytes(28)),
        7 => guest.pass_us(random.below(2000)),
        8 => guest.ring(),
        9 => guest.publish(&Message::new(random.below(8) as u16, 1, &random.bytes(40))),
        10 => guest.request_setup(setup_request().map(|dword| match random.below(20) {
            0 => random.below(1 << 32) as u32,
            _ => dword,
        })),
        11 => {
            let value = random.below(32) as u32;
            guest.write(H_CSR, value);
        }
        12 => drop(guest.command(json!({"cmd": "reset_firmware", "down_ms": random.below(3)}))),
        _ => {
            let settings = json!({"cmd": "set", "write_delay_us": random.below(300),
                "consume_latency_us": random.below(300), "response_latency_us": random.below(300)});
            guest.ok(settings);
        }
    }
}

#[test]
fn after_any_accesses_a_function_reset_and_a_bring_up_work() {
    for seed in 1..=200 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut guest = Guest::new();
        if seed % 2 == 0 {
            guest.bring_up();
        }
        for _ in 0..400 {
            act(&mut guest, &mut random);
        }
        guest.backend.reset().unwrap();
        guest.ok(
            json!({"cmd": "set", "write_delay_us": 0, "consume_latency_us": 0,
            "response_latency_us": 0}),
        );
        guest.write_config(0x8e, &[0x01]);
        guest.write_config(0x04, &[0x06]);
        guest.bring_up();
        let echo = Message::new(2, 1, b"sense");
        assert_eq!(guest.exchange(&echo), echo);
    }
}
