// SPDX-License-Identifier: GPL-2.0

//! Why there is no device: no engine, no driver, or another driver.

use std::path::Path;

use super::{id, link_name, names, read};
use crate::exit::{Exit, Failure};

/// PCI identifications of engines by Intel. Source: Linux drivers/misc/issei.
const ENGINES: &[(&str, &str)] = &[
    ("a85d", "Lunar Lake"),
    ("e35d", "Panther Lake"),
    ("e45d", "Panther Lake"),
    ("d470", "Nova Lake"),
    ("d358", "Nova Lake"),
    ("4d5d", "Wildcat Lake"),
];

const INTEL: &str = "8086";
/// The class of communication controllers that are no others.
const CLASS: &str = "0x0780";

/// The machine that an engine with this `vendor:device` is of, if it is known.
pub fn machine(pci_id: &str) -> Option<&'static str> {
    let device = pci_id.strip_prefix(INTEL)?.strip_prefix(':')?;
    let known = ENGINES.iter().find(|(known, _)| *known == device);
    known.map(|(_, machine)| *machine)
}

/// A PCI function that may be an engine.
struct Function {
    address: String,
    pci_id: String,
    driver: Option<String>,
}

/// Looks for the reason why there is no device.
pub(super) fn no_device(root: &Path) -> Failure {
    let (engines, strangers) = functions(root);
    let no_device = |message: String| Failure::new(Exit::NoDevice, message);
    let Some(engine) = engines.first() else {
        let failure = no_device("there is no engine: no PCI function with a known ID".into());
        return match strangers.first() {
            Some(stranger) => failure.advise(format!(
                "{} at {} is of the right class; if it is an engine, see \"An engine whose ID is not known\" in the README",
                stranger.pci_id, stranger.address
            )),
            None => failure.advise(
                "the machine may have none, or its firmware setup hides it; lspci -nn -d 8086::0780 lists candidates",
            ),
        };
    };
    let Function {
        address, pci_id, ..
    } = engine;
    let machine = machine(pci_id).unwrap_or_default();
    let here = format!("the engine {pci_id} ({machine}) at {address}");
    match engine.driver.as_deref() {
        None if is_loaded(root, "issei_rust") => no_device(format!("{here} has no driver"))
            .advise("issei_rust is loaded, but does not have it: look into the kernel log"),
        None => no_device(format!("{here} has no driver")).advise("modprobe issei_rust"),
        Some("issei_rust") => no_device(format!("{here} has a driver, but no device"))
            .advise("look into the kernel log: dmesg | grep issei"),
        Some(other) => no_device(format!("{here} is taken by the driver {other}"))
            .advise(format!("unload {other}, then modprobe issei_rust")),
    }
}

fn is_loaded(root: &Path, module: &str) -> bool {
    root.join("module").join(module).exists()
}

/// The engines, and functions that may be engines of an unknown kind.
fn functions(root: &Path) -> (Vec<Function>, Vec<Function>) {
    let mut engines = Vec::new();
    let mut strangers = Vec::new();
    let path = root.join("bus/pci/devices");
    for address in names(&path).ok().flatten().unwrap_or_default() {
        let path = path.join(&address);
        let attribute = |name: &str| id(&path.join(name)).ok().flatten();
        let (Some(vendor), Some(device)) = (attribute("vendor"), attribute("device")) else {
            continue;
        };
        let class = read(&path.join("class")).ok().flatten();
        let function = Function {
            pci_id: format!("{vendor}:{device}"),
            driver: link_name(&path.join("driver")),
            address,
        };
        if machine(&function.pci_id).is_some() {
            engines.push(function);
        } else if vendor == INTEL
            && class.is_some_and(|class| class.starts_with(CLASS.as_bytes()))
            && function.driver.as_deref() != Some("mei_me")
        {
            strangers.push(function);
        }
    }
    (engines, strangers)
}
