// SPDX-License-Identifier: GPL-2.0
//! Programs that use a device, as processes of their own.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::device::{Connection, Trouble, LARGEST};

/// Parts of the work whose time is told.
pub(crate) const PARTS: u64 = 10;
/// How long to wait after a call was refused.
const PAUSE: Duration = Duration::from_millis(1);
/// The largest messages but for those of [`LARGEST`] bytes.
const PAGE: usize = 4096;

/// What a program does.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Work {
    /// Number of the device
    pub(crate) device: u32,
    /// Number of the client
    pub(crate) client: u16,
    /// Round trips, after which it ends; for ever if 0
    #[arg(long, default_value_t = 0)]
    pub(crate) count: u64,
    /// The device goes away now and then, and comes back
    #[arg(long)]
    pub(crate) patient: bool,
}

/// What a program has done.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Done {
    /// Round trips whose answer was the right one.
    pub(crate) round_trips: u64,
    /// Bytes sent in them.
    pub(crate) bytes: u64,
    /// Calls that were refused.
    pub(crate) refused: u64,
    /// Answers that did not come.
    pub(crate) lost: u64,
    /// Answers that were other ones.
    pub(crate) changed: u64,
    /// Microseconds that each tenth of `count` round trips took.
    pub(crate) parts_us: Vec<u64>,
}

impl Done {
    /// Adds what another program has done.
    pub(crate) fn add(&mut self, other: &Self) {
        self.round_trips += other.round_trips;
        self.bytes += other.bytes;
        self.refused += other.refused;
        self.lost += other.lost;
        self.changed += other.changed;
        let parts = self.parts_us.len().max(other.parts_us.len());
        self.parts_us.resize(parts, 0);
        for (sum, part) in self.parts_us.iter_mut().zip(&other.parts_us) {
            *sum += part;
        }
    }
}

/// A program at work.
pub(crate) struct Worker(Child);

impl Worker {
    /// Starts one.
    pub(crate) fn start(work: &Work) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("work");
        command.args([work.device.to_string(), work.client.to_string()]);
        command.args(["--count".to_owned(), work.count.to_string()]);
        if work.patient {
            command.arg("--patient");
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }

    /// Ends it and takes its account.
    pub(crate) fn end(mut self) -> Result<Done> {
        drop(self.0.stdin.take());
        let output = self.0.wait_with_output()?;
        ensure!(output.status.success(), "a program has failed");
        serde_json::from_slice(&output.stdout).context("a program's account")
    }
}

/// Ends programs and sums up.
pub(crate) fn end(workers: Vec<Worker>) -> Result<Done> {
    let mut sum = Done::default();
    for worker in workers {
        sum.add(&worker.end()?);
    }
    Ok(sum)
}

static STOP: AtomicBool = AtomicBool::new(false);

/// Is such a program.
pub(crate) fn work(work: &Work) -> Result<()> {
    thread::spawn(|| {
        // Whatever ends it: there is nobody to work for any more.
        let _ = io::stdin().read(&mut [0]);
        STOP.store(true, Ordering::Relaxed);
    });
    let mut done = Done::default();
    let mut connection = None;
    let mut message = Vec::new();
    let mut start = Instant::now();
    let part = work.count.div_ceil(PARTS);
    while !STOP.load(Ordering::Relaxed) && (work.count == 0 || done.round_trips < work.count) {
        fill(&mut message, work, done.round_trips);
        match round_trip(work, &mut connection, &message) {
            Ok(()) => {
                done.round_trips += 1;
                done.bytes += message.len() as u64;
                if work.count > 0
                    && (done.round_trips % part == 0 || done.round_trips == work.count)
                {
                    done.parts_us.push(start.elapsed().as_micros() as u64);
                    start = Instant::now();
                }
                if work.patient && done.round_trips % 8 == 7 {
                    // Goes without an answer, which must not reach anybody else.
                    if let Some(connection) = connection.take() {
                        connection.leave(&message);
                    }
                }
            }
            Err(trouble) => {
                connection = None;
                match trouble {
                    Trouble::Refused(_) if work.patient => done.refused += 1,
                    Trouble::Refused(error) => return Err(error).context("a call was refused"),
                    Trouble::Silent => done.lost += 1,
                    Trouble::Changed => done.changed += 1,
                }
                thread::sleep(PAUSE);
            }
        }
    }
    println!("{}", serde_json::to_string(&done)?);
    Ok(())
}

fn round_trip(
    work: &Work,
    connection: &mut Option<Connection>,
    message: &[u8],
) -> Result<(), Trouble> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(Connection::open(work.device, work.client)?),
    };
    connection.echo(message)
}

/// Makes a message of which no other program and no other number has the like: a size and bytes that follow from both.
fn fill(message: &mut Vec<u8>, work: &Work, number: u64) {
    let seed = number ^ u64::from(work.client) << 48 ^ u64::from(work.device) << 32;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let draw = next() as usize;
    let length = match number % 256 {
        0 => LARGEST,
        n if n % 16 == 0 => 1 + draw % PAGE,
        _ => 1 + draw % 64,
    };
    message.clear();
    while message.len() < length {
        message.extend_from_slice(&next().to_le_bytes());
    }
    message.truncate(length);
}
