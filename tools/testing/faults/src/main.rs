// SPDX-License-Identifier: GPL-2.0
//! `faults`: the fault matrix. Runs rows in a guest and checks every field of them; see README.md.

mod bystander;
mod document;
mod driver;
mod evidence;
mod failing;
mod log;
mod matrix;
mod model;
mod outcome;
mod program;
mod scene;
mod step;
mod system;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use guest::Device;

use driver::Driver;
use matrix::{Matrix, OnC, Part, Row};
use outcome::Observed;
use scene::Scene;

/// What can go wrong with the engine and its link, and what must happen
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run rows in a guest: TAP. Ends with 3 when a row has left nothing to go on with
    Run {
        #[arg(value_enum)]
        driver: Driver,
        #[arg(required = true)]
        rows: Vec<String>,
        /// How many times slower than the stock kernel this one is
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        slowness: u32,
    },
    /// Print the guests to start and their rows, a JSON object a line
    Plan {
        #[arg(value_enum)]
        driver: Driver,
    },
    /// Print the table for Documentation/
    Document,
    /// Be the bystander
    #[command(hide = true)]
    Bystander { device: u32 },
}

/// The guest is of no more use.
const EXIT_SPENT: u8 = 3;

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Run {
            driver,
            rows,
            slowness,
        } => return run(driver, &rows, slowness),
        Command::Plan { driver } => {
            for batch in Matrix::read()?.plan(driver) {
                println!("{}", serde_json::to_string(&batch)?);
            }
        }
        Command::Document => print!("{}", document::page(&Matrix::read()?)?),
        Command::Bystander { device } => bystander::work(Device(device))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn run(driver: Driver, names: &[String], slowness: u32) -> Result<ExitCode> {
    let matrix = Matrix::read()?;
    let rows: Result<Vec<(&Part, &Row)>> = names.iter().map(|name| matrix.row(name)).collect();
    let rows = rows?;
    println!("TAP version 13\n1..{}", rows.len());
    let mut scene = None;
    program::catch_signal()?;
    for (number, (part, row)) in (1..).zip(rows) {
        let name = &row.name;
        if let Some(file) = part
            .machine()
            .needs
            .as_ref()
            .filter(|file| !Path::new(file).exists())
        {
            println!("ok {number} {name} # SKIP the kernel has no {file}");
            continue;
        }
        println!("# begin {name}");
        io::stdout().flush()?;
        // So that a splat in the log can be told to a row.
        fs::write("/dev/kmsg", format!("faults: {name}\n"))?;
        let result = match &mut scene {
            Some(scene) => Scene::run(scene, part, row),
            None => Scene::new(driver, part.machine(), slowness)
                .and_then(|new| scene.insert(new).run(part, row)),
        };
        let spent = !matches!(&result, Ok(observed) if observed.again.is_some());
        let differences = match result {
            Ok(mut observed) => {
                observed.again = observed.again.map(|ms| ms / u64::from(slowness));
                println!("# {name}: c = {observed}");
                judge(driver, row, &observed)?
            }
            Err(error) => vec![format!("{error:#}")],
        };
        let verdict = if differences.is_empty() {
            "ok"
        } else {
            "not ok"
        };
        println!("{verdict} {number} {name}");
        for difference in differences.iter().flat_map(|text| text.lines()) {
            println!("#   {difference}");
        }
        if spent {
            return Ok(ExitCode::from(EXIT_SPENT));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is otherwise than the row says; and fields of the row that could say anything.
fn judge(driver: Driver, row: &Row, observed: &Observed) -> Result<Vec<String>> {
    let expected = match (driver, row.c()?) {
        (Driver::IsseiRust, _) => &row.must,
        (Driver::IsseiC, OnC::Outcome(expected)) => expected,
        (Driver::IsseiC, OnC::NotRun(why)) => return Ok(vec![format!("not to be run: {why}")]),
    };
    let mut differences = expected.differences(driver, observed);
    let blind = expected.mutants().into_iter().filter(|(field, mutant)| {
        let compared = driver == Driver::IsseiRust || !matches!(*field, "log" | "counts");
        compared && mutant.differences(driver, observed).is_empty()
    });
    differences.extend(blind.map(|(field, _)| format!("{field}: nothing would be wrong here")));
    Ok(differences)
}
