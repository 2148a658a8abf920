// SPDX-License-Identifier: GPL-2.0
//! A device: its connections, its driver, and the model behind it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use guest::{ioctl, run, until, Client, Device, Function, Model};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use serde_json::json;

/// How long the link may take to come up, or a device to appear, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an answer may take, on a machine with much else to do.
const ANSWER: Duration = Duration::from_secs(20);

/// The least that the log may be limited to, in bytes.
const LOG: &str = "65536";

const MODULE: &str = "issei_rust";

/// The device that is reset, unbound and so on.
pub(crate) const FIRST: Device = Device(0);

/// The largest message that a client of [`Connection::open`] takes.
pub(crate) const LARGEST: usize = Client::Bulk.mtu();

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
        let file = Device(device).open()?;
        let client = match client {
            0 => Client::Bulk,
            more => Client::More(more),
        };
        ioctl::connect(&file, client.uuid())?;
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

/// Waits until something is so.
pub(crate) fn wait(what: &str, ready: impl FnMut() -> bool) -> Result<()> {
    ensure!(until(PATIENCE, ready), "{what}: not within {PATIENCE:?}");
    Ok(())
}

/// Waits until programs can connect.
pub(crate) fn wait_up(device: Device) -> Result<()> {
    device.wait_up(PATIENCE)
}

/// Waits until the driver is through with what it does by itself after the link came up. On a machine with much else to
/// do, that may be too slow for an answer to be in time.
pub(crate) fn wait_agent(device: Device) -> Result<()> {
    wait(&format!("{device} is through with authentication"), || {
        device.agent_is_busy().is_ok_and(|busy| !busy)
    })
}

/// Keeps the log of the engine's signatures as small as can be, so that it is full soon and grows no more.
pub(crate) fn limit_log(device: Device) -> Result<()> {
    let limited = device.set_attribute("spdm/memory_limit", LOG);
    limited.context("memory_limit")
}

/// Waits until there is a node for the device.
pub(crate) fn wait_node(device: Device) -> Result<()> {
    wait(&format!("{device} appears"), || device.node().exists())
}

/// Loads the driver.
pub(crate) fn load_module() -> Result<()> {
    if !Path::new("/sys/module").join(MODULE).exists() {
        run("modprobe", &[MODULE])?;
    }
    wait_node(FIRST)
}

/// Unloads the driver.
pub(crate) fn unload_module() -> Result<()> {
    run("rmmod", &[MODULE])?;
    Ok(())
}

/// The PCI function of a device.
pub(crate) fn function(device: Device) -> Result<Function> {
    device.function().context("no PCI function")
}

/// Takes the driver from a function and gives it back.
pub(crate) fn rebind(function: &Function) -> Result<()> {
    function.unbind().context("unbind")?;
    function.bind().context("bind")
}

/// Has the kernel forget a function and find it again.
pub(crate) fn replug(function: &Function) -> Result<()> {
    function.remove().context("remove")?;
    guest::rescan().context("rescan")
}

/// Has the driver reset the link.
pub(crate) fn reset(device: Device) -> Result<()> {
    device.set_attribute("reset", "1").context("reset")
}

/// Has the firmware of the first model reset itself.
pub(crate) fn reset_firmware(down_ms: u64) -> Result<()> {
    Model::open(0)?.command(&json!({"cmd": "reset_firmware", "down_ms": down_ms}))?;
    Ok(())
}

/// Resets of the link since the device was bound, the first bring-up included.
pub(crate) fn resets(device: Device) -> Result<u64> {
    let statistics = device.counts("statistics").context("statistics")?;
    let resets = statistics.get("resets").copied();
    resets.context("no resets in the statistics")
}
