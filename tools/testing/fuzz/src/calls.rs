// SPDX-License-Identifier: GPL-2.0
//! Any system calls: processes that do one thing after the other at random, with an oracle.

mod file;
mod memory;
mod netlink;
mod shared;
mod system;
mod worker;

use std::fs;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use guest::Client;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};

use crate::device::{self, DEVICE};
use crate::random::Random;
use crate::tap::Tap;
use shared::{Kind, Shared};
use worker::Worker;

/// How long workers may take to end when told to.
const END: Duration = Duration::from_secs(40);
/// How long the link may take to be up, at the start and in the end.
const UP: Duration = Duration::from_secs(10);

/// What has to succeed at least once; else nothing was tested.
const NEEDED: &[Kind] = &[
    Kind::Open,
    Kind::Connect,
    Kind::Disconnect,
    Kind::Status,
    Kind::Read,
    Kind::Write,
    Kind::Poll,
    Kind::Child,
    Kind::SysfsRead,
    Kind::DebugfsRead,
    Kind::Netlink,
];

/// Runs so many workers for a while and prints what came of it.
pub(crate) fn run(seed: u64, time: Duration, workers: u16) -> Result<bool> {
    DEVICE.wait_up(UP)?;
    let shared = Shared::new()?;
    let mut random = Random(seed);
    let mut children = Vec::new();
    for number in 0..workers {
        let seed = random.next();
        // SAFETY: This process has one thread.
        match unsafe { fork() }? {
            ForkResult::Child => {
                let worked = Worker::run(shared, number, seed);
                if let Err(error) = &worked {
                    println!("# worker {number}: {error:#}");
                }
                // SAFETY: Ends this process; what it has open is closed.
                unsafe { libc::_exit(i32::from(worked.is_err())) }
            }
            ForkResult::Parent { child } => children.push(child),
        }
    }
    let (ended_well, overdue) = wait(shared, children, time)?;

    let calls = shared.print();
    println!("# seed {seed}: {calls} calls");
    let mut tap = Tap::default();
    let [results, messages, late] = shared.wrong();
    tap.test(overdue == 0 && late == 0, "every call returned in time");
    tap.test(
        results == 0,
        "every result was one of those that are allowed",
    );
    tap.test(messages == 0, "every message was right and none was lost");
    tap.test(ended_well, "all programs ended when they were told to");
    let missing: Vec<_> = NEEDED
        .iter()
        .filter(|kind| shared.succeeded(**kind) == 0)
        .collect();
    tap.test(
        missing.is_empty(),
        format!("every call succeeded at least once {missing:?}"),
    );
    for (what, result) in [
        ("nothing is left", left()),
        ("all clients echo", echo(workers)),
    ] {
        if let Err(error) = &result {
            println!("# {what}: {error:#}");
        }
        tap.test(result.is_ok(), what);
    }
    Ok(tap.finish())
}

/// Lets the workers work, then tells them to end. Whether they did, and how many calls hung.
fn wait(shared: &Shared, mut children: Vec<Pid>, time: Duration) -> Result<(bool, usize)> {
    let start = Instant::now();
    let mut well = true;
    while !children.is_empty() {
        thread::sleep(Duration::from_millis(100));
        if start.elapsed() > time {
            shared.stop.store(true, SeqCst);
        }
        let mut left = Vec::new();
        for child in children {
            match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::StillAlive => left.push(child),
                WaitStatus::Exited(_, 0) => {}
                status => {
                    println!("# a worker: {status:?}");
                    well = false;
                }
            }
        }
        children = left;
        let overdue = shared.overdue();
        if !overdue.is_empty() || start.elapsed() > time + END {
            for (kind, process) in &overdue {
                let stack =
                    fs::read_to_string(format!("/proc/{process}/stack")).unwrap_or_default();
                println!("# {} hangs in process {process}:", kind.name());
                stack.lines().for_each(|line| println!("#   {line}"));
            }
            for child in &children {
                // It may have ended just now.
                let _ = kill(*child, Signal::SIGKILL);
            }
            return Ok((false, overdue.len()));
        }
    }
    Ok((well, 0))
}

/// Nothing is open, and no answer is due.
fn left() -> Result<()> {
    DEVICE.wait_up(UP)?;
    for what in ["open_files", "owed_answers"] {
        let count = device::counted("state", what)?;
        anyhow::ensure!(count == 0, "{what} {count}");
    }
    Ok(())
}

fn echo(workers: u16) -> Result<()> {
    DEVICE
        .set_attribute("spdm/policy", "audit")
        .context("policy")?;
    DEVICE.wait_up(UP)?;
    let own = (1..=workers).map(Client::More);
    for client in own.chain([Client::EchoA, Client::EchoB, Client::Late]) {
        for length in [1, 4096, client.mtu() as u32] {
            device::echo(client, length).with_context(|| format!("{client:?}, {length} bytes"))?;
        }
    }
    Ok(())
}
