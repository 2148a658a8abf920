// SPDX-License-Identifier: GPL-2.0
//! A requester that says anything, at any time, with any fault armed.

use heci_model::faults::Fault;
use serde_json::json;

use crate::faults::recovers;
use crate::requester::*;

/// Xorshift: the same sequence each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// Requests that are right somewhere.
fn requests(r: &Requester) -> Vec<Vec<u8>> {
    let challenge = [r.request(&[0x83, 0, 0xff]), vec![1; 40]].concat();
    let chunk = [
        r.request(&[0x85, 0, 1]),
        vec![0; 4],
        vec![26, 0, 0, 0, 45, 0, 0, 0],
        vec![0x13; 26],
    ];
    vec![
        vec![0x10, 0x84, 0, 0],
        r.get_capabilities(0),
        r.get_capabilities(1),
        r.negotiate_algorithms(),
        r.request(&[0x81, 0, 0]),
        r.request(&[0x82, 1, 0, 0, 0, 0xff, 0xff]),
        challenge,
        r.get_measurements(1, 0xff, 0),
        r.get_measurements(0, 0, 0),
        chunk.concat(),
        r.request(&[0x86, 0, 0, 0, 0]),
        r.request(&[0xff, 0xe0, 1]),
    ]
}

fn storm(random: &mut Random, r: &mut Requester, count: usize) {
    let requests = requests(r);
    for _ in 0..count {
        let mut request = requests[random.below(requests.len())].clone();
        match random.below(6) {
            0 => {
                let at = random.below(request.len());
                request[at] = random.next() as u8;
            }
            1 => request.truncate(random.below(request.len() + 1)),
            2 => request.resize(random.below(100), random.next() as u8),
            _ => (),
        }
        for reply in r.replies(&request) {
            assert!(reply.payload.len() <= 4096 + (1 << 16));
        }
    }
}

#[test]
fn nothing_that_a_requester_says_breaks_the_responder() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut r = Requester::new();
    for round in 0..20 {
        r = r.renew();
        r.set(json!({"asym": ["ecdsa-p256"], "slots": [0, 1, round % 8]}));
        r.wish = Wish {
            asym: P256,
            ..Wish::chunks(0x13, 42 + 40 * round)
        };
        storm(&mut random, &mut r, 300);
    }
    r = r.renew();
    recovers(&mut r);
}

#[test]
fn nor_does_any_fault_with_any_value() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut r = Requester::new();
    for round in 0..60 {
        r = r.renew();
        r.set(json!({"asym": ["ecdsa-p256"]}));
        r.wish = Wish {
            asym: P256,
            ..Wish::chunks(0x13, 42 + 20 * round)
        };
        for _ in 0..4 {
            let fault = Fault::ALL[random.below(Fault::ALL.len())];
            let value = fault.info().value.map(|_| match random.below(3) {
                0 => u64::MAX,
                1 => random.next() % 300,
                _ => random.next(),
            });
            r.device().faults().arm(fault, 1, 0, value, None).unwrap();
        }
        storm(&mut random, &mut r, 60);
    }
    r = r.renew();
    recovers(&mut r);
}
