// SPDX-License-Identifier: GPL-2.0

//! The host's own cargo, which builds the project's programs.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::env::{self, Env};
use crate::process;
use crate::progress::Step;

const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// cargo, at the root of the checkout.
pub(crate) fn cargo() -> Result<Command> {
    // Set where cargo has started this program.
    let program = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut cargo = Command::new(program);
    cargo
        .current_dir(env::checkout()?)
        .env_remove("MAKEFLAGS")
        .env_remove("MFLAGS");
    Ok(cargo)
}

/// Builds the program of a package so that it needs nothing of a guest.
pub(crate) fn static_program(env: &Env, package: &str) -> Result<PathBuf> {
    let step = Step::begin(format!("build {package}"));
    let target = env.build().join("target/static");
    let mut cargo = cargo()?;
    cargo
        .args(["rustc", "--release", "--package", package, "--bin", package])
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "-C", "target-feature=+crt-static"]);
    let log = env.build().join(format!("{package}.log"));
    process::run(&mut cargo, &step, BUILD_LIMIT, &log)?;
    step.done("built");
    Ok(target.join("release").join(package))
}

/// Builds a package of the workspace while `work` goes on; both must succeed.
pub(crate) fn while_building<T>(package: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let build = || -> Result<()> {
        let step = Step::begin(format!("build {package}"));
        let log = env::checkout()?
            .join("build")
            .join(format!("{package}.log"));
        process::run(
            cargo()?
                .args(["build", "--package", package])
                .args((!cfg!(debug_assertions)).then_some("--release")),
            &step,
            BUILD_LIMIT,
            &log,
        )?;
        step.done("built");
        Ok(())
    };
    std::thread::scope(|scope| {
        let building = scope.spawn(build);
        let result = work();
        match building.join() {
            Ok(built) => built.and(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
