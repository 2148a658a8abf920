// SPDX-License-Identifier: GPL-2.0
//! How the firmware and the bus behave; changeable while the model runs.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::spdm;

/// When the firmware interrupts the host, besides on a change of its ready state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Notify {
    /// When it has published a message.
    #[default]
    Response,
    /// Also when it has consumed a message of the host.
    Consumed,
    /// Also on a doorbell that finds nothing to do.
    EveryDoorbell,
}

/// Latencies in microseconds, and the notification mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Args)]
pub struct Settings {
    /// When to interrupt the host, besides on ready and reset
    #[arg(long, value_enum, default_value_t)]
    pub notify: Notify,
    /// From taking a message to publishing the answer
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub response_latency_us: u64,
    /// From the doorbell to taking a message
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub consume_latency_us: u64,
    /// From the host's reset to ready
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub ready_latency_us: u64,
    /// Until a register write takes effect; a register read or a configuration access completes
    /// all that wait
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub write_delay_us: u64,
    /// Keep the processor that accesses a register waiting this long
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub mmio_cost_us: u64,
    /// Look at the counters this often without a doorbell, 0 for never
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub poll_us: u64,
    /// What the SPDM responder offers.
    #[command(flatten)]
    pub spdm: spdm::Settings,
}

/// Changes to [`Settings`]; what is absent stays.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// See [`Settings::notify`].
    pub notify: Option<Notify>,
    /// See [`Settings::response_latency_us`].
    pub response_latency_us: Option<u64>,
    /// See [`Settings::consume_latency_us`].
    pub consume_latency_us: Option<u64>,
    /// See [`Settings::ready_latency_us`].
    pub ready_latency_us: Option<u64>,
    /// See [`Settings::write_delay_us`].
    pub write_delay_us: Option<u64>,
    /// See [`Settings::mmio_cost_us`].
    pub mmio_cost_us: Option<u64>,
    /// HFS 1 to 6, instead of the values that follow the firmware's state.
    pub hfs: Option<[u32; 6]>,
}

impl Settings {
    /// Applies a change (all but `hfs`, which the configuration space holds).
    pub fn apply(&mut self, change: &Change) {
        let set = |to: &mut u64, from: Option<u64>| *to = from.unwrap_or(*to);
        self.notify = change.notify.unwrap_or(self.notify);
        set(&mut self.response_latency_us, change.response_latency_us);
        set(&mut self.consume_latency_us, change.consume_latency_us);
        set(&mut self.ready_latency_us, change.ready_latency_us);
        set(&mut self.write_delay_us, change.write_delay_us);
        set(&mut self.mmio_cost_us, change.mmio_cost_us);
    }

    /// [`Settings::write_delay_us`].
    pub fn write_delay(&self) -> Duration {
        Duration::from_micros(self.write_delay_us)
    }
}
