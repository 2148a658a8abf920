// SPDX-License-Identifier: GPL-2.0
//! A host without sense: whatever it does, the model neither panics nor stays broken.

use serde_json::json;
use vfio_user::ServerBackend;

use crate::guest::*;
use crate::machine::Random;

fn act(guest: &mut Guest, random: &mut Random) {
    let client = random.below(8) as u8;
    let host = random.below(3) as u8;
    match random.below(14) {
        0 => drop(guest.read_bar(random.below(0x810), random.below(9) as usize)),
        1 => guest.write_bar(random.below(20), &random.bytes(9)),
        2 => guest.write(H_D0I3C, random.below(16) as u32),
        3 => guest.write_config(random.below(260), &random.bytes(9)),
        4 => guest.poke(CONTROL, &random.bytes(33)),
        5 => guest.pass_us(random.below(2000)),
        6 => guest.ring(),
        7 => {
            let mut request = random.bytes(41);
            if let [command, ..] = &mut request[..] {
                *command %= 0x15;
            }
            guest.submit(&Packet::new(0, 0, &request));
        }
        8 => guest.submit(&Packet::new(0, 0, &[6 + host, client, 1, 0])),
        9 => guest.submit(&Packet {
            complete: random.below(4) != 0,
            ..Packet::new(client, host, &random.bytes(500))
        }),
        10 => {
            let length = random.below(6000) as usize;
            let packet = guest.write_ring(client, 1, &pattern(length));
            guest.submit(&packet);
        }
        11 => guest.write(H_CSR, random.below(256) as u32),
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
        let mut guest = if seed % 2 == 0 {
            Guest::up()
        } else {
            Guest::new()
        };
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
        guest.handshake();
        guest.start();
        assert_eq!(guest.offer_ring(), 0);
        guest.enumerate();
        guest.connect(ECHO, 1);
        guest.credit(ECHO, 1);
        let packet = guest.write_ring(ECHO, 1, &pattern(2000));
        guest.submit(&packet);
        let packets = guest.drain();
        assert_eq!(guest.read_ring(&packets[1]), pattern(2000));
    }
}
