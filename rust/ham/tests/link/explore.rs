// SPDX-License-Identifier: GPL-2.0

//! Every state of the link that events can lead to, at every time that makes a difference.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::cases;
use super::table::{cell, rows, Reference, STATES};
use crate::fault::Fault;
use crate::link::{Action, Event, Link, State};

/// Where the exploration stops counting: two failures after the longest back-off is reached.
const FAILURES: u32 = 11;

/// Every event, with faults of each kind that the link tells apart and some that it must not.
const EVENTS: [Event; 16] = [
    Event::Start,
    Event::Stop,
    Event::Frozen,
    Event::ResetRequest,
    Event::Ready(true),
    Event::Ready(false),
    Event::SetupDone,
    Event::StartDone,
    Event::ClientsDone,
    Event::Tick,
    Event::Broken(Fault::Absent),
    Event::Broken(Fault::FirmwareReset),
    Event::Broken(Fault::NotReady),
    Event::Broken(Fault::WriteStuck),
    Event::Broken(Fault::NoSetupResponse),
    Event::Broken(Fault::BusMessage { command: 0x82 }),
];

/// The link beside the table's idea of it.
#[derive(Clone, Copy)]
struct Pair {
    now: u64,
    link: Link,
    reference: Reference,
}

impl Pair {
    fn stopped() -> Self {
        Self {
            now: 1_000_000,
            link: Link::new(),
            reference: Reference::stopped(),
        }
    }

    /// Steps both, compares all that is seen of them, and returns the cell of the table.
    fn step(&mut self, event: Event) -> &'static str {
        let Self { now, reference, .. } = *self;
        let row = reference.row(now, event);
        let expected = self.reference.step(now, event);
        let action = self.link.step(now, event);
        let seen = (
            self.link.state(),
            self.link.deadline(),
            self.link.failures(),
            self.link.fault(),
            action,
        );
        let expected = (
            self.reference.state,
            self.reference.deadline,
            self.reference.failures,
            self.reference.fault,
            expected,
        );
        assert_eq!(seen, expected, "{event:?} at {now} in {reference:?}");
        assert_eq!(self.link.is_up(), self.link.state() == State::Done);
        cell(row, reference.state)
    }

    /// Times that make a difference: now, just before and at the deadline, and at the age at which a
    /// link is stable.
    fn times(&self) -> BTreeSet<u64> {
        let deadline = self.reference.deadline.into_iter();
        let stable = (self.reference.state == State::Done).then(|| self.reference.up_at + 10_000);
        deadline
            .chain(stable)
            .flat_map(|at| [at - 1, at])
            .chain([self.now])
            .filter(|&at| at >= self.now)
            .collect()
    }

    /// What tells two situations apart, with times as distances.
    fn key(&self) -> impl std::hash::Hash + Eq {
        let Reference {
            state,
            deadline,
            failures,
            fault,
            up_at,
            flaps,
            firmware_ready,
        } = self.reference;
        (
            STATES.iter().position(|&s| s == state),
            deadline.map(|at| at.saturating_sub(self.now)),
            failures,
            fault.map(|fault| fault.to_string()),
            (state == State::Done).then(|| (self.now - up_at).min(10_000)),
            (state == State::BackOff).then_some(firmware_ready),
            // Up to here one is like the other.
            flaps.max(126),
        )
    }

    /// What firmware that does all it should says next, with the time that this takes.
    fn good_firmware(&mut self) {
        let event = match self.link.state() {
            State::HwReady => Event::Ready(true),
            State::Setup => Event::SetupDone,
            State::Start => Event::StartDone,
            State::ClientEnum => Event::ClientsDone,
            State::BackOff | State::Absent => {
                self.now = self.link.deadline().expect("a back-off ends");
                Event::Tick
            }
            state => panic!("{state:?} waits for nothing"),
        };
        self.step(event);
    }

    /// Whether the link comes up, within four steps and a back-off.
    fn comes_up(mut self) -> bool {
        for _ in 0..5 {
            if !self.link.is_up() {
                self.good_firmware();
            }
        }
        self.link.is_up()
    }
}

/// Every situation that is reachable.
static SITUATIONS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let mut flapping = Pair::stopped();
    flapping.step(Event::Start);
    for _ in 0..127 {
        while !flapping.link.is_up() {
            flapping.good_firmware();
        }
        flapping.step(Event::Ready(false));
    }
    let mut situations = vec![Pair::stopped(), flapping];
    let mut seen: HashSet<_> = situations.iter().map(Pair::key).collect();
    let mut next = 0;
    while let Some(&pair) = situations.get(next) {
        next += 1;
        for now in pair.times() {
            for event in EVENTS {
                let mut after = Pair { now, ..pair };
                after.step(event);
                if after.reference.failures <= FAILURES && seen.insert(after.key()) {
                    situations.push(after);
                }
            }
        }
    }
    situations
});

/// The situations of `state`, of which there are some.
fn situations(state: State) -> impl Iterator<Item = Pair> {
    let found = SITUATIONS.iter().filter(move |p| p.link.state() == state);
    assert_ne!(found.clone().count(), 0, "{state:?} is not reachable");
    found.copied()
}

#[test]
fn every_state_and_every_number_of_failures_is_reachable_and_steps_as_the_table_says() {
    for state in STATES {
        assert!(situations(state).all(|pair| pair.reference.state == state));
    }
    let failures: BTreeSet<_> = SITUATIONS.iter().map(|pair| pair.link.failures()).collect();
    assert_eq!(failures, (0..=FAILURES).collect());
}

#[test]
fn every_cell_of_the_table_is_tried() {
    let mut tried = HashSet::new();
    for pair in SITUATIONS.iter() {
        for now in pair.times() {
            for event in EVENTS {
                tried.insert((pair.reference.row(now, event), pair.link.state() as usize));
            }
        }
    }
    // No time is late in the two states that wait for nothing.
    assert_eq!(tried.len(), rows() * STATES.len() - 2);
}

#[test]
fn no_situation_is_a_trap() {
    for &(mut pair) in SITUATIONS.iter() {
        if pair.link.state() == State::Stopped {
            assert_eq!(pair.step(Event::Start), "reset");
        }
        assert!(pair.comes_up(), "{:?}", pair.reference);
    }
}

#[test]
fn absent_ends_with_a_try_a_reset_that_was_asked_for_or_a_stop_and_nothing_else() {
    for pair in situations(State::Absent) {
        for event in EVENTS {
            for now in [pair.now, pair.now + 3_600_000] {
                let mut next = Pair { now, ..pair };
                let late = pair.link.deadline().is_some_and(|at| now >= at);
                next.step(event);
                let expected = match event {
                    Event::ResetRequest => State::HwReady,
                    Event::Tick if late => State::HwReady,
                    Event::Stop | Event::Frozen => State::Stopped,
                    _ => State::Absent,
                };
                assert_eq!(next.link.state(), expected);
            }
        }
        let mut again = pair;
        again.step(Event::Stop);
        again.step(Event::Start);
        assert!(again.comes_up());
    }
}

#[test]
fn whoever_waits_has_a_limit_and_a_tick_at_it_goes_on() {
    for &Pair { mut link, .. } in SITUATIONS.iter() {
        let before = link.state();
        let Some(deadline) = link.deadline() else {
            assert!(matches!(before, State::Stopped | State::Done));
            continue;
        };
        let action = link.step(deadline, Event::Tick);
        match link.state() {
            State::HwReady => assert_eq!(action, Action::Reset),
            State::BackOff => assert_ne!(before, State::BackOff),
            state => panic!("{before:?} goes on to {state:?}"),
        }
        assert!(link.deadline().is_some_and(|next| next > deadline));
    }
}

#[test]
fn a_back_off_ends_when_the_firmware_comes_back() {
    for mut pair in situations(State::BackOff) {
        pair.step(Event::Ready(false));
        pair.step(Event::Ready(true));
        if pair.reference.flaps > 128 {
            pair.now += 1_000;
            pair.step(Event::Tick);
        }
        assert!(matches!(pair.link.state(), State::HwReady | State::Setup));
    }
}

proptest! {
    #![proptest_config(cases(500))]

    /// Long histories, for what a link could remember beyond what the exploration tells apart.
    #[test]
    fn any_history_steps_as_the_table_says(
        history in proptest::collection::vec((0_usize..50, 0_usize..4, 0..20_000_u64), 0..200),
    ) {
        let mut pair = Pair::stopped();
        for (event, wait, some) in history {
            let deadline = pair.link.deadline().unwrap_or(pair.now).max(pair.now);
            pair.now = match wait {
                0 => pair.now,
                1 => pair.now + some,
                2 => deadline,
                _ => (deadline - 1).max(pair.now),
            };
            let likely = match pair.link.state() {
                State::Stopped => Event::Start,
                State::HwReady => Event::Ready(true),
                State::Setup => Event::SetupDone,
                State::Start => Event::StartDone,
                State::ClientEnum => Event::ClientsDone,
                State::Done | State::BackOff => Event::Tick,
                State::Absent => Event::ResetRequest,
            };
            pair.step(EVENTS.get(event).copied().unwrap_or(likely));
        }
    }
}
