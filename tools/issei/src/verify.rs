// SPDX-License-Identifier: GPL-2.0

//! Checks evidence, without the engine and without the kernel.

use der::DateTime;
use spdm::crypto::{Hash, Refusal, Verify};
use spdm::host::RustCrypto;
use spdm::measurements::{ContentChanged, Operation};

use crate::check::{Check, Gap};
use crate::evidence::{Evidence, Negotiated, SignedMeasurements, Transcript};
use crate::nonce::Nonce;
use crate::roots::Root;

pub mod chain;

/// What evidence is compared with.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// The nonce that the evidence was asked for with.
    pub nonce: Option<Nonce>,
    /// Roots that are trusted.
    pub roots: &'a [Root],
    /// The time at which certificates have to be valid.
    pub now: DateTime,
}

/// Names of the checks, in their order.
pub const NEGOTIATION: &str = "negotiation";
/// Who signed whom, from the root to the leaf.
pub const CHAIN: &str = "chain";
/// Whether all certificates are valid now.
pub const DATES: &str = "dates";
/// Whether the chain ends in a root that is trusted.
pub const ANCHORED: &str = "anchored";
/// Whether the nonce is the one that was sent.
pub const NONCE: &str = "nonce";
/// Whether the leaf signed.
pub const SIGNATURE: &str = "signature";
/// Whether the blocks are well formed.
pub const MEASUREMENTS: &str = "measurements";

/// All of them.
pub const ALL: [&str; 7] = [
    NEGOTIATION,
    CHAIN,
    DATES,
    ANCHORED,
    NONCE,
    SIGNATURE,
    MEASUREMENTS,
];

/// Checks evidence.
pub fn verify(evidence: &Evidence, expected: &Expected<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    let negotiated = match Negotiated::read(&evidence.vca) {
        Ok(negotiated) => negotiated,
        Err(error) => {
            checks.push(unreadable(NEGOTIATION, &error.text, error.unsupported));
            let others = ALL.into_iter().filter(|name| *name != NEGOTIATION);
            checks.extend(others.map(|name| depends(name, "the negotiation cannot be read")));
            return checks;
        }
    };
    checks.push(Check::pass(NEGOTIATION, describe(&negotiated)));

    let measurements = SignedMeasurements::read(&evidence.measurements, &negotiated);
    // Without measurements, nothing says which slot signs.
    let slot = match &measurements {
        Ok(measurements) => Some(measurements.slot),
        Err(_) => evidence.chains.keys().next().copied(),
    };
    let chain = slot.and_then(|slot| Some((slot, evidence.chains.get(&slot)?)));
    let key = match (slot, chain) {
        (_, Some((slot, bytes))) => chain::check(&mut checks, slot, bytes, &negotiated, expected),
        (slot, None) => {
            let slot = slot.map_or(String::new(), |slot| format!(" of slot {slot}"));
            checks.push(Check::fail(CHAIN, format!("the chain{slot} is missing")));
            checks.push(depends(DATES, "there is no chain"));
            checks.push(depends(ANCHORED, "there is no chain"));
            None
        }
    };
    match measurements {
        Ok(measurements) => {
            checks.push(check_nonce(&measurements, expected));
            let signature =
                check_signature(&evidence.vca, &measurements, &negotiated, key.as_ref());
            checks.push(signature);
            checks.push(check_blocks(&measurements, &negotiated));
        }
        Err(error) => {
            checks.push(depends(NONCE, "the measurements cannot be read"));
            checks.push(depends(SIGNATURE, "the measurements cannot be read"));
            checks.push(unreadable(MEASUREMENTS, &error.text, error.unsupported));
        }
    }
    checks
}

fn depends(name: &'static str, reason: &str) -> Check {
    Check::not_checked(name, Gap::Depends, reason)
}

fn unreadable(name: &'static str, text: &str, unsupported: bool) -> Check {
    if unsupported {
        Check::not_checked(name, Gap::Unsupported, text)
    } else {
        Check::fail(name, text)
    }
}

fn refused(name: &'static str, refusal: Refusal) -> Check {
    unreadable(name, &refusal.to_string(), refusal != Refusal::Wrong)
}

fn describe(negotiated: &Negotiated) -> String {
    let signed = if negotiated.signs_negotiation() {
        ""
    } else {
        "; not covered by the signature in this version"
    };
    format!(
        "SPDM {}, {}, {}{signed}",
        negotiated.version(),
        negotiated.asym,
        negotiated.hash
    )
}

fn check_nonce(measurements: &SignedMeasurements<'_>, expected: &Expected<'_>) -> Check {
    match expected.nonce {
        Some(nonce) if nonce == measurements.nonce => {
            Check::pass(NONCE, "it is the one that was asked for")
        }
        Some(_) => {
            let found = hex::encode(measurements.nonce);
            Check::fail(NONCE, format!("the evidence is for another one, {found}"))
        }
        None => Check::not_checked(
            NONCE,
            Gap::NothingToCompare,
            "no nonce was given (--nonce): this may be old evidence",
        ),
    }
}

fn check_signature(
    vca: &[u8],
    measurements: &SignedMeasurements<'_>,
    negotiated: &Negotiated,
    key: Option<&<RustCrypto as Verify>::Key>,
) -> Check {
    let Some(key) = key else {
        return depends(SIGNATURE, "there is no key that could be trusted");
    };
    let Negotiated { asym, hash, .. } = *negotiated;
    let result = Transcript::new(vca, measurements, negotiated).and_then(|transcript| {
        let digest = RustCrypto.digest(hash, &transcript.signed)?;
        let signature = measurements.signature;
        RustCrypto.verify(key, asym.scheme(), hash, &digest, signature)
    });
    match result {
        Ok(()) => Check::pass(
            SIGNATURE,
            format!(
                "by the leaf of slot {} over the transcript",
                measurements.slot
            ),
        ),
        Err(refusal) => refused(SIGNATURE, refusal),
    }
}

/// All of them have to be there, as they are now: a machine that has something to hide could ask for
/// others.
fn check_blocks(measurements: &SignedMeasurements<'_>, negotiated: &Negotiated) -> Check {
    match blocks(measurements, negotiated) {
        Ok(count) => Check::pass(MEASUREMENTS, format!("all {count}, well formed")),
        Err(reason) => Check::fail(MEASUREMENTS, reason),
    }
}

fn blocks(measurements: &SignedMeasurements<'_>, negotiated: &Negotiated) -> Result<usize, String> {
    let hash = negotiated.connection.selection.measurement_hash;
    let mut indices = Vec::new();
    let mut total = None;
    let mut all = false;
    for (request, response) in &measurements.exchanges {
        if request.new {
            return Err("they are those of after the next reset, not of now".into());
        }
        if let Some(hash) = hash {
            let checked = response.record.check_digests(hash);
            checked.map_err(|(field, reason)| format!("{field}: {reason}"))?;
        }
        if response.changed == ContentChanged::Changed {
            return Err("they changed while they were read".into());
        }
        match request.operation {
            Operation::All => all = true,
            Operation::Count => total = response.total.map(usize::from),
            Operation::One(_) => {}
        }
        indices.extend(response.record.blocks().map(|block| block.index));
    }
    let count = indices.len();
    indices.sort_unstable();
    indices.dedup();
    if indices.len() != count {
        return Err("an index occurs twice".into());
    }
    match total {
        _ if all => Ok(count),
        Some(total) if total == count => Ok(count),
        Some(total) => Err(format!("there are {total}, but {count} were read")),
        None => Err(format!("only {count} of them were asked for")),
    }
}
