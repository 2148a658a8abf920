// SPDX-License-Identifier: GPL-2.0
//! Many messages of many programs.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::load::{self, Work, Worker};
use crate::phase::Outcome;

/// How often to look whether the programs have ended.
const PERIOD: Duration = Duration::from_millis(50);

/// Makes so many round trips in all, by so many programs, each with a client of its own.
pub(crate) fn exchange(programs: u16, count: u64, limit: Duration) -> Result<Outcome> {
    let work = |client: u16| Work {
        client,
        count: count.div_ceil(programs.into()),
        ..Work::default()
    };
    let workers: Result<_> = (1..=programs)
        .map(|client| Worker::start(&work(client)))
        .collect();
    let done = load::end(wait(workers?, limit)?)?;
    let outcome = Outcome {
        done: done.round_trips,
        load: Some(done),
        ..Outcome::default()
    };
    Ok(outcome)
}

/// Waits until all programs have ended, but not for longer than the limit.
pub(crate) fn wait(mut workers: Vec<Worker>, limit: Duration) -> Result<Vec<Worker>> {
    let start = Instant::now();
    while start.elapsed() < limit {
        let mut at_work = false;
        for worker in &mut workers {
            at_work |= !worker.has_ended()?;
        }
        if !at_work {
            break;
        }
        thread::sleep(PERIOD);
    }
    Ok(workers)
}
