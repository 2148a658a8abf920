// SPDX-License-Identifier: GPL-2.0
//! The guest around the driver: programs, and sleep.

use std::fs;
use std::process::Command;

use anyhow::{bail, Context, Result};

const PM_TEST: &str = "/sys/power/pm_test";
const PM_DELAY: &str = "/sys/module/suspend/parameters/pm_test_delay";

/// Runs a program, which must succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}", arguments.join(" "), error.trim());
    }
    Ok(())
}

/// Sleeps as far as a level of `pm_test`, and wakes up.
pub(crate) fn sleep(level: &str) -> Result<()> {
    fs::write(PM_DELAY, "0").context("the kernel has no pm_test")?;
    fs::write(PM_TEST, level).context("pm_test")?;
    let slept = fs::write("/sys/power/state", "freeze").context("sleep");
    fs::write(PM_TEST, "none").context("pm_test")?;
    slept
}
