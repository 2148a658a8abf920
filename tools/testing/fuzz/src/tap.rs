// SPDX-License-Identifier: GPL-2.0
//! The Test Anything Protocol.

/// Results of tests, printed at the end.
#[derive(Default)]
pub(crate) struct Tap(Vec<(bool, String)>);

impl Tap {
    /// Adds a result.
    pub(crate) fn test(&mut self, passed: bool, name: impl Into<String>) {
        self.0.push((passed, name.into()));
    }

    /// Prints all and returns whether all passed.
    pub(crate) fn finish(self) -> bool {
        println!("TAP version 13\n1..{}", self.0.len());
        for (number, (passed, name)) in (1..).zip(&self.0) {
            println!("{} {number} {name}", if *passed { "ok" } else { "not ok" });
        }
        self.0.iter().all(|(passed, _)| *passed)
    }
}
