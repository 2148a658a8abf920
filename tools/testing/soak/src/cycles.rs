// SPDX-License-Identifier: GPL-2.0
//! Things that are done again and again, while programs use the device.

use std::io;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::device::{self, Connection, FIRST};
use crate::load::{self, Work, Worker};
use crate::phase::Outcome;

/// How often to try to sleep.
const ATTEMPTS: u32 = 5;
/// Programs that use the device meanwhile.
const PROGRAMS: u16 = 3;

/// Runs `cycle` so often, but not for longer than the limit, with programs that use the device, or without.
fn repeat(
    count: u64,
    limit: Duration,
    programs: u16,
    cycle: impl Fn(u64) -> Result<()>,
) -> Result<Outcome> {
    let work = |client| Work {
        client,
        patient: true,
        ..Work::default()
    };
    let workers: Result<Vec<_>> = (1..=programs)
        .map(|client| Worker::start(&work(client)))
        .collect();
    let workers = workers?;
    let start = Instant::now();
    let mut times = Vec::new();
    for number in 0..count {
        if start.elapsed() >= limit {
            break;
        }
        let start = Instant::now();
        cycle(number)?;
        times.push(start.elapsed().as_micros() as u64);
    }
    device::wait_up(FIRST)?;
    let load = load::end(workers)?;
    Ok(Outcome {
        done: times.len() as u64,
        times_us: times,
        load: (programs > 0).then_some(load),
    })
}

/// Every other time the next cycle comes before the link is up.
fn wait_now_and_then(number: u64) -> Result<()> {
    match number % 2 {
        0 => device::wait_up(FIRST),
        _ => device::wait_node(FIRST),
    }
}

/// Unbinds and binds.
pub(crate) fn unbind(count: u64, limit: Duration) -> Result<Outcome> {
    let function = device::function(FIRST)?;
    repeat(count, limit, PROGRAMS, |number| {
        device::rebind(&function)?;
        wait_now_and_then(number)
    })
}

/// Removes the PCI function and finds it again.
pub(crate) fn remove(count: u64, limit: Duration) -> Result<Outcome> {
    let function = device::function(FIRST)?;
    repeat(count, limit, PROGRAMS, |number| {
        device::replug(&function)?;
        wait_now_and_then(number)
    })
}

/// Unloads and loads the module. Nobody can use the device meanwhile: an open file holds the module.
pub(crate) fn reload(count: u64, limit: Duration) -> Result<Outcome> {
    repeat(count, limit, 0, |number| {
        device::unload_module()?;
        device::load_module()?;
        wait_now_and_then(number)?;
        if number % 2 == 0 {
            let mut connection = Connection::open(0, 1)?;
            let echoed = connection.echo(&number.to_le_bytes());
            anyhow::ensure!(echoed.is_ok(), "after loading: {echoed:?}");
        }
        Ok(())
    })
}

/// Resets the link, by the firmware and by the driver in turn.
pub(crate) fn reset(count: u64, limit: Duration) -> Result<Outcome> {
    repeat(count, limit, PROGRAMS, |number| {
        let before = device::resets(FIRST)?;
        match number % 2 {
            0 => device::reset_firmware(number % 16)?,
            _ => device::reset(FIRST)?,
        }
        device::wait("the reset", || {
            device::resets(FIRST).is_ok_and(|resets| resets > before)
        })?;
        device::wait_up(FIRST)
    })
}

/// Sleeps and wakes up. Every other cycle comes before the link is up again.
///
/// The kernel refuses to sleep with `EAGAIN` while one of its helper programs, modprobe for example, has not ended in 5 s
/// (`__usermodehelper_disable`), on a machine with much else to do; that sleep is tried again.
pub(crate) fn suspend(count: u64, limit: Duration) -> Result<Outcome> {
    repeat(count, limit, PROGRAMS, |number| {
        let level = match number % 4 {
            0 => "devices",
            _ => "platform",
        };
        let mut slept = guest::sleep(level);
        for _ in 1..ATTEMPTS {
            let refused = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
            match &slept {
                Err(error) if error.downcast_ref().is_some_and(refused) => {
                    slept = guest::sleep(level);
                }
                _ => break,
            }
        }
        slept?;
        wait_now_and_then(number)
    })
}
