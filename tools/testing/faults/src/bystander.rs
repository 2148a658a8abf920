// SPDX-License-Identifier: GPL-2.0
//! The bystander: a process of its own with an echo client of its own, which exchanges messages all
//! the time, looks at every byte, and tells what it has suffered.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use guest::{ioctl, until, Client, Device};
use serde::{Deserialize, Serialize};

use crate::program::{name, pattern};

const CLIENT: Client = Client::Bulk;
const PAUSE: Duration = Duration::from_millis(1);
/// Until the bystander is at work.
const START: Duration = Duration::from_secs(5);
/// Until it has finished a few exchanges more.
const PROGRESS: Duration = Duration::from_secs(3);
/// Exchanges after a fault that show that it goes on.
const MORE: u64 = 3;

/// What the bystander has seen since it was sent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Report {
    exchanges: u64,
    /// What ended its connections, each once.
    lost: Vec<String>,
    wrong: u64,
}

/// The bystander as the runner sees it.
pub(crate) struct Bystander {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Bystander {
    /// Starts the process, which does nothing yet.
    pub(crate) fn start(device: Device) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bystander", &device.0.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self {
            input: child.stdin.take().context("no input")?,
            output: BufReader::new(child.stdout.take().context("no output")?),
            child,
        })
    }

    fn ask(&mut self, question: &str) -> Result<Report> {
        writeln!(self.input, "{question}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).context("the bystander's answer")
    }

    /// Lets it begin. Where there is a device, it must get to work.
    pub(crate) fn go(&mut self, there_is_a_device: bool) -> Result<()> {
        self.ask("go")?;
        if there_is_a_device {
            let mut works = || self.ask("report").is_ok_and(|report| report.exchanges > 0);
            ensure!(until(START, &mut works), "the bystander cannot work");
        }
        Ok(())
    }

    /// Lets it end: how it fared. It must still be at work.
    pub(crate) fn halt(&mut self) -> Result<String> {
        let before = self.ask("report")?.exchanges;
        let more = until(PROGRESS, || {
            self.ask("report")
                .is_ok_and(|now| now.exchanges >= before + MORE)
        });
        let report = self.ask("halt")?;
        Ok(if report.wrong > 0 {
            format!("{} wrong messages", report.wrong)
        } else if !report.lost.is_empty() {
            report.lost.join("+")
        } else if !more {
            "stuck".to_owned()
        } else {
            "unharmed".to_owned()
        })
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        // One that has ended by itself needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the two threads of the process share.
#[derive(Default)]
struct Shared {
    working: bool,
    report: Report,
}

/// The process: takes `go`, `report` and `halt`, and answers each with a report.
pub(crate) fn work(device: Device) -> Result<()> {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let worker = Arc::clone(&shared);
    thread::spawn(move || exchange(device, &worker));
    for line in io::stdin().lines() {
        let mut shared = shared.lock().ok().context("the worker has ended")?;
        match line?.as_str() {
            "go" => {
                *shared = Shared {
                    working: true,
                    ..Shared::default()
                }
            }
            "halt" => shared.working = false,
            _ => {}
        }
        println!("{}", serde_json::to_string(&shared.report)?);
    }
    Ok(())
}

fn exchange(device: Device, shared: &Mutex<Shared>) {
    let (mut file, mut seed) = (None, 0);
    loop {
        thread::sleep(PAUSE);
        let Ok(working) = shared.lock().map(|shared| shared.working) else {
            return;
        };
        if !working {
            file = None;
            continue;
        }
        let Some(open) = &mut file else {
            // A device that is not there, or whose link is not up, is told of by the connection that was lost.
            file = device.open().ok();
            file = file.filter(|file| ioctl::connect(file, CLIENT.uuid()).is_ok());
            continue;
        };
        seed += 1;
        let result = echo(open, seed);
        let Ok(mut shared) = shared.lock() else {
            return;
        };
        if !shared.working {
            continue;
        }
        let report = &mut shared.report;
        match result {
            Ok(true) => report.exchanges += 1,
            Ok(false) => report.wrong += 1,
            Err(error) => {
                // The first is for one that waits, the second while the link is down.
                let error = match name(&error).as_str() {
                    "ENOTCONN" | "EBUSY" => "lost".to_owned(),
                    other => other.to_owned(),
                };
                if !report.lost.contains(&error) {
                    report.lost.push(error);
                }
                file = None;
            }
        }
    }
}

/// One exchange; whether the answer is right. A signal, as the freezer's, is no harm.
fn echo(file: &mut File, seed: u32) -> io::Result<bool> {
    let length = match seed % 8 {
        0 => 20_000,
        _ => 1 + (seed as usize * 37) % 4096,
    };
    let message = pattern(length, seed);
    let mut answer = vec![0; 0x1_0000];
    let length = again(|| file.write(&message))?;
    let read = again(|| file.read(&mut answer))?;
    Ok(length == message.len() && answer.get(..read) == Some(&message))
}

fn again(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
