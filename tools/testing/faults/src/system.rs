// SPDX-License-Identifier: GPL-2.0
//! The machine and the SPDM agent, as only this program needs them.

use std::fs;
use std::time::Duration;

use anyhow::{ensure, Result};
use guest::{until, Device, Function};

/// How long the SPDM agent may take.
pub(crate) const SPDM_LIMIT: Duration = Duration::from_secs(70);

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
/// consoles believe that nobody listens, until they are bound again.
pub(crate) fn sleep(level: &str) -> Result<()> {
    let slept = guest::sleep(level);
    for entry in fs::read_dir(CONSOLES)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("virtio") {
            fs::write(format!("{CONSOLES}/unbind"), name.as_bytes())?;
            fs::write(format!("{CONSOLES}/bind"), name.as_bytes())?;
        }
    }
    slept
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
