// SPDX-License-Identifier: GPL-2.0

//! What runs on the debug kernel.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use super::coverage;
use crate::cache;
use crate::env::Env;
use crate::faults;
use crate::kselftests::{self, Guests};
use crate::module;
use crate::progress::Step;
use crate::run::Request;
use crate::tap::Results;

const GUEST: &str = "tools/testing/vm/guest";

/// A program that asks the debug kernel what it has found.
const HEALTH: &str = "health";

/// What the kernel finds while it is about to sleep is not lost; and there are no page tables of five levels: while the
/// kernel looks at the first processor (`identify_cpu`), it has forgotten for a moment that there are, and KASAN takes what an
/// interrupt does then for an access to no memory.
const APPEND: &str = "no_console_suspend no5lvl";

const KUNIT_LIMIT: Duration = Duration::from_secs(120);

/// The modules of every guest: the driver, and what notes which of its lines have run.
fn modules(debug: &Env) -> Result<Vec<PathBuf>> {
    let mut modules = vec![super::driver(debug)?];
    modules.extend(coverage::module(debug)?);
    Ok(modules)
}

/// Removes the logs below `logs` if they are those of another driver: the lines that have run are those of this one.
pub(crate) fn keep_logs_of_this_driver(env: &Env, logs: &Path) -> Result<()> {
    let driver = super::driver(&super::environment(env)?)?;
    let driver = cache::key([fs::read(driver)?]);
    let mark = logs.join("driver");
    if fs::read_to_string(&mark).is_ok_and(|mark| mark == driver) {
        return Ok(());
    }
    fs::remove_dir_all(logs)?;
    fs::create_dir_all(logs)?;
    fs::write(&mark, driver).with_context(|| format!("could not write {}", mark.display()))
}

/// The files of every guest.
fn files(env: &Env) -> Vec<(PathBuf, String)> {
    let health = env.checkout.join(GUEST).join(HEALTH);
    vec![(health, format!("/root/kselftests/{HEALTH}"))]
}

/// Guests with the debug kernel and the driver.
fn guests(debug: &Env) -> Result<Guests<'_>> {
    Ok(Guests {
        preload: &["issei_coverage"],
        append: APPEND,
        files: files(debug),
        last: Some(HEALTH),
        ..Guests::stock(debug, modules(debug)?, "issei_rust")
    })
}

/// Runs the kselftests of the driver.
///
/// Intel's driver is not there, and the tests that compare the two are skipped: it takes a mutex in the condition of a wait
/// (`issei_cl_check_write`), which this kernel reports.
pub(crate) fn kselftests(env: &Env, logs: &Path) -> Result<Results> {
    let debug = super::environment(env)?;
    kselftests::run_all(env, logs, &guests(&debug)?)
}

/// Runs the fault matrix.
pub(crate) fn faults(env: &Env, logs: &Path) -> Result<Results> {
    let debug = super::environment(env)?;
    faults::run_all(env, logs, &guests(&debug)?)
}

/// Loads the driver with its KUnit suites switched on.
pub(crate) fn kunit(env: &Env, logs: &Path) -> Result<Results> {
    let debug = super::environment(env)?;
    let mut suites = suites(&env.checkout.join(module::DRIVER))?;
    ensure!(!suites.is_empty(), "the driver has no KUnit suite");
    let step = Step::begin("the driver's KUnit suites");
    let mut command = vec!["/root/kunit".to_owned()];
    command.extend(suites.iter().cloned());
    suites.push(HEALTH.to_owned());
    let mut files = files(env);
    files.push((
        env.checkout.join(GUEST).join("kunit"),
        "/root/kunit".to_owned(),
    ));
    let request = Request {
        modules: modules(&debug)?,
        files,
        models: vec![String::new()],
        append: format!("{APPEND} kunit.enable=1"),
        timeout: KUNIT_LIMIT * debug.kernel.slowness,
        out: logs.join("kunit"),
        command,
        ..Request::default()
    };
    let results = kselftests::run_machine(&debug, &request, &suites, &step)?;
    step.done(&results.to_string());
    Ok(results)
}

/// The names of the KUnit suites in the Rust files below `directory`.
fn suites(directory: &Path) -> Result<Vec<String>> {
    let mut names = BTreeSet::new();
    for entry in walkdir::WalkDir::new(directory) {
        let path = entry?.into_path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("could not read {}", path.display()))?;
            for name in suites_in(&text) {
                ensure!(
                    names.insert(name.to_owned()),
                    "two KUnit suites are called {name}"
                );
            }
        }
    }
    Ok(names.into_iter().collect())
}

fn suites_in(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        line.trim()
            .strip_prefix("#[kunit_tests(")?
            .strip_suffix(")]")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_found_by_their_attribute() {
        let text = "use kernel::macros::kunit_tests;\n#[kunit_tests(a)]\nmod t {}\n    #[kunit_tests(b)]\n";
        assert_eq!(suites_in(text).collect::<Vec<_>>(), ["a", "b"]);
    }
}
