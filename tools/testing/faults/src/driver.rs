// SPDX-License-Identifier: GPL-2.0
//! The drivers.

use clap::ValueEnum;

/// The driver that a fault happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Driver {
    /// The driver of this project
    #[value(name = "issei_rust")]
    IsseiRust,
    /// Intel's driver for the same function
    #[value(name = "issei-heci")]
    IsseiC,
}

impl Driver {
    /// The module to load.
    pub(crate) fn module(self) -> &'static str {
        match self {
            Self::IsseiRust => "issei_rust",
            Self::IsseiC => "issei-heci",
        }
    }
}
