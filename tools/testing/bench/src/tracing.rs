// SPDX-License-Identifier: GPL-2.0
//! The kernel's trace of events.

use std::fs;
use std::path::Path;

use anyhow::{ensure, Context, Result};

const TRACING: &str = "/sys/kernel/tracing";

/// A trace that is being taken.
pub(crate) struct Tracing(());

impl Tracing {
    /// Begins to trace these events and no others.
    pub(crate) fn start(events: &[&str]) -> Result<Self> {
        write("set_event", &events.join("\n"))?;
        let set = read("set_event")?;
        let all = set.lines().count() == events.len() && set.lines().all(|e| events.contains(&e));
        ensure!(all, "the kernel traces {set:?} instead of {events:?}");
        write("trace", "")?;
        Ok(Self(()))
    }

    /// Ends; returns what was traced.
    pub(crate) fn stop(self) -> Result<String> {
        write("set_event", "")?;
        read("trace")
    }
}

fn read(file: &str) -> Result<String> {
    let path = Path::new(TRACING).join(file);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(file: &str, text: &str) -> Result<()> {
    let path = Path::new(TRACING).join(file);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
