// SPDX-License-Identifier: GPL-2.0

//! What the link counts and remembers, for debugfs.

use kernel::prelude::*;

use crate::ham::wire::Header;

mod tests;

/// How many message headers are remembered.
const TRACE_LENGTH: usize = 64;

/// Which way a message went.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    /// Host to firmware.
    ToFirmware,
    /// Firmware to host.
    FromFirmware,
}

/// The header of a message that went over the link. The payload is the programs' own.
#[derive(Clone, Copy)]
pub(crate) struct Traced {
    /// Nanoseconds since probe.
    pub(crate) at: u64,
    pub(crate) direction: Direction,
    pub(crate) header: Header,
}

/// Counters since probe.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) interrupts: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) resets: u64,
    /// Messages that the timer found before the interrupt handler did.
    pub(crate) rescued: u64,
    /// Longest time, in nanoseconds, that one of them can have waited, see `Poll::unseen`.
    pub(crate) rescued_after: u64,
}

/// Counters and the last messages.
pub(crate) struct Statistics {
    pub(crate) counters: Counters,
    trace: KVec<Traced>,
    oldest: usize,
}

impl Statistics {
    /// Nothing counted.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory for the message headers.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            counters: Counters::default(),
            trace: KVec::with_capacity(TRACE_LENGTH, GFP_KERNEL)?,
            oldest: 0,
        })
    }

    /// A message went over the link. Allocates nothing.
    pub(crate) fn message(&mut self, at: u64, direction: Direction, header: &Header) {
        let count = match direction {
            Direction::ToFirmware => &mut self.counters.sent,
            Direction::FromFirmware => &mut self.counters.received,
        };
        *count = count.wrapping_add(1);
        let traced = Traced {
            at,
            direction,
            header: *header,
        };
        if self.trace.len() < TRACE_LENGTH {
            let _ = self.trace.push_within_capacity(traced);
        } else if let Some(oldest) = self.trace.get_mut(self.oldest) {
            *oldest = traced;
            self.oldest = (self.oldest + 1) % TRACE_LENGTH;
        }
    }

    /// The timer found a message that had waited for `unseen` nanoseconds at most.
    pub(crate) fn rescued(&mut self, unseen: u64) {
        let counters = &mut self.counters;
        counters.rescued = counters.rescued.wrapping_add(1);
        counters.rescued_after = counters.rescued_after.max(unseen);
    }

    /// The last messages, oldest first.
    pub(crate) fn last_messages(&self) -> impl Iterator<Item = &Traced> {
        let (newer, older) = self.trace.split_at(self.oldest.min(self.trace.len()));
        Iterator::chain(older.iter(), newer)
    }
}
