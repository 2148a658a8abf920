// SPDX-License-Identifier: GPL-2.0

//! `info` and `clients`.

use serde_json::json;

use super::Context;
use crate::console::{Output, Text};
use crate::exit::Failure;
use crate::sysfs::diagnosis::machine;
use crate::sysfs::spdm::{self, Status};

/// Shows the device.
pub(super) fn info(context: &Context) -> Result<Output, Failure> {
    let device = context.sysfs.device(context.device.as_deref())?;
    let pci = device.pci()?;
    let driver = device.driver();
    let firmware = device.attribute("fw_ver")?;
    let link = device.attribute("link_state")?;
    let clients = device.clients()?.len();
    let spdm = spdm::status(&device)?;

    let (address, pci_id) = pci.unzip();
    let machine = pci_id.as_deref().and_then(machine);
    let shown = pci_id.as_ref().map(|id| {
        let machine = machine.unwrap_or("not in the table of engines");
        format!("{id} ({machine}) at {}", address.as_deref().unwrap_or("?"))
    });
    let unknown = || "not shown by this driver".to_owned();
    let mut text = Text::default();
    text.line(&device.name);
    text.fields(
        2,
        &[
            ("PCI function", shown.unwrap_or_else(unknown)),
            ("driver", driver.clone().unwrap_or_else(unknown)),
            ("firmware", firmware.clone().unwrap_or_else(unknown)),
            ("link", link.clone().unwrap_or_else(unknown)),
            ("clients", clients.to_string()),
        ],
    );
    match &spdm {
        Some(status) => show_spdm(&mut text, status),
        None => text.fields(2, &[("SPDM", unknown())]),
    }
    let json = json!({
        "device": device.name,
        "pci_address": address,
        "pci_id": pci_id,
        "machine": machine,
        "driver": driver,
        "firmware_version": firmware,
        "link_state": link,
        "clients": clients,
        "spdm": spdm,
    });
    Ok(Output::new(text, json))
}

fn show_spdm(text: &mut Text, status: &Status) {
    text.fields(2, &[("SPDM", status.state.text())]);
    let none = || "none".to_owned();
    let mut fields = vec![
        ("version", status.version.clone().unwrap_or_else(none)),
        ("algorithms", status.algorithms.clone().unwrap_or_else(none)),
        ("fresh", status.fresh.text()),
        ("anchored", status.anchored.text()),
        ("pinned", status.pinned.text()),
        ("accepted", status.accepted.text()),
        ("policy", status.policy.clone()),
        ("generation", status.generation.to_string()),
        ("digest", status.digest.clone().unwrap_or_else(none)),
        (
            "log",
            format!(
                "{} entries, {} dropped",
                status.log.count, status.log.dropped
            ),
        ),
        ("", format!("head {}", status.log.head)),
    ];
    if let (Some(used), Some(limit)) = (status.memory_used, status.memory_limit) {
        fields.push(("memory", format!("{used} of {limit} bytes")));
    }
    text.fields(4, &fields);
}

/// Lists the firmware clients.
pub(super) fn clients(context: &Context) -> Result<Output, Failure> {
    let device = context.sysfs.device(context.device.as_deref())?;
    let clients = device.clients()?;
    let link = device.attribute("link_state")?;
    let mut text = Text::default();
    let rows: Vec<_> = clients
        .iter()
        .map(|client| {
            vec![
                client.id.to_string(),
                client.uuid.clone(),
                client.name.unwrap_or("-").to_owned(),
                client.version.clone(),
                client.mtu.to_string(),
                client.flags.map_or("-".into(), |flags| flags.to_string()),
            ]
        })
        .collect();
    if rows.is_empty() {
        let link = link.as_deref().unwrap_or("not known");
        text.line(format!("{}: no clients; the link is {link}", device.name));
    } else {
        text.table(&["id", "UUID", "name", "version", "MTU", "flags"], &rows);
    }
    let json = json!({"device": device.name, "link_state": link, "clients": clients});
    Ok(Output::new(text, json))
}
