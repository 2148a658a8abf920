// SPDX-License-Identifier: GPL-2.0

//! Runs a target on changes of its inputs for a while, without looking at what they reach. It needs
//! nothing but cargo.

use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::{Duration, Instant};

use crate::change::change;
use crate::{corpus, Target};

/// Runs from one look at the clock to the next.
const RUNS: u64 = 16;

/// Chance, the same for the same seed: Steele, Lea and Flood's SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<'a>(&mut self, from: &'a [Vec<u8>]) -> &'a [u8] {
        let at = self.next() % from.len().max(1) as u64;
        from.get(at as usize).map_or(&[], Vec::as_slice)
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// How often the target was run.
    pub runs: u64,
    /// The input that broke a rule, if one did; it was the last.
    pub found: Option<Vec<u8>>,
}

/// Runs a target for so long, on its inputs and then on changes of them.
///
/// # Errors
///
/// The inputs cannot be read.
pub fn run(target: Target, seed: u64, time: Duration) -> io::Result<Outcome> {
    let inputs = corpus::inputs(target.name)?;
    let mut random = Random(seed);
    let mut runs = 0;
    let start = Instant::now();
    while runs % RUNS != 0 || start.elapsed() < time {
        let mut input = match inputs.get(runs as usize) {
            Some(input) => input.clone(),
            None => random.pick(&inputs).to_vec(),
        };
        let changes = if runs < inputs.len() as u64 {
            0
        } else {
            1 + random.next() % 5
        };
        for _ in 0..changes {
            let [kind, low, high, value, ..] = random.next().to_le_bytes();
            let at = u16::from_le_bytes([low, high]);
            change(&mut input, (kind, at, value), random.pick(&inputs));
        }
        runs += 1;
        if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
            let found = Some(input);
            return Ok(Outcome { runs, found });
        }
    }
    Ok(Outcome { runs, found: None })
}
