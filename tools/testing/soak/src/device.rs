// SPDX-License-Identifier: GPL-2.0
//! A device: its files, its driver, and the control port of the model behind it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use serde_json::{json, Value};

use crate::system;

/// How long the link may take to come up, or a device to appear, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an answer may take, on a machine with much else to do.
const ANSWER: Duration = Duration::from_secs(20);
/// How often to look.
const PERIOD: Duration = Duration::from_millis(1);

const PORT: &str = "/dev/virtio-ports/heci0";
/// Milliseconds until it is opened again.
const PORT_MS: u16 = 1000;

/// The least that the log may be limited to, in bytes.
const LOG: &str = "65536";

const MODULE: &str = "issei_rust";
const CLASS: &str = "/sys/class/issei";
const PCI: &str = "/sys/bus/pci";

/// The largest message that a client of [`Connection::open`] takes.
pub(crate) const LARGEST: usize = 65_516;

mod connect {
    nix::ioctl_readwrite!(
        /// `IOCTL_ISSEI_CONNECT_CLIENT`: takes a UUID, gives properties.
        client,
        b'H',
        1,
        [u8; 16]
    );
}

/// Why a round trip did not happen.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A call has failed.
    Refused(io::Error),
    /// There was no answer.
    Silent,
    /// The answer was another one.
    Changed,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Refused(error)
    }
}

/// A file that is connected to an echo client.
pub(crate) struct Connection {
    file: File,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects to one of the clients that `--more-echo` adds to the model, from 1 on; 0 is the one with the largest MTU
    /// that each model has.
    pub(crate) fn open(device: u32, client: u16) -> io::Result<Self> {
        let path = format!("/dev/{}", name(device));
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let number: u128 = match client {
            0 => 0x62756c6b_6563_686f_8000_000000000001,
            more => 0x62756c6b_6563_686f_8001_000000000000 + u128::from(more),
        };
        let mut uuid = number.to_be_bytes();
        // SAFETY: The kernel reads and writes 16 bytes, which is what the reference points to.
        unsafe { connect::client(file.as_raw_fd(), &mut uuid) }?;
        let answer = vec![0; LARGEST + 1];
        Ok(Self { file, answer })
    }

    /// Sends a message and compares what comes back.
    pub(crate) fn echo(&mut self, message: &[u8]) -> Result<(), Trouble> {
        let written = self.file.write(message)?;
        if written != message.len() {
            return Err(Trouble::Changed);
        }
        let timeout = PollTimeout::try_from(ANSWER).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut fds, timeout).map_err(io::Error::from)?;
        if ready == 0 {
            return Err(Trouble::Silent);
        }
        let length = self.file.read(&mut self.answer)?;
        match self.answer.get(..length) == Some(message) {
            true => Ok(()),
            false => Err(Trouble::Changed),
        }
    }

    /// Sends a message and goes away.
    pub(crate) fn leave(mut self, message: &[u8]) {
        let _ = self.file.write(message);
    }
}

/// The name of a device.
pub(crate) fn name(device: u32) -> String {
    format!("issei{device}")
}

fn directory(device: u32) -> PathBuf {
    Path::new(CLASS).join(name(device))
}

/// How many devices there are.
pub(crate) fn count() -> Result<u32> {
    Ok(u32::try_from(fs::read_dir(CLASS)?.count())?)
}

/// Waits until something is so.
pub(crate) fn wait(what: &str, ready: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !ready() {
        ensure!(
            start.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        thread::sleep(PERIOD);
    }
    Ok(())
}

/// Waits until programs can connect.
pub(crate) fn wait_up(device: u32) -> Result<()> {
    let state = directory(device).join("link_state");
    wait(&format!("{} is up", name(device)), || {
        fs::read_to_string(&state).is_ok_and(|state| state == "up\n")
    })
}

/// Waits until the driver is through with what it does by itself after the link came up. On a machine with much else to
/// do, that may be too slow for an answer to be in time.
pub(crate) fn wait_agent(device: u32) -> Result<()> {
    let state = directory(device).join("spdm/state");
    let at_work = |state: String| state.starts_with("waiting") || state.starts_with("running");
    wait(
        &format!("{} is through with authentication", name(device)),
        || fs::read_to_string(&state).is_ok_and(|state| !at_work(state)),
    )
}

/// Keeps the log of the engine's signatures as small as can be, so that it is full soon and grows no more.
pub(crate) fn limit_log(device: u32) -> Result<()> {
    fs::write(directory(device).join("spdm/memory_limit"), LOG).context("memory_limit")
}

/// Waits until there is a node for the device.
pub(crate) fn wait_node(device: u32) -> Result<()> {
    let node = Path::new("/dev").join(name(device));
    wait(&format!("{} appears", name(device)), || node.exists())
}

/// Loads the driver.
pub(crate) fn load_module() -> Result<()> {
    if !Path::new("/sys/module").join(MODULE).exists() {
        system::run("modprobe", &[MODULE])?;
    }
    wait_node(0)
}

/// Unloads the driver.
pub(crate) fn unload_module() -> Result<()> {
    system::run("rmmod", &[MODULE])
}

/// The PCI function of a device, by its address.
pub(crate) struct Function(String);

impl Function {
    /// That of a device.
    pub(crate) fn of(device: u32) -> Result<Self> {
        let link = fs::read_link(directory(device).join("device"))?;
        let address = link.file_name().and_then(|name| name.to_str());
        Ok(Self(address.context("no PCI function")?.to_owned()))
    }

    /// Takes the driver from it.
    pub(crate) fn unbind(&self) -> Result<()> {
        let driver = format!("{PCI}/drivers/{MODULE}/unbind");
        fs::write(driver, &self.0).context("unbind")
    }

    /// Gives it the driver.
    pub(crate) fn bind(&self) -> Result<()> {
        let driver = format!("{PCI}/drivers/{MODULE}/bind");
        fs::write(driver, &self.0).context("bind")
    }

    /// Has the kernel forget it.
    pub(crate) fn remove(&self) -> Result<()> {
        fs::write(format!("{PCI}/devices/{}/remove", self.0), "1").context("remove")
    }
}

/// Has the kernel look for PCI functions.
pub(crate) fn rescan() -> Result<()> {
    fs::write(format!("{PCI}/rescan"), "1").context("rescan")
}

/// Has the driver reset the link.
pub(crate) fn reset(device: u32) -> Result<()> {
    fs::write(directory(device).join("reset"), "1").context("reset")
}

/// Opens the control port of the first model. A port may not notice at first that its other end is there; to open it
/// again helps.
fn port() -> Result<BufReader<File>> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let port = OpenOptions::new().read(true).write(true).open(PORT);
        let port = port.with_context(|| format!("cannot open {PORT}"))?;
        let mut fds = [PollFd::new(port.as_fd(), PollFlags::POLLOUT)];
        poll(&mut fds, PORT_MS)?;
        let [fd] = fds;
        if fd.revents() == Some(PollFlags::POLLOUT) {
            return Ok(BufReader::new(port));
        }
        thread::sleep(PERIOD);
    }
    bail!("nobody listens to {PORT}")
}

/// Has the firmware of the first model reset itself.
pub(crate) fn reset_firmware(down_ms: u64) -> Result<()> {
    let command = json!({"cmd": "reset_firmware", "down_ms": down_ms});
    let mut port = port()?;
    port.get_mut()
        .write_all(format!("{command}\n").as_bytes())?;
    let mut line = String::new();
    port.read_line(&mut line)?;
    let answer: Value = serde_json::from_str(&line).context("the model's answer")?;
    ensure!(answer["ok"] == true, "the model refused {command}: {line}");
    Ok(())
}

/// Resets of the link since the device was bound, the first bring-up included.
pub(crate) fn resets(device: u32) -> Result<u64> {
    let path = format!("/sys/kernel/debug/{}/statistics", name(device));
    let statistics = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = statistics
        .lines()
        .find_map(|line| line.strip_prefix("resets "));
    Ok(line.context("no resets in the statistics")?.parse()?)
}
