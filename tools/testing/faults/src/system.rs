// SPDX-License-Identifier: GPL-2.0
//! What the machine does to the driver, through sysfs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

use crate::driver::Driver;

/// How long the SPDM agent may take.
pub(crate) const SPDM_LIMIT: Duration = Duration::from_secs(70);

const CLASS: &str = "/sys/class/issei";
const PCI: &str = "/sys/bus/pci";
const PM_TEST: &str = "/sys/power/pm_test";
const PM_DELAY: &str = "/sys/module/suspend/parameters/pm_test_delay";
const CONSOLES: &str = "/sys/bus/virtio/drivers/virtio_console";

/// The PCI function of one device.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    driver: Driver,
    address: String,
    /// The number of its device: the order in which functions are bound may be any.
    pub(crate) number: u32,
}

impl Function {
    /// The functions that the driver is bound to, in the order of their models.
    pub(crate) fn all(driver: Driver) -> Result<Vec<Self>> {
        let mut functions = Vec::new();
        for entry in fs::read_dir(CLASS)? {
            let entry = entry?;
            let target = fs::read_link(entry.path().join("device"))?;
            let address = target.file_name().context("no address")?;
            let name = entry.file_name().into_string().ok();
            let number = name.as_deref().and_then(|name| name.strip_prefix("issei"));
            functions.push(Self {
                driver,
                address: address.to_string_lossy().into_owned(),
                number: number.context("not issei<N>")?.parse()?,
            });
        }
        functions.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(functions)
    }

    /// A file of the class device.
    pub(crate) fn class(&self, file: &str) -> String {
        format!("{CLASS}/issei{}/{file}", self.number)
    }

    fn path(&self, file: &str) -> String {
        format!("{PCI}/devices/{}/{file}", self.address)
    }

    /// Whether the driver is bound to it.
    pub(crate) fn is_bound(&self) -> bool {
        Path::new(&self.path("driver")).exists()
    }

    /// Unbinds the driver.
    pub(crate) fn unbind(&self) -> std::io::Result<()> {
        self.tell_driver("unbind")
    }

    /// Binds the driver.
    pub(crate) fn bind(&self) -> std::io::Result<()> {
        self.tell_driver("bind")
    }

    fn tell_driver(&self, file: &str) -> std::io::Result<()> {
        let path = format!("{PCI}/drivers/{}/{file}", self.driver.directory());
        fs::write(path, &self.address)
    }

    /// Removes the function in software.
    pub(crate) fn remove(&self) -> std::io::Result<()> {
        fs::write(self.path("remove"), "1")
    }
}

/// Finds functions that were removed.
pub(crate) fn rescan() -> std::io::Result<()> {
    fs::write(format!("{PCI}/rescan"), "1")
}

/// Goes to sleep as far as `level` and wakes up. No port may be open: after a sleep the virtio
/// consoles believe that nobody listens, until they are bound again.
pub(crate) fn sleep(level: &str) -> Result<()> {
    fs::write(PM_DELAY, "0").context("the kernel has no pm_test")?;
    fs::write(PM_TEST, level)?;
    let slept = fs::write("/sys/power/state", "freeze");
    fs::write(PM_TEST, "none")?;
    for entry in fs::read_dir(CONSOLES)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("virtio") {
            fs::write(format!("{CONSOLES}/unbind"), name.as_bytes())?;
            fs::write(format!("{CONSOLES}/bind"), name.as_bytes())?;
        }
    }
    Ok(slept?)
}

/// Loads a module.
pub(crate) fn load(module: &str, parameters: &[String]) -> Result<()> {
    let mut command = Command::new("modprobe");
    let status = command.arg(module).args(parameters).status()?;
    ensure!(status.success(), "{module} cannot be loaded");
    Ok(())
}

impl Function {
    /// The SPDM agent's state, if the driver has an agent.
    pub(crate) fn spdm_state(&self) -> Option<String> {
        let state = fs::read_to_string(self.class("spdm/state")).ok()?;
        Some(state.trim_end().to_owned())
    }

    /// Whether the SPDM agent has something to do.
    pub(crate) fn spdm_is_busy(&self) -> bool {
        let begins = |state: String| state.starts_with("waiting") || state.starts_with("running");
        self.spdm_state().is_some_and(begins)
    }

    /// Has the SPDM agent authenticate the engine, and waits until it has a result.
    pub(crate) fn authenticate(&self) -> Result<()> {
        let results = || fs::read_to_string(self.class("spdm/generation"));
        let before = results()?;
        fs::write(self.class("spdm/authenticate"), "1")?;
        let has_result = || !self.spdm_is_busy() && results().is_ok_and(|now| now != before);
        ensure!(
            until(SPDM_LIMIT, has_result),
            "the SPDM agent has no result"
        );
        Ok(())
    }

    /// The counters in debugfs; none where there are none.
    pub(crate) fn statistics(&self) -> BTreeMap<String, u64> {
        let path = format!("/sys/kernel/debug/issei{}/statistics", self.number);
        let text = fs::read_to_string(path).unwrap_or_default();
        let field = |line: &str| {
            let (name, number) = line.split_once(' ')?;
            Some((name.to_owned(), number.parse().ok()?))
        };
        text.lines().filter_map(field).collect()
    }
}

/// Waits until `condition` holds; whether it does in time.
pub(crate) fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() >= limit {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
}
