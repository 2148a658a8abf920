// SPDX-License-Identifier: GPL-2.0
//! Round trips: one program, and several at a time.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use guest::Client;
use serde_json::{json, Value};

use crate::driver::Driver;
use crate::system::{monotonic, Usage};

/// Round trips that are not counted, before those that are.
const WARM_UP: u32 = 20;
/// What the last round trip may leave behind, an acknowledgement for example, has ended after this.
const SETTLE: Duration = Duration::from_millis(5);
/// From the start of the programs until they all are at work.
const START: Duration = Duration::from_millis(1500);

/// The shortest SPDM request: GET_VERSION.
const GET_VERSION: [u8; 4] = [0x10, 0x84, 0, 0];

/// Sends `request` and reads the answer; returns its length.
fn exchange(file: &mut File, request: &[u8], answer: &mut [u8]) -> Result<usize> {
    let written = file.write(request).context("write")?;
    ensure!(
        written == request.len(),
        "only {written} bytes were written"
    );
    file.read(answer).context("read")
}

/// Measures `count` round trips of one program.
fn measure(
    driver: Driver,
    file: &mut File,
    request: &[u8],
    count: u32,
    check: impl Fn(&[u8]) -> bool,
) -> Result<Value> {
    let mut answer = vec![0; 0x1_0000];
    let mut model = driver.model()?;
    let mut times = Vec::with_capacity(count as usize);
    let mut once = || {
        let start = Instant::now();
        let length = exchange(file, request, &mut answer)?;
        let time = start.elapsed();
        let answer = answer.get(..length).unwrap_or_default();
        ensure!(check(answer), "{driver}: a wrong answer of {length} bytes");
        Ok(time.as_nanos() as u64)
    };
    for _ in 0..WARM_UP {
        once()?;
    }
    thread::sleep(SETTLE);
    model.clear()?;
    let usage = Usage::now()?;
    for _ in 0..count {
        times.push(once()?);
    }
    let used = usage.until_now()?;
    thread::sleep(SETTLE);
    Ok(json!({"count": count, "ns": times, "used": used, "counters": model.counters()?}))
}

/// Round trips of `size` bytes with an echo client.
pub(crate) fn echo(driver: Driver, size: usize, count: u32) -> Result<Value> {
    let message = pattern(size);
    let mut file = driver.connect(Client::More(1))?;
    measure(driver, &mut file, &message, count, |answer| {
        answer == message
    })
}

/// Round trips of SPDM GET_VERSION.
pub(crate) fn spdm(driver: Driver, count: u32) -> Result<Value> {
    let mut file = driver.connect(Client::Spdm)?;
    measure(driver, &mut file, &GET_VERSION, count, |answer| {
        answer.starts_with(&[0x10, 0x04])
    })
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 7 + (n >> 8)) as u8).collect()
}

/// A program among several: echoes from `start` on until `end`, and prints how often.
pub(crate) fn work(
    driver: Driver,
    client: u16,
    size: usize,
    start: Duration,
    end: Duration,
) -> Result<()> {
    let message = pattern(size);
    let mut answer = vec![0; 0x1_0000];
    let mut file = driver.connect(Client::More(client))?;
    thread::sleep(start.saturating_sub(monotonic()?));
    let mut count = 0u64;
    while monotonic()? < end {
        let length = exchange(&mut file, &message, &mut answer)?;
        ensure!(length == size, "{driver}: an answer of {length} bytes");
        count += 1;
    }
    println!("{count}");
    Ok(())
}

/// Round trips of so many programs at a time, each with a client of its own, for `time`.
pub(crate) fn together(
    driver: Driver,
    size: usize,
    programs: u16,
    time: Duration,
) -> Result<Value> {
    let start = monotonic()? + START;
    let end = start + time;
    let own = std::env::current_exe()?;
    let mut workers = Vec::new();
    for client in 1..=programs {
        let mut command = Command::new(&own);
        command.args(["work", &driver.to_string()]);
        command.args([client.to_string(), size.to_string()]);
        command.args([start, end].map(|moment| moment.as_nanos().to_string()));
        workers.push(command.stdout(Stdio::piped()).spawn()?);
    }
    let mut model = driver.model()?;
    thread::sleep(start.saturating_sub(monotonic()?));
    model.clear()?;
    let usage = Usage::now()?;
    let mut done = Vec::new();
    for worker in workers {
        let output = worker.wait_with_output()?;
        ensure!(output.status.success(), "a program has failed");
        done.push(String::from_utf8(output.stdout)?.trim().parse::<u64>()?);
    }
    let used = usage.until_now()?;
    thread::sleep(SETTLE);
    Ok(
        json!({"programs": programs, "time_us": time.as_micros() as u64, "done": done,
        "used": used, "counters": model.counters()?}),
    )
}
