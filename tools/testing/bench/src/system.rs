// SPDX-License-Identifier: GPL-2.0
//! What the kernel counts.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::resource::{getrusage, UsageWho};
use nix::time::{clock_gettime, ClockId};

/// What has been used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Since the system started.
    time: Duration,
    /// Of all processors.
    idle: Duration,
    /// Context switches of all processors.
    switches: u64,
    /// Context switches of the calling thread, because it waited.
    voluntary: i64,
    /// Context switches of the calling thread, because another one ran.
    involuntary: i64,
    processors: u32,
}

/// What was used between two moments.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Used {
    /// Microseconds that passed.
    elapsed_us: u64,
    /// Microseconds that all processors together were not idle.
    cpu_us: u64,
    /// Context switches of all processors, to and from the idle thread included.
    system_switches: u64,
    /// Voluntary context switches of the calling thread.
    voluntary: i64,
    /// Involuntary context switches of the calling thread.
    involuntary: i64,
}

impl Usage {
    /// Until now, with the calling thread's part.
    pub(crate) fn now() -> Result<Self> {
        let uptime = fs::read_to_string("/proc/uptime")?;
        let idle = uptime.split_whitespace().nth(1);
        let idle: f64 = idle.context("/proc/uptime has no idle time")?.parse()?;
        let stat = fs::read_to_string("/proc/stat")?;
        let switches = stat.lines().find_map(|line| line.strip_prefix("ctxt "));
        let is_processor = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
        let own = getrusage(UsageWho::RUSAGE_THREAD)?;
        Ok(Self {
            time: monotonic()?,
            idle: Duration::from_secs_f64(idle),
            switches: switches.context("/proc/stat has no ctxt")?.parse()?,
            voluntary: own.voluntary_context_switches(),
            involuntary: own.involuntary_context_switches(),
            processors: stat.lines().filter(is_processor).count() as u32,
        })
    }

    /// From `self` until now.
    pub(crate) fn until_now(self) -> Result<Used> {
        let now = Self::now()?;
        let elapsed = now.time.saturating_sub(self.time);
        let idle = now.idle.saturating_sub(self.idle);
        Ok(Used {
            elapsed_us: elapsed.as_micros() as u64,
            cpu_us: (elapsed * self.processors).saturating_sub(idle).as_micros() as u64,
            system_switches: now.switches - self.switches,
            voluntary: now.voluntary - self.voluntary,
            involuntary: now.involuntary - self.involuntary,
        })
    }
}

/// Time that all processes agree on.
pub(crate) fn monotonic() -> Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?))
}
