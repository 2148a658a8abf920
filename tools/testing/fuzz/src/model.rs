// SPDX-License-Identifier: GPL-2.0
//! The control port of the first device model: one JSON object per line in, one per line out.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};

const PORT: &str = "/dev/virtio-ports/heci0";

/// The control port.
pub(crate) struct Model(BufReader<File>);

impl Model {
    /// Opens the port.
    pub(crate) fn open() -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(PORT);
        let file = file.with_context(|| format!("cannot open {PORT}"))?;
        Ok(Self(BufReader::new(file)))
    }

    /// Runs a command, which must succeed.
    pub(crate) fn command(&mut self, command: &Value) -> Result<Value> {
        let line = format!("{command}\n");
        self.0.get_mut().write_all(line.as_bytes())?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).context("the model's answer")?;
        ensure!(
            answer["ok"] == true,
            "the model refused {command}: {answer}"
        );
        Ok(answer)
    }

    /// Switches the fuzzer on, or off with a rate of 0.
    pub(crate) fn fuzz(&mut self, seed: u64, one_in: u64) -> Result<()> {
        self.command(&json!({"cmd": "fuzz", "seed": seed, "one_in": one_in}))?;
        Ok(())
    }

    /// What the fuzzer has done.
    pub(crate) fn fuzzed(&mut self) -> Result<Value> {
        Ok(self.command(&json!({"cmd": "state"}))?["fuzz"].take())
    }
}
