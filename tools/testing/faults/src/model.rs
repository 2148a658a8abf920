// SPDX-License-Identifier: GPL-2.0
//! What a device model is told and asked.

use std::time::Duration;

use anyhow::{ensure, Context, Result};
use guest::retry;
use serde_json::{json, Map, Value};

/// How long an armed fault may take to fire.
const FIRE_LIMIT: Duration = Duration::from_secs(10);

/// Index of a measurement that the model has not by itself, and its type.
const MEASUREMENT: u8 = 10;
const MANIFEST: u8 = 9;

/// The control port of one model.
pub(crate) struct Model(guest::Model);

impl Model {
    /// Opens the port of the model with this number.
    pub(crate) fn open(number: u32) -> Result<Self> {
        guest::Model::open(number).map(Self)
    }

    /// Runs a command, which must succeed.
    pub(crate) fn command(&mut self, command: &Value) -> Result<Value> {
        self.0.command(command)
    }

    /// Ends it, a surprise removal.
    pub(crate) fn quit(self) -> Result<()> {
        self.0.quit()
    }

    /// Lets nothing go wrong any more.
    pub(crate) fn defaults(&mut self) -> Result<()> {
        self.command(&json!({"cmd": "clear_faults"}))?;
        self.command(&json!({
            "cmd": "set", "notify": "response", "ready_latency_us": 1000,
            "response_latency_us": 0, "consume_latency_us": 0, "write_delay_us": 0,
        }))?;
        Ok(())
    }

    /// Settings of the SPDM responder, in place of all that were made. `measurement` is none of
    /// them, but the length of one more measurement.
    pub(crate) fn set_spdm(&mut self, settings: &Map<String, Value>) -> Result<()> {
        let mut all = json!({
            "cmd": "spdm_set", "versions": ["1.0", "1.1", "1.2", "1.3"], "chain_size": 0,
            "data_transfer_size": 4096, "max_message_size": 73728,
        });
        let mut measurement = json!({"cmd": "spdm_measurement", "index": MEASUREMENT});
        for (name, value) in settings {
            match (name.as_str(), value.as_u64()) {
                ("measurement", Some(length)) => {
                    measurement["type"] = json!(MANIFEST);
                    measurement["data"] = json!("55".repeat(length as usize));
                }
                _ => all[name] = value.clone(),
            }
        }
        self.command(&measurement)?;
        self.command(&all)?;
        Ok(())
    }

    /// How often the host has reset the link.
    pub(crate) fn resets(&mut self) -> Result<u64> {
        let counters = self.command(&json!({"cmd": "counters"}))?;
        counters["resets"]["host"].as_u64().context("no resets")
    }

    /// How far the link is, as the firmware sees it.
    pub(crate) fn phase(&mut self) -> Result<String> {
        let state = self.command(&json!({"cmd": "state"}))?;
        Ok(state["link"].as_str().context("no link")?.to_owned())
    }

    /// Waits until every armed fault has fired as often as it shall: a row with another would test
    /// something else, or nothing.
    pub(crate) fn all_fired(&mut self) -> Result<()> {
        retry(FIRE_LIMIT, || self.have_fired())
    }

    fn have_fired(&mut self) -> Result<()> {
        let faults = self.command(&json!({"cmd": "faults"}))?;
        for fault in faults["faults"].as_array().context("no faults")? {
            let armed = &fault["armed"];
            if let (Some(fired), Some(count)) = (armed["fired"].as_u64(), armed["count"].as_u64()) {
                let name = &fault["name"];
                ensure!(fired >= count.max(1), "{name} has fired {fired} times");
            }
        }
        Ok(())
    }
}
