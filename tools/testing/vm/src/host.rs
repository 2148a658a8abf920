// SPDX-License-Identifier: GPL-2.0

//! The host's own cargo, which builds the project's programs.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::env;
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
