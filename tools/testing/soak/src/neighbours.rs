// SPDX-License-Identifier: GPL-2.0
//! Several devices, of which one has trouble all the time.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use guest::Device;

use crate::device::{self, FIRST};
use crate::load::{self, Work, Worker};
use crate::phase::Outcome;

/// Makes so many round trips in all with the devices but the first; that is reset, removed and unbound meanwhile. A call that is
/// refused to a program of the others is an error.
pub(crate) fn exchange(count: u64, limit: Duration) -> Result<Outcome> {
    let devices = Device::all()?;
    ensure!(devices.len() > 1, "there is one device only");
    for device in &devices {
        device::wait_up(*device)?;
        device::wait_agent(*device)?;
    }
    let others = devices.iter().filter(|device| **device != FIRST);
    let work = |device: &Device| Work {
        device: device.0,
        count: count.div_ceil(devices.len() as u64 - 1),
        ..Work::default()
    };
    let others: Result<Vec<_>> = others.map(|device| Worker::start(&work(device))).collect();
    let mut others = others?;
    let first = Worker::start(&Work {
        patient: true,
        ..Work::default()
    })?;

    let function = device::function(FIRST)?;
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
            0 => device::reset(FIRST)?,
            1 => device::replug(&function)?,
            _ => device::rebind(&function)?,
        }
        device::wait_node(FIRST)?;
        device::wait_up(FIRST)?;
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
