// SPDX-License-Identifier: GPL-2.0

//! `measurements`.

use serde_json::json;

use super::{exit_of_collected, Context, Given};
use crate::args;
use crate::console::{Output, Text};
use crate::evidence::description::Spdm;
use crate::evidence::{Evidence, Negotiated, SignedMeasurements, Unreadable};
use crate::exit::Failure;
use crate::measurements::{list, Measurement};
use crate::netlink::{self, Request};
use crate::nonce;
use crate::verify::{verify, Expected};

/// Asks for the measurements, checks and lists them.
pub(super) fn measurements(
    context: &Context,
    args: &args::Measurements,
) -> Result<Output, Failure> {
    let given = Given::read(&args.against)?;
    let device = context.sysfs.device(context.device.as_deref())?;
    let nonce = given.nonce.map_or_else(nonce::draw, Ok)?;
    let chains = args.slot.map_or(netlink::CHAINS_MASK, netlink::chain_mask);
    let request = Request {
        device: device.name.clone(),
        mask: chains | netlink::VCA_MASK | netlink::MEASUREMENTS_MASK,
        nonce,
        slot: args.slot,
    };
    let objects = netlink::read(&request, context.timeout)?;
    let expected = Expected {
        nonce: Some(nonce),
        roots: &given.roots,
        now: context.now,
    };
    Ok(show(&device.name, &objects.evidence, &expected))
}

/// Checks measurements and shows them.
pub fn show(device: &str, evidence: &Evidence, expected: &Expected<'_>) -> Output {
    let checks = verify(evidence, expected);
    let mut text = Text::default();
    let read = read(evidence);
    if let Ok((spdm, measurements)) = &read {
        let hash = spdm.measurement_hash_algorithm.as_deref();
        text.line(format!(
            "{device}: SPDM {}, measurements hashed with {}",
            spdm.version,
            hash.unwrap_or("nothing")
        ));
        text.table(&["index", "type", "form", "value"], &rows(measurements));
    }
    text.checks(&checks);
    let (spdm, measurements) = read.ok().unzip();
    let json = json!({
        "device": device,
        "nonce": expected.nonce.map(hex::encode),
        "spdm": spdm,
        "measurements": measurements,
        "checks": checks,
    });
    let mut output = Output::new(text, json);
    output.exit = exit_of_collected(&checks);
    output
}

fn read(evidence: &Evidence) -> Result<(Spdm, Vec<Measurement>), Unreadable> {
    let negotiated = Negotiated::read(&evidence.vca)?;
    let measurements = SignedMeasurements::read(&evidence.measurements, &negotiated)?;
    Ok((Spdm::new(&negotiated), list(&measurements, &negotiated)))
}

fn rows(measurements: &[Measurement]) -> Vec<Vec<String>> {
    let row = |measurement: &Measurement| {
        vec![
            measurement.index.to_string(),
            measurement.what(),
            measurement.digest_algorithm.unwrap_or("raw").to_owned(),
            measurement.text(),
        ]
    };
    measurements.iter().map(row).collect()
}
