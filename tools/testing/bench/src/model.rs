// SPDX-License-Identifier: GPL-2.0
//! What a device model is asked for.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use serde_json::{json, Value};

/// How long the function must have been left alone to be called quiet.
const QUIET: Duration = Duration::from_millis(300);
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The control port of one model.
pub(crate) struct Model(guest::Model);

impl Model {
    /// Opens the port of the model with this number.
    pub(crate) fn open(number: u32) -> Result<Self> {
        guest::Model::open(number).map(Self)
    }

    /// Zeroes the counters.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.0.command(&json!({"cmd": "counters", "clear": true}))?;
        Ok(())
    }

    /// Everything that the model has counted.
    pub(crate) fn counters(&mut self) -> Result<Value> {
        let mut counters = self.0.command(&json!({"cmd": "counters"}))?;
        if let Value::Object(counters) = &mut counters {
            counters.remove("ok");
        }
        Ok(counters)
    }

    /// Makes each register access cost so much.
    pub(crate) fn set_mmio_cost(&mut self, us: u64) -> Result<()> {
        self.0.command(&json!({"cmd": "set", "mmio_cost_us": us}))?;
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
