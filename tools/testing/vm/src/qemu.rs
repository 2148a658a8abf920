// SPDX-License-Identifier: GPL-2.0

//! The command line of QEMU.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::json;

use crate::progress::say;

/// Guest memory. It is a shared memfd, for the device models to map, and taken from the host page by page.
const MEMORY: &str = "2G";

/// What a virtual machine is made of.
pub(crate) struct Machine<'a> {
    pub image: &'a Path,
    pub initramfs: &'a Path,
    pub append: String,
    /// Sockets of vfio-user devices; the i-th has the id `heci<i>`.
    pub devices: Vec<PathBuf>,
    /// Each device behind a root port `rp<i>`, so that it can be unplugged.
    pub root_ports: bool,
    /// Names of virtio ports and the sockets that QEMU connects to.
    pub ports: Vec<(String, PathBuf)>,
    /// Where QEMU listens for QMP; the guest reaches it as the port `qmp`.
    pub qmp: PathBuf,
    /// A root file system to share as `rootfs`.
    pub share: Option<&'a Path>,
    /// The kernel's console goes here, from the first serial port.
    pub serial: &'a Path,
    /// Sockets that QEMU connects to the next serial ports; there are 4 ports in all.
    pub channels: Vec<PathBuf>,
    /// One more serial port on standard input and output.
    pub interactive: bool,
}

impl Machine<'_> {
    /// The arguments of `qemu-system-x86_64`.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut line = Line::default();
        line.add("-nodefaults")
            .add("-no-reboot")
            .add("-display")
            .add("none");
        line.add("-machine").add("q35,memory-backend=memory");
        line.add("-accel")
            .add(accelerator())
            .add("-cpu")
            .add("max")
            .add("-smp")
            .add("2")
            .add("-m")
            .add(MEMORY);
        line.add("-object").add(format!(
            "memory-backend-memfd,id=memory,size={MEMORY},share=on"
        ));
        line.add("-kernel")
            .add(self.image)
            .add("-initrd")
            .add(self.initramfs)
            .add("-append")
            .add(&self.append);
        line.chardev("file", "console", self.serial, "");
        line.add("-serial").add("chardev:console");
        for (index, socket) in self.channels.iter().enumerate() {
            let id = format!("channel{index}");
            line.chardev("socket", &id, socket, "");
            line.add("-serial").add(format!("chardev:{id}"));
        }
        if self.interactive {
            line.add("-serial").add("mon:stdio");
        }
        line.chardev("socket", "qmp", &self.qmp, ",server=on,wait=off");
        line.add("-object")
            .add("monitor-qmp,id=monitor,chardev=qmp");
        line.add("-device").add("virtio-serial-pci,max_ports=31");
        for (index, (name, socket)) in self
            .ports
            .iter()
            .chain([&("qmp".to_owned(), self.qmp.clone())])
            .enumerate()
        {
            line.chardev("socket", &format!("port{index}"), socket, "");
            line.add("-device").add(
                json!({"driver": "virtserialport", "chardev": format!("port{index}"), "name": name}).to_string(),
            );
        }
        for (index, socket) in self.devices.iter().enumerate() {
            let mut device = json!({
                "driver": "vfio-user-pci",
                "id": format!("heci{index}"),
                "socket": {"type": "unix", "path": socket},
            });
            if self.root_ports {
                let port = format!("rp{index}");
                line.add("-device").add(format!(
                    "pcie-root-port,id={port},chassis={0},slot={0}",
                    index + 1
                ));
                device["bus"] = json!(port);
            }
            line.add("-device").add(device.to_string());
        }
        if let Some(path) = self.share {
            line.add("-fsdev").add(join(
                "local,id=rootfs,security_model=none,readonly=on,multidevs=remap,path=",
                path,
            ));
            line.add("-device")
                .add("virtio-9p-pci,fsdev=rootfs,mount_tag=rootfs");
        }
        line.0
    }
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn add(&mut self, argument: impl Into<OsString>) -> &mut Self {
        self.0.push(argument.into());
        self
    }

    fn chardev(&mut self, kind: &str, id: &str, path: &Path, options: &str) {
        let mut value = join(&format!("{kind},id={id},path="), path);
        value.push(options);
        self.add("-chardev").add(value);
    }
}

/// Appends a path to an option string; a comma in it is doubled, as QEMU wants it.
fn join(option: &str, path: &Path) -> OsString {
    let mut value = OsString::from(option);
    value.push(path.to_string_lossy().replace(',', ",,"));
    value
}

/// KVM where it can run an ordinary guest, else TCG; says so once.
fn accelerator() -> &'static str {
    static ACCELERATOR: OnceLock<&str> = OnceLock::new();
    ACCELERATOR.get_or_init(|| {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let opened = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .map(drop);
        match kvm_refusal(&cpuinfo, opened) {
            None => "kvm",
            Some(why) => {
                say(&format!("QEMU emulates the processor (TCG): {why}"));
                "tcg"
            }
        }
    })
}

/// Why KVM is not to be used. The device node alone tells nothing: nested without vmx or svm, a guest starts and hangs.
fn kvm_refusal(cpuinfo: &str, opened: std::io::Result<()>) -> Option<String> {
    if let Err(error) = opened {
        return Some(format!("/dev/kvm cannot be opened ({error})"));
    }
    let flags = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("flags"))
        .unwrap_or_default();
    let able = flags
        .split_whitespace()
        .any(|flag| flag == "vmx" || flag == "svm");
    (!able).then(|| {
        "/dev/kvm is there, but cannot run a guest (neither vmx nor svm in /proc/cpuinfo)"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    fn machine<'a>() -> Machine<'a> {
        Machine {
            image: Path::new("/k"),
            initramfs: Path::new("/i"),
            append: "console=ttyS0 quiet".to_owned(),
            devices: vec![PathBuf::from("/tmp/a"), PathBuf::from("/tmp/b")],
            root_ports: false,
            ports: vec![("heci0".to_owned(), PathBuf::from("/tmp/with,comma"))],
            qmp: PathBuf::from("/tmp/qmp"),
            share: None,
            serial: Path::new("/out/serial"),
            channels: vec![PathBuf::from("/tmp/status")],
            interactive: false,
        }
    }

    fn has(machine: &Machine<'_>, wanted: &str) -> bool {
        machine
            .arguments()
            .iter()
            .any(|argument| argument.to_string_lossy().contains(wanted))
    }

    #[test]
    fn devices_have_ids_and_sockets() {
        let mut machine = machine();
        assert!(has(
            &machine,
            r#""id":"heci1","socket":{"path":"/tmp/b","type":"unix"}"#
        ));
        assert!(has(&machine, "path=/tmp/with,,comma"));
        assert!(!has(&machine, "pcie-root-port"));
        machine.root_ports = true;
        assert!(has(&machine, "pcie-root-port,id=rp1,chassis=2,slot=2"));
        assert!(has(&machine, r#"{"bus":"rp1","driver":"vfio-user-pci""#));
    }

    #[test]
    fn the_last_port_is_qmp() {
        assert!(has(
            &machine(),
            r#"{"chardev":"port0","driver":"virtserialport","name":"heci0"}"#
        ));
        assert!(has(
            &machine(),
            r#"{"chardev":"port1","driver":"virtserialport","name":"qmp"}"#
        ));
    }

    #[test]
    fn kvm_needs_virtualization_flags() {
        let with = "processor\t: 0\nflags\t\t: fpu vmx sse\n";
        let without = "processor\t: 0\nflags\t\t: fpu sse\nbugs\t\t: vmxnot\n";
        assert_eq!(kvm_refusal(with, Ok(())), None);
        assert!(kvm_refusal(without, Ok(()))
            .unwrap()
            .contains("neither vmx nor svm"));
        assert!(kvm_refusal("", Ok(())).is_some());
        let denied = kvm_refusal(with, Err(Error::from(ErrorKind::PermissionDenied))).unwrap();
        assert!(denied.contains("cannot be opened"));
    }
}
