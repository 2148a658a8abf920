// SPDX-License-Identifier: GPL-2.0
//! `bench`: measures drivers beside each other, in a guest whose first device model is a HECI
//! function and whose second is a MEI function. One JSON object per line; see README.md.

mod driver;
mod exchange;
mod idle;
mod model;
mod system;
mod tracing;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use serde_json::{json, Value};

use driver::Driver;

/// Measures drivers beside each other, one JSON object per line
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure
    Run(Options),
    /// Be one of several programs that echo at the same time
    #[command(hide = true)]
    Work {
        driver: Driver,
        client: u16,
        size: usize,
        start_ns: u64,
        end_ns: u64,
    },
}

#[derive(Args)]
struct Options {
    /// Drivers, in the order of each round
    #[arg(value_enum, default_values = ["issei_rust", "issei", "mei_me"])]
    drivers: Vec<Driver>,
    /// How often to go through the drivers
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Round trips of each size and round
    #[arg(long, default_value_t = 500)]
    round_trips: u32,
    /// Sizes of messages in bytes
    #[arg(long, value_delimiter = ',', default_value = "4,64,1024,4096,65516")]
    sizes: Vec<usize>,
    /// What to make each register access cost, in microseconds, for the first of the sizes
    #[arg(long, value_delimiter = ',', default_value = "2,5,10,20")]
    mmio_costs: Vec<u64>,
    /// Programs at a time; the models need as many more echo clients
    #[arg(long, value_delimiter = ',', default_value = "1,4,16")]
    programs: Vec<u16>,
    /// How long several programs are measured, in milliseconds
    #[arg(long, default_value_t = 2000)]
    together_ms: u64,
    /// How often to load and unload each driver for the time that takes
    #[arg(long, default_value_t = 20)]
    loads: u32,
    /// How long to idle, in seconds
    #[arg(long, default_value_t = 30)]
    idle_s: u64,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Run(options) => run(&options),
        Command::Work {
            driver,
            client,
            size,
            start_ns,
            end_ns,
        } => {
            let [start, end] = [start_ns, end_ns].map(Duration::from_nanos);
            exchange::work(driver, client, size, start, end)
        }
    }
}

fn run(options: &Options) -> Result<()> {
    driver::none_loaded(&options.drivers)?;
    for round in 0..options.loads {
        for driver in &options.drivers {
            let mut model = driver.model()?;
            model.clear()?;
            let time = driver.load()?;
            let counters = model.counters()?;
            driver.unload()?;
            let result = json!({"us": time.as_micros() as u64, "counters": counters});
            report(*driver, "load", round, &json!({}), result);
        }
    }
    for round in 0..options.rounds {
        for driver in &options.drivers {
            driver.load()?;
            driver.model()?.wait_until_quiet()?;
            exchanges(options, *driver, round)?;
            driver.unload()?;
        }
    }
    for driver in &options.drivers {
        driver.load()?;
        driver.model()?.wait_until_quiet()?;
        report(*driver, "memory", 0, &json!({}), idle::memory(*driver)?);
        for connected in [false, true] {
            let time = Duration::from_secs(options.idle_s);
            let result = idle::idle(*driver, connected, time)?;
            report(*driver, "idle", 0, &json!({}), result);
        }
        driver.unload()?;
    }
    Ok(())
}

/// Everything that is exchanged in one round with one driver.
fn exchanges(options: &Options, driver: Driver, round: u32) -> Result<()> {
    let free = options.sizes.iter().map(|size| (*size, 0));
    let first = options.sizes.first();
    let costly = first.into_iter().flat_map(|size| {
        let costs = options.mmio_costs.iter();
        costs.map(|cost| (*size, *cost))
    });
    for (size, cost) in free.chain(costly) {
        driver.model()?.set_mmio_cost(cost)?;
        let result = exchange::echo(driver, size, options.round_trips)?;
        let what = json!({"size": size, "mmio_cost_us": cost});
        report(driver, "round_trip", round, &what, result);
    }
    driver.model()?.set_mmio_cost(0)?;
    let result = exchange::spdm(driver, options.round_trips)?;
    report(driver, "spdm", round, &json!({}), result);
    for programs in &options.programs {
        for size in [4, 4096] {
            let time = Duration::from_millis(options.together_ms);
            let result = exchange::together(driver, size, *programs, time)?;
            report(driver, "together", round, &json!({"size": size}), result);
        }
    }
    Ok(())
}

fn report(driver: Driver, test: &str, round: u32, what: &Value, result: Value) {
    let mut line = json!({"test": test, "driver": driver, "round": round});
    if let Value::Object(line) = &mut line {
        for part in [what.clone(), result] {
            if let Value::Object(part) = part {
                line.extend(part);
            }
        }
    }
    println!("{line}");
}
