// SPDX-License-Identifier: GPL-2.0
//! What the first device model is asked for.

use anyhow::Result;
use serde_json::{json, Value};

/// The control port.
pub(crate) struct Model(guest::Model);

impl Model {
    /// Opens the port.
    pub(crate) fn open() -> Result<Self> {
        guest::Model::open(0).map(Self)
    }

    /// Switches the fuzzer on, or off with a rate of 0.
    pub(crate) fn fuzz(&mut self, seed: u64, one_in: u64) -> Result<()> {
        self.0
            .command(&json!({"cmd": "fuzz", "seed": seed, "one_in": one_in}))?;
        Ok(())
    }

    /// What the fuzzer has done.
    pub(crate) fn fuzzed(&mut self) -> Result<Value> {
        Ok(self.state()?["fuzz"].take())
    }

    /// Has the firmware reset itself.
    pub(crate) fn reset_firmware(&mut self) -> Result<()> {
        self.0.command(&json!({"cmd": "reset_firmware"}))?;
        Ok(())
    }

    /// What the firmware thinks of everything.
    pub(crate) fn state(&mut self) -> Result<Value> {
        self.0.command(&json!({"cmd": "state"}))
    }
}
