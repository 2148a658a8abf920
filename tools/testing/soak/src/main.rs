// SPDX-License-Identifier: GPL-2.0
//! `soak`: uses the driver for a long time in a guest, and watches what is left behind. One JSON object per line; see
//! README.md.

mod cycles;
mod device;
mod load;
mod messages;
mod neighbours;
mod phase;
mod usage;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use phase::Outcome;

/// Uses the driver for a long time and watches what is left behind
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run phases; those with a count of 0 are left out
    Run(Options),
    /// Be one of several programs that use a device, until standard input ends
    #[command(hide = true)]
    Work(load::Work),
}

/// How often to do what.
#[derive(Args)]
struct Options {
    /// Round trips of several programs at a time
    #[arg(long, default_value_t = 0)]
    messages: u64,
    /// Programs that exchange messages, each with a client of its own
    #[arg(long, default_value_t = 16)]
    programs: u16,
    /// Unbinds and binds under load
    #[arg(long, default_value_t = 0)]
    unbinds: u64,
    /// Removals of the PCI function and rescans, under load
    #[arg(long, default_value_t = 0)]
    removals: u64,
    /// Unloads and loads of the module
    #[arg(long, default_value_t = 0)]
    reloads: u64,
    /// Resets of the link under load, of the firmware and by the driver in turn
    #[arg(long, default_value_t = 0)]
    resets: u64,
    /// Sleeps of the system as far as pm_test goes, under load
    #[arg(long, default_value_t = 0)]
    suspends: u64,
    /// Round trips with all devices but the first, which is reset, removed and unbound meanwhile
    #[arg(long, default_value_t = 0)]
    neighbours: u64,
    /// Seconds after which a phase is cut off
    #[arg(long, default_value_t = 3600)]
    limit: u64,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Run(options) => run(&options),
        Command::Work(work) => load::work(&work),
    }
}

/// Does something so often.
type Phase<'a> = dyn Fn(u64) -> Result<Outcome> + 'a;

fn run(options: &Options) -> Result<()> {
    device::load_module()?;
    device::wait_up(device::FIRST)?;
    let limit = Duration::from_secs(options.limit);
    let phases: [(&str, u64, &Phase<'_>); 7] = [
        ("messages", options.messages, &|count| {
            messages::exchange(options.programs, count, limit)
        }),
        ("unbind", options.unbinds, &|count| {
            cycles::unbind(count, limit)
        }),
        ("remove", options.removals, &|count| {
            cycles::remove(count, limit)
        }),
        ("reload", options.reloads, &|count| {
            cycles::reload(count, limit)
        }),
        ("reset", options.resets, &|count| {
            cycles::reset(count, limit)
        }),
        ("suspend", options.suspends, &|count| {
            cycles::suspend(count, limit)
        }),
        ("neighbours", options.neighbours, &|count| {
            neighbours::exchange(count, limit)
        }),
    ];
    for (name, count, phase) in phases {
        if count > 0 {
            phase::run(name, count, phase)?;
        }
    }
    Ok(())
}
