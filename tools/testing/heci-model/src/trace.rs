// SPDX-License-Identifier: GPL-2.0
//! The trace: one JSON object per line, with the time since the start in nanoseconds.

use std::io::Write;
use std::time::Duration;

use serde_json::{json, Value};

/// Where the trace goes, if anywhere.
#[derive(Default)]
pub struct Trace {
    out: Option<Box<dyn Write + Send>>,
}

impl Trace {
    /// A trace into `out`, unbuffered: a model that is killed leaves every line behind.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Some(out) }
    }

    /// Writes one line; `fields` must give an object and is only called if there is a trace.
    /// A trace that cannot be written ends, and standard error says so.
    pub fn line(&mut self, at: Duration, event: &str, fields: impl FnOnce() -> Value) {
        let Some(out) = &mut self.out else { return };
        let mut line = json!({"t_ns": at.as_nanos() as u64, "event": event});
        if let (Value::Object(line), Value::Object(more)) = (&mut line, fields()) {
            line.extend(more);
        }
        if let Err(error) = out.write_all(format!("{line}\n").as_bytes()) {
            eprintln!("heci-model: the trace ends here, it cannot be written: {error}");
            self.out = None;
        }
    }
}
