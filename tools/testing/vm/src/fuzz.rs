// SPDX-License-Identifier: GPL-2.0

//! The fuzzers: of `rust/fuzz`, without looking at coverage, and those that need a guest.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;

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

/// Runs the fuzzers of guests for so many seconds each.
pub(crate) fn guests(env: &Env, logs: &Path, seconds: u64, given: Option<u64>) -> Result<Results> {
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
