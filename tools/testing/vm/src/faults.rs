// SPDX-License-Identifier: GPL-2.0

//! The fault matrix, row by row in guests, on either driver; see tools/testing/faults.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use serde::Deserialize;
use serde_json::{json, Value};

use crate::cli::GuestArgs;
use crate::env::Env;
use crate::host;
use crate::kselftests::{self, Guests};
use crate::module::{self, Target};
use crate::process;
use crate::progress::{Lines, Step};
use crate::run::{self, End, Request};
use crate::tap::{self, Results};

/// A module for the rows about error recovery.
const RECOVERY: &str = "tools/testing/faults/recovery";
/// Runs the program in the guest.
const SCRIPT: &str = "tools/testing/vm/guest/faults";

/// How long one row may take, and the guest besides.
const ROW_LIMIT: Duration = Duration::from_secs(60);
const GUEST_LIMIT: Duration = Duration::from_secs(60);
/// The program ends so when a row has left a guest that is of no more use.
const SPENT: i32 = 3;

/// Rows for one guest.
#[derive(Debug, Deserialize)]
struct Batch {
    name: String,
    options: Vec<String>,
    rows: Vec<String>,
    /// Part of a splat that the kernel log must have.
    splat: Option<String>,
}

/// Runs the matrix on the driver of this checkout.
pub(crate) fn rust_driver(env: &Env, logs: &Path) -> Result<Results> {
    let modules = vec![module::driver(&Target::stock(env)?)?];
    run_all(env, logs, &Guests::stock(env, modules, "issei_rust"))
}

/// Runs it on Intel's driver, and compares what happens with what the matrix says of that driver.
pub(crate) fn c_driver(env: &Env, logs: &Path) -> Result<Results> {
    let modules = kselftests::build_c_driver(env)?;
    run_all(env, logs, &Guests::stock(env, modules, "issei-heci"))
}

/// Runs the matrix in such guests. `build/faults.json` keeps what came of it.
pub(crate) fn run_all(env: &Env, logs: &Path, guests: &Guests<'_>) -> Result<Results> {
    let driver = guests.driver;
    let program = host::static_program(env, "faults")?;
    let plan = Command::new(&program).args(["plan", driver]).output()?;
    ensure!(
        plan.status.success(),
        "{}",
        String::from_utf8_lossy(&plan.stderr)
    );
    let mut modules = guests.modules.clone();
    modules.extend(module::of_tests(guests.env, RECOVERY, "pci_recovery")?);
    let logs = logs.join(format!("faults-{driver}"));
    let slowness = guests.env.kernel.slowness;
    let mut results = Results::default();
    let mut booted = 0;
    for line in String::from_utf8(plan.stdout)?.lines() {
        let mut batch: Batch = serde_json::from_str(line).context("the plan of the matrix")?;
        let step = Step::begin(format!("{driver}, {}", batch.name));
        let mut these = Results::default();
        while !batch.rows.is_empty() {
            booted += 1;
            let mut command = vec![
                "/root/run".to_owned(),
                guests.preload.join(" "),
                guests.last.unwrap_or_default().to_owned(),
                "run".to_owned(),
                format!("--slowness={slowness}"),
                driver.to_owned(),
            ];
            command.extend(batch.rows.iter().cloned());
            let request = GuestArgs::parse_options(&batch.options)?.request(guests.env);
            let mut files = guests.files.clone();
            files.push((program.clone(), "/root/faults".to_owned()));
            files.push((env.checkout.join(SCRIPT), "/root/run".to_owned()));
            let rows = u32::try_from(batch.rows.len())?;
            let request = Request {
                modules: modules.clone(),
                files,
                append: format!("{} {}", request.append, guests.append),
                timeout: (rows * ROW_LIMIT + GUEST_LIMIT) * slowness,
                out: logs.join(format!("{booted:02}-{}", batch.name)),
                command,
                ..request
            };
            let ended = run_guest(guests, &request, &batch, &step, &mut these)?;
            batch.rows.drain(..ended);
        }
        step.done(&these.to_string());
        results += these;
    }
    record(guests, &results)?;
    Ok(results)
}

/// Runs rows of a batch in a guest; returns how many of them have come to an end, at least one.
fn run_guest(
    guests: &Guests<'_>,
    request: &Request,
    batch: &Batch,
    step: &Step,
    results: &mut Results,
) -> Result<usize> {
    let shown = step.clone();
    let sink = Lines::new(move |line: &str| shown.tick(line));
    let end = run::run(guests.env, request, Box::new(sink))?;
    let output = request.out.join("output.log");
    let output = fs::read(&output).with_context(|| format!("no {}", output.display()))?;
    let output = String::from_utf8_lossy(&output);
    let (rows, mut ended) = of_rows(&output);
    *results += rows;
    if let Some(last) = guests.last {
        *results += tap::of_programs(&output, &[last.to_owned()]);
    }
    let failure = match end {
        End::Splat(lines) if ended > 0 && is_expected(batch, &lines) => None,
        End::Status(_) if batch.splat.is_some() => Some("the kernel log has no splat".to_owned()),
        End::Status(0) if ended == batch.rows.len() => None,
        End::Status(SPENT) if ended > 0 => None,
        End::Status(status) => Some(format!("the program ended with status {status}")),
        End::Splat(lines) => Some(format!("the kernel log has a splat:\n{lines}")),
        End::NoStatus(lines) => Some(format!("the guest ended without a status\n{lines}")),
        End::TimeLimit(text) => Some(text),
    };
    let Some(failure) = failure else {
        return Ok(ended);
    };
    let row = batch.rows.get(ended);
    let row = row.map_or("after the last row", String::as_str);
    *results += Results::fail(format!(
        "{row}: {failure}\n{}\nall logs are in {}",
        process::last_lines(&request.out.join("output.log"), 5),
        request.out.display()
    ));
    // Whatever the guest died of, it was this row.
    ended = (ended + 1).min(batch.rows.len());
    Ok(ended)
}

fn is_expected(batch: &Batch, splat: &str) -> bool {
    let expected = batch.splat.as_ref();
    expected.is_some_and(|expected| splat.contains(expected))
}

/// The results of rows, and how many there are.
fn of_rows(output: &str) -> (Results, usize) {
    let mut results = Results::default();
    let mut failed = false;
    for line in output.lines().take_while(|line| !line.starts_with("## ")) {
        if let Some(row) = line.strip_prefix("not ok ") {
            results.failed.push(row.to_owned());
            failed = true;
        } else if let Some(row) = line.strip_prefix("ok ") {
            match row.contains("# SKIP") {
                true => results.skipped += 1,
                false => results.passed += 1,
            }
            failed = false;
        } else if let (true, Some(why), Some(row)) =
            (failed, line.strip_prefix("#   "), results.failed.last_mut())
        {
            row.push_str("\n    ");
            row.push_str(why);
        }
    }
    let count = results.passed + results.skipped + results.failed.len();
    (results, count)
}

/// Adds the results to those of other drivers and kernels in `build/faults.json`, in place of earlier ones.
fn record(guests: &Guests<'_>, results: &Results) -> Result<()> {
    let file = guests.env.build().join("faults.json");
    let before = fs::read_to_string(&file).unwrap_or_default();
    let before: Value = serde_json::from_str(&before).unwrap_or(Value::Null);
    let key = format!("{} on {}", guests.driver, guests.env.kernel.release);
    let mut runs = before["runs"].as_object().cloned().unwrap_or_default();
    runs.insert(
        key,
        json!({
            "passed": results.passed, "skipped": results.skipped, "failed": results.failed,
        }),
    );
    fs::write(&file, format!("{:#}\n", json!({"format": 1, "runs": runs})))
        .with_context(|| format!("could not write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted() {
        let output = "TAP version 13\n1..4\n# begin a\n# a: c = {}\nok 1 a\n# begin b\n# x\n\
                      not ok 2 b\n#   calls: x\n#   log: y\nok 3 c # SKIP no\n# begin d\n\
                      ## begin health\nok 1 no leak\n";
        let (results, count) = of_rows(output);
        assert_eq!(count, 3);
        assert_eq!((results.passed, results.skipped), (1, 1));
        assert_eq!(results.failed, ["2 b\n    calls: x\n    log: y"]);
    }
}
