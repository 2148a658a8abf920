// SPDX-License-Identifier: GPL-2.0

//! A sysfs in a directory, as drivers make it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use isseictl::commands::Context;
use isseictl::log::Entry;
use isseictl::sysfs::Sysfs;
use tempfile::TempDir;

use crate::support::now;

/// The machine.
pub(crate) struct Machine(TempDir);

const FUNCTION: &str = "devices/pci0000:00/0000:00:02.0";

impl Machine {
    /// One without an engine.
    pub(crate) fn new() -> Self {
        let machine = Self(tempfile::tempdir().expect("a directory"));
        fs::create_dir_all(machine.path("bus/pci/devices")).expect("a directory");
        machine
    }

    /// One with a PCI function at 00:02.0.
    pub(crate) fn with_function(vendor: &str, device: &str, driver: Option<&str>) -> Self {
        let machine = Self::new();
        for (name, value) in [
            ("vendor", format!("0x{vendor}")),
            ("device", format!("0x{device}")),
            ("class", "0x078000".to_owned()),
        ] {
            machine.write(&format!("{FUNCTION}/{name}"), format!("{value}\n"));
        }
        let link = machine.path("bus/pci/devices/0000:00:02.0");
        symlink(machine.path(FUNCTION), link).expect("a link");
        if let Some(driver) = driver {
            let path = machine.path("bus/pci/drivers").join(driver);
            fs::create_dir_all(&path).expect("a directory");
            symlink(path, machine.path(&format!("{FUNCTION}/driver"))).expect("a link");
        }
        machine
    }

    /// One with an engine, its driver and two clients.
    pub(crate) fn with_device(driver: &str) -> Self {
        let machine = Self::with_function("8086", "a85d", Some(driver));
        let class = "class/issei/issei0";
        machine.write(&format!("{class}/fw_ver"), "1.2.3.4\n");
        symlink(
            machine.path(FUNCTION),
            machine.path(&format!("{class}/device")),
        )
        .expect("a link");
        let spdm = "e85149df-9447-4c9a-8367-c4e33464f1b4";
        let echo = "44444444-4444-4444-4444-444444444444";
        for (id, uuid) in [(2, echo), (1, spdm)] {
            for (name, value) in [
                ("id", id.to_string()),
                ("uuid", uuid.to_owned()),
                ("ver", "1".to_owned()),
                ("mtu", "4096".to_owned()),
            ] {
                machine.write(
                    &format!("{class}/fw_clients/{id}/{name}"),
                    format!("{value}\n"),
                );
            }
        }
        machine
    }

    /// One with an engine that the agent of issei_rust has authenticated.
    pub(crate) fn with_agent() -> Self {
        let machine = Self::with_device("issei_rust");
        machine.write("class/issei/issei0/link_state", "up\n");
        for (name, value) in [
            ("state", "authenticated"),
            ("version", "1.3"),
            ("algorithms", "ECDSA_ECC_NIST_P384 sha384 sha384"),
            ("fresh", "yes"),
            ("anchored", "no: no key of .issei signed it"),
            ("pinned", "not checked: nothing is pinned"),
            ("accepted", "no: nobody has"),
            ("generation", "3"),
            (
                "digest",
                "sha256:0000000000000000000000000000000000000000000000000000000000000000",
            ),
            ("policy", "audit"),
            ("memory_used", "5000"),
            ("memory_limit", "1048576"),
        ] {
            machine.spdm(name, format!("{value}\n"));
        }
        machine.log(&[], 0);
        machine
    }

    pub(crate) fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    /// Writes an attribute.
    pub(crate) fn write(&self, path: &str, value: impl AsRef<[u8]>) {
        let path = self.path(path);
        let parent = path.parent().expect("a parent");
        fs::create_dir_all(parent).expect("a directory");
        fs::write(path, value).expect("a file");
    }

    /// Writes an attribute of the agent.
    pub(crate) fn spdm(&self, name: &str, value: impl AsRef<[u8]>) {
        self.write(&format!("class/issei/issei0/spdm/{name}"), value);
    }

    /// Writes a log from which the first `dropped` entries were dropped.
    pub(crate) fn log(&self, entries: &[Entry], dropped: usize) {
        let head = entries.last().map_or([0; 32], |entry| entry.head);
        self.spdm("log_head", format!("{}\n", hex::encode(head)));
        self.spdm("log_count", format!("{}\n", entries.len()));
        self.spdm("log_dropped", format!("{dropped}\n"));
        for entry in &entries[dropped..] {
            let number = entry.number;
            let line = |text: &str| format!("{text}\n").into_bytes();
            for (name, value) in [
                ("type", line(&entry.kind)),
                ("hash_algorithm", line(&entry.hash_algorithm)),
                ("combined_spdm_prefix", entry.prefix.clone()),
                ("transcript", entry.transcript.clone()),
                ("signature", entry.signature.clone()),
                ("certificate_chain", entry.certificate_chain.clone()),
                ("requester_nonce", entry.requester_nonce.clone()),
                ("responder_nonce", entry.responder_nonce.clone()),
                ("head", line(&hex::encode(entry.head))),
            ] {
                self.spdm(&format!("signatures/{number}_{name}"), value);
            }
        }
    }

    /// For commands on it.
    pub(crate) fn context(&self, device: Option<&str>) -> Context {
        Context {
            sysfs: self.sysfs(),
            device: device.map(str::to_owned),
            timeout: std::time::Duration::from_secs(1),
            now: now(),
        }
    }

    pub(crate) fn sysfs(&self) -> Sysfs {
        Sysfs::new(self.0.path())
    }
}

/// Removes a file.
pub(crate) fn remove(path: &Path) {
    fs::remove_file(path).expect("it was there");
}
