// SPDX-License-Identifier: GPL-2.0
//! A device as programs see it.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::function::Function;
use crate::system::retry;

const CLASS: &str = "/sys/class/issei";

/// A device of the class issei, by its number. It may come and go; while it is not there, what reads
/// or writes its files is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device(pub u32);

impl Device {
    /// All that are there, in the order of their numbers; an error if there is no such class.
    pub fn all() -> io::Result<Vec<Self>> {
        let mut devices = Vec::new();
        for entry in fs::read_dir(CLASS)? {
            let name = entry?.file_name();
            devices.extend(name.to_str().and_then(Self::from_name));
        }
        devices.sort();
        Ok(devices)
    }

    fn from_name(name: &str) -> Option<Self> {
        name.strip_prefix("issei")?.parse().ok().map(Self)
    }

    /// Its node, `/dev/issei<N>`.
    pub fn node(self) -> PathBuf {
        Path::new("/dev").join(self.to_string())
    }

    /// Its directory in sysfs.
    pub fn sysfs(self) -> PathBuf {
        Path::new(CLASS).join(self.to_string())
    }

    /// Its directory in debugfs.
    pub fn debugfs(self) -> PathBuf {
        Path::new("/sys/kernel/debug").join(self.to_string())
    }

    /// Opens its node for reading and writing.
    pub fn open(self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.node())
    }

    /// What a file in its directory in sysfs says, without the end of the line.
    pub fn attribute(self, name: &str) -> io::Result<String> {
        let text = fs::read_to_string(self.sysfs().join(name))?;
        Ok(text.trim_end().to_owned())
    }

    /// Writes a file in its directory in sysfs.
    pub fn set_attribute(self, name: &str, value: &str) -> io::Result<()> {
        fs::write(self.sysfs().join(name), value)
    }

    /// The numbers in a file of debugfs, `statistics` or `state`, by name. What is no number is
    /// left out.
    pub fn counts(self, file: &str) -> io::Result<BTreeMap<String, u64>> {
        let text = fs::read_to_string(self.debugfs().join(file))?;
        Ok(numbers(&text))
    }

    /// Waits until programs can connect; an error if they cannot within `limit`.
    pub fn wait_up(self, limit: Duration) -> Result<()> {
        retry(limit, || {
            let state = self.attribute("link_state")?;
            ensure!(state == "up", "its link is {state}");
            Ok(())
        })
        .with_context(|| format!("{self} is not up after {limit:?}"))
    }

    /// Whether the driver's SPDM agent is at work or waits for the link; an error if there is none.
    pub fn agent_is_busy(self) -> io::Result<bool> {
        let state = self.attribute("spdm/state")?;
        Ok(state.starts_with("waiting") || state.starts_with("running"))
    }

    /// Its PCI function. The driver must be bound to it.
    pub fn function(self) -> io::Result<Function> {
        Function::at(&self.sysfs().join("device"))
    }
}

/// Its name: `issei<N>`.
impl Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "issei{}", self.0)
    }
}

/// Those lines that are a name and a number.
fn numbers(text: &str) -> BTreeMap<String, u64> {
    let number = |line: &str| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    text.lines().filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(Device::from_name("issei12"), Some(Device(12)));
        assert_eq!(Device::from_name("issei"), None);
        assert_eq!(Device::from_name("mei0"), None);
        assert_eq!(Device(3).node(), Path::new("/dev/issei3"));
    }

    #[test]
    fn numbers_of_debugfs() {
        let text = "link up\ngeneration 3\nlast_fault no answer 5\nopen_files 0\n";
        let expected = [("generation", 3), ("open_files", 0)];
        let expected = expected.map(|(name, number)| (name.to_owned(), number));
        assert_eq!(numbers(text), BTreeMap::from(expected));
        assert_eq!(numbers(""), BTreeMap::new());
    }
}
