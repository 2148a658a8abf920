// SPDX-License-Identifier: GPL-2.0
//! A phase: something done many times, with what it leaves behind.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use crate::device::{self, FIRST};
use crate::load::Done;
use crate::usage::{self, Usage};

/// A phase that is slower at its end than at its beginning, by more than this, has a problem. Its beginning and its end
/// are a tenth each. What else the machine does makes a difference, too.
const SLOWDOWN: f64 = 2.0;
/// A phase of less seconds tells nothing of that.
const LONG: f64 = 60.0;
/// A part of them comes before and is not counted: memory that is kept for the next time is taken then.
const WARM_UP: u64 = 10;

/// What has been done in a phase.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How often.
    pub(crate) done: u64,
    /// Microseconds that each cycle took.
    pub(crate) times_us: Vec<u64>,
    /// What the programs did meanwhile.
    pub(crate) load: Option<Done>,
}

impl Outcome {
    /// Microseconds of a tenth of the cycles, the first and the last: the median of a cycle, or the sum of the programs.
    fn tenths(&self) -> Option<(u64, u64)> {
        let parts = self.load.as_ref().map(|load| load.parts_us.as_slice());
        match (self.times_us.len() / 10, parts) {
            (0, Some([first, .., last])) => Some((*first, *last)),
            (0, _) => None,
            (tenth, _) => {
                let end = self.times_us.len().checked_sub(tenth)?;
                Some((
                    median(self.times_us.get(..tenth)?)?,
                    median(self.times_us.get(end..)?)?,
                ))
            }
        }
    }
}

fn median(times: &[u64]) -> Option<u64> {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// Runs a phase, `count` times, and prints what came of it.
pub(crate) fn run(name: &str, count: u64, phase: &dyn Fn(u64) -> Result<Outcome>) -> Result<()> {
    device::limit_log(FIRST)?;
    phase((count / WARM_UP).clamp(4, 64))?;
    device::wait_agent(FIRST)?;
    usage::forget_leaks()?;
    let before = Usage::now()?;
    let start = Instant::now();
    let outcome = phase(count)?;
    let seconds = start.elapsed().as_secs_f64();
    device::wait_agent(FIRST)?;
    let (mut problems, growth) = before.grown(outcome.done)?;

    let leaks = usage::leaks()?;
    match &leaks {
        Some(leaks) if !leaks.is_empty() => problems.push(format!("kmemleak: {leaks}")),
        _ => (),
    }
    if let Some(load) = &outcome.load {
        for (what, count) in [("lost", load.lost), ("changed", load.changed)] {
            if count > 0 {
                problems.push(format!("{count} messages {what}"));
            }
        }
    }
    let tenths = outcome.tenths();
    let slowdown = tenths.map(|(first, last)| last as f64 / first.max(1) as f64);
    if seconds >= LONG && slowdown.is_some_and(|slowdown| slowdown > SLOWDOWN) {
        problems.push(format!("it became slower: {tenths:?} us"));
    }
    let result = json!({
        "phase": name,
        "wanted": count,
        "done": outcome.done,
        "seconds": (seconds * 10.0).round() / 10.0,
        "first_tenth_us": tenths.map(|(first, _)| first),
        "last_tenth_us": tenths.map(|(_, last)| last),
        "slowdown": slowdown.map(|slowdown| (slowdown * 100.0).round() / 100.0),
        "growth": growth,
        "kmemleak": leaks.is_some(),
        "load": outcome.load,
        "problems": problems,
    });
    println!("{result}");
    Ok(())
}
