// SPDX-License-Identifier: GPL-2.0

//! A host that has all the tools itself: then it is its own root file system, and none is downloaded.

use std::fs;
use std::process::Command;

use crate::apt::SUITE;
use crate::rootfs::PACKAGES;

/// The root file system of such a host.
pub(crate) const ROOT: &str = "/";

/// Whether this host is of the environment's Debian release, with all of its packages and a QEMU that has vfio-user.
pub(crate) fn is_native() -> bool {
    let output = |command: &mut Command| {
        let output = command.output().ok();
        output.map_or_else(String::new, |output| {
            String::from_utf8_lossy(&output.stdout).into_owned()
        })
    };
    fits(
        &fs::read_to_string("/etc/os-release").unwrap_or_default(),
        || {
            output(
                Command::new("dpkg-query")
                    .args(["--show", "--showformat", "${db:Status-Status} ${Package}\n"])
                    .args(PACKAGES),
            )
        },
        || output(Command::new("qemu-system-x86_64").args(["-device", "help"])),
    )
}

fn fits(
    os_release: &str,
    packages: impl FnOnce() -> String,
    devices: impl FnOnce() -> String,
) -> bool {
    let suite = format!("VERSION_CODENAME={SUITE}");
    os_release.lines().any(|line| line == suite)
        && {
            let installed = packages();
            let has = |package: &&str| {
                let line = format!("installed {package}");
                installed.lines().any(|installed| installed == line)
            };
            PACKAGES.iter().all(has)
        }
        && devices().contains("\"vfio-user-pci\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIXIE: &str = "ID=debian\nVERSION_CODENAME=trixie\n";
    const DEVICES: &str = "name \"vfio-user-pci\", bus PCI, desc \"VFIO over socket\"\n";

    fn installed(packages: &[&str]) -> String {
        packages
            .iter()
            .map(|package| format!("installed {package}\n"))
            .collect()
    }

    #[test]
    fn a_host_with_everything() {
        assert!(fits(TRIXIE, || installed(PACKAGES), || DEVICES.to_owned()));
    }

    #[test]
    fn a_host_that_lacks_something() {
        let all = || installed(PACKAGES);
        let devices = || DEVICES.to_owned();
        assert!(!fits("VERSION_CODENAME=bookworm\n", all, devices));
        assert!(!fits(TRIXIE, || installed(&PACKAGES[1..]), devices));
        assert!(!fits(
            TRIXIE,
            || all().replace("installed rustc\n", "config-files rustc\n"),
            devices
        ));
        assert!(!fits(TRIXIE, all, || "name \"vfio-pci\", bus PCI\n".to_owned()));
        assert!(!fits("", String::new, String::new));
    }
}
