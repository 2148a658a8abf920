// SPDX-License-Identifier: GPL-2.0

//! `vm check`: every test of the project, and their sum.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{bail, Context, Result};

use crate::bench;
use crate::debug;
use crate::env::Env;
use crate::faults;
use crate::fuzz;
use crate::host::{cargo, while_building};
use crate::intree;
use crate::isseictl;
use crate::kapi;
use crate::kselftests;
use crate::licences;
use crate::module::{self, Target};
use crate::netlink;
use crate::process;
use crate::progress::{say, Step};
use crate::soak;
use crate::tap::{self, Results};
use crate::tools::TREE;

const LIMIT: Duration = Duration::from_secs(900);

/// Directories whose C files checkpatch reads.
const C_SOURCES: &[&str] = &[
    "drivers/misc/issei_rust",
    "rust/kapi",
    "samples",
    kapi::SOURCE,
    bench::SOURCE,
    "tools/testing/faults/recovery",
    "tools/testing/selftests",
    "tools/testing/vm/guest",
];

/// Compares the differences between the drivers that the kselftests know with the table of them.
const DIFFERENCES: &str = "tools/testing/selftests/drivers/issei/check_differences.sh";

/// Compares the checks and tests that the threat model names with the sources.
const THREATS: &str = "tools/testing/selftests/drivers/issei/check_threats.sh";

/// Directories whose Rust files are built by kbuild, not by cargo.
const KERNEL_RUST: &[&str] = &["drivers/misc/issei_rust", "rust/kapi", kapi::SOURCE];

/// A group of tests.
struct Suite {
    name: &'static str,
    about: &'static str,
    run: fn(&Check) -> Result<Results>,
}

const SUITES: &[Suite] = &[
    Suite {
        name: "format",
        about: "rustfmt, cargo's and the kernel's",
        run: format,
    },
    Suite {
        name: "lint",
        about: "clippy, cargo's and the kernel's; checkpatch; the table of differences; the threat model; the netlink header; licences of crates",
        run: lint,
    },
    Suite {
        name: "host",
        about: "cargo test",
        run: host,
    },
    Suite {
        name: "intree",
        about: "the driver laid over a kernel tree, built there, and taken back",
        run: |check| intree::check(&check.env, &check.logs),
    },
    Suite {
        name: "guest",
        about: "the runner's own tests",
        run: guest,
    },
    Suite {
        name: "kapi",
        about: "the wrappers of kernel interfaces, in a kernel",
        run: |check| kapi::check(&check.env, &check.logs),
    },
    Suite {
        name: "netlink",
        about: "the netlink family with the kernel's ynl, and with the sample",
        run: |check| netlink::check(&check.env, &check.logs),
    },
    Suite {
        name: "isseictl",
        about: "isseictl on the driver",
        run: |check| isseictl::check(&check.env, &check.logs),
    },
    Suite {
        name: "mei",
        about: "the kernel's mei_me on the device model, for the comparison",
        run: |check| bench::check(&check.env, &check.logs),
    },
    Suite {
        name: "fuzz",
        about: "the fuzz targets, for a second each and without looking at coverage",
        run: |check| check.test("fuzz-targets", &mut fuzz::targets()?),
    },
    Suite {
        name: "fuzz-guest",
        about: "any system calls, and any firmware, for a while in a guest each",
        run: |check| fuzz::check(&check.env, &check.logs),
    },
    Suite {
        name: "soak",
        about: "a minute of what `make soak` does for hours",
        run: |check| soak::check(&check.env, &check.logs),
    },
    Suite {
        name: "faults",
        about: "the fault matrix on the driver",
        run: |check| faults::rust_driver(&check.env, &check.logs),
    },
    Suite {
        name: "kselftests",
        about: "kselftests on the driver",
        run: |check| kselftests::rust_driver(&check.env, &check.logs),
    },
    Suite {
        name: "kselftests-c",
        about: "the same kselftests on Intel's C driver of the kernel source",
        run: |check| kselftests::c_driver(&check.env, &check.logs),
    },
];

/// The suites on the debug kernel.
const DEBUG_SUITES: &[Suite] = &[
    Suite {
        name: "kunit",
        about: "the driver's KUnit suites",
        run: |check| debug::suites::kunit(&check.env, &check.logs),
    },
    Suite {
        name: "kselftests",
        about: "kselftests on the driver, then what the kernel has found",
        run: |check| debug::suites::kselftests(&check.env, &check.logs),
    },
];

/// Suites on the debug kernel that take long, and run only when they are asked for.
const LONG_DEBUG_SUITES: &[Suite] = &[Suite {
    name: "faults",
    about: "the fault matrix on the driver",
    run: |check| debug::suites::faults(&check.env, &check.logs),
}];

/// Suites that take long, and run only when they are asked for.
const LONG_SUITES: &[Suite] = &[Suite {
    name: "faults-c",
    about: "the same fault matrix on Intel's C driver of the kernel source",
    run: |check| faults::c_driver(&check.env, &check.logs),
}];

/// What the suites have in common.
struct Check {
    env: Env,
    logs: PathBuf,
}

/// The names of all suites with a word on each, for the help.
pub(crate) fn list() -> String {
    let list = |suites: &[Suite]| -> String {
        let line = |suite: &Suite| format!("  {:<14}{}\n", suite.name, suite.about);
        suites.iter().map(line).collect()
    };
    format!(
        "Suites:\n{}Only when asked for:\n{}With --debug:\n{}With --debug, only when asked for:\n{}",
        list(SUITES),
        list(LONG_SUITES),
        list(DEBUG_SUITES),
        list(LONG_DEBUG_SUITES)
    )
}

/// Runs the suites `chosen`, or all that do not take long, and returns the sum.
pub(crate) fn check(debug: bool, chosen: &[String]) -> Result<Results> {
    let (always, asked) = match debug {
        true => (DEBUG_SUITES, LONG_DEBUG_SUITES),
        false => (SUITES, LONG_SUITES),
    };
    let all = || always.iter().chain(asked);
    if let Some(unknown) = chosen
        .iter()
        .find(|name| !all().any(|suite| suite.name == **name))
    {
        bail!("there is no suite {unknown}; there are\n{}", list());
    }
    let env = match while_building("heci-model", || Env::get(false)) {
        Ok(env) => env,
        Err(error) => {
            say(&format!("nothing could be tested: {error:#}"));
            return Ok(Results::fail("the set-up"));
        }
    };
    let check = Check {
        logs: env
            .build()
            .join(if debug { "check-debug" } else { "check" }),
        env,
    };
    fs::create_dir_all(&check.logs)?;
    if debug {
        debug::suites::keep_logs_of_this_driver(&check.env, &check.logs)?;
    }
    let mut sum = Results::default();
    let mut failures = Vec::new();
    let suites: Vec<&Suite> = match chosen.is_empty() {
        true => always.iter().collect(),
        false => all()
            .filter(|suite| chosen.iter().any(|name| name == suite.name))
            .collect(),
    };
    for suite in suites {
        let step = Step::begin(suite.name);
        // What keeps a suite from running is a failure like any other; the suites after it still run.
        let results =
            (suite.run)(&check).unwrap_or_else(|error| Results::fail(format!("{error:#}")));
        step.done(&results.to_string());
        for failure in &results.failed {
            let failure = format!("FAILED {}: {failure}", suite.name);
            say(&format!("  {failure}"));
            failures.push(failure);
        }
        sum += results;
    }
    if debug {
        let results = match debug::coverage::report(&check.env, &check.logs) {
            Ok((table, results)) => {
                print!("{table}");
                results
            }
            Err(error) => Results::fail(format!("{error:#}")),
        };
        let failed = results.failed.iter();
        failures.extend(failed.map(|failure| format!("FAILED coverage: {failure}")));
        sum += results;
    }
    // Again, for a reader who has the end of the output only.
    for failure in &failures {
        say(failure);
    }
    Ok(sum)
}

impl Check {
    /// Runs a command as one test, whose log is `logs/NAME.log`.
    fn test(&self, name: &str, command: &mut Command) -> Result<Results> {
        let step = Step::begin(name);
        let log = self.logs.join(format!("{name}.log"));
        let status = process::status(command, &step, LIMIT, &log)?;
        Ok(if status.success() {
            Results::pass()
        } else {
            Results::fail(format!(
                "{name}, see {}\n{}",
                log.display(),
                process::last_lines(&log, 30)
            ))
        })
    }
}

fn format(check: &Check) -> Result<Results> {
    let mut results = check.test(
        "cargo-fmt",
        cargo()?.args(["fmt", "--all", "--", "--check"]),
    )?;
    let mut rustfmt = check.env.tools.command("rustfmt");
    rustfmt
        .args([
            "--check",
            "--edition",
            "2021",
            "--config",
            "skip_children=true",
        ])
        .args(files(&check.env.checkout, KERNEL_RUST, &["rs"])?);
    results += check.test("kernel-rustfmt", &mut rustfmt)?;
    Ok(results)
}

fn lint(check: &Check) -> Result<Results> {
    let env = &check.env;
    let mut clippy = cargo()?;
    clippy.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]);
    let mut results = check.test("cargo-clippy", &mut clippy)?;

    for (source, config) in [(module::DRIVER, module::DRIVER_CONFIG), (kapi::SOURCE, &[])] {
        results += kernel_clippy(check, source, config)?;
    }
    for file in files(&env.checkout, C_SOURCES, &["c", "h"])? {
        let name = file
            .strip_prefix(&env.checkout)
            .unwrap_or(&file)
            .display()
            .to_string();
        let mut checkpatch = env.tools.command(&format!("{TREE}/scripts/checkpatch.pl"));
        checkpatch
            .args(["--no-tree", "--no-summary", "--show-types", "--terse", "-f"])
            .arg(&file);
        results += check.test(
            &format!("checkpatch-{}", name.replace('/', "-")),
            &mut checkpatch,
        )?;
    }
    let differences = env.checkout.join(DIFFERENCES);
    results += check.test("differences", &mut Command::new(differences))?;
    let threats = env.checkout.join(THREATS);
    results += check.test("threats", &mut Command::new(threats))?;
    results += check.test("netlink-header", &mut netlink::compare_header(env))?;
    results += licences::check(env)?;
    Ok(results)
}

/// The kernel's clippy on a module directory.
fn kernel_clippy(check: &Check, source: &str, config: &[&str]) -> Result<Results> {
    let env = &check.env;
    let name = format!("kernel-clippy-{}", source.replace('/', "-"));
    let output = check.logs.join(&name);
    // Objects that are up to date would not be looked at again.
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    let what = module::Build {
        source: &env.checkout.join(source),
        output: &output,
        arguments: &[config, &["CLIPPY=1", "W=e"]].concat(),
    };
    Ok(match module::build(&Target::stock(env)?, &what) {
        Ok(_) => Results::pass(),
        Err(error) => Results::fail(format!("{name}: {error:#}")),
    })
}

fn host(check: &Check) -> Result<Results> {
    cargo_test(check, "cargo-test", &["--workspace", "--no-fail-fast"])
}

fn guest(check: &Check) -> Result<Results> {
    cargo_test(
        check,
        "guest",
        &[
            "--package",
            "vm",
            "--test",
            "guest",
            "--",
            "--test-threads=2",
        ],
    )
}

fn cargo_test(check: &Check, name: &str, arguments: &[&str]) -> Result<Results> {
    let step = Step::begin(name);
    let log = check.logs.join(format!("{name}.log"));
    let status = process::status(cargo()?.args(["test"]).args(arguments), &step, LIMIT, &log)?;
    let text = fs::read_to_string(&log).with_context(|| format!("no {}", log.display()))?;
    let results = tap::of_cargo(&text, status.success());
    if !results.failed.is_empty() {
        say(&format!(
            "{name}, see {}\n{}",
            log.display(),
            process::last_lines(&log, 40)
        ));
    }
    Ok(results)
}

/// All files below `directories` of the checkout (those that exist) with one of the extensions, sorted.
fn files(checkout: &Path, directories: &[&str], extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for directory in directories.iter().map(|directory| checkout.join(directory)) {
        if !directory.exists() {
            continue;
        }
        for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
            let path = entry?.into_path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if extension.is_some_and(|extension| extensions.contains(&extension)) {
                files.push(path);
            }
        }
    }
    Ok(files)
}
