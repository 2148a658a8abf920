// SPDX-License-Identifier: GPL-2.0

//! Device models: one process is one device.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{bail, Context, Result};

use crate::process::{last_lines, Running, SocketDir};

const START_LIMIT: Duration = Duration::from_secs(20);

/// A running heci-model.
pub(crate) struct Model {
    index: usize,
    process: Running,
    /// Where QEMU connects.
    pub socket: PathBuf,
    /// Where JSON lines are taken.
    pub control: PathBuf,
    log: PathBuf,
}

impl Model {
    /// Starts model `index` with more `arguments` (split as a shell would) and waits until it listens. Its trace is
    /// `model<index>.trace` in `out`.
    pub(crate) fn start(
        index: usize,
        arguments: &str,
        sockets: &SocketDir,
        out: &Path,
    ) -> Result<Self> {
        let trace = out.join(format!("model{index}.trace"));
        Self::start_with(index, arguments, sockets, out, Some(&trace))
    }

    /// The same with another trace, or without.
    pub(crate) fn start_with(
        index: usize,
        arguments: &str,
        sockets: &SocketDir,
        out: &Path,
        trace: Option<&Path>,
    ) -> Result<Self> {
        let program = program()?;
        let arguments = shlex::split(arguments)
            .with_context(|| format!("--model '{arguments}': a quote is not closed"))?;
        let (socket, control) = (
            sockets.join(format!("heci{index}")),
            sockets.join(format!("control{index}")),
        );
        let log = out.join(format!("model{index}.log"));
        let mut process = Running::start(
            // The model ends with this program, however that ends.
            Command::new("setpriv")
                .args(["--pdeathsig", "KILL"])
                .arg(program)
                .arg("--socket")
                .arg(&socket)
                .arg("--control")
                .arg(&control)
                .args(trace.iter().flat_map(|path| [Path::new("--trace"), path]))
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(
                    File::create(&log)
                        .with_context(|| format!("could not create {}", log.display()))?,
                ),
            "the device model",
        )?;
        let output = process
            .child()
            .stdout
            .take()
            .context("the device model has no output")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let model = Self {
            index,
            process,
            socket,
            control,
            log,
        };
        match lines.recv_timeout(START_LIMIT) {
            Ok(line) if line == "ready" => Ok(model),
            Ok(line) => bail!("start device model {index}: it said '{line}' instead of 'ready'"),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                bail!(
                    "start device model {index}: the time limit of {} s is over{}",
                    START_LIMIT.as_secs(),
                    model.said()
                )
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                bail!(
                    "start device model {index}: it ended before it was ready{}",
                    model.said()
                )
            }
        }
    }

    /// An error if the model ended badly; one that was told to quit has ended well.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.process.ended()? {
            Some(status) if !status.success() => {
                bail!(
                    "device model {} ended during the run ({status}){}",
                    self.index,
                    self.said()
                )
            }
            _ => Ok(()),
        }
    }

    fn said(&self) -> String {
        format!(
            "\n--- last lines of {}\n{}",
            self.log.display(),
            last_lines(&self.log, 20)
        )
    }
}

/// heci-model lies beside this program in cargo's target directory.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("could not find this program's own path")?;
    let path = own.with_file_name("heci-model");
    if !path.exists() {
        bail!("the device model is not built: run `cargo build -p heci-model`");
    }
    Ok(path)
}
