// SPDX-License-Identifier: GPL-2.0
//! The machine and the SPDM agent, as only this program needs them.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use guest::{until, Device, Function};
use serde_json::{json, Value};

use crate::step::Channel;

/// How long the SPDM agent may take.
pub(crate) const SPDM_LIMIT: Duration = Duration::from_secs(70);

const PORTS: &str = "/sys/class/virtio-ports";
/// How long it may take until they are back.
const PORTS_LIMIT: Duration = Duration::from_secs(20);
/// The port to QEMU's monitor.
const MONITOR: &str = "/dev/virtio-ports/qmp";
/// See recovery/pci_recovery.c.
pub(crate) const RECOVERY: &str = "pci_recovery";
const CONSOLES: &str = "/sys/bus/virtio/drivers/virtio_console";

/// The functions that the driver is bound to, in the order of their models, and their devices: the
/// order in which functions are bound may be any.
pub(crate) fn functions() -> Result<Vec<(Function, Device)>> {
    let mut functions = Vec::new();
    for device in Device::all()? {
        functions.push((device.function()?, device));
    }
    functions.sort();
    Ok(functions)
}

/// Loads a module.
pub(crate) fn load(module: &str, parameters: &[String]) -> Result<()> {
    let parameters = parameters.iter().map(String::as_str);
    let arguments: Vec<&str> = [module].into_iter().chain(parameters).collect();
    guest::run("modprobe", &arguments)?;
    Ok(())
}

/// Goes to sleep as far as `level` and wakes up. No port may be open: after a sleep the virtio
/// consoles believe that nobody listens, until they are bound again. Their work of adding ports must
/// be over before another sleep, which it would stand in for ever: it waits for a device that is asleep.
pub(crate) fn sleep(level: &str) -> Result<()> {
    let ports = count_ports()?;
    let slept = guest::sleep(level);
    for entry in fs::read_dir(CONSOLES)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("virtio") {
            fs::write(format!("{CONSOLES}/unbind"), name.as_bytes())?;
            fs::write(format!("{CONSOLES}/bind"), name.as_bytes())?;
        }
    }
    let are_back = || count_ports().is_ok_and(|now| now >= ports);
    ensure!(until(PORTS_LIMIT, are_back), "ports are missing");
    slept
}

/// Ports that the host has named, which is the last thing it says of them.
fn count_ports() -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(PORTS)? {
        let name = fs::read_to_string(entry?.path().join("name"));
        count += usize::from(name.is_ok_and(|name| !name.trim().is_empty()));
    }
    Ok(count)
}

/// Has the driver recover from an error of the function. The module [`RECOVERY`], which tells it of one, must be loaded.
pub(crate) fn recover(function: &Function, channel: Channel) -> io::Result<()> {
    let channel = match channel {
        Channel::Normal => "normal",
        Channel::Frozen => "frozen",
        Channel::Dead => "dead",
    };
    let error = format!("/sys/module/{RECOVERY}/parameters/error");
    fs::write(error, format!("{} {channel}", function.address))
}

/// Has QEMU empty the slot of the first device.
pub(crate) fn unplug() -> Result<()> {
    let port = OpenOptions::new().read(true).write(true).open(MONITOR);
    let mut port = BufReader::new(port.with_context(|| format!("cannot open {MONITOR}"))?);
    for request in [
        json!({"execute": "qmp_capabilities"}),
        json!({"execute": "device_del", "arguments": {"id": "heci0"}}),
    ] {
        port.get_mut()
            .write_all(format!("{request}\n").as_bytes())?;
        loop {
            let mut line = String::new();
            ensure!(port.read_line(&mut line)? > 0, "QEMU's monitor has ended");
            let answer: Value = serde_json::from_str(&line).context("QEMU's monitor")?;
            ensure!(answer["error"].is_null(), "{request}: {answer}");
            if !answer["return"].is_null() {
                break;
            }
        }
    }
    Ok(())
}

/// The SPDM agent's state, if the driver has an agent.
pub(crate) fn spdm_state(device: Device) -> Option<String> {
    device.attribute("spdm/state").ok()
}

/// Whether there is an SPDM agent that has something to do.
pub(crate) fn spdm_is_busy(device: Device) -> bool {
    device.agent_is_busy().unwrap_or(false)
}

/// Has the SPDM agent authenticate the engine, and waits until it has a result.
pub(crate) fn authenticate(device: Device) -> Result<()> {
    let results = || device.attribute("spdm/generation");
    let before = results()?;
    device.set_attribute("spdm/authenticate", "1")?;
    let has_result = || !spdm_is_busy(device) && results().is_ok_and(|now| now != before);
    ensure!(
        until(SPDM_LIMIT, has_result),
        "the SPDM agent has no result"
    );
    Ok(())
}
