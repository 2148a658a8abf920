// SPDX-License-Identifier: GPL-2.0

//! What the driver's SPDM agent shows: `issei<N>/spdm/`.

use serde::Serialize;

use super::Device;
use crate::exit::{Exit, Failure};

/// A verdict of the driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `yes`, `no` or `not_checked`; another word of a later driver as it is.
    pub verdict: String,
    /// Why.
    pub reason: Option<String>,
}

impl Verdict {
    fn new(text: &str) -> Self {
        let (word, reason) = split(text);
        Self {
            verdict: word.replace(' ', "_"),
            reason,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        join(&self.verdict.replace('_', " "), self.reason.as_deref())
    }
}

/// The state of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// The state in a word.
    pub word: String,
    /// What more there is to say.
    pub reason: Option<String>,
}

impl State {
    /// For people.
    pub fn text(&self) -> String {
        join(&self.word, self.reason.as_deref())
    }
}

/// The log in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogState {
    /// The head after the last entry, in hexadecimal.
    pub head: String,
    /// Entries that were ever made.
    pub count: u64,
    /// Of these, entries that were dropped.
    pub dropped: u64,
}

/// Everything at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The state.
    pub state: State,
    /// The version that was negotiated.
    pub version: Option<String>,
    /// The algorithms.
    pub algorithms: Option<String>,
    /// Whether the engine signed with a nonce that the driver drew.
    pub fresh: Verdict,
    /// Whether its chain ends in a key of the keyring.
    pub anchored: Verdict,
    /// Whether it is what it was before.
    pub pinned: Verdict,
    /// Whether an administrator accepted it.
    pub accepted: Verdict,
    /// The number of the result.
    pub generation: u32,
    /// What acceptance is about.
    pub digest: Option<String>,
    /// `off`, `audit` or `enforce`.
    pub policy: String,
    /// The log.
    pub log: LogState,
    /// Bytes of certificates and log.
    pub memory_used: Option<u64>,
    /// How many there may be.
    pub memory_limit: Option<u64>,
}

/// Splits `word: reason`.
fn split(text: &str) -> (String, Option<String>) {
    match text.split_once(": ") {
        Some((word, reason)) => (word.to_owned(), Some(reason.to_owned())),
        None => (text.to_owned(), None),
    }
}

fn join(word: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{word}: {reason}"),
        None => word.to_owned(),
    }
}

/// Reads the state of the agent. `None` if the driver has none.
///
/// # Errors
///
/// An attribute cannot be read or understood.
pub fn status(device: &Device) -> Result<Option<Status>, Failure> {
    let Some(state) = device.attribute("spdm/state")? else {
        return Ok(None);
    };
    let (word, reason) = split(&state);
    let verdict = |name: &str| -> Result<Verdict, Failure> {
        Ok(Verdict::new(&device.needed(&format!("spdm/{name}"))?))
    };
    Ok(Some(Status {
        state: State { word, reason },
        version: device.attribute("spdm/version")?,
        algorithms: device.attribute("spdm/algorithms")?,
        fresh: verdict("fresh")?,
        anchored: verdict("anchored")?,
        pinned: verdict("pinned")?,
        accepted: verdict("accepted")?,
        generation: number(device, "spdm/generation")?,
        digest: device.attribute("spdm/digest")?,
        policy: device.needed("spdm/policy")?,
        log: log(device)?,
        memory_used: optional_number(device, "spdm/memory_used")?,
        memory_limit: optional_number(device, "spdm/memory_limit")?,
    }))
}

/// Reads the numbers of the log.
///
/// # Errors
///
/// As [`status`].
pub fn log(device: &Device) -> Result<LogState, Failure> {
    Ok(LogState {
        head: device.needed("spdm/log_head")?,
        count: number(device, "spdm/log_count")?,
        dropped: number(device, "spdm/log_dropped")?,
    })
}

fn number<T: std::str::FromStr>(device: &Device, name: &str) -> Result<T, Failure> {
    parse(device, name, &device.needed(name)?)
}

fn optional_number(device: &Device, name: &str) -> Result<Option<u64>, Failure> {
    let text = device.attribute(name)?;
    text.map(|text| parse(device, name, &text)).transpose()
}

fn parse<T: std::str::FromStr>(device: &Device, name: &str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| {
        let message = format!("{}: {name}: {text:?} is not a number", device.name);
        Failure::new(Exit::Protocol, message).advise("the driver is of another version than this")
    })
}

/// The failure where a driver has no agent.
pub fn without_agent(device: &Device) -> Failure {
    let driver = device.driver().unwrap_or_else(|| "its driver".into());
    let message = format!("{}: {driver} does not speak SPDM", device.name);
    Failure::new(Exit::Unsupported, message)
        .advise("this needs issei_rust of the version of this program, or a later one")
}

/// The chains that the driver has read, by slot: DER, root first, empty where the slot is.
///
/// # Errors
///
/// Not root, or the driver has no agent.
pub fn chains(device: &Device) -> Result<Vec<(u8, Vec<u8>)>, Failure> {
    if device.attribute("spdm/state")?.is_none() {
        return Err(without_agent(device));
    }
    let mut chains = Vec::new();
    for name in device.list("spdm/certificates")?.unwrap_or_default() {
        let Some(slot) = name.strip_prefix("slot").and_then(|slot| slot.parse().ok()) else {
            continue;
        };
        let chain = device.binary(&format!("spdm/certificates/{name}"))?;
        chains.push((slot, chain.unwrap_or_default()));
    }
    Ok(chains)
}
