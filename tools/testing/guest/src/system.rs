// SPDX-License-Identifier: GPL-2.0
//! The system around the driver: time, programs, and sleep.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};

/// How often to try.
const PERIOD: Duration = Duration::from_millis(1);

const PM_TEST: &str = "/sys/power/pm_test";
const PM_DELAY: &str = "/sys/module/suspend/parameters/pm_test_delay";

/// Tries every millisecond until it succeeds; the last error if it does not within `limit`. It is
/// tried once at least.
pub fn retry<T, E>(limit: Duration, mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    loop {
        let result = attempt();
        if result.is_ok() || start.elapsed() >= limit {
            return result;
        }
        thread::sleep(PERIOD);
    }
}

/// Waits until `condition` holds; whether it does within `limit`.
pub fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    retry(limit, || condition().then_some(()).ok_or(())).is_ok()
}

/// Runs a program, which must succeed; returns its output.
pub fn run(program: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}", arguments.join(" "), error.trim());
    }
    Ok(output.stdout)
}

/// Goes to sleep as far as a level of `pm_test`, `devices` for example, and wakes up.
pub fn sleep(level: &str) -> Result<()> {
    fs::write(PM_DELAY, "0").context("the kernel has no pm_test")?;
    fs::write(PM_TEST, level).context("pm_test")?;
    let slept = fs::write("/sys/power/state", "freeze").context("sleep");
    fs::write(PM_TEST, "none").context("pm_test")?;
    slept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_end_with_success_or_the_limit() {
        let mut left = 3;
        let third = retry(Duration::MAX, || {
            left -= 1;
            if left == 0 {
                Ok("done")
            } else {
                Err(left)
            }
        });
        assert_eq!(third, Ok("done"));
        assert_eq!(retry(Duration::ZERO, || Err::<(), _>(7)), Err(7));
        assert!(until(Duration::ZERO, || true));
        assert!(!until(Duration::from_millis(2), || false));
    }

    #[test]
    fn programs_succeed_or_say_why_not() {
        assert_eq!(run("echo", &["-n", "a"]).unwrap(), b"a");
        let error = run("sh", &["-c", "echo no >&2; false"]).unwrap_err();
        assert_eq!(error.to_string(), "sh -c echo no >&2; false: no");
        assert!(run("/no/such/program", &[]).is_err());
    }
}
