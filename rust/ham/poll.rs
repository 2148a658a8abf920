// SPDX-License-Identifier: GPL-2.0

//! When to look at the shared memory without an interrupt.
//!
//! The write that acknowledges an interrupt is posted. If the firmware publishes a message and sets
//! `H_CSR.IS` while that write is on its way, the write clears the new `IS` and no interrupt follows.
//! So while an answer is owed, a timer looks: after [`FIRST_PERIOD`], then after twice as long each
//! time that nothing moved. When nothing is owed any more, it looks once, [`LAST_LOOK`] after the last
//! traffic, and then not at all: an idle device costs nothing.
//!
//! All times are in nanoseconds of a monotonic clock.

#![forbid(unsafe_code)]

/// The period after traffic.
pub const FIRST_PERIOD: u64 = 1_000_000;

/// The longest period.
pub const LAST_PERIOD: u64 = 1_000_000_000;

/// From this long after the last traffic on, a look includes `FW_CSR_HA`, which tells of a reset that
/// was missed.
pub const REGISTERS_AFTER: u64 = 100_000_000;

/// How long after the last traffic the last look comes.
pub const LAST_LOOK: u64 = 100_000_000;

/// How long an answer may be owed without traffic until the timer stops waiting for it. An
/// interrupt still delivers it; the race above needs a write of ours, and there was none.
pub const PATIENCE: u64 = 10_000_000_000;

/// The state of the timer.
#[derive(Clone, Copy, Debug)]
pub struct Poll {
    traffic: u64,
    period: u64,
    armed: Option<u64>,
}

/// What a look at an expired timer includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The counters in memory.
    Memory,
    /// The counters in memory and `FW_CSR_HA`.
    Registers,
}

impl Poll {
    /// A timer that is not armed.
    pub const fn new() -> Self {
        Self {
            traffic: 0,
            period: FIRST_PERIOD,
            armed: None,
        }
    }

    /// Something moved at `now`. Returns the time to arm the timer for, if it is not armed for
    /// that time or earlier.
    pub fn traffic(&mut self, now: u64, owed: bool) -> Option<u64> {
        self.traffic = now;
        self.period = FIRST_PERIOD;
        self.arm(now, owed)
    }

    /// The timer expired: what to look at.
    pub fn expired(&mut self) -> Look {
        match self.armed.take() {
            Some(at) if at.saturating_sub(self.traffic) >= REGISTERS_AFTER => Look::Registers,
            _ => Look::Memory,
        }
    }

    /// After a look at an expired timer that found nothing: returns when to look again.
    ///
    /// `owed` says whether an answer or the consumption of a message is still outstanding.
    pub fn nothing(&mut self, now: u64, owed: bool) -> Option<u64> {
        self.period = self.period.saturating_mul(2).min(LAST_PERIOD);
        self.arm(now, owed)
    }

    fn arm(&mut self, now: u64, owed: bool) -> Option<u64> {
        let quiet = now.saturating_sub(self.traffic);
        let at = match owed {
            true if quiet < PATIENCE => now.saturating_add(self.period),
            false if quiet < LAST_LOOK => self.traffic.saturating_add(LAST_LOOK),
            _ => return None,
        };
        match self.armed {
            Some(armed) if armed <= at => None,
            _ => {
                self.armed = Some(at);
                Some(at)
            }
        }
    }
}

impl Default for Poll {
    fn default() -> Self {
        Self::new()
    }
}
