// SPDX-License-Identifier: GPL-2.0

//! The transition table, and a link that does what the table says.

use crate::fault::Fault;
use crate::link::{Action, Event, State};

/// The columns of [`TABLE`].
pub(super) const STATES: [State; 8] = [
    State::Stopped,
    State::HwReady,
    State::Setup,
    State::Start,
    State::ClientEnum,
    State::Done,
    State::BackOff,
    State::Absent,
];

/// What an event does in a state.
///
/// | word | does |
/// |---|---|
/// | `-` | nothing |
/// | `reset` | resets; failures are forgotten |
/// | `asked` | the same, and the reason is that it was asked for |
/// | `setup` `start` `clients` | the next step of bring-up, each with 2 s |
/// | `up` | the link is up, without a limit |
/// | `fail` | one failure more: resets, from the third in a row on backs off |
/// | `lost` | resets and forgets failures, if the link was up for 10 s; `fail` otherwise |
/// | `self` | the firmware reset itself while the link was up: resets; failures are forgotten |
/// | `edge` | resets, if the firmware was not ready before and is now; the failures stay |
/// | `again` | resets; the failures stay |
/// | `quiet` | quiesces; nothing is waited for |
/// | `gone` | nothing is waited for, nothing is tried |
pub(super) const TABLE: &str = "
    event          Stopped  HwReady  Setup  Start    ClientEnum  Done   BackOff  Absent
    start          reset    -        -      -        -           -      -        -
    stop           quiet    quiet    quiet  quiet    quiet       quiet  quiet    quiet
    reset-request  -        asked    asked  asked    asked       asked  asked    asked
    ready          -        setup    -      -        -           -      edge     -
    not-ready      -        -        fail   fail     fail        self   edge     -
    setup-done     -        -        start  -        -           -      -        -
    start-done     -        -        -      clients  -           -      -        -
    clients-done   -        -        -      -        up          -      -        -
    broken         -        fail     fail   fail     fail        lost   -        -
    broken-reset   -        fail     fail   fail     fail        self   -        -
    broken-absent  -        gone     gone   gone     gone        gone   gone     gone
    tick-early     -        -        -      -        -           -      -        -
    tick-late      -        fail     fail   fail     fail        -      again    -
";

/// The cell of a row and a column of [`TABLE`].
pub(super) fn cell(row: &str, state: State) -> &'static str {
    let column = STATES.iter().position(|&s| s == state).unwrap();
    let mut lines = TABLE.lines().map(str::split_whitespace);
    let mut line = lines
        .find(|line| line.clone().next() == Some(row))
        .unwrap_or_else(|| panic!("no row {row}"));
    line.nth(1 + column).unwrap()
}

/// Steps with what is seen of them from outside, as the table has them. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub(super) state: State,
    pub(super) deadline: Option<u64>,
    pub(super) failures: u32,
    pub(super) fault: Option<Fault>,
    pub(super) up_at: u64,
    pub(super) firmware_ready: bool,
}

impl Reference {
    pub(super) fn stopped() -> Self {
        Self {
            state: State::Stopped,
            deadline: None,
            failures: 0,
            fault: None,
            up_at: 0,
            firmware_ready: false,
        }
    }

    /// The row of the table that speaks of `event`.
    pub(super) fn row(&self, now: u64, event: Event) -> &'static str {
        match event {
            Event::Start => "start",
            Event::Stop => "stop",
            Event::ResetRequest => "reset-request",
            Event::Ready(true) => "ready",
            Event::Ready(false) => "not-ready",
            Event::SetupDone => "setup-done",
            Event::StartDone => "start-done",
            Event::ClientsDone => "clients-done",
            Event::Broken(Fault::Absent) => "broken-absent",
            Event::Broken(Fault::FirmwareReset) => "broken-reset",
            Event::Broken(_) => "broken",
            Event::Tick if self.deadline.is_some_and(|at| now >= at) => "tick-late",
            Event::Tick => "tick-early",
        }
    }

    pub(super) fn step(&mut self, now: u64, event: Event) -> Action {
        let fault = match (event, self.state) {
            (Event::Broken(fault), _) => fault,
            (Event::Ready(_), _) => Fault::FirmwareReset,
            (_, State::HwReady) => Fault::NotReady,
            (_, State::Setup) => Fault::NoSetupResponse,
            (_, State::Start) => Fault::NoStartResponse,
            _ => Fault::NoClientsResponse,
        };
        match cell(self.row(now, event), self.state) {
            "-" => Action::None,
            "reset" => self.reset(now, 0),
            "asked" => {
                self.fault = Some(Fault::Requested);
                self.reset(now, 0)
            }
            "setup" => self.next(State::Setup, now, Action::Setup),
            "start" => self.next(State::Start, now, Action::SendStart),
            "clients" => self.next(State::ClientEnum, now, Action::SendClients),
            "up" => {
                self.up_at = now;
                self.enter(State::Done, None, Action::None)
            }
            "lost" if now - self.up_at >= 10_000 => {
                self.fault = Some(fault);
                self.reset(now, 0)
            }
            "fail" | "lost" => self.fail(now, fault),
            "self" => {
                self.fault = Some(Fault::FirmwareReset);
                self.reset(now, 0)
            }
            "edge" => {
                let before =
                    std::mem::replace(&mut self.firmware_ready, event == Event::Ready(true));
                if self.firmware_ready && !before {
                    self.reset(now, self.failures)
                } else {
                    Action::None
                }
            }
            "again" => self.reset(now, self.failures),
            "quiet" => self.enter(State::Stopped, None, Action::Quiesce),
            "gone" => {
                self.fault = Some(Fault::Absent);
                self.enter(State::Absent, None, Action::None)
            }
            word => panic!("the table says {word}"),
        }
    }

    fn enter(&mut self, state: State, deadline: Option<u64>, action: Action) -> Action {
        self.state = state;
        self.deadline = deadline;
        action
    }

    fn next(&mut self, state: State, now: u64, action: Action) -> Action {
        self.enter(state, Some(now + 2_000), action)
    }

    fn reset(&mut self, now: u64, failures: u32) -> Action {
        self.failures = failures;
        self.next(State::HwReady, now, Action::Reset)
    }

    fn fail(&mut self, now: u64, fault: Fault) -> Action {
        self.fault = Some(fault);
        let seconds = match self.failures {
            0 | 1 => return self.reset(now, self.failures + 1),
            2 => 1,
            3 => 2,
            4 => 4,
            5 => 8,
            6 => 16,
            7 => 32,
            _ => 60,
        };
        self.failures += 1;
        // These say that `FW_CSR_HA.RDY` was not set; every other fault needs a firmware that is ready.
        self.firmware_ready = !matches!(fault, Fault::NotReady | Fault::FirmwareReset);
        self.enter(State::BackOff, Some(now + seconds * 1_000), Action::None)
    }
}
