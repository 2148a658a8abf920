// SPDX-License-Identifier: GPL-2.0

//! `certs`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::Context;
use crate::args::Certs;
use crate::certificate::Description;
use crate::console::{Output, Text};
use crate::evidence::files::{split, to_pem};
use crate::exit::{Exit, Failure};
use crate::sysfs::spdm;
use crate::sysfs::Device;

/// Shows the certificates.
pub(super) fn certs(context: &Context, args: &Certs) -> Result<Output, Failure> {
    let device = context.sysfs.device(context.device.as_deref())?;
    let mut chains = spdm::chains(&device)?;
    if let Some(slot) = args.slot {
        chains.retain(|(number, _)| *number == slot);
        if chains.iter().all(|(_, chain)| chain.is_empty()) {
            let message = format!("{}: no certificates in slot {slot}", device.name);
            return Err(Failure::new(Exit::Unsupported, message).advise(hint(&device)?));
        }
    }
    let mut output = show(&device, &chains)?;
    if args.der || args.pem {
        let all: Vec<u8> = chains.into_iter().flat_map(|(_, chain)| chain).collect();
        let bytes = match args.der {
            true => all,
            false => split(&all)
                .into_iter()
                .map(to_pem)
                .collect::<String>()
                .into(),
        };
        hand_out(&bytes, args.output.as_deref())?;
        output.text = Text::default();
    }
    Ok(output)
}

/// What to do where there is none.
fn hint(device: &Device) -> Result<String, Failure> {
    let state = device.needed("spdm/state")?;
    Ok(format!("isseictl certs lists the slots; SPDM is {state}"))
}

fn show(device: &Device, chains: &[(u8, Vec<u8>)]) -> Result<Output, Failure> {
    let mut text = Text::default();
    let mut slots = Vec::new();
    if chains.is_empty() {
        text.line(format!("{}: no certificates were read", device.name));
        text.line(format!("SPDM is {}", device.needed("spdm/state")?));
    }
    for (slot, chain) in chains {
        let certificates: Vec<_> = split(chain).into_iter().map(Description::new).collect();
        match certificates.len() {
            0 if chain.is_empty() => text.line(format!("slot {slot}: not provisioned")),
            0 => text.line(format!(
                "slot {slot}: {} bytes that are no DER",
                chain.len()
            )),
            count => text.line(format!("slot {slot}: {count} certificates, root first")),
        }
        for (number, certificate) in certificates.iter().enumerate() {
            text.line(format!("  certificate {number}"));
            text.fields(4, &certificate.lines());
        }
        slots.push(json!({"slot": slot, "certificates": certificates}));
    }
    Ok(Output::new(
        text,
        json!({"device": device.name, "slots": slots}),
    ))
}

/// Writes to a file or standard output.
fn hand_out(bytes: &[u8], path: Option<&Path>) -> Result<(), Failure> {
    match path {
        Some(path) => fs::write(path, bytes).map_err(|error| Failure::file(path, &error)),
        None => match io::stdout().write_all(bytes) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::file(Path::new("standard output"), &error))
            }
            _ => Ok(()),
        },
    }
}
