// SPDX-License-Identifier: GPL-2.0

//! The kselftests, in guests, on either driver.
//!
//! Programs run one after the other in one guest with one device model, but for those that the file `machines` beside them names:
//! each line of it is `PROGRAM: options of vm run`, a guest of its own. `NAME*` are all programs that begin so and do not stand before.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::cli::GuestArgs;
use crate::env::Env;
use crate::module::{self, Target};
use crate::process;
use crate::progress::{Lines, Step};
use crate::run::{self, End, Request};
use crate::tap::{self, Results};
use crate::tools::TREE;

const SOURCE: &str = "tools/testing/selftests/drivers/issei";
/// Runs programs in the guest.
pub(crate) const SCRIPT: &str = "tools/testing/vm/guest/kselftests";

const C_DRIVER: &str = "drivers/misc/issei";
const C_DRIVER_CONFIG: &[&str] = &["CONFIG_INTEL_SSEI=m", "CONFIG_INTEL_SSEI_HW_HECI=m"];

const BUILD_LIMIT: Duration = Duration::from_secs(300);
/// Programs that test what Intel's driver has nothing of begin so.
const RUST_ONLY: &str = "issei_spdm_";

/// How long one program may take, as kselftest's own runner has it, where no file `settings` says otherwise.
const PROGRAM_LIMIT: u64 = 45;

/// Runs the kselftests on the driver of this checkout.
pub(crate) fn rust_driver(env: &Env, logs: &Path) -> Result<Results> {
    stock_kernel(env, logs, "issei_rust")
}

/// Runs them on Intel's driver.
pub(crate) fn c_driver(env: &Env, logs: &Path) -> Result<Results> {
    stock_kernel(env, logs, "issei-heci")
}

fn stock_kernel(env: &Env, logs: &Path, driver: &str) -> Result<Results> {
    // Both drivers are there, so that a test can try one while the other is loaded.
    let mut modules = vec![module::driver(&Target::stock(env)?)?];
    modules.extend(build_c_driver(env)?);
    run_all(env, logs, &Guests::stock(env, modules, driver))
}

/// What all guests have in common.
pub(crate) struct Guests<'a> {
    /// The environment whose kernel runs in them.
    pub env: &'a Env,
    pub modules: Vec<PathBuf>,
    pub driver: &'a str,
    /// Modules that are loaded before the driver.
    pub preload: &'a [&'a str],
    /// More kernel parameters.
    pub append: &'a str,
    /// More files for them.
    pub files: Vec<(PathBuf, String)>,
    /// A program among these files that runs after the others in each guest.
    pub last: Option<&'a str>,
}

impl<'a> Guests<'a> {
    /// Guests with the stock kernel.
    pub(crate) fn stock(env: &'a Env, modules: Vec<PathBuf>, driver: &'a str) -> Self {
        Self {
            env,
            modules,
            driver,
            preload: &[],
            append: "",
            files: Vec::new(),
            last: None,
        }
    }
}

/// Programs and the options of their guest.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    name: String,
    programs: Vec<String>,
    options: Vec<String>,
}

/// Builds the programs with the tools and headers of `env`, and runs them in guests.
pub(crate) fn run_all(env: &Env, logs: &Path, guests: &Guests<'_>) -> Result<Results> {
    let driver = guests.driver;
    let slowness = guests.env.kernel.slowness;
    let installed = build_for(env, logs, SOURCE, slowness)?;
    let programs = executables(&installed)?;
    ensure!(!programs.is_empty(), "{SOURCE} has no test programs");
    let all = driver == "issei_rust";
    let read = |file: &str| fs::read_to_string(env.checkout.join(SOURCE).join(file));
    let limit = program_limit(&read("settings").unwrap_or_default()) * u64::from(slowness);

    let mut results = Results::default();
    for mut machine in machines(&programs, &read("machines").unwrap_or_default())? {
        machine
            .programs
            .retain(|name| all || !name.starts_with(RUST_ONLY));
        if machine.programs.is_empty() {
            continue;
        }
        machine.programs.extend(guests.last.map(str::to_owned));
        let step = Step::begin(format!("{driver}, guest {}", machine.name));
        let count = u64::try_from(machine.programs.len())?;
        let loaded = [guests.preload, &[driver]].concat().join(" ");
        let mut command = vec!["/root/run".to_owned(), loaded, limit.to_string()];
        command.extend(machine.programs.iter().cloned());
        let mut files = vec![(env.checkout.join(SCRIPT), "/root/run".to_owned())];
        files.push((installed.clone(), "/root/kselftests".to_owned()));
        files.extend(guests.files.iter().cloned());
        let request = Request {
            modules: guests.modules.clone(),
            timeout: Duration::from_secs(limit * count + 30),
            out: logs.join(format!("{driver}-{}", machine.name)),
            command,
            ..GuestArgs::parse_options(&machine.options)?.request(guests.env)
        };
        let request = Request {
            files: [request.files.clone(), files].concat(),
            append: format!("{} {}", request.append, guests.append),
            ..request
        };
        let these = run_machine(guests.env, &request, &machine.programs, &step)?;
        step.done(&these.to_string());
        results += these;
    }
    Ok(results)
}

/// Runs one guest and counts its results; a guest that did not end well is a failure of its own.
pub(crate) fn run_machine(
    env: &Env,
    request: &Request,
    programs: &[String],
    step: &Step,
) -> Result<Results> {
    let shown = step.clone();
    let sink = Lines::new(move |line: &str| shown.tick(line));
    let end = run::run(env, request, Box::new(sink))?;
    let output = request.out.join("output.log");
    let output = fs::read(&output).with_context(|| format!("no {}", output.display()))?;
    let mut results = tap::of_programs(&String::from_utf8_lossy(&output), programs);
    let failure = match end {
        End::Status(0) => None,
        End::Status(status) => Some(format!(
            "the guest's script ended with status {status}: {}",
            process::last_lines(&request.out.join("output.log"), 5)
        )),
        End::Splat(lines) => Some(format!("the kernel log has a splat:\n{lines}")),
        End::NoStatus(lines) => Some(format!("the guest ended without a status\n{lines}")),
        End::TimeLimit(text) => Some(text),
    };
    if let Some(failure) = failure {
        results += Results::fail(format!(
            "{failure}\nall logs are in {}",
            request.out.display()
        ));
    }
    Ok(results)
}

/// Intel's driver, from the source of the stock kernel.
pub(crate) fn build_c_driver(env: &Env) -> Result<Vec<PathBuf>> {
    let what = module::Build {
        source: &env.kernel.tree().join(C_DRIVER),
        output: &env
            .build()
            .join("modules/issei-c")
            .join(&env.kernel.release),
        arguments: C_DRIVER_CONFIG,
    };
    module::build(&Target::stock(env)?, &what)
}

/// Builds the programs in `source` as the kernel's selftests are built, statically, and installs them in a directory.
pub(crate) fn build(env: &Env, logs: &Path, source: &str) -> Result<PathBuf> {
    build_for(env, logs, source, 1)
}

/// The same for a kernel that may be so many times slower than the stock one.
fn build_for(env: &Env, logs: &Path, source: &str, slowness: u32) -> Result<PathBuf> {
    let step = Step::begin(format!("build the programs of {source}"));
    let build = env
        .build()
        .join(format!("kselftests-{slowness}"))
        .join(source);
    let (objects, installed) = (build.join("objects"), build.join("installed"));
    if installed.exists() {
        fs::remove_dir_all(&installed)?;
    }
    fs::create_dir_all(&objects)?;
    let mut make = env.tools.command("make");
    make.arg("-C")
        .arg(env.checkout.join(source))
        .arg(format!("KSELFTEST={TREE}/tools/testing/selftests"))
        .arg(format!("top_srcdir={TREE}"))
        .arg(format!(
            "KHDR_INCLUDES=-isystem {TREE}/usr/include -isystem {}",
            env.checkout.join("include/uapi").display()
        ))
        .arg(format!("CPPFLAGS=-DSLOWNESS={slowness}"))
        .arg(format!("OUTPUT={}", objects.display()))
        .arg(format!("INSTALL_PATH={}", installed.display()))
        .args(["LDFLAGS=-static", "all", "install"]);
    process::run(
        &mut make,
        &step,
        BUILD_LIMIT,
        &logs.join(format!("{}-build.log", source.replace('/', "-"))),
    )?;
    Ok(installed)
}

fn executables(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("no {}", directory.display()))? {
        let path = entry?.path();
        let is_program = fs::read(&path).is_ok_and(|data| data.starts_with(b"\x7fELF"));
        if let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|_| is_program)
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Which programs run in which guest.
fn machines(programs: &[String], own: &str) -> Result<Vec<Machine>> {
    let mut rest = programs.to_vec();
    let mut machines = Vec::new();
    for line in own
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (pattern, options) = line
            .split_once(':')
            .with_context(|| format!("machines: no colon in '{line}'"))?;
        let (own, others): (Vec<_>, Vec<_>) =
            rest.into_iter()
                .partition(|name| match pattern.strip_suffix('*') {
                    Some(begin) => name.starts_with(begin),
                    None => name == pattern,
                });
        rest = others;
        ensure!(
            !own.is_empty(),
            "machines: there is no program {pattern} (or it stands twice)"
        );
        machines.push(Machine {
            name: pattern.trim_end_matches(['*', '_']).to_owned(),
            programs: own,
            options: shlex::split(options)
                .with_context(|| format!("machines: a quote is not closed in '{line}'"))?,
        });
    }
    machines.insert(
        0,
        Machine {
            name: "common".to_owned(),
            programs: rest,
            options: Vec::new(),
        },
    );
    Ok(machines)
}

/// `timeout=SECONDS` of kselftest's settings.
fn program_limit(settings: &str) -> u64 {
    settings
        .lines()
        .find_map(|line| line.strip_prefix("timeout=")?.trim().parse().ok())
        .unwrap_or(PROGRAM_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn programs_with_a_machine_of_their_own() {
        let own = "# comment\n\nb: --root-port --model '--device-id 7abc'\nc_x:\nc_*:\n";
        let machines = machines(&names(&["a", "b", "c", "c_x", "c_y", "c_z"]), own).unwrap();
        assert_eq!(machines[0].programs, names(&["a", "c"]));
        assert_eq!(machines[1].programs, names(&["b"]));
        assert_eq!(machines[2].programs, names(&["c_x"]));
        assert_eq!(machines[3].programs, names(&["c_y", "c_z"]));
        assert_eq!(machines[3].name, "c");
        assert_eq!(
            machines[1].options,
            names(&["--root-port", "--model", "--device-id 7abc"])
        );
        assert!(GuestArgs::parse_options(&machines[1].options).is_ok());
    }

    #[test]
    fn a_mistake_in_machines_is_an_error() {
        for own in [
            "d: --root-port",
            "a",
            ":",
            "b*:",
            "a*:\na:",
            "a: 'x",
            "a:\na:",
        ] {
            assert!(machines(&names(&["a"]), own).is_err(), "{own}");
        }
        assert!(GuestArgs::parse_options(&names(&["--rootport"])).is_err());
    }

    #[test]
    fn limits() {
        assert_eq!(program_limit("timeout=90\n"), 90);
        assert_eq!(program_limit(""), PROGRAM_LIMIT);
    }
}
