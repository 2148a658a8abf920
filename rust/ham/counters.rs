// SPDX-License-Identifier: GPL-2.0

//! The control block: four counters that say which section of the shared memory holds a message.
//!
//! Each section holds one message at a time. The sender increments its `wr` after it has written
//! the message, the receiver its `rd` after it has copied it; both wrap at 2^32. Source: Linux
//! `drivers/misc/issei/hw_msg.h` and `dma.c`.

#![forbid(unsafe_code)]

use super::fault::Fault;

/// The two counters that the host owns.
///
/// They are kept here and only ever written to shared memory, never read back from it: what the
/// firmware does to that memory cannot change what the host believes it has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    h2f_wr: u32,
    f2h_rd: u32,
}

impl Counters {
    /// Counters as they are after a reset of the link.
    pub const fn new() -> Self {
        Self::at(0, 0)
    }

    /// Counters that have come this far.
    pub const fn at(h2f_wr: u32, f2h_rd: u32) -> Self {
        Self { h2f_wr, f2h_rd }
    }

    /// Whether the host-to-firmware section can take a message, given the firmware's `h2f_rd`.
    ///
    /// # Errors
    ///
    /// - [`Fault::HostToFirmwareCounter`]: the firmware has consumed what was never sent.
    pub fn h2f_is_free(&self, h2f_rd: u32) -> Result<bool, Fault> {
        match self.h2f_wr.wrapping_sub(h2f_rd) {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(Fault::HostToFirmwareCounter {
                wr: self.h2f_wr,
                rd: h2f_rd,
            }),
        }
    }

    /// Whether the firmware-to-host section holds a message, given the firmware's `f2h_wr`.
    ///
    /// # Errors
    ///
    /// - [`Fault::FirmwareToHostCounter`]: the firmware's counter jumped or ran back.
    pub fn f2h_has_message(&self, f2h_wr: u32) -> Result<bool, Fault> {
        match f2h_wr.wrapping_sub(self.f2h_rd) {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Fault::FirmwareToHostCounter {
                wr: f2h_wr,
                rd: self.f2h_rd,
            }),
        }
    }

    /// A message was sent: returns the new `h2f_wr` to publish.
    pub fn sent(&mut self) -> u32 {
        self.h2f_wr = self.h2f_wr.wrapping_add(1);
        self.h2f_wr
    }

    /// A message was consumed: returns the new `f2h_rd` to publish.
    pub fn consumed(&mut self) -> u32 {
        self.f2h_rd = self.f2h_rd.wrapping_add(1);
        self.f2h_rd
    }
}
