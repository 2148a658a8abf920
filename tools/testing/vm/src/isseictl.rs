// SPDX-License-Identifier: GPL-2.0

//! isseictl for guests, and its tests on the driver there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::demo;
use crate::env::Env;
use crate::host;
use crate::kselftests;
use crate::module::{self, Target};
use crate::process;
use crate::progress::Step;
use crate::run::{Guest, Request};
use crate::tap::Results;

const NAME: &str = "isseictl";
const SCRIPT: &str = "tools/testing/vm/guest/isseictl";
const EXCHANGE: &str = "tools/testing/vm/guest/exchange.c";

const BUILD_LIMIT: Duration = Duration::from_secs(900);
const LIMIT: Duration = Duration::from_secs(240);

/// Builds isseictl so that it needs nothing of a guest.
pub(crate) fn build(env: &Env) -> Result<PathBuf> {
    let step = Step::begin(format!("build {NAME}"));
    let mut cargo = host::cargo()?;
    cargo
        .args(["rustc", "--package", NAME, "--bin", NAME, "--"])
        .args(["-C", "target-feature=+crt-static", "-C", "strip=symbols"]);
    process::run(
        &mut cargo,
        &step,
        BUILD_LIMIT,
        &env.build().join("isseictl.log"),
    )?;
    // The next build for the host takes its place.
    let own = std::env::current_exe().context("could not find this program's own path")?;
    let program = env.build().join(NAME);
    let built = own.with_file_name(NAME);
    fs::copy(&built, &program).with_context(|| format!("could not copy {}", built.display()))?;
    step.done("built");
    Ok(program)
}

/// Runs it in a guest with two engines, one of them without an SPDM client.
pub(crate) fn check(env: &Env, logs: &Path) -> Result<Results> {
    let exchange = env.build().join("exchange");
    demo::compile(env, EXCHANGE, &exchange)?;
    let files = [
        (build(env)?, NAME),
        (exchange, "exchange"),
        (env.checkout.join(SCRIPT), "test"),
    ];
    let modules = vec![module::driver(&Target::stock(env)?)?];
    let step = Step::begin("isseictl in a guest");
    let request = Request {
        guest: Guest::Rootfs,
        modules,
        files: files
            .map(|(path, name)| (path, format!("/root/isseictl/{name}")))
            .to_vec(),
        models: vec![String::new(), "--no-spdm".to_owned()],
        timeout: LIMIT,
        out: logs.join(NAME),
        command: vec!["/root/isseictl/test".to_owned()],
        ..Request::default()
    };
    let results = kselftests::run_machine(env, &request, &[NAME.to_owned()], &step)?;
    step.done(&results.to_string());
    Ok(results)
}
