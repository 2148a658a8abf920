// SPDX-License-Identifier: GPL-2.0

//! The fuzzers: of `rust/fuzz`, without looking at coverage, and those that need a guest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::json;

use crate::env::Env;
use crate::host;
use crate::kselftests;
use crate::module::{self, Target};
use crate::progress::Step;
use crate::run::Request;
use crate::tap::Results;

/// Seconds for each target, and for each of the guests, in a check.
const TARGET_SECONDS: &str = "1";
const GUEST_SECONDS: u64 = 20;

/// What a guest takes longer than it is told to: the end of what it began, and a last look.
const GRACE: Duration = Duration::from_secs(180);

/// The fuzzers of a guest, and what their device model is.
const GUESTS: [(&str, &str); 2] = [("calls", "--more-echo 8"), ("firmware", "--more-echo 8")];

/// Runs the fuzz targets for a short while, without a compiler for libFuzzer.
pub(crate) fn targets() -> Result<Command> {
    let mut cargo = host::cargo()?;
    cargo
        .args(["run", "--quiet", "--package", "fuzz", "--bin", "corpus"])
        .args(["--", "blind", TARGET_SECONDS, &seed().to_string()]);
    Ok(cargo)
}

/// Runs the fuzzers of guests for a short while.
pub(crate) fn check(env: &Env, logs: &Path) -> Result<Results> {
    guests(env, logs, GUEST_SECONDS, None)
}

/// Runs the fuzzers of guests for so many seconds each. `build/fuzz.json` has what came of it, and how often each fuzz target
/// was executed since `build/fuzz` was removed.
pub(crate) fn fuzz(env: &Env, seconds: u64, seed: Option<u64>) -> Result<Results> {
    let directory = env.build().join("fuzz");
    let results = guests(env, &directory, seconds, seed)?;
    let executions = fs::read_to_string(directory.join("executions")).unwrap_or_default();
    let sum = json!({
        "format": 1,
        "executions": sums(&executions)?,
        "guests": {"seconds": seconds, "passed": results.passed, "failed": results.failed},
    });
    let file = env.build().join("fuzz.json");
    fs::write(&file, format!("{sum:#}\n"))
        .with_context(|| format!("could not write {}", file.display()))?;
    Ok(results)
}

/// How often each target was executed, of lines with a target and a number.
fn sums(executions: &str) -> Result<BTreeMap<&str, u64>> {
    let mut sums = BTreeMap::new();
    for line in executions.lines() {
        let (target, count) = line
            .split_once(' ')
            .with_context(|| format!("build/fuzz/executions: '{line}'"))?;
        *sums.entry(target).or_default() += count.parse::<u64>()?;
    }
    Ok(sums)
}

/// Runs the fuzzers of guests for so many seconds each.
fn guests(env: &Env, logs: &Path, seconds: u64, given: Option<u64>) -> Result<Results> {
    let driver = module::driver(&Target::stock(env)?)?;
    let program = host::static_program(env, "guest-fuzz")?;
    let mut results = Results::default();
    for (name, model) in GUESTS {
        let seed = given.unwrap_or_else(seed);
        let step = Step::begin(format!("fuzz {name} in a guest, seed {seed}"));
        let script = format!(
            "modprobe issei_rust || exit; echo '## begin {name}'; \
             /root/guest-fuzz {name} --seed {seed} --seconds {seconds}; echo '## end {name}' $?"
        );
        let request = Request {
            modules: vec![driver.clone()],
            models: vec![model.to_owned()],
            // A long trace takes much room, and the model much time.
            untraced: seconds > GUEST_SECONDS,
            files: vec![(program.clone(), "/root/guest-fuzz".to_owned())],
            timeout: Duration::from_secs(seconds) + GRACE,
            out: out(logs, name),
            command: ["sh", "-c", &script].map(str::to_owned).to_vec(),
            ..Request::default()
        };
        let these = kselftests::run_machine(env, &request, &[name.to_owned()], &step)?;
        step.done(&these.to_string());
        results += these;
    }
    Ok(results)
}

fn out(logs: &Path, name: &str) -> PathBuf {
    logs.join(format!("fuzz-{name}"))
}

/// Another one each time.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |now| u64::from(now.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_of_all_runs() {
        let sums = sums("a 3\nb 2\na 4\n").unwrap();
        assert_eq!(sums, BTreeMap::from([("a", 7), ("b", 2)]));
        assert!(super::sums("a\n").is_err());
    }
}
