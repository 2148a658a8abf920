// SPDX-License-Identifier: GPL-2.0
//! What a driver does while nobody asks it for anything, and what it holds.

use std::collections::BTreeMap;
use std::fs::File;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use guest::Client;
use serde_json::{json, Value};

use crate::driver::Driver;
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

/// The same for memory that is shared with the function.
const DMA: &[&str] = &["dma:dma_alloc", "dma:dma_free"];

/// Until what came before has its effect: `mei_me` puts the function to sleep after half a second.
const SETTLE: Duration = Duration::from_secs(2);

/// What the allocator takes for the largest message of an echo client.
const BUFFER: usize = 0x1_0000;

/// How often to look at what a file takes: now and then something else is freed or refilled.
const TRIES: u32 = 10;

/// Idles for `time`, with an open connection or without.
pub(crate) fn idle(driver: Driver, connected: bool, time: Duration) -> Result<Value> {
    let connection = match connected {
        true => Some(driver.connect(Client::More(1))?),
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
/// included; those of a device, the driver core's and sysfs's part included, besides what it shares
/// with the function; and those of the modules.
pub(crate) fn memory(driver: Driver) -> Result<Value> {
    let own = format!("-{} ", std::process::id());
    let [mut open, mut connected, mut device, mut shared] = [i64::MAX; 4];
    for _ in 0..TRIES {
        let (file, _) = taken(&own, || Ok(File::open(driver.device())?))?;
        open = open.min(file.memory);
        let (file, _) = taken(&own, || Ok(driver.connect(Client::More(1))?))?;
        connected = connected.min(file.memory);
    }
    for _ in 0..TRIES {
        let function = driver.function()?;
        function.unbind().context("unbind")?;
        // Threads of the driver and of the kernel have their parts in it.
        let (bound, ()) = taken("", || {
            function.bind().context("bind")?;
            driver.wait_until_usable()?;
            driver.model()?.wait_until_quiet()
        })?;
        device = device.min(bound.memory);
        shared = shared.min(bound.shared);
    }
    Ok(
        json!({"open_bytes": open, "connected_bytes": connected, "buffer_bytes": BUFFER,
        "device_bytes": device,
        "shared_bytes": shared, "module_bytes": driver.memory()?, "text_bytes": driver.text()?}),
    )
}

/// Bytes that were taken and not freed.
struct Taken {
    memory: i64,
    /// With a function, for DMA.
    shared: i64,
}

/// Does something; returns what those whose lines in the trace contain `who` have taken meanwhile.
fn taken<T>(who: &str, action: impl FnOnce() -> Result<T>) -> Result<(Taken, T)> {
    let tracing = Tracing::start(&[ALLOCATIONS, DMA].concat())?;
    let result = action()?;
    let trace = tracing.stop()?;
    let (mut memory, mut shared) = (BTreeMap::new(), BTreeMap::new());
    for line in trace.lines().filter(|line| line.contains(who)) {
        let field = |name: &str| {
            let mut fields = line.split_whitespace();
            fields.find_map(|field| field.strip_prefix(name))
        };
        let (held, address, size) = match field("dma_addr=") {
            Some(address) if line.contains(" dma_alloc: ") => {
                (&mut shared, address, field("size="))
            }
            Some(address) => (&mut shared, address, None),
            None => match field("ptr=") {
                Some(address) => (&mut memory, address, field("bytes_alloc=")),
                None => continue,
            },
        };
        match size {
            Some(bytes) => held.insert(address, bytes.parse::<i64>()?),
            None => held.remove(address),
        };
    }
    let taken = Taken {
        memory: memory.values().sum(),
        shared: shared.values().sum(),
    };
    Ok((taken, result))
}
