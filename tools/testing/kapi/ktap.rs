// SPDX-License-Identifier: GPL-2.0

//! Results in the kernel log, in the Kernel Test Anything Protocol.

use kernel::{
    fmt,
    prelude::*, //
};

/// The results so far.
pub(crate) struct Ktap {
    count: usize,
}

impl Ktap {
    /// Prints the version.
    pub(crate) fn begin() -> Self {
        pr_info!("KTAP version 1\n");
        Self { count: 0 }
    }

    /// Prints a result. An error is a failure, too.
    pub(crate) fn result(&mut self, name: fmt::Arguments<'_>, outcome: Result<bool>) {
        self.count += 1;
        match outcome {
            Ok(true) => pr_info!("ok {} {}\n", self.count, name),
            Ok(false) => pr_info!("not ok {} {}\n", self.count, name),
            Err(error) => pr_info!("not ok {} {}: {:?}\n", self.count, name, error),
        }
    }

    /// Prints the plan.
    pub(crate) fn end(&self) {
        pr_info!("1..{}\n", self.count);
    }
}
