// SPDX-License-Identifier: GPL-2.0

//! When to look at the shared memory without an interrupt.
//!
//! The write that acknowledges an interrupt is posted. If the firmware publishes a message and sets
//! `H_CSR.IS` while that write is on its way, the write clears the new `IS` and no interrupt follows.
//! So while an answer is owed, a timer looks: [`FIRST_PERIOD`] after the last traffic, then after
//! twice as long each time that nothing moved. When nothing is owed any more, it looks once,
//! [`LAST_LOOK`] after the last traffic, and then not at all: an idle device costs nothing.
//!
//! Traffic does not touch a timer that is armed, which would cost more than it saves; a timer that
//! expires before a look is due is armed again for when it is.
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
    /// When the memory was last looked at, or a message sent while nothing was owed.
    looked: u64,
    /// Whether an answer or the consumption of a message is outstanding, as last told.
    owed: bool,
    period: u64,
    /// When the next look is due.
    due: Option<u64>,
    /// When the timer expires, which is not later.
    armed: Option<u64>,
}

/// What to do when the timer has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// No look is due before this time, for which the timer is to be armed.
    Later(u64),
    /// Look at the counters in memory.
    Memory,
    /// Look at the counters in memory and `FW_CSR_HA`.
    Registers,
}

impl Poll {
    /// A timer that is not armed.
    pub const fn new() -> Self {
        Self {
            traffic: 0,
            looked: 0,
            owed: false,
            period: FIRST_PERIOD,
            due: None,
            armed: None,
        }
    }

    /// A look at `now`, of whomever, has found that something moved. Returns the time to arm the
    /// timer for, if it is not armed for that time or earlier.
    ///
    /// `owed` says whether an answer or the consumption of a message is still outstanding.
    pub fn traffic(&mut self, now: u64, owed: bool) -> Option<u64> {
        self.traffic = now;
        self.looked = now;
        self.period = FIRST_PERIOD;
        self.due = None;
        self.arm(now, owed)
    }

    /// A message was sent at `now`, without a look for others, so that a look that is due stays
    /// due. Returns as [`Poll::traffic`] does.
    pub fn sent(&mut self, now: u64) -> Option<u64> {
        self.traffic = now;
        if !self.owed {
            self.looked = now;
        }
        self.period = FIRST_PERIOD;
        self.arm(now, true)
    }

    /// How long, at most, an answer that a look finds at `now` has lain there: since the look before
    /// it, but not longer than since it was asked for.
    pub fn unseen(&self, now: u64) -> u64 {
        now.saturating_sub(self.looked)
    }

    /// The timer expired at `now`: what to do.
    pub fn expired(&mut self, now: u64) -> Look {
        self.armed = None;
        match self.due {
            Some(due) if due > now => {
                self.armed = Some(due);
                Look::Later(due)
            }
            Some(due) if due.saturating_sub(self.traffic) >= REGISTERS_AFTER => Look::Registers,
            _ => Look::Memory,
        }
    }

    /// After a look at an expired timer that found nothing: returns when to look again.
    ///
    /// `owed` as for [`Poll::traffic`].
    pub fn nothing(&mut self, now: u64, owed: bool) -> Option<u64> {
        self.looked = now;
        self.period = self.period.saturating_mul(2).min(LAST_PERIOD);
        self.due = None;
        self.arm(now, owed)
    }

    fn arm(&mut self, now: u64, owed: bool) -> Option<u64> {
        self.owed = owed;
        let quiet = now.saturating_sub(self.traffic);
        let due = match owed {
            true if quiet < PATIENCE => now.saturating_add(self.period),
            false if quiet < LAST_LOOK => self.traffic.saturating_add(LAST_LOOK),
            _ => return None,
        };
        let due = self.due.map_or(due, |before| before.min(due));
        self.due = Some(due);
        match self.armed {
            Some(armed) if armed <= due => None,
            _ => {
                self.armed = Some(due);
                Some(due)
            }
        }
    }
}

impl Default for Poll {
    fn default() -> Self {
        Self::new()
    }
}
