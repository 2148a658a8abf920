// SPDX-License-Identifier: GPL-2.0

//! The netlink family of the driver as others see it: the kernel's own `ynl` command line, and the sample that is generated from
//! the specification.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::env::Env;
use crate::kselftests;
use crate::module::{self, Target};
use crate::process;
use crate::progress::Step;
use crate::run::{Guest, Request};
use crate::tap::Results;
use crate::tools::TREE;

/// Generates the header of the family, or compares it with what is generated.
const GENERATOR: &str = "scripts/ynl.sh";

const SPECIFICATIONS: &str = "Documentation/netlink/specs";
const PYYNL: &str = "tools/net/ynl/pyynl";
const SAMPLE: &str = "samples/issei";
const SCRIPT: &str = "tools/testing/vm/guest/netlink";

const BUILD_LIMIT: Duration = Duration::from_secs(120);
const LIMIT: Duration = Duration::from_secs(180);

/// A command that fails if the specification is wrong, or if the header is not what is generated from it.
pub(crate) fn compare_header(env: &Env) -> Command {
    let script = env.checkout.join(GENERATOR);
    let mut command = env.tools.command(&script.to_string_lossy());
    command.args(["--check", TREE]);
    command
}

/// Builds the sample, and runs it and `ynl` in a guest.
pub(crate) fn check(env: &Env, logs: &Path) -> Result<Results> {
    let scratch = tempfile::tempdir_in(env.build())?;
    let sample = build_sample(env, scratch.path(), logs)?;
    let modules = vec![module::driver(&Target::stock(env)?)?];
    let step = Step::begin("netlink in a guest");
    let request = Request {
        guest: Guest::Rootfs,
        modules,
        files: vec![
            (env.kernel.tree().join(PYYNL), "/root/pyynl".to_owned()),
            (
                env.checkout.join(SPECIFICATIONS),
                "/root/netlink/specs".to_owned(),
            ),
            (env.checkout.join(SCRIPT), "/root/netlink/test".to_owned()),
            (sample, "/root/netlink/evidence".to_owned()),
        ],
        models: vec![String::new()],
        timeout: LIMIT,
        out: logs.join("netlink"),
        command: vec!["/root/netlink/test".to_owned()],
        ..Request::default()
    };
    let results = kselftests::run_machine(env, &request, &["netlink".to_owned()], &step)?;
    step.done(&results.to_string());
    Ok(results)
}

/// Builds the sample as a user does: in a kernel tree over which the project was laid. What that writes goes to `scratch`.
fn build_sample(env: &Env, scratch: &Path, logs: &Path) -> Result<PathBuf> {
    let tools = env.tools.with_scratch(scratch.to_owned());
    let step = Step::begin("build the sample that reads evidence");
    let overlay = env.checkout.join("scripts/overlay.sh");
    let log = logs.join("netlink-sample.log");
    process::run(
        tools.command(&overlay.to_string_lossy()).arg(TREE),
        &step,
        BUILD_LIMIT,
        &log,
    )?;
    process::run(
        tools
            .command("make")
            .env("CFLAGS", "-Werror")
            .args(["-C", &format!("{TREE}/{SAMPLE}")])
            .args(["evidence", "CC=gcc", "LDFLAGS=-static"]),
        &step,
        BUILD_LIMIT,
        &log,
    )?;
    Ok(scratch.join("upper").join(SAMPLE).join("evidence"))
}
