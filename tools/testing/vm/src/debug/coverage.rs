// SPDX-License-Identifier: GPL-2.0

//! Which lines of the driver have run in guests.
//!
//! The driver is built with the compiler's counters. In the guest, a module adds them up whenever the driver is unloaded, and the
//! last program prints the sums. Here they become a profile as LLVM's own run time writes it. Not all lines have a counter: how often
//! a line has run may be the difference of two, so their values must be exact.

mod lines;
mod reasons;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use elf::endian::AnyEndian;
use elf::ElfBytes;
use serde_json::Value;

use crate::cache;
use crate::env::Env;
use crate::host;
use crate::module;
use crate::process;
use crate::progress::Step;
use crate::tap::Results;
use crate::tools::TREE;

use lines::Lines;
use reasons::Reasons;

const SOURCE: &str = "tools/testing/vm/guest/coverage";

const COUNTERS: &str = "__llvm_prf_cnts";
const RECORDS: &str = "__llvm_prf_data";
const NAMES: &str = "__llvm_prf_names";

/// For the linker: sections of many functions become one; where the counters lie, for `issei_coverage`.
const SCRIPT: &str = "SECTIONS {\n\
                      __llvm_prf_cnts 0 : { issei_counters_begin = .; *(__llvm_prf_cnts) issei_counters_end = .; }\n\
                      __llvm_prf_data 0 : { *(__llvm_prf_data) }\n\
                      }\n";

/// What begins the line of a guest's output that has the counters.
const MARK: &str = "# coverage ";

/// The format of LLVM 19, `llvm/ProfileData/InstrProfData.inc`.
const MAGIC: u64 = 0xff6c_7072_6f66_7281;
const VERSION: u64 = 10;
const RECORD_SIZE: usize = 64;
/// Where in a record it says where its counters are, from the record.
const RECORD_COUNTERS: usize = 16;
const LAST_VALUE_KIND: u64 = 2;

/// Lines that have not run, and why.
const REASONS: &str = "tools/testing/vm/uncovered.toml";
/// What is left in the logs by each suite on the debug kernel.
const SUITES: &[&str] = &["kunit", "issei_rust-common", "faults-issei_rust"];
/// How many lines of a hundred must have run.
const GOAL: usize = 90;

const LIMIT: Duration = Duration::from_secs(600);

/// The arguments of make for a module with counters; `directory` takes a file for the linker.
pub(super) fn arguments(directory: &Path) -> Result<Vec<String>> {
    // Its name is all of it that make compares.
    let script = directory.join(format!("coverage-{}.lds", cache::key([SCRIPT])));
    fs::write(&script, SCRIPT).with_context(|| format!("could not write {}", script.display()))?;
    Ok(vec![
        "RUSTFLAGS_issei_main.o=-Cinstrument-coverage -Zno-profiler-runtime \
         -Cllvm-args=-instrprof-atomic-counter-update-all"
            .to_owned(),
        "CFLAGS_kapi.o=-fprofile-instr-generate -fcoverage-mapping -fprofile-update=atomic"
            .to_owned(),
        format!(
            "LDFLAGS_MODULE=--force-group-allocation -T {}",
            script.display()
        ),
    ])
}

/// The counters of a module and whose they are.
struct Profile {
    count: usize,
    records: Vec<u8>,
    names: Vec<u8>,
}

impl Profile {
    fn of(module: &Path) -> Result<Self> {
        let object =
            fs::read(module).with_context(|| format!("could not read {}", module.display()))?;
        let file = ElfBytes::<AnyEndian>::minimal_parse(&object).context("not an ELF file")?;
        let section = |name: &str| -> Result<Vec<u8>> {
            let header = file
                .section_header_by_name(name)?
                .with_context(|| format!("{} has no section {name}", module.display()))?;
            Ok(file.section_data(&header)?.0.to_vec())
        };
        let mut records = section(RECORDS)?;
        let count = section(COUNTERS)?.len() / 8;
        ensure!(
            records.len() % RECORD_SIZE == 0,
            "the compiler's records of functions are not those of LLVM 19"
        );
        // Where the counters of a record are is known when the module is loaded. Here, both sections begin at 0.
        let header = file
            .section_header_by_name(&format!(".rela{RECORDS}"))?
            .context("the records of functions name no counters")?;
        for relocation in file.section_data_as_relas(&header)? {
            let at = usize::try_from(relocation.r_offset)?;
            if at % RECORD_SIZE != RECORD_COUNTERS {
                continue;
            }
            // Relative to the place itself.
            let value = relocation.r_addend - i64::try_from(at)?;
            records
                .get_mut(at..at + 8)
                .context("a relocation beyond its section")?
                .copy_from_slice(&value.to_le_bytes());
        }
        Ok(Self {
            count,
            records,
            names: section(NAMES)?,
        })
    }

    /// The file that LLVM's run time would have written.
    fn raw(&self, counters: &[u64]) -> Vec<u8> {
        let length = |bytes: &[u8]| bytes.len() as u64;
        let header = [
            MAGIC,
            VERSION,
            0,
            length(&self.records) / RECORD_SIZE as u64,
            0,
            self.count as u64,
            0,
            0,
            0,
            length(&self.names),
            0,
            0,
            0,
            0,
            0,
            LAST_VALUE_KIND,
        ];
        let mut raw: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
        raw.extend(&self.records);
        raw.extend(counters.iter().flat_map(|counter| counter.to_le_bytes()));
        raw.extend(&self.names);
        raw.resize(raw.len().next_multiple_of(8), 0);
        raw
    }
}

/// Builds the module that notes in a guest what has run.
pub(super) fn module(debug: &Env) -> Result<Vec<PathBuf>> {
    module::of_tests(debug, SOURCE, "issei_coverage")
}

/// The counters that guests have printed, added up.
fn merge(outputs: impl IntoIterator<Item = String>, count: usize) -> Result<Vec<u64>> {
    let mut sums = vec![0_u64; count];
    let mut guests = 0;
    for output in outputs {
        for line in output.lines().filter_map(|line| line.strip_prefix(MARK)) {
            let counters: Vec<u64> = line
                .split_whitespace()
                .map(str::parse)
                .collect::<Result<_, _>>()
                .context("a guest's counters")?;
            ensure!(
                counters.len() == count,
                "a guest has {} counters, the driver {count}",
                counters.len()
            );
            guests += 1;
            for (sum, counter) in sums.iter_mut().zip(counters) {
                *sum = sum.saturating_add(counter);
            }
        }
    }
    ensure!(guests > 0, "no guest has printed its counters");
    Ok(sums)
}

/// The table of the lines that have run: of the driver in the guests whose logs are below `logs`, and of its crates in their
/// tests on the host. If all suites have left logs, whether enough has run, and all else is known not to run, is a result.
///
/// It is written to `build/coverage.txt` and `build/coverage.json`, line by line to `build/coverage.lcov`, and the lines that have
/// not run to `build/uncovered.txt`.
pub(crate) fn report(env: &Env, logs: &Path) -> Result<(String, Results)> {
    let debug = super::environment(env)?;
    let step = Step::begin("sum up the lines that have run");
    let mut lines = Lines::default();
    lines.add(&in_guests(&debug, &step, logs)?, Path::new(TREE))?;
    lines.add(&on_host(&debug, &step)?, &env.checkout)?;
    let lines = lines.not_empty()?;
    let missing = lines.missing(&env.checkout)?;
    let reasons = Reasons::read(&env.checkout.join(REASONS))?;
    let (named, unnamed) = reasons.sort(&missing);
    let table = lines.table();
    for (file, text) in [
        ("coverage.txt", table.clone()),
        (
            "coverage.json",
            format!("{:#}\n", lines.json(unnamed.len())),
        ),
        ("coverage.lcov", lines.lcov()),
        ("uncovered.txt", reasons::text(&named, &unnamed)),
    ] {
        let path = env.build().join(file);
        fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    }
    step.done("build/coverage.lcov tells of each line, build/uncovered.txt why some have not run");
    let mut results = Results::default();
    if SUITES.iter().all(|suite| logs.join(suite).exists()) {
        let (all, ran) = lines.sums();
        results += match ran * 100 >= all * GOAL {
            true => Results::pass(),
            false => Results::fail(format!("less than {GOAL} % of the lines have run")),
        };
        results += match unnamed.len() {
            0 => Results::pass(),
            count => Results::fail(format!(
                "{count} lines have not run, and {REASONS} does not say why: see the end of build/uncovered.txt"
            )),
        };
    }
    Ok((table, results))
}

/// What has run of the driver in guests.
fn in_guests(debug: &Env, step: &Step, logs: &Path) -> Result<String> {
    let module = super::module_path(debug);
    let profile = Profile::of(&module)?;
    let outputs = walkdir::WalkDir::new(logs)
        .into_iter()
        .filter_map(|entry| Some(entry.ok()?.into_path()))
        .filter(|path| path.ends_with("output.log"))
        .map(|path| Ok(String::from_utf8_lossy(&fs::read(&path)?).into_owned()))
        .collect::<Result<Vec<String>>>()?;
    let counters = merge(outputs, profile.count)?;
    let raw = debug.build().join("debug/guest.profraw");
    fs::write(&raw, profile.raw(&counters))?;
    export(debug, step, &[raw], &[module])
}

/// What has run of the driver's crates in their own tests.
fn on_host(debug: &Env, step: &Step) -> Result<String> {
    let directory = debug.build().join("debug/host");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    let target = debug.build().join("target/coverage");
    let cargo = || -> Result<Command> {
        let mut cargo = host::cargo()?;
        cargo
            .args(["test", "--package=ham", "--package=spdm", "--lib"])
            .arg("--target-dir")
            .arg(&target)
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2")
            .env("RUSTFLAGS", "-Cinstrument-coverage")
            .env("LLVM_PROFILE_FILE", directory.join("%p-%m.profraw"));
        Ok(cargo)
    };
    process::run(&mut cargo()?, step, LIMIT, &directory.join("tests.log"))?;
    let mut list = cargo()?;
    list.args(["--no-run", "--quiet", "--message-format=json"]);
    let programs = process::capture(&mut list, "cargo test --no-run")?
        .lines()
        .filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            Some(PathBuf::from(message["executable"].as_str()?))
        })
        .collect::<Vec<_>>();
    let profiles = fs::read_dir(&directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    let is_profile = |path: &PathBuf| path.extension().is_some_and(|end| end == "profraw");
    let profiles: Vec<_> = profiles.into_iter().filter(is_profile).collect();
    export(debug, step, &profiles, &programs)
}

/// What profiles say of the lines of programs, as lcov has it.
fn export(debug: &Env, step: &Step, profiles: &[PathBuf], programs: &[PathBuf]) -> Result<String> {
    let path = |name: &str| debug.build().join("debug").join(name);
    let merged = path("coverage.profdata");
    let mut tool = debug.tools.command("llvm-profdata");
    tool.arg("merge").arg("-o").arg(&merged).args(profiles);
    process::run(&mut tool, step, LIMIT, &path("coverage.log"))?;
    let mut tool = debug.tools.command("llvm-cov");
    tool.args(["export", "-format=lcov", "-instr-profile"])
        .arg(&merged);
    for program in programs {
        tool.arg("-object").arg(program);
    }
    process::capture(&mut tool, "llvm-cov export")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_all_guests() {
        let outputs = [
            "## end a 0\n# coverage 0 1 0 7 \n",
            "",
            "# coverage 0 2 1 0 \n",
        ];
        let merged = merge(outputs.map(str::to_owned), 4).unwrap();
        assert_eq!(merged, [0, 3, 1, 7]);
        assert!(merge(["# coverage 0 1 \n".to_owned()], 4).is_err());
        assert!(merge(["# coverage 0 1 x 1\n".to_owned()], 4).is_err());
        assert!(merge([String::new()], 4).is_err());
    }

    #[test]
    fn a_profile_has_its_parts_in_order() {
        let profile = Profile {
            count: 2,
            records: vec![7; RECORD_SIZE],
            names: vec![9; 3],
        };
        let raw = profile.raw(&[0, 5]);
        assert_eq!(raw.len(), 16 * 8 + RECORD_SIZE + 2 * 8 + 8);
        assert_eq!(raw[..8], MAGIC.to_le_bytes());
        assert_eq!(
            raw[128 + RECORD_SIZE..][..16],
            [[0; 8], 5_u64.to_le_bytes()].concat()
        );
        assert_eq!(raw[128 + RECORD_SIZE + 16..], [9, 9, 9, 0, 0, 0, 0, 0]);
    }
}
