// SPDX-License-Identifier: GPL-2.0
//! A function on the PCI bus, in sysfs.

use std::fs;
use std::io;
use std::path::Path;

const PCI: &str = "/sys/bus/pci";

/// A PCI function and the driver for it. Both are names, so that it may be there or not. Errors are
/// those of the writes to sysfs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    /// Where it is on the bus, as `0000:00:02.0`.
    pub address: String,
    /// What its driver is called on the bus.
    pub driver: String,
}

impl Function {
    /// The function that has this directory in sysfs, and the driver that is bound to it.
    pub(crate) fn at(directory: &Path) -> io::Result<Self> {
        let directory = fs::canonicalize(directory)?;
        let driver = fs::canonicalize(directory.join("driver"))?;
        let [address, driver] = [directory, driver].map(|path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        });
        Ok(Self { address, driver })
    }

    /// Whether the kernel knows it. When it does not, no driver is bound to it any more.
    pub fn exists(&self) -> bool {
        Path::new(&self.path("")).exists()
    }

    /// Whether a driver is bound to it.
    pub fn is_bound(&self) -> bool {
        Path::new(&self.path("driver")).exists()
    }

    /// Takes the driver from it.
    pub fn unbind(&self) -> io::Result<()> {
        self.tell_driver("unbind")
    }

    /// Gives it the driver. Returns when its probe has ended.
    pub fn bind(&self) -> io::Result<()> {
        self.tell_driver("bind")
    }

    /// Resets it, by whatever way there is.
    pub fn reset(&self) -> io::Result<()> {
        fs::write(self.path("reset"), "1")
    }

    /// Removes it, in software: the kernel forgets it.
    pub fn remove(&self) -> io::Result<()> {
        fs::write(self.path("remove"), "1")
    }

    fn path(&self, file: &str) -> String {
        format!("{PCI}/devices/{}/{file}", self.address)
    }

    fn tell_driver(&self, file: &str) -> io::Result<()> {
        let path = format!("{PCI}/drivers/{}/{file}", self.driver);
        fs::write(path, &self.address)
    }
}

/// Has the kernel look for functions, those that were removed too.
pub fn rescan() -> io::Result<()> {
    fs::write(format!("{PCI}/rescan"), "1")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn address_and_driver_are_read() {
        let root = std::env::temp_dir().join(format!("guest-function-{}", std::process::id()));
        let function = root.join("devices/0000:00:02.0");
        let driver = root.join("drivers/issei_rust");
        fs::create_dir_all(&function).unwrap();
        fs::create_dir_all(&driver).unwrap();
        symlink(&function, root.join("device")).unwrap();
        let unbound = Function::at(&root.join("device"));
        symlink(&driver, function.join("driver")).unwrap();
        let bound = Function::at(&root.join("device"));
        fs::remove_dir_all(&root).unwrap();
        assert!(unbound.is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
        let bound = bound.unwrap();
        assert_eq!(bound.address, "0000:00:02.0");
        assert_eq!(bound.driver, "issei_rust");
    }
}
