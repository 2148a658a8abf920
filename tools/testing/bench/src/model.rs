// SPDX-License-Identifier: GPL-2.0
//! The control port of a device model: one JSON object per line in, one per line out.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};

/// How long the function must have been left alone to be called quiet.
const QUIET: Duration = Duration::from_millis(300);
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The control port of one model.
pub(crate) struct Model(BufReader<File>);

impl Model {
    /// Opens the port of the model with this number.
    pub(crate) fn open(number: u32) -> Result<Self> {
        let path = format!("/dev/virtio-ports/heci{number}");
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.with_context(|| format!("cannot open {path}"))?;
        Ok(Self(BufReader::new(file)))
    }

    /// Runs a command, which must succeed.
    pub(crate) fn command(&mut self, command: &Value) -> Result<Value> {
        self.0
            .get_mut()
            .write_all(format!("{command}\n").as_bytes())?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).context("the model's answer")?;
        ensure!(
            answer["ok"] == true,
            "the model refused {command}: {answer}"
        );
        Ok(answer)
    }

    /// Zeroes the counters.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.command(&json!({"cmd": "counters", "clear": true}))?;
        Ok(())
    }

    /// Everything that the model has counted.
    pub(crate) fn counters(&mut self) -> Result<Value> {
        let mut counters = self.command(&json!({"cmd": "counters"}))?;
        if let Value::Object(counters) = &mut counters {
            counters.remove("ok");
        }
        Ok(counters)
    }

    /// Makes each register access cost so much.
    pub(crate) fn set_mmio_cost(&mut self, us: u64) -> Result<()> {
        self.command(&json!({"cmd": "set", "mmio_cost_us": us}))?;
        Ok(())
    }

    /// Waits until nobody uses the function.
    pub(crate) fn wait_until_quiet(&mut self) -> Result<()> {
        let start = Instant::now();
        let mut before = self.counters()?;
        loop {
            thread::sleep(QUIET);
            let now = self.counters()?;
            if now == before {
                return Ok(());
            }
            ensure!(start.elapsed() < PATIENCE, "the function is never quiet");
            before = now;
        }
    }
}
