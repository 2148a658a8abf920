// SPDX-License-Identifier: GPL-2.0

//! Bring-up and reset of the link as a state machine without I/O.
//!
//! ```text
//!            Start                Ready            SetupDone         StartDone        ClientsDone
//!  Stopped --------> HwReady --------------> Setup --------> Start --------> ClientEnum -----> Done
//!                      ^  ^                    |               |                  |              |
//!                      |  +--------------------+---------------+------------------+--------------+
//!                      |        a fault, a limit that ran out, or a requested reset: again
//!                      |                                       |
//!                      +---- back-off ran out, Ready,       third failure in a row
//!                            or a requested reset              v
//!                              ^                            BackOff
//!                              +-------------------------------+
//!
//!  Any state: Stop and Frozen lead to Stopped. Registers that read as all ones lead to Absent, which
//!  is left like BackOff, but for Ready.
//! ```
//!
//! Source of the states and limits: Linux `drivers/misc/issei/main.c`. The back-off is ours: the C
//! driver gives up after three failures.

#![forbid(unsafe_code)]

use super::fault::Fault;

/// How long the firmware may take for each step of bring-up, in milliseconds.
pub const STEP_LIMIT_MS: u64 = 2_000;

/// Failed bring-ups in a row after which the link backs off.
pub const TRIES: u32 = 3;

/// The first back-off, in milliseconds. Each further one is twice as long.
pub const FIRST_BACK_OFF_MS: u64 = 1_000;

/// The longest back-off, in milliseconds.
pub const LAST_BACK_OFF_MS: u64 = 60_000;

/// A link that breaks sooner than this after it came up counts as a failed bring-up, so that a
/// firmware that comes up only to break again is backed off from. In milliseconds.
pub const STABLE_MS: u64 = 10_000;

/// Firmware resets in a row, each of a link that was up for less than [`STABLE_MS`], that are
/// followed at once. Further ones count as failures, and the back-off after them ends no sooner than
/// [`FIRST_BACK_OFF_MS`] after the firmware is ready.
pub const FLAPS: u32 = 128;

/// How long a link must be up to make good for one of these resets, in milliseconds.
pub const FLAP_PACE_MS: u64 = 100;

/// Where the link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The function is quiesced, or out of reach: before probe, during sleep, after shutdown, after a
    /// PCI error.
    Stopped,
    /// `H_CSR.RST` is set; waiting for `FW_CSR_HA.RDY`.
    HwReady,
    /// The setup request is sent; waiting for the setup response.
    Setup,
    /// The start request is sent; waiting for the start response.
    Start,
    /// The clients request is sent; waiting for the clients response.
    ClientEnum,
    /// The link is up.
    Done,
    /// Several bring-ups failed; waiting before the next one.
    BackOff,
    /// The registers read as all ones; waiting before they are tried again.
    Absent,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bring the link up: probe, resume.
    Start,
    /// Quiesce: sleep, shutdown, unbind.
    Stop,
    /// The function must not be touched until the next start: the channel to it is frozen.
    Frozen,
    /// Somebody asked for a reset.
    ResetRequest,
    /// `FW_CSR_HA` was looked at: whether `RDY` was set.
    Ready(bool),
    /// A valid setup response.
    SetupDone,
    /// A valid start response.
    StartDone,
    /// A valid clients response, and the table is stored.
    ClientsDone,
    /// The link is broken.
    Broken(Fault),
    /// Time has passed.
    Tick,
}

/// What to do next. Whoever steps the machine does it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Nothing.
    None,
    /// Assert the reset, zero the shared memory, forget clients and connections.
    Reset,
    /// Release the reset, set the host ready, send the setup request.
    Setup,
    /// Send the start request.
    SendStart,
    /// Send the clients request.
    SendClients,
    /// Assert the reset with interrupts off and release it, so that the firmware lets go of the
    /// shared memory. Forget clients and connections.
    Quiesce,
}

/// The state machine. Times are milliseconds of a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    state: State,
    deadline: Option<u64>,
    failures: u32,
    /// When the link came up last, while it is up.
    up_since: u64,
    /// Firmware resets in a row of a link that had just come up.
    flaps: u32,
    /// Whether `FW_CSR_HA.RDY` was set when last looked at, during back-off.
    was_ready: bool,
    fault: Option<Fault>,
}

impl Link {
    /// A link that is stopped.
    pub const fn new() -> Self {
        Self {
            state: State::Stopped,
            deadline: None,
            failures: 0,
            up_since: 0,
            flaps: 0,
            was_ready: false,
            fault: None,
        }
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether client messages may be exchanged.
    pub fn is_up(&self) -> bool {
        self.state == State::Done
    }

    /// When [`Event::Tick`] is due.
    pub fn deadline(&self) -> Option<u64> {
        self.deadline
    }

    /// Why the link was last reset or lost.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Bring-ups that failed in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes an event at time `now` and says what to do.
    pub fn step(&mut self, now: u64, event: Event) -> Action {
        match (self.state, event) {
            (_, Event::Stop) => self.enter(State::Stopped, None, Action::Quiesce),
            (_, Event::Frozen) => self.enter(State::Stopped, None, Action::None),
            (State::Stopped, Event::Start) => self.reset_afresh(now),
            (State::Stopped, _) | (_, Event::Start) => Action::None,

            (_, Event::ResetRequest) => {
                self.fault = Some(Fault::Requested);
                self.reset_afresh(now)
            }
            (_, Event::Broken(Fault::Absent)) => {
                self.failures = self.failures.saturating_add(1);
                self.give_way(now, State::Absent, Fault::Absent)
            }
            (State::Absent | State::BackOff, Event::Tick) if self.is_late(now) => self.reset(now),
            (State::Absent, _) => Action::None,

            (State::BackOff, Event::Ready(ready)) => {
                let came = ready && !self.was_ready;
                self.was_ready = ready;
                match came {
                    true => self.came_back(now),
                    false => Action::None,
                }
            }
            (State::BackOff, _) => Action::None,

            (State::HwReady, Event::Ready(false)) => Action::None,
            (State::HwReady, Event::Ready(true)) => self.wait(State::Setup, now, Action::Setup),
            (_, Event::Ready(true)) => Action::None,
            (_, Event::Ready(false)) => self.fail(now, Fault::FirmwareReset),

            (State::Setup, Event::SetupDone) => self.wait(State::Start, now, Action::SendStart),
            (State::Start, Event::StartDone) => {
                self.wait(State::ClientEnum, now, Action::SendClients)
            }
            (State::ClientEnum, Event::ClientsDone) => {
                self.up_since = now;
                self.enter(State::Done, None, Action::None)
            }
            // An answer to a question of an earlier bring-up: that one has ended.
            (_, Event::SetupDone | Event::StartDone | Event::ClientsDone) => Action::None,

            (_, Event::Broken(fault)) => self.fail(now, fault),
            (state, Event::Tick) if self.is_late(now) => self.fail(
                now,
                match state {
                    State::HwReady => Fault::NotReady,
                    State::Setup => Fault::NoSetupResponse,
                    State::Start => Fault::NoStartResponse,
                    _ => Fault::NoClientsResponse,
                },
            ),
            (_, Event::Tick) => Action::None,
        }
    }

    fn is_late(&self, now: u64) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    fn enter(&mut self, state: State, deadline: Option<u64>, action: Action) -> Action {
        self.state = state;
        self.deadline = deadline;
        action
    }

    fn wait(&mut self, state: State, now: u64, action: Action) -> Action {
        self.enter(state, Some(now.saturating_add(STEP_LIMIT_MS)), action)
    }

    fn reset(&mut self, now: u64) -> Action {
        self.wait(State::HwReady, now, Action::Reset)
    }

    fn reset_afresh(&mut self, now: u64) -> Action {
        self.failures = 0;
        self.reset(now)
    }

    /// The firmware became ready during back-off.
    fn came_back(&mut self, now: u64) -> Action {
        if self.flaps > FLAPS {
            let soon = now.saturating_add(FIRST_BACK_OFF_MS);
            self.deadline = self.deadline.map(|deadline| deadline.min(soon));
            Action::None
        } else if self.fault == Some(Fault::NotReady) {
            // It was still on its way: the last reset stands, and nothing was sent since.
            self.wait(State::Setup, now, Action::Setup)
        } else {
            self.reset(now)
        }
    }

    fn fail(&mut self, now: u64, fault: Fault) -> Action {
        if self.state == State::Done {
            let up_for = now.saturating_sub(self.up_since);
            let stable = up_for >= STABLE_MS;
            self.flaps = match fault {
                Fault::FirmwareReset if !stable => {
                    let made_good = u32::try_from(up_for / FLAP_PACE_MS).unwrap_or(u32::MAX);
                    self.flaps.min(FLAPS).saturating_sub(made_good) + 1
                }
                _ => 0,
            };
            if stable || (fault == Fault::FirmwareReset && self.flaps <= FLAPS) {
                self.fault = Some(fault);
                return self.reset_afresh(now);
            }
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < TRIES {
            self.fault = Some(fault);
            return self.reset(now);
        }
        self.was_ready = !matches!(fault, Fault::NotReady | Fault::FirmwareReset);
        self.give_way(now, State::BackOff, fault)
    }

    /// Waits in `state` before the next try, longer after each failure.
    fn give_way(&mut self, now: u64, state: State, fault: Fault) -> Action {
        self.fault = Some(fault);
        let doublings = self.failures.saturating_sub(TRIES).min(u64::BITS / 4);
        let delay = (FIRST_BACK_OFF_MS << doublings).min(LAST_BACK_OFF_MS);
        self.enter(state, Some(now.saturating_add(delay)), Action::None)
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}
