// SPDX-License-Identifier: GPL-2.0

//! The state machine of the link: its stories one by one. `table` has all transitions, `explore` all
//! situations.

mod explore;
mod table;

use self::table::STATES;
use crate::fault::Fault;
use crate::link::{Action, Event, Link, State};

const STUCK: Event = Event::Broken(Fault::WriteStuck);

/// Bring-up: what the firmware says, what follows, and where that leads.
const STEPS: [(Event, Action, State); 4] = [
    (Event::Ready(true), Action::Setup, State::Setup),
    (Event::SetupDone, Action::SendStart, State::Start),
    (Event::StartDone, Action::SendClients, State::ClientEnum),
    (Event::ClientsDone, Action::None, State::Done),
];

/// Takes a link that waits for the firmware to be ready all the way up, at `now`.
fn bring_up(link: &mut Link, now: u64) {
    assert_eq!(link.state(), State::HwReady);
    for (event, action, state) in STEPS {
        assert_eq!(link.step(now, event), action);
        assert_eq!(link.state(), state);
    }
}

/// A link that was started at `now`.
fn started(now: u64) -> Link {
    let mut link = Link::new();
    assert_eq!(link.step(now, Event::Start), Action::Reset);
    link
}

/// A link that came up at `now`.
fn up(now: u64) -> Link {
    let mut link = started(now);
    bring_up(&mut link, now);
    link
}

/// A link that backs off from `now` on, after three failures with `fault`.
fn backed_off(now: u64, fault: Fault) -> Link {
    let mut link = started(now);
    for action in [Action::Reset, Action::Reset, Action::None] {
        assert_eq!(link.step(now, Event::Broken(fault)), action);
    }
    assert_eq!(link.state(), State::BackOff);
    link
}

/// A link that came to `state` at `now`.
fn in_state(state: State, now: u64) -> Link {
    match state {
        State::Stopped => Link::new(),
        State::BackOff => backed_off(now, Fault::WriteStuck),
        State::Absent => {
            let mut link = started(now);
            assert_eq!(link.step(now, Event::Broken(Fault::Absent)), Action::None);
            link
        }
        _ => {
            let mut link = started(now);
            for (event, action, _) in STEPS {
                if link.state() != state {
                    assert_eq!(link.step(now, event), action);
                }
            }
            link
        }
    }
}

#[test]
fn a_new_link_is_stopped() {
    for link in [Link::new(), Link::default()] {
        assert_eq!(link.state(), State::Stopped);
        assert_eq!(link.deadline(), None);
        assert_eq!(link.failures(), 0);
        assert_eq!(link.fault(), None);
        assert!(!link.is_up());
    }
}

#[test]
fn bring_up_asks_each_question_once_and_gives_each_two_seconds() {
    let mut link = Link::new();
    assert_eq!(link.step(500, Event::Start), Action::Reset);
    assert_eq!(link.state(), State::HwReady);
    assert_eq!(link.deadline(), Some(2_500));
    let mut now = 500;
    for (event, action, state) in STEPS {
        assert!(!link.is_up());
        now += 300;
        assert_eq!(link.step(now, event), action);
        assert_eq!(link.state(), state);
        if state != State::Done {
            assert_eq!(link.deadline(), Some(now + 2_000));
        }
        // The same answer again is an answer to nothing.
        assert_eq!(link.step(now, event), Action::None);
        assert_eq!(link.state(), state);
    }
    assert!(link.is_up());
    assert_eq!(link.deadline(), None);
    assert_eq!(link.fault(), None);
    assert_eq!(link.step(u64::MAX, Event::Tick), Action::None);
    assert!(link.is_up());
}

#[test]
fn each_step_that_takes_two_seconds_fails_with_its_own_reason() {
    let reasons = [
        (State::HwReady, Fault::NotReady),
        (State::Setup, Fault::NoSetupResponse),
        (State::Start, Fault::NoStartResponse),
        (State::ClientEnum, Fault::NoClientsResponse),
    ];
    for (state, fault) in reasons {
        let mut link = in_state(state, 700);
        assert_eq!(link.step(2_699, Event::Tick), Action::None);
        assert_eq!((link.state(), link.fault()), (state, None));
        assert_eq!(link.step(2_700, Event::Tick), Action::Reset);
        assert_eq!(link.state(), State::HwReady);
        assert_eq!(link.deadline(), Some(4_700));
        assert_eq!(link.fault(), Some(fault));
        assert_eq!(link.failures(), 1);
    }
}

#[test]
fn the_third_failure_in_a_row_backs_off_and_each_further_one_for_twice_as_long() {
    let mut link = started(0);
    let mut now = 0;
    for failures in [1, 2] {
        now += 2_000;
        assert_eq!(link.step(now, Event::Tick), Action::Reset);
        assert_eq!(link.failures(), failures);
    }
    let seconds = [1, 2, 4, 8, 16, 32].into_iter().chain([60; 200]);
    for (failures, seconds) in (3..).zip(seconds) {
        now += 2_000;
        assert_eq!(link.step(now, Event::Tick), Action::None);
        assert_eq!(link.state(), State::BackOff);
        assert_eq!(link.failures(), failures);
        assert_eq!(link.fault(), Some(Fault::NotReady));
        assert_eq!(link.deadline(), Some(now + seconds * 1_000));

        now += seconds * 1_000;
        assert_eq!(link.step(now - 1, Event::Tick), Action::None);
        assert_eq!(link.state(), State::BackOff);
        assert_eq!(link.step(now, Event::Tick), Action::Reset);
        assert_eq!(link.state(), State::HwReady);
        assert_eq!(link.failures(), failures);
    }
}

#[test]
fn a_firmware_that_becomes_ready_ends_the_back_off_at_once() {
    for again in [false, true] {
        let mut link = backed_off(0, Fault::FirmwareReset);
        if again {
            assert_eq!(link.step(1, Event::Ready(false)), Action::None);
        }
        assert_eq!(link.step(1, Event::Ready(true)), Action::Reset);
        assert_eq!(link.failures(), 3);
        bring_up(&mut link, 1);
    }
}

#[test]
fn a_firmware_that_was_only_late_goes_on_where_it_is() {
    let mut link = backed_off(0, Fault::NotReady);
    assert_eq!(link.step(1, Event::Ready(false)), Action::None);
    assert_eq!(link.step(1, Event::Ready(true)), Action::Setup);
    assert_eq!(link.state(), State::Setup);
    assert_eq!(link.deadline(), Some(2_001));
    assert_eq!(link.failures(), 3);
}

#[test]
fn a_firmware_that_stays_ready_does_not_end_the_back_off() {
    let mut link = backed_off(0, Fault::NoSetupResponse);
    for now in 1..1_000 {
        assert_eq!(link.step(now, Event::Ready(true)), Action::None);
        assert_eq!(link.step(now, Event::Tick), Action::None);
    }
    assert_eq!(link.deadline(), Some(1_000));
    assert_eq!(link.step(999, Event::Ready(false)), Action::None);
    assert_eq!(link.step(999, Event::Ready(false)), Action::None);
    assert_eq!(link.state(), State::BackOff);
    assert_eq!(link.step(999, Event::Ready(true)), Action::Reset);
}

#[test]
fn a_requested_reset_ends_the_back_off_and_forgets_failures() {
    let mut link = backed_off(0, Fault::WriteStuck);
    assert_eq!(link.step(1, STUCK), Action::None);
    assert_eq!(link.step(1, Event::ResetRequest), Action::Reset);
    assert_eq!(link.fault(), Some(Fault::Requested));
    assert_eq!(link.failures(), 0);
    assert_eq!(link.step(2, STUCK), Action::Reset);
    assert_eq!(link.step(3, STUCK), Action::Reset);
    assert_eq!(link.step(4, STUCK), Action::None);
    assert_eq!(link.deadline(), Some(1_004));
}

#[test]
fn a_link_that_breaks_right_after_it_came_up_three_times_backs_off() {
    let mut link = up(0);
    assert_eq!(link.step(1, STUCK), Action::Reset);
    assert_eq!(link.failures(), 1);
    bring_up(&mut link, 2);
    assert_eq!(link.failures(), 1);
    assert_eq!(link.step(3, STUCK), Action::Reset);
    assert_eq!(link.failures(), 2);
    bring_up(&mut link, 4);
    assert_eq!(link.step(5, STUCK), Action::None);
    assert_eq!(link.state(), State::BackOff);
    assert_eq!(link.deadline(), Some(1_005));
    assert_eq!(link.fault(), Some(Fault::WriteStuck));

    // It comes up only to break again: longer.
    assert_eq!(link.step(1_005, Event::Tick), Action::Reset);
    bring_up(&mut link, 1_006);
    assert_eq!(link.step(1_007, STUCK), Action::None);
    assert_eq!(link.deadline(), Some(3_007));
}

#[test]
fn failures_are_forgotten_when_the_link_was_up_for_ten_seconds() {
    for (breaks, failures) in [(10_099, 3), (10_100, 0), (10_101, 0)] {
        let mut link = started(0);
        assert_eq!(link.step(0, STUCK), Action::Reset);
        assert_eq!(link.step(0, STUCK), Action::Reset);
        bring_up(&mut link, 100);
        let action = link.step(breaks, STUCK);
        assert_eq!(link.failures(), failures);
        let expected = if failures == 0 {
            Action::Reset
        } else {
            Action::None
        };
        assert_eq!(action, expected);
        assert_eq!(link.fault(), Some(Fault::WriteStuck));
    }
}

#[test]
fn a_firmware_that_resets_itself_while_the_link_is_up_is_followed_without_a_pause() {
    for event in [Event::Ready(false), Event::Broken(Fault::FirmwareReset)] {
        let mut link = up(0);
        for now in 1..=128 {
            assert_eq!(link.step(now, event), Action::Reset);
            assert_eq!(link.fault(), Some(Fault::FirmwareReset));
            assert_eq!(link.failures(), 0);
            bring_up(&mut link, now);
        }
    }
}

#[test]
fn a_firmware_that_resets_itself_again_and_again_is_followed_once_a_second() {
    let mut link = up(0);
    for now in 1..=128 {
        assert_eq!(link.step(now, Event::Ready(false)), Action::Reset);
        bring_up(&mut link, now);
    }
    for failures in [1, 2] {
        assert_eq!(link.step(140, Event::Ready(false)), Action::Reset);
        assert_eq!(link.failures(), failures);
        bring_up(&mut link, 140);
    }
    let mut now = 150;
    for seconds in [1, 2, 4, 8] {
        assert_eq!(link.step(now, Event::Ready(false)), Action::None);
        assert_eq!(link.deadline(), Some(now + seconds * 1_000));
        assert_eq!(link.step(now + 10, Event::Ready(true)), Action::None);
        let soon = (now + 1_010).min(now + seconds * 1_000);
        assert_eq!(link.deadline(), Some(soon));
        assert_eq!(link.step(soon, Event::Tick), Action::Reset);
        bring_up(&mut link, soon);
        now = soon + 1;
    }
    // Two tenths of a second make good for two resets, and ten seconds for all.
    assert_eq!(link.step(now + 250, Event::Ready(false)), Action::Reset);
    bring_up(&mut link, now + 250);
    assert_eq!(link.step(now + 10_250, Event::Ready(false)), Action::Reset);
    assert_eq!(link.failures(), 0);
    bring_up(&mut link, now + 10_250);
    for at in 0..128 {
        assert_eq!(
            link.step(now + 10_251 + at, Event::Ready(false)),
            Action::Reset
        );
        assert_eq!(link.failures(), 0);
        bring_up(&mut link, now + 10_251 + at);
    }
}

#[test]
fn each_tenth_of_a_second_up_makes_good_for_one_firmware_reset() {
    for (up_for, failures) in [(0, 1), (99, 1), (100, 0), (199, 0)] {
        let mut link = up(0);
        for _ in 0..128 {
            assert_eq!(link.step(0, Event::Ready(false)), Action::Reset);
            bring_up(&mut link, 0);
        }
        assert_eq!(link.step(up_for, Event::Ready(false)), Action::Reset);
        assert_eq!(link.failures(), failures, "up for {up_for} ms");
    }
}

#[test]
fn another_fault_begins_the_count_of_firmware_resets_anew() {
    let mut link = up(0);
    for now in 1..=128 {
        assert_eq!(link.step(now, Event::Ready(false)), Action::Reset);
        bring_up(&mut link, now);
    }
    assert_eq!(link.step(129, STUCK), Action::Reset);
    bring_up(&mut link, 129);
    assert_eq!(link.step(130, Event::Ready(false)), Action::Reset);
    assert_eq!(link.failures(), 0);
}

#[test]
fn a_firmware_that_resets_itself_during_bring_up_has_failed() {
    for state in [State::Setup, State::Start, State::ClientEnum] {
        let mut link = in_state(state, 0);
        assert_eq!(link.step(1, Event::Ready(false)), Action::Reset);
        assert_eq!(link.fault(), Some(Fault::FirmwareReset));
        assert_eq!(link.failures(), 1);
    }
    // Not to be ready yet is none.
    let mut link = started(0);
    assert_eq!(link.step(1, Event::Ready(false)), Action::None);
    assert_eq!(link.state(), State::HwReady);
    assert_eq!(link.deadline(), Some(2_000));
}

#[test]
fn stop_works_in_every_state_and_start_begins_afresh() {
    for (event, action) in [
        (Event::Stop, Action::Quiesce),
        (Event::Frozen, Action::None),
    ] {
        for state in STATES {
            let mut link = in_state(state, 0);
            assert_eq!(link.state(), state);
            assert_eq!(link.step(1, event), action);
            assert_eq!(link.state(), State::Stopped);
            assert_eq!(link.deadline(), None);
            assert_eq!(link.step(2, Event::Start), Action::Reset);
            assert_eq!(link.failures(), 0);
            assert_eq!(link.deadline(), Some(2_002));
            bring_up(&mut link, 3);
        }
    }
}

#[test]
fn start_does_nothing_unless_stopped() {
    for state in STATES {
        let mut link = in_state(state, 0);
        if state != State::Stopped {
            let deadline = link.deadline();
            assert_eq!(link.step(1, Event::Start), Action::None);
            assert_eq!(link.state(), state);
            assert_eq!(link.deadline(), deadline);
        }
    }
}

#[test]
fn nothing_happens_while_stopped() {
    let mut link = up(0);
    assert_eq!(link.step(1, Event::Stop), Action::Quiesce);
    let events = [
        Event::ResetRequest,
        Event::Ready(true),
        Event::Ready(false),
        Event::SetupDone,
        Event::StartDone,
        Event::ClientsDone,
        Event::Broken(Fault::Absent),
        STUCK,
        Event::Tick,
    ];
    for now in [1, 2_000, 10_001, 1_000_000] {
        for event in events {
            assert_eq!(link.step(now, event), Action::None);
            assert_eq!(link.state(), State::Stopped);
            assert_eq!(link.deadline(), None);
            assert_eq!(link.fault(), None);
        }
    }
}

#[test]
fn registers_that_read_as_all_ones_are_tried_again_less_and_less_often() {
    for state in STATES {
        if matches!(state, State::Stopped | State::BackOff | State::Absent) {
            continue;
        }
        let absent = Event::Broken(Fault::Absent);
        let mut link = in_state(state, 0);
        let mut now = 1;
        for seconds in [1, 1, 1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(link.step(now, absent), Action::None);
            assert_eq!(link.state(), State::Absent);
            assert_eq!(link.deadline(), Some(now + seconds * 1_000));
            assert_eq!(link.fault(), Some(Fault::Absent));
            now += seconds * 1_000;
            for event in [Event::Ready(true), Event::Start, STUCK] {
                assert_eq!(link.step(now, event), Action::None);
            }
            assert_eq!(link.step(now - 1, Event::Tick), Action::None);
            assert_eq!(link.state(), State::Absent);
            assert_eq!(link.fault(), Some(Fault::Absent));
            assert_eq!(link.step(now, Event::Tick), Action::Reset);
        }
        bring_up(&mut link, now);
    }
}

#[test]
fn a_requested_reset_tries_registers_that_read_as_all_ones_at_once() {
    let mut link = in_state(State::Absent, 0);
    assert_eq!(link.step(1, Event::ResetRequest), Action::Reset);
    assert_eq!(link.failures(), 0);
    bring_up(&mut link, 1);
}

#[test]
fn the_last_time_of_a_clock_is_a_time() {
    for state in STATES {
        let mut link = in_state(state, u64::MAX);
        for event in [STUCK, Event::ResetRequest, STUCK, STUCK, STUCK] {
            let _ = link.step(u64::MAX, event);
        }
        assert!(link.deadline().is_none_or(|at| at == u64::MAX));
    }

    let mut link = up(u64::MAX);
    while link.state() != State::BackOff {
        let _ = link.step(u64::MAX, Event::Ready(false));
        if link.state() == State::HwReady {
            bring_up(&mut link, u64::MAX);
        }
    }
    assert_eq!(link.step(u64::MAX, Event::Ready(true)), Action::None);
    assert_eq!(link.deadline(), Some(u64::MAX));
}

#[test]
fn a_clock_that_runs_back_makes_no_link_older() {
    let mut link = up(1_000_000);
    assert_eq!(link.step(0, STUCK), Action::Reset);
    assert_eq!(link.failures(), 1);
}
