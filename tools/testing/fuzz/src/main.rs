// SPDX-License-Identifier: GPL-2.0
//! `guest-fuzz`: runs in a guest with the driver loaded and prints TAP.
//!
//! `calls` makes system calls at random and knows what each may return. `firmware` lets the fuzzer of
//! the device model break what the firmware does, while programs exchange messages.

mod calls;
mod device;
mod firmware;
mod message;
mod model;
mod random;
mod tap;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Fuzzes the driver in a guest; prints TAP
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
    /// Where chance begins; the time if not given
    #[arg(long, global = true)]
    seed: Option<u64>,
    /// How long, in seconds
    #[arg(long, global = true, default_value_t = 20)]
    seconds: u64,
}

#[derive(Clone, Copy, Subcommand)]
enum What {
    /// Make any system calls
    Calls {
        /// Programs at a time; the device model needs as many echo clients
        #[arg(long, default_value_t = 4)]
        workers: u16,
    },
    /// Exchange messages while the model's fuzzer is on
    Firmware {
        /// Programs at a time; the device model needs as many echo clients
        #[arg(long, default_value_t = 4)]
        workers: u16,
        /// One of so many occasions is a mutation
        #[arg(long, default_value_t = 600)]
        one_in: u64,
    },
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let seed = match cli.seed {
        Some(seed) => seed,
        None => random::from_time()?,
    };
    let time = Duration::from_secs(cli.seconds);
    println!("# seed {seed}, {} seconds", cli.seconds);
    let passed = match cli.what {
        What::Calls { workers } => calls::run(seed, time, workers)?,
        What::Firmware { workers, one_in } => firmware::run(seed, time, workers, one_in)?,
    };
    Ok(ExitCode::from(u8::from(!passed)))
}
