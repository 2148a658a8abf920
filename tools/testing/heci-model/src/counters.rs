// SPDX-License-Identifier: GPL-2.0
//! What has been counted since the start, or since the counters were last cleared.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{json, Value};

use crate::csr::Register;

/// Accesses per register of BAR 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accesses([u64; Register::ALL.len()]);

impl Accesses {
    /// Counts one access.
    pub fn count(&mut self, register: Register) {
        if let Some(counter) = self.0.get_mut(register as usize) {
            *counter += 1;
        }
    }

    /// The counts by name, and their `total`.
    fn describe(&self, name: impl Fn(Register) -> &'static str) -> Value {
        let mut counts = BTreeMap::from([("total", self.0.iter().sum::<u64>())]);
        for (register, count) in Register::ALL.into_iter().zip(self.0) {
            *counts.entry(name(register)).or_default() += count;
        }
        json!(counts)
    }
}

/// Messages of the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Messages {
    /// Client messages taken from the host.
    pub h2f: u64,
    /// Client messages published to the host.
    pub f2h: u64,
    /// Bus messages taken from the host.
    pub bus_h2f: u64,
    /// Bus messages published to the host.
    pub bus_f2h: u64,
}

/// Messages through the DMA ring of a MEI function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ring {
    /// From the host.
    pub h2f: u64,
    /// To the host.
    pub f2h: u64,
}

/// Resets of the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resets {
    /// By the host, through `H_CSR.RST`.
    pub host: u64,
    /// By the firmware itself.
    pub firmware: u64,
}

/// All counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Register reads.
    #[serde(skip)]
    pub mmio_read: Accesses,
    /// Register writes.
    #[serde(skip)]
    pub mmio_write: Accesses,
    /// Configuration space reads.
    pub config_read: u64,
    /// Configuration space writes.
    pub config_write: u64,
    /// Interrupt messages sent.
    pub interrupts: u64,
    /// `IG` written.
    pub doorbells: u64,
    /// Messages.
    pub messages: Messages,
    /// Resets.
    pub resets: Resets,
    /// How often D3hot was entered.
    pub d3hot: u64,
    /// How often D0i3 was entered.
    pub d0i3: u64,
    /// Messages, or parts of them, that went through the DMA ring.
    pub ring: Ring,
    /// Accesses to guest memory that failed.
    pub dma_errors: u64,
}

impl Counters {
    /// All counters as the `counters` command shows them, with the `name` of each register.
    pub fn describe(&self, name: impl Fn(Register) -> &'static str) -> Value {
        let mut all = json!(self);
        all["mmio_read"] = self.mmio_read.describe(&name);
        all["mmio_write"] = self.mmio_write.describe(&name);
        all
    }
}
