// SPDX-License-Identifier: GPL-2.0

//! Child processes with a time limit, a log and a certain end.
//!
//! Every child is the leader of a process group of its own. The group is killed when its [`Running`] is dropped and when this
//! program is interrupted, so that nothing outlives a run.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;

use crate::progress::Step;

static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
static LEFTOVERS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

const POLL: Duration = Duration::from_millis(20);
const SHOWN_LINES: usize = 20;

/// Makes SIGINT, SIGTERM and SIGHUP end every child and remove the temporary directories.
pub(crate) fn install_signal_handler() -> Result<()> {
    ctrlc::set_handler(|| {
        if let Ok(groups) = GROUPS.lock() {
            for group in groups.iter() {
                // The group may have ended in this moment: nothing is left to kill then.
                let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
            }
        }
        if let Ok(leftovers) = LEFTOVERS.lock() {
            for path in leftovers.iter() {
                let _ = fs::remove_dir_all(path);
            }
        }
        std::process::exit(130);
    })
    .context("could not install the signal handler")
}

/// A directory of sockets with a short path (a socket's address has at most 107 bytes), removed at the end.
pub(crate) struct SocketDir(tempfile::TempDir);

impl SocketDir {
    /// Creates the directory below /tmp.
    pub(crate) fn new() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("issei-vm.")
            .tempdir_in("/tmp")
            .context("could not create a directory in /tmp")?;
        if let Ok(mut leftovers) = LEFTOVERS.lock() {
            leftovers.insert(dir.path().to_owned());
        }
        Ok(Self(dir))
    }

    /// The path of a file in it.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for SocketDir {
    fn drop(&mut self) {
        if let Ok(mut leftovers) = LEFTOVERS.lock() {
            leftovers.remove(self.0.path());
        }
    }
}

/// A child and its process group; dropping it kills both.
pub(crate) struct Running {
    child: Child,
    /// What to kill: a process group, or no group but the child alone.
    group: Option<i32>,
}

impl Running {
    /// Starts `command` in a process group of its own. `what` names it in the error.
    pub(crate) fn start(command: &mut Command, what: &str) -> Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("could not start {what} ({})", program(command)))?;
        let group = i32::try_from(child.id()).context("a process id beyond i32")?;
        if let Ok(mut groups) = GROUPS.lock() {
            groups.insert(group);
        }
        Ok(Self {
            child,
            group: Some(group),
        })
    }

    /// Starts `command` in the group of this program, so that it may use the terminal.
    pub(crate) fn start_in_foreground(command: &mut Command, what: &str) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("could not start {what} ({})", program(command)))?;
        Ok(Self { child, group: None })
    }

    /// The child itself, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("could not wait for a child")
    }

    /// Waits until it ends, `false` when `limit` was over before.
    pub(crate) fn wait(
        &mut self,
        limit: Duration,
        mut tick: impl FnMut(),
    ) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            tick();
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // These fail only for what has ended already.
        match self.group {
            Some(group) => drop(killpg(Pid::from_raw(group), Signal::SIGKILL)),
            None => drop(self.child.kill()),
        }
        let _ = self.child.wait();
        if let (Ok(mut groups), Some(group)) = (GROUPS.lock(), self.group) {
            groups.remove(&group);
        }
    }
}

/// Runs `command` to its end as (a part of) `step`, its output going to the file `log`.
///
/// A failure or an expired `limit` is an error that names the step and shows the last lines of the output.
pub(crate) fn run(command: &mut Command, step: &Step, limit: Duration, log: &Path) -> Result<()> {
    match status(command, step, limit, log)? {
        status if status.success() => Ok(()),
        status => bail!("{}: failed ({status})\n{}", step.name(), excerpt(log)),
    }
}

/// As [`run`], but hands back the exit status, whatever it is.
pub(crate) fn status(
    command: &mut Command,
    step: &Step,
    limit: Duration,
    log: &Path,
) -> Result<ExitStatus> {
    if let Some(parent) = log.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("could not create {}", parent.display()))?;
    }
    let file = File::create(log).with_context(|| format!("could not create {}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let mut child = Running::start(command, step.name())?;
    let mut shown = Instant::now();
    let ended = child.wait(limit, || {
        if shown.elapsed() > Duration::from_millis(500) {
            shown = Instant::now();
            step.tick(last_lines(log, 1).trim());
        }
    })?;
    match ended {
        Some(status) => Ok(status),
        None => bail!(
            "{}: the time limit of {} s is over\n{}",
            step.name(),
            limit.as_secs(),
            excerpt(log)
        ),
    }
}

/// Runs `command` (quick ones only) and returns its standard output; `what` names it in the error.
pub(crate) fn capture(command: &mut Command, what: &str) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start {what} ({})", program(command)))?;
    if !output.status.success() {
        bail!(
            "{what} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The last `count` lines of a file, read from its last 16 KiB.
pub(crate) fn last_lines(path: &Path, count: usize) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(16 * 1024)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&tail);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn excerpt(log: &Path) -> String {
    format!(
        "--- last lines of {}\n{}",
        log.display(),
        last_lines(log, SHOWN_LINES)
    )
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn time_limit_names_the_step_and_shows_the_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let step = Step::begin("wait for rain");
        let begun = Instant::now();
        let error = run(
            &mut shell("echo clouds; sleep 60 & wait"),
            &step,
            Duration::from_millis(300),
            &dir.path().join("log"),
        )
        .unwrap_err()
        .to_string();
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert!(error.contains("wait for rain: the time limit"), "{error}");
        assert!(error.contains("clouds"), "{error}");
    }

    #[test]
    fn failure_shows_status_and_output() {
        let dir = tempfile::tempdir().unwrap();
        let step = Step::begin("try");
        let error = run(
            &mut shell("echo oh; exit 3"),
            &step,
            Duration::from_secs(20),
            &dir.path().join("log"),
        )
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("oh"),
            "{error}"
        );
    }

    #[test]
    fn dropping_kills_the_whole_group() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!(
            "sleep 60 & echo $! > {0}.new; mv {0}.new {0}; wait",
            pid_file.display()
        );
        let running = Running::start(&mut shell(&script), "sleeper").unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !pid_file.exists() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        let pid = fs::read_to_string(&pid_file).unwrap();
        drop(running);
        // The grandchild is reaped by init a moment later; a zombie counts as ended.
        let stat = format!("/proc/{}/stat", pid.trim());
        let alive = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        while alive() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        assert!(!alive());
    }

    #[test]
    fn last_lines_of_a_short_and_a_missing_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "a\nb\nc\n").unwrap();
        assert_eq!(last_lines(&path, 2), "b\nc");
        assert_eq!(last_lines(&path, 9), "a\nb\nc");
        assert_eq!(last_lines(&dir.path().join("none"), 2), "");
    }
}
