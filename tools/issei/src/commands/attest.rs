// SPDX-License-Identifier: GPL-2.0

//! `attest`.

use std::path::Path;

use serde_json::json;
use tracing::info;

use super::{exit_of_collected, Context, Given};
use crate::args::Attest;
use crate::check::Check;
use crate::console::{Output, Text};
use crate::evidence::description::{self, Occasion};
use crate::evidence::directory;
use crate::exit::Failure;
use crate::netlink::{self, Objects, Request};
use crate::nonce::{self, Nonce};
use crate::roots::Root;
use crate::sysfs::Device;
use crate::verify::{verify, Expected};

/// Collects evidence into a directory.
pub(super) fn attest(context: &Context, args: &Attest) -> Result<Output, Failure> {
    let given = Given::read(&args.against)?;
    directory::survey(&args.output, args.force)?;
    let device = context.sysfs.device(context.device.as_deref())?;
    let nonce = given.nonce.map_or_else(nonce::draw, Ok)?;
    let request = Request {
        device: device.name.clone(),
        mask: netlink::CHAINS_MASK | netlink::VCA_MASK | netlink::MEASUREMENTS_MASK,
        nonce,
        slot: args.slot,
    };
    let objects = netlink::read(&request, context.timeout)?;
    directory::prepare(&args.output, args.force)?;
    let target = Target {
        directory: &args.output,
        nonce,
        drawn: given.nonce.is_none(),
        roots: &given.roots,
        device: describe(&device)?,
    };
    keep(context, &objects, &target)
}

fn describe(device: &Device) -> Result<description::Device, Failure> {
    Ok(description::Device {
        name: device.name.clone(),
        pci_id: device.pci()?.map(|(_, id)| id),
        firmware_version: device.attribute("fw_ver")?,
    })
}

/// Where evidence goes, and what it is checked against.
#[derive(Debug)]
pub struct Target<'a> {
    /// A prepared directory.
    pub directory: &'a Path,
    /// The nonce that was sent.
    pub nonce: Nonce,
    /// It was drawn here.
    pub drawn: bool,
    /// Roots that are trusted.
    pub roots: &'a [Root],
    /// The engine.
    pub device: description::Device,
}

/// Writes evidence and checks it.
///
/// # Errors
///
/// It cannot be written.
pub fn keep(context: &Context, objects: &Objects, target: &Target<'_>) -> Result<Output, Failure> {
    let occasion = Occasion {
        device: target.device.clone(),
        generation: objects.generation,
        now: context.now,
    };
    let written = directory::write(target.directory, &objects.evidence, &occasion)?;
    info!(directory = %target.directory.display(), "written");
    let expected = Expected {
        nonce: Some(target.nonce),
        roots: target.roots,
        now: context.now,
    };
    let mut checks = verify(&objects.evidence, &expected);
    if let Err(error) = &written {
        let reason = format!("evidence.json was not written: {error}");
        checks.insert(0, Check::fail(directory::FILES, reason));
    }

    let nonce = hex::encode(target.nonce);
    let shown = target.directory.display();
    let mut text = Text::default();
    let drawn = if target.drawn { " (drawn here)" } else { "" };
    text.fields(
        0,
        &[
            ("evidence", shown.to_string()),
            ("nonce", format!("{nonce}{drawn}")),
        ],
    );
    text.checks(&checks);
    let json = json!({
        "device": target.device.name,
        "directory": shown.to_string(),
        "nonce": nonce,
        "nonce_drawn": target.drawn,
        "evidence": written.ok(),
        "checks": checks,
    });
    let mut output = Output::new(text, json);
    output.exit = exit_of_collected(&checks);
    Ok(output)
}
