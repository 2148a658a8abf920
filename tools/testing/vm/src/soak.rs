// SPDX-License-Identifier: GPL-2.0

//! Endurance: the program `soak` in guests, and the sum of what it found.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use sha2::{Digest, Sha256};

use crate::env::Env;
use crate::host;
use crate::module::{self, Target};
use crate::progress::{say, Lines, Step};
use crate::run::{self, End, Request};
use crate::stock;
use crate::tap::Results;

/// What a guest may take besides its phases: their warm-ups, and what settles after them.
const REST: Duration = Duration::from_secs(600);

/// How often to do what.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Round trips of several programs, contents checked
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    messages: u64,
    /// Unbinds and binds under load
    #[arg(long, default_value_t = 1000, value_name = "N")]
    unbinds: u64,
    /// Removals of the PCI function and rescans under load
    #[arg(long, default_value_t = 1000, value_name = "N")]
    removals: u64,
    /// Unloads and loads of the module
    #[arg(long, default_value_t = 1000, value_name = "N")]
    reloads: u64,
    /// Resets of the link under load
    #[arg(long, default_value_t = 200, value_name = "N")]
    resets: u64,
    /// Sleeps of the system under load
    #[arg(long, default_value_t = 1000, value_name = "N")]
    suspends: u64,
    /// Round trips with many devices, of which one is reset, removed and unbound all the time
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    neighbours: u64,
    /// Devices for that
    #[arg(long, default_value_t = 16, value_name = "N")]
    devices: usize,
    /// Programs that exchange messages
    #[arg(long, default_value_t = 16, value_name = "N")]
    programs: u16,
    /// Run these phases only: messages, unbind, remove, reload, reset, suspend, neighbours. What build/soak.json has of the
    /// others stays, if it was measured with the same driver on the same kernel
    #[arg(long, value_name = "PHASE", value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds after which a phase is cut off
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    limit: u64,
    /// A boot image instead of the stock kernel
    #[arg(long, value_name = "IMAGE", requires = "module")]
    kernel: Option<PathBuf>,
    /// The driver for it
    #[arg(long, value_name = "FILE.ko")]
    module: Option<PathBuf>,
}

impl Options {
    /// A run of a minute that shows that everything works.
    fn short() -> Self {
        Self {
            messages: 4000,
            unbinds: 20,
            removals: 20,
            reloads: 20,
            resets: 20,
            suspends: 10,
            neighbours: 1000,
            devices: 3,
            programs: 4,
            only: Vec::new(),
            limit: 60,
            kernel: None,
            module: None,
        }
    }

    /// The phases of each guest, with the option of the program for each and how often. Those after a sleep cannot ask
    /// the model for anything, so it comes last.
    fn guests(&self) -> [(&'static str, Vec<String>, Vec<Phase>); 2] {
        let one = vec![format!("--more-echo {}", self.programs.max(4))];
        let phases = vec![
            ("messages", "--messages", self.messages),
            ("unbind", "--unbinds", self.unbinds),
            ("remove", "--removals", self.removals),
            ("reload", "--reloads", self.reloads),
            ("reset", "--resets", self.resets),
            ("suspend", "--suspends", self.suspends),
        ];
        let many = vec![String::new(); self.devices];
        let neighbours = vec![("neighbours", "--neighbours", self.neighbours)];
        [("one", one, phases), ("many", many, neighbours)]
    }
}

/// Its name, the option for it, how often.
type Phase = (&'static str, &'static str, u64);

/// Runs it. Returns the results, a test for each phase; the numbers are in `build/soak.json`.
pub(crate) fn soak(env: &Env, options: &Options) -> Result<Results> {
    let out = env.build().join("soak");
    let (results, now) = measure(env, options, &out)?;
    for failure in &results.failed {
        say(&format!("  FAILED {failure}"));
    }
    let file = env.build().join("soak.json");
    let before = fs::read_to_string(&file).unwrap_or_default();
    let before = serde_json::from_str(&before).unwrap_or(Value::Null);
    fs::write(&file, format!("{:#}\n", merge(&before, &now)))
        .with_context(|| format!("could not write {}", file.display()))?;
    Ok(results)
}

/// A short run.
pub(crate) fn check(env: &Env, logs: &Path) -> Result<Results> {
    Ok(measure(env, &Options::short(), &logs.join("soak"))?.0)
}

fn measure(env: &Env, options: &Options, out: &Path) -> Result<(Results, Value)> {
    let driver = match &options.module {
        Some(module) => module.clone(),
        None => module::driver(&Target::stock(env)?)?,
    };
    let image = options.kernel.clone().unwrap_or_else(|| env.kernel.image());
    let program = host::static_program(env, "soak")?;
    let mut results = Results::default();
    let mut phases = Vec::new();
    for (guest, models, wanted) in options.guests() {
        let wanted: Vec<_> = wanted
            .into_iter()
            .filter(|(name, _, count)| {
                let chosen =
                    options.only.is_empty() || options.only.iter().any(|only| only == name);
                chosen && *count > 0
            })
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let step = Step::begin(format!("soak, guest {guest}"));
        let mut command = vec!["/root/soak".to_owned(), "run".to_owned()];
        command.extend([
            format!("--limit={}", options.limit),
            format!("--programs={}", options.programs),
        ]);
        command.extend(
            wanted
                .iter()
                .map(|(_, option, count)| format!("{option}={count}")),
        );
        let limit = Duration::from_secs(options.limit) + REST;
        let request = Request {
            kernel: options.kernel.clone(),
            modules: vec![driver.clone()],
            models,
            untraced: true,
            files: vec![(program.clone(), "/root/soak".to_owned())],
            timeout: limit * u32::try_from(wanted.len())?,
            out: out.join(guest),
            command,
            ..Request::default()
        };
        let shown = step.clone();
        let sink = Lines::new(move |line: &str| shown.tick(line));
        let end = run::run(env, &request, Box::new(sink))?;
        let output = fs::read_to_string(request.out.join("output.log"))?;
        let (these, found) = judge(&wanted, &output, &end);
        step.done(&these.to_string());
        results += these;
        phases.extend(found);
    }
    let release = stock::image_release(&image.canonicalize()?)?;
    let driver = Sha256::digest(fs::read(&driver)?);
    let now = json!({
        "format": 1,
        "kernel": release,
        "driver_sha256": format!("{driver:x}"),
        "phases": phases,
    });
    Ok((results, now))
}

/// A result for each phase that was wanted, and one for the guest if it did not end well; and the numbers.
fn judge(wanted: &[Phase], output: &str, end: &End) -> (Results, Vec<Value>) {
    let mut results = Results::default();
    let mut phases: Vec<Value> = output
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let failure = match end {
        End::Status(0) => None,
        End::Splat(lines) => Some(format!("the kernel log has a splat:\n{lines}")),
        end => {
            let last: Vec<&str> = output.lines().rev().take(3).collect();
            Some(format!("{end:?}: {}", last.join("; ")))
        }
    };
    for (name, _, _) in wanted {
        let phase = phases.iter().find(|phase| phase["phase"] == *name);
        results += match phase {
            None => Results::fail(format!("{name}: it did not come to its end")),
            Some(phase) => match phase["problems"].as_array() {
                Some(problems) if problems.is_empty() => Results::pass(),
                _ => Results::fail(format!("{name}: {}", phase["problems"])),
            },
        };
    }
    for phase in &mut phases {
        phase["splats"] = json!(matches!(end, End::Splat(_)));
    }
    if let Some(failure) = failure {
        results += Results::fail(failure);
    }
    (results, phases)
}

/// The numbers of this run, and those of phases that it did not have, if all else was the same.
fn merge(before: &Value, now: &Value) -> Value {
    let mut sum = now.clone();
    let same = ["format", "kernel", "driver_sha256"]
        .iter()
        .all(|key| before[*key] == now[*key]);
    let has = |name: &Value| {
        let phases = now["phases"].as_array();
        phases.is_some_and(|phases| phases.iter().any(|phase| phase["phase"] == *name))
    };
    if let (true, Some(old), Some(phases)) = (
        same,
        before["phases"].as_array(),
        sum["phases"].as_array_mut(),
    ) {
        let kept = old.iter().filter(|phase| !has(&phase["phase"]));
        phases.splice(0..0, kept.cloned());
    }
    sum
}

/// The numbers of `build/soak.json` as a table.
pub(crate) fn table(env: &Env) -> Result<String> {
    let file = env.build().join("soak.json");
    let text = fs::read_to_string(&file).with_context(|| format!("no {}", file.display()))?;
    let sum: Value = serde_json::from_str(&text)?;
    let Some(phases) = sum["phases"].as_array() else {
        bail!("{} has no phases", file.display());
    };
    let mut table = String::new();
    for phase in phases {
        let load = &phase["load"];
        let cut = match phase["done"].as_u64() < phase["wanted"].as_u64() {
            true => format!(" of {} (cut off)", phase["wanted"]),
            false => String::new(),
        };
        table += &format!(
            "{:<11} {}{cut} in {} s, last tenth to first {}, round trips {}, lost {}, changed {}, memory {:+} KiB\n",
            phase["phase"].as_str().unwrap_or_default(),
            phase["done"],
            phase["seconds"],
            phase["slowdown"],
            load["round_trips"],
            load["lost"],
            load["changed"],
            phase["growth"]["memory_kb"].as_i64().unwrap_or(0),
        );
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [Phase; 2] = [("unbind", "--unbinds", 3), ("reset", "--resets", 3)];

    fn line(phase: &str, problems: &[&str]) -> String {
        json!({"phase": phase, "done": 3, "problems": problems}).to_string()
    }

    fn counts(output: &str, end: &End) -> (usize, usize) {
        let results = judge(&WANTED, output, end).0;
        (results.passed, results.failed.len())
    }

    #[test]
    fn each_phase_counts() {
        let good = format!("{}\n{}\n", line("unbind", &[]), line("reset", &[]));
        assert_eq!(counts(&good, &End::Status(0)), (2, 0));
        assert_eq!(counts(&good, &End::Splat("BUG".to_owned())), (2, 1));
        let leak = format!("{}\n{}\n", line("unbind", &["leak"]), line("reset", &[]));
        assert_eq!(counts(&leak, &End::Status(0)), (1, 1));
        assert_eq!(counts(&line("unbind", &[]), &End::Status(1)), (1, 2));
        assert_eq!(counts(r#"{"phase":"unbind"}"#, &End::Status(0)), (0, 2));
        assert_eq!(counts("", &End::Status(0)), (0, 2));
    }

    #[test]
    fn what_was_measured_before_stays() {
        let sum = |driver: &str, phases: &[(&str, u64)]| {
            let phases: Vec<Value> = phases
                .iter()
                .map(|(phase, done)| json!({"phase": phase, "done": done}))
                .collect();
            json!({"format": 1, "kernel": "k", "driver_sha256": driver, "phases": phases})
        };
        let now = sum("a", &[("reset", 2)]);
        let before = sum("a", &[("unbind", 1), ("reset", 1)]);
        assert_eq!(
            merge(&before, &now),
            sum("a", &[("unbind", 1), ("reset", 2)])
        );
        assert_eq!(merge(&sum("b", &[("unbind", 1)]), &now), now);
        assert_eq!(merge(&Value::Null, &now), now);
    }
}
