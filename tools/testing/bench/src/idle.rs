// SPDX-License-Identifier: GPL-2.0
//! What a driver does while nobody asks it for anything, and what it holds.

use std::collections::BTreeMap;
use std::fs::File;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::{json, Value};

use crate::driver::{Client, Driver};
use crate::system::Usage;
use crate::tracing::Tracing;

/// Events of the kernel that run a function of a driver without being asked.
const RUNS: &[&str] = &[
    "timer:hrtimer_expire_entry",
    "timer:timer_expire_entry",
    "workqueue:workqueue_execute_start",
];

/// Events of the kernel that take and give memory.
const ALLOCATIONS: &[&str] = &[
    "kmem:kfree",
    "kmem:kmalloc",
    "kmem:kmem_cache_alloc",
    "kmem:kmem_cache_free",
];

/// Until what came before has its effect: `mei_me` puts the function to sleep after half a second.
const SETTLE: Duration = Duration::from_secs(2);

/// How often to look at what a file takes: now and then something else is freed or refilled.
const TRIES: u32 = 10;

/// Idles for `time`, with an open connection or without.
pub(crate) fn idle(driver: Driver, connected: bool, time: Duration) -> Result<Value> {
    let connection = match connected {
        true => Some(driver.connect(Client::Echo(1))?),
        false => None,
    };
    thread::sleep(SETTLE);
    let mut model = driver.model()?;
    let tracing = Tracing::start(RUNS)?;
    model.clear()?;
    let usage = Usage::now()?;
    thread::sleep(time);
    let used = usage.until_now()?;
    let counters = model.counters()?;
    let trace = tracing.stop()?;
    drop(connection);
    let functions = trace.lines().filter(|line| driver.is_named(line)).count();
    Ok(
        json!({"connected": connected, "time_us": time.as_micros() as u64,
        "functions": functions, "used": used, "counters": counters}),
    )
}

/// Bytes of kernel memory that a program takes to open a file, and to connect it, the VFS's part
/// included; and those of the modules.
pub(crate) fn memory(driver: Driver) -> Result<Value> {
    let [mut open, mut connected] = [i64::MAX; 2];
    for _ in 0..TRIES {
        let (bytes, file) = taken(|| Ok(File::open(driver.device())?))?;
        drop(file);
        open = open.min(bytes);
        let (bytes, file) = taken(|| Ok(driver.connect(Client::Echo(1))?))?;
        drop(file);
        connected = connected.min(bytes);
    }
    Ok(json!({"open_bytes": open, "connected_bytes": connected,
        "module_bytes": driver.memory()?}))
}

/// Does something; returns how many bytes of kernel memory this thread has taken and not freed.
fn taken<T>(action: impl FnOnce() -> Result<T>) -> Result<(i64, T)> {
    let tracing = Tracing::start(ALLOCATIONS)?;
    let result = action()?;
    let trace = tracing.stop()?;
    let own = format!("-{} ", std::process::id());
    let mut held = BTreeMap::new();
    for line in trace.lines().filter(|line| line.contains(&own)) {
        let field = |name: &str| {
            let mut fields = line.split_whitespace();
            fields.find_map(|field| field.strip_prefix(name))
        };
        match (field("ptr="), field("bytes_alloc=")) {
            (Some(pointer), Some(bytes)) => {
                held.insert(pointer, bytes.parse::<i64>()?);
            }
            (Some(pointer), None) => {
                held.remove(pointer);
            }
            _ => (),
        }
    }
    Ok((held.values().sum(), result))
}
