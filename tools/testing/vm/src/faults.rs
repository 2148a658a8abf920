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
use crate::splat;
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
    /// Parts of the splats that the kernel log must have, and no others.
    splats: Vec<String>,
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
    let log = fs::read(request.out.join("kernel.log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let failure = match end {
        End::Splat(_) if ended == batch.rows.len() && are_expected(&batch.splats, &log) => None,
        End::Status(0 | SPENT) if ended > 0 && !batch.splats.is_empty() => {
            Some(format!("no splat, instead of: {}", batch.splats.join(", ")))
        }
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
    *results += Results::fail(format!(
        "since the row {}: {failure}\n{}\nall logs are in {}",
        last_row(&log).unwrap_or("(none)"),
        process::last_lines(&request.out.join("output.log"), 5),
        request.out.display()
    ));
    // A row in which the guest died is not tried again, and there is an end.
    if is_in_a_row(&output) || ended == 0 {
        ended = (ended + 1).min(batch.rows.len());
    }
    Ok(ended)
}

/// The last row that had begun when the kernel log ends, or has its first splat.
fn last_row(log: &str) -> Option<&str> {
    let before = log.lines().take_while(|line| !splat::is_splat(line));
    let rows = before.filter_map(|line| line.split_once("] faults: "));
    rows.last().map(|(_, row)| row)
}

/// Whether the output ends before the result of a row that has begun.
fn is_in_a_row(output: &str) -> bool {
    let marks = ["# begin ", "ok ", "not ok "];
    let lines = output.lines().take_while(|line| !line.starts_with("## "));
    let marks = lines.filter(|line| marks.iter().any(|mark| line.starts_with(mark)));
    marks
        .last()
        .is_some_and(|line| line.starts_with("# begin "))
}

/// Whether a kernel log has all of these splats, and no others.
fn are_expected(expected: &[String], log: &str) -> bool {
    let splats: Vec<&str> = log.lines().filter(|line| splat::is_splat(line)).collect();
    let is_there = |part: &String| splats.iter().any(|splat| splat.contains(part));
    let is_expected = |splat: &&str| expected.iter().any(|part| splat.contains(part));
    !expected.is_empty() && expected.iter().all(is_there) && splats.iter().all(is_expected)
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

    #[test]
    fn where_a_guest_died() {
        assert!(is_in_a_row("1..2\n# begin a\nok 1 a\n# begin b\n# x"));
        for ended in [
            "",
            "# begin a\nok 1 a\n# x",
            "# begin a\nnot ok 1 a\n## begin b",
        ] {
            assert!(!is_in_a_row(ended), "{ended}");
        }
    }

    #[test]
    fn splats_that_are_expected() {
        let log = "[    1.0] x\n[    2.0] BUG: a\n[    3.0] BUG: b\n";
        let are = |expected: &[&str]| {
            let expected: Vec<String> = expected.iter().map(|part| (*part).to_owned()).collect();
            are_expected(&expected, log)
        };
        assert!(are(&["BUG: a", "BUG: b"]));
        assert!(!are(&["BUG: a"]) && !are(&["BUG: a", "BUG: b", "BUG: c"]) && !are(&[]));
    }

    #[test]
    fn a_splat_belongs_to_the_row_before_it() {
        let log = "[    1.0] faults: a\n[    2.0] faults: b\n[    2.1] BUG: x\n[    3.0] faults: c";
        assert_eq!(last_row(log), Some("b"));
        assert_eq!(last_row("[    1.0] faults: a\n[    1.1] x"), Some("a"));
        assert_eq!(last_row("[    1.0] x"), None);
    }
}
