// SPDX-License-Identifier: GPL-2.0
//! A program that asks for evidence, and checks it as `isseictl verify` does.

use std::time::SystemTime;

use anyhow::Result;
use der::DateTime;
use guest::Device;
use isseictl::check::{self, Gap, Outcome};
use isseictl::netlink::{self, Refusal, Request};
use isseictl::nonce;
use isseictl::verify::{verify, Expected};

use crate::program::OK;

/// Asks for evidence with a new nonce: `ok` if it is there and right, the name of an error number
/// and what the driver says of it, or what is wrong with it.
pub(crate) fn collect(device: Device) -> Result<String> {
    let nonce = nonce::draw()?;
    let request = Request {
        device: device.to_string(),
        mask: netlink::CHAINS_MASK | netlink::VCA_MASK | netlink::MEASUREMENTS_MASK,
        nonce,
        slot: None,
    };
    let evidence = match netlink::exchange(&request) {
        Ok(objects) => objects.evidence,
        Err(Refusal::Error { errno, reason }) => {
            let reason = reason.map(|reason| format!(": {reason}"));
            return Ok(format!("{errno:?}{}", reason.unwrap_or_default()));
        }
        Err(refusal) => return Ok(format!("{refusal:?}")),
    };
    let expected = Expected {
        nonce: Some(nonce),
        roots: &[],
        now: DateTime::from_system_time(SystemTime::now())?,
    };
    let checks = verify(&evidence, &expected);
    Ok(match check::verdict(&checks) {
        // There are no roots to compare with.
        Outcome::Pass | Outcome::NotChecked(Gap::NothingToCompare) => OK.to_owned(),
        _ => format!("{checks:?}"),
    })
}
