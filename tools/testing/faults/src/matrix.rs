// SPDX-License-Identifier: GPL-2.0
//! The table: its rows and the machines that they need.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::driver::Driver;
use crate::outcome::{Again, Count, Expected};
use crate::step::Step;

macro_rules! parts {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../matrix/", $name, ".toml")))),*] };
}

/// The files, in the order in which they run.
const PARTS: &[(&str, &str)] = parts! {
    "setup" "start" "clients" "messages" "counters" "interrupts" "registers" "resets" "removal"
    "sleep" "two-devices" "function-reset" "recovery" "surprise" "unplug" "memory" "spdm-memory" "spdm" "spdm-negotiation"
    "spdm-identity" "spdm-evidence" "spdm-request" "spdm-absent"
};

/// A part of the matrix.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// What its rows have in common, for people.
    pub(crate) title: String,
    /// A word on how to read them, for people.
    pub(crate) about: String,
    #[serde(default)]
    machine: Machine,
    /// Settings of the SPDM responder, by name.
    #[serde(default)]
    settings: BTreeMap<String, Map<String, Value>>,
    /// Why rows that do not say otherwise are not run on the C driver.
    c: Option<String>,
    #[serde(rename = "fault")]
    pub(crate) rows: Vec<Row>,
}

/// The guest that rows need.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Machine {
    /// Options of `vm run`.
    options: Vec<String>,
    /// Parameters of the module `issei_rust`.
    pub(crate) parameters: Vec<String>,
    /// Each row has a guest of its own.
    alone: bool,
    /// A file of the kernel without which the rows cannot run.
    pub(crate) needs: Option<String>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            options: Vec::new(),
            parameters: vec!["spdm_policy=off".to_owned()],
            alone: false,
            needs: None,
        }
    }
}

/// A fault, and what must happen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// What goes wrong, for people.
    pub(crate) what: String,
    /// What is done, step by step.
    #[serde(rename = "do")]
    pub(crate) steps: Vec<Step>,
    /// Settings of the SPDM responder. The row begins unbound, and ends with another authentication.
    pub(crate) spdm: Option<String>,
    /// What must happen.
    pub(crate) must: Expected,
    /// What happens with Intel's driver.
    c: Option<OnC>,
}

/// How soon the agent has authenticated again, in milliseconds.
const AUTHENTICATED_MS: u64 = 5000;

/// A row on Intel's driver.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OnC {
    /// What happens.
    Outcome(Expected),
    /// Why it is not run.
    NotRun(String),
}

/// The whole table.
pub(crate) struct Matrix {
    pub(crate) parts: Vec<Part>,
}

/// A guest to start, and the rows to run there.
#[derive(Debug, Serialize)]
pub(crate) struct Batch {
    name: &'static str,
    options: Vec<String>,
    rows: Vec<String>,
    /// Parts of the splats that the kernel log must have, and no others.
    splats: Vec<String>,
}

impl Matrix {
    /// Reads the table and checks that it makes sense.
    pub(crate) fn read() -> Result<Self> {
        let mut parts = Vec::new();
        let mut names = BTreeSet::new();
        for (name, text) in PARTS {
            let part: Result<Part, _> = toml::from_str(text);
            let mut part = part.with_context(|| format!("matrix/{name}.toml"))?;
            for row in &mut part.rows {
                row.complete(part.c.as_deref());
            }
            for row in &part.rows {
                ensure!(names.insert(row.name.clone()), "{}: twice", row.name);
                row.check(&part)
                    .with_context(|| format!("row {}", row.name))?;
            }
            parts.push(part);
        }
        Ok(Self { parts })
    }

    /// A row, and its part.
    pub(crate) fn row(&self, name: &str) -> Result<(&Part, &Row)> {
        self.parts
            .iter()
            .find_map(|part| Some((part, part.rows.iter().find(|row| row.name == name)?)))
            .with_context(|| format!("there is no row {name}"))
    }

    /// All rows.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.parts.iter().flat_map(|part| &part.rows)
    }

    /// The guests to start, one after the other.
    pub(crate) fn plan(&self, driver: Driver) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        let mut together: Option<&Machine> = None;
        for ((name, _), part) in PARTS.iter().zip(&self.parts) {
            for row in &part.rows {
                let splats = match (driver, &row.c) {
                    (Driver::IsseiC, Some(OnC::NotRun(_))) => continue,
                    (Driver::IsseiC, Some(OnC::Outcome(expected))) => expected.splats.clone(),
                    _ => Vec::new(),
                };
                let alone = part.machine.alone || !splats.is_empty();
                match batches.last_mut() {
                    Some(batch) if !alone && together == Some(&part.machine) => {
                        batch.rows.push(row.name.clone());
                        continue;
                    }
                    _ => together = (!alone).then_some(&part.machine),
                }
                batches.push(Batch {
                    name,
                    options: part.machine.options.clone(),
                    rows: vec![row.name.clone()],
                    splats,
                });
            }
        }
        batches
    }
}

impl Machine {
    /// How many devices there are. The last is the bystander's.
    pub(crate) fn devices(&self) -> usize {
        let models = self.options.iter().filter(|option| *option == "--model");
        models.count().max(1)
    }
}

impl Part {
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The settings of the SPDM responder with this name.
    pub(crate) fn settings(&self, name: &str) -> Result<&Map<String, Value>> {
        let settings = self.settings.get(name);
        settings.with_context(|| format!("there are no settings {name}"))
    }
}

impl Row {
    /// Fills in what goes without saying.
    fn complete(&mut self, c: Option<&str>) {
        if let (None, Some(why)) = (&self.c, c) {
            self.c = Some(OnC::NotRun(why.to_owned()));
        }
        if self.spdm.is_none() {
            return;
        }
        let must = &mut self.must;
        if must.resets == Count::default() {
            must.resets = Count::from(1);
        }
        if must.again == Again::default() {
            must.again = Again::Within(AUTHENTICATED_MS);
        }
        if must.log.is_empty() {
            let calls = &must.calls;
            let several = self.steps.iter().filter(|step| step.recorded).count() > 1;
            let first = calls.split(", ").next().filter(|_| several);
            let said = format!("SPDM: {}*", first.unwrap_or(calls));
            // A work item each: an agent that is soon through may be the first to say so.
            must.log = vec!["link up, firmware *".to_owned(), said];
            must.log_also_turned = true;
        }
    }

    /// What happens on the C driver.
    pub(crate) fn c(&self) -> Result<&OnC> {
        self.c.as_ref().context("what happens on the C driver?")
    }

    fn check(&self, part: &Part) -> Result<()> {
        if let Some(name) = &self.spdm {
            part.settings(name)?;
        }
        let recorded = self.steps.iter().filter(|step| step.recorded).count();
        ensure!(recorded > 0, "nothing is recorded");
        ensure!(self.must.splats.is_empty(), "there must be no splat");
        match self.c()? {
            OnC::Outcome(c) if !c.log.is_empty() || !c.counts.is_empty() => {
                bail!("log and counts are not compared on the C driver")
            }
            OnC::Outcome(c) if c.splats.iter().any(String::is_empty) => {
                bail!("what does the splat say?")
            }
            OnC::NotRun(why) if why.is_empty() => bail!("why is it not run on the C driver?"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use heci_model::faults::Fault;
    use serde_json::json;

    use super::*;
    use crate::step::Action;

    #[test]
    fn every_fault_of_the_model_is_in_a_row() {
        let matrix = Matrix::read().unwrap();
        let mut faults: Vec<&str> = Fault::ALL.iter().map(|fault| fault.info().name).collect();
        for step in matrix.rows().flat_map(|row| &row.steps) {
            match &step.action {
                Action::Model(command) if command["cmd"] == "fault" => {
                    faults.retain(|fault| command["name"] != json!(fault));
                }
                _ => {}
            }
        }
        assert_eq!(faults, [""; 0]);
    }

    #[test]
    fn every_row_is_in_one_guest() {
        let matrix = Matrix::read().unwrap();
        let plan = matrix.plan(Driver::IsseiRust);
        let planned: Vec<&String> = plan.iter().flat_map(|batch| &batch.rows).collect();
        let rows: Vec<&String> = matrix.rows().map(|row| &row.name).collect();
        assert_eq!(planned, rows);
    }

    #[test]
    fn rows_with_a_splat_are_alone() {
        let matrix = Matrix::read().unwrap();
        let plan = matrix.plan(Driver::IsseiC);
        let alone: Vec<_> = plan
            .iter()
            .filter(|batch| !batch.splats.is_empty())
            .collect();
        let rows = |batch: &&Batch| batch.rows.clone();
        let rows: Vec<String> = alone.iter().flat_map(rows).collect();
        assert_eq!(rows, ["clients-duplicate-id"]);
        let rust = matrix.plan(Driver::IsseiRust);
        assert!(rust.iter().all(|batch| batch.splats.is_empty()));
    }
}
