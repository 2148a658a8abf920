// SPDX-License-Identifier: GPL-2.0
//! What has been counted since the start, or since the counters were last cleared.

use serde::Serialize;

use crate::csr::Register;

/// Accesses per register of BAR 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accesses {
    /// `H_CB_WW`.
    #[serde(rename = "H_CB_WW")]
    pub host_window: u64,
    /// `H_CSR`.
    #[serde(rename = "H_CSR")]
    pub host_csr: u64,
    /// `FW_CB_RW`.
    #[serde(rename = "FW_CB_RW")]
    pub firmware_window: u64,
    /// `FW_CSR_HA`.
    #[serde(rename = "FW_CSR_HA")]
    pub firmware_csr: u64,
    /// Anything else in the BAR.
    pub other: u64,
    /// All of them.
    pub total: u64,
}

impl Accesses {
    /// Counts one access.
    pub fn count(&mut self, register: Register) {
        let counter = match register {
            Register::HostWindow => &mut self.host_window,
            Register::HostCsr => &mut self.host_csr,
            Register::FirmwareWindow => &mut self.firmware_window,
            Register::FirmwareCsr => &mut self.firmware_csr,
            Register::Other => &mut self.other,
        };
        *counter += 1;
        self.total += 1;
    }
}

/// Messages through the shared memory.
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
    pub mmio_read: Accesses,
    /// Register writes.
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
    /// Accesses to guest memory that failed.
    pub dma_errors: u64,
}
