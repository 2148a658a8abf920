// SPDX-License-Identifier: GPL-2.0
//! Several devices, of which one has trouble all the time.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use crate::device::{self, Function};
use crate::load::{self, Work, Worker};
use crate::phase::Outcome;

/// Makes so many round trips in all with the devices but the first; that is reset, removed and unbound meanwhile. A call that is
/// refused to a program of the others is an error.
pub(crate) fn exchange(count: u64, limit: Duration) -> Result<Outcome> {
    let devices = device::count()?;
    ensure!(devices > 1, "there is one device only");
    for number in 0..devices {
        device::wait_up(number)?;
        device::wait_agent(number)?;
    }
    let work = |device| Work {
        device,
        count: count.div_ceil((devices - 1).into()),
        ..Work::default()
    };
    let others: Result<Vec<_>> = (1..devices)
        .map(|number| Worker::start(&work(number)))
        .collect();
    let mut others = others?;
    let first = Worker::start(&Work {
        patient: true,
        ..Work::default()
    })?;

    let function = Function::of(0)?;
    let start = Instant::now();
    let mut times = Vec::new();
    loop {
        let mut at_work = false;
        for worker in &mut others {
            at_work |= !worker.has_ended()?;
        }
        if !at_work || start.elapsed() >= limit {
            break;
        }
        let start = Instant::now();
        match times.len() % 3 {
            0 => device::reset(0)?,
            1 => {
                function.remove()?;
                device::rescan()?;
            }
            _ => {
                function.unbind()?;
                function.bind()?;
            }
        }
        device::wait_node(0)?;
        device::wait_up(0)?;
        times.push(start.elapsed().as_micros() as u64);
    }
    let done = load::end(others)?;
    let trouble = first.end()?;
    ensure!(
        trouble.lost == 0 && trouble.changed == 0,
        "the program on the first device: {trouble:?}"
    );
    Ok(Outcome {
        done: done.round_trips,
        times_us: times,
        load: Some(done),
    })
}
