// SPDX-License-Identifier: GPL-2.0

//! The transition table, and a link that does what the table says.

use std::sync::LazyLock;

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
/// | `self` | the firmware reset itself while the link was up: resets; failures are forgotten, unless \
///   this is the 129th time in a row that the link was up for less than 10 s, each 100 ms of which \
///   take back one time: `fail` |
/// | `edge` | if the firmware was not ready before and is now: goes on with `setup` where it was only \
///   late, resets otherwise; the failures stay. After 129 times as above: waits for at most 1 s more |
/// | `again` | resets; the failures stay |
/// | `quiet` | quiesces; nothing is waited for |
/// | `out` | the same, without touching the function |
/// | `gone` | one failure more: backs off |
const TABLE: &str = "
    event          Stopped  HwReady  Setup  Start    ClientEnum  Done   BackOff  Absent
    start          reset    -        -      -        -           -      -        -
    stop           quiet    quiet    quiet  quiet    quiet       quiet  quiet    quiet
    frozen         out      out      out    out      out         out    out      out
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
    tick-late      -        fail     fail   fail     fail        -      again    again
";

/// The words of [`TABLE`], a row for each event.
static CELLS: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| line.split_whitespace().collect())
        .collect()
});

/// The cell of a row and a column of [`TABLE`].
pub(super) fn cell(row: &str, state: State) -> &'static str {
    let column = 1 + STATES.iter().position(|&s| s == state).unwrap();
    let row = CELLS.iter().find(|cells| cells[0] == row);
    row.expect("each event has a row")[column]
}

/// Rows of [`TABLE`], one for each event.
pub(super) fn rows() -> usize {
    CELLS.len() - 1
}

/// Steps with what is seen of them from outside, as the table has them. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub(super) state: State,
    pub(super) deadline: Option<u64>,
    pub(super) failures: u32,
    pub(super) fault: Option<Fault>,
    pub(super) up_at: u64,
    pub(super) flaps: u32,
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
            flaps: 0,
            firmware_ready: false,
        }
    }

    /// The row of the table that speaks of `event`.
    pub(super) fn row(&self, now: u64, event: Event) -> &'static str {
        match event {
            Event::Start => "start",
            Event::Stop => "stop",
            Event::Frozen => "frozen",
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
            "lost" | "self" if now - self.up_at >= 10_000 => {
                self.flaps = 0;
                self.fault = Some(fault);
                self.reset(now, 0)
            }
            "lost" => {
                self.flaps = 0;
                self.fail(now, fault)
            }
            "self" => {
                let made_good = (now.saturating_sub(self.up_at) / 100) as u32;
                self.flaps = self.flaps.min(128).saturating_sub(made_good) + 1;
                if self.flaps > 128 {
                    return self.fail(now, fault);
                }
                self.fault = Some(fault);
                self.reset(now, 0)
            }
            "fail" => self.fail(now, fault),
            "edge" => {
                let before =
                    std::mem::replace(&mut self.firmware_ready, event == Event::Ready(true));
                match (self.firmware_ready && !before, self.fault) {
                    (false, _) => Action::None,
                    (true, _) if self.flaps > 128 => {
                        self.deadline = self.deadline.map(|at| at.min(now + 1_000));
                        Action::None
                    }
                    (true, Some(Fault::NotReady)) => self.next(State::Setup, now, Action::Setup),
                    (true, _) => self.reset(now, self.failures),
                }
            }
            "again" => self.reset(now, self.failures),
            "quiet" => self.enter(State::Stopped, None, Action::Quiesce),
            "out" => self.enter(State::Stopped, None, Action::None),
            "gone" => {
                self.fault = Some(fault);
                self.failures += 1;
                self.back_off(State::Absent, now)
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
        if self.failures < 2 {
            return self.reset(now, self.failures + 1);
        }
        self.failures += 1;
        // These say that `FW_CSR_HA.RDY` was not set; every other fault needs a firmware that is ready.
        self.firmware_ready = !matches!(fault, Fault::NotReady | Fault::FirmwareReset);
        self.back_off(State::BackOff, now)
    }

    fn back_off(&mut self, state: State, now: u64) -> Action {
        let seconds = match self.failures {
            0..=3 => 1,
            4 => 2,
            5 => 4,
            6 => 8,
            7 => 16,
            8 => 32,
            _ => 60,
        };
        self.enter(state, Some(now + seconds * 1_000), Action::None)
    }
}
