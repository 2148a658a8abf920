// SPDX-License-Identifier: GPL-2.0

//! The timer that looks without an interrupt, on a simulated clock.

use proptest::prelude::*;

use super::cases;
use crate::poll::{Look, Poll};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
/// When a test begins.
const START: u64 = 1_000 * SECOND;

/// A clock and a one-shot timer, as the driver has them: to arm it moves it.
struct Clock {
    now: u64,
    timer: Option<u64>,
    poll: Poll,
    owed: bool,
    /// What the next look finds moved, and whether something is owed from then on.
    unseen: Option<bool>,
    /// Time of the last traffic.
    traffic: u64,
    /// Time of the last look at the memory, of whomever, or of a message while nothing was owed.
    looked: u64,
    /// What the timer was last told of `owed`.
    told: bool,
    /// Looks since the last traffic: time and kind.
    looks: Vec<(u64, Look)>,
}

impl Clock {
    fn new() -> Self {
        Self {
            now: START,
            timer: None,
            poll: Poll::new(),
            owed: false,
            unseen: None,
            traffic: 0,
            looked: 0,
            told: false,
            looks: Vec::new(),
        }
    }

    /// Something moves now, in the interrupt handler or in a look.
    fn traffic(&mut self, owed: bool) {
        self.owed = owed;
        self.told = owed;
        self.unseen = None;
        self.traffic = self.now;
        self.looked = self.now;
        self.looks.clear();
        let at = self.poll.traffic(self.now, owed);
        self.arm(at);
        let needed = self.now + if owed { MS } else { 100 * MS };
        let armed = self.timer.expect("traffic leaves a timer armed");
        assert!(armed <= needed, "{} ns too late", armed - needed);
    }

    /// A message is sent now. What is there already is not seen by that.
    fn sent(&mut self) {
        self.owed = true;
        self.traffic = self.now;
        if !self.told {
            self.looked = self.now;
        }
        self.told = true;
        self.looks.clear();
        let at = self.poll.sent(self.now);
        self.arm(at);
        let armed = self.timer.expect("a message leaves a timer armed");
        assert!(armed <= self.now + MS);
    }

    fn arm(&mut self, at: Option<u64>) {
        if let Some(at) = at {
            assert!(at > self.now, "armed for {at} at {}", self.now);
            assert!(
                self.timer.is_none_or(|before| at < before),
                "put off from {:?} to {at}",
                self.timer
            );
            self.timer = Some(at);
        }
    }

    /// Lets the time pass until `to`, with all looks that are due.
    fn run(&mut self, to: u64) {
        while let Some(at) = self.timer.filter(|&at| at <= to) {
            self.timer = None;
            self.now = at;
            let look = self.poll.expired(at);
            if let Look::Later(due) = look {
                self.arm(Some(due));
                continue;
            }
            let expected = if at - self.traffic >= 100 * MS {
                Look::Registers
            } else {
                Look::Memory
            };
            assert_eq!(look, expected, "{} ns after traffic", at - self.traffic);
            assert_eq!(self.poll.unseen(at), at - self.looked);
            self.looked = at;
            if let Some(owed) = self.unseen {
                self.traffic(owed);
            } else {
                let next = self.poll.nothing(at, self.owed);
                self.told = self.owed;
                self.looks.push((at, look));
                self.arm(next);
            }
        }
        self.now = to;
    }

    /// Looks since the last traffic, in milliseconds after it.
    fn looks_ms(&self) -> Vec<u64> {
        let times = self.looks.iter().map(|&(at, _)| at - self.traffic);
        times
            .map(|at| {
                assert_eq!(at % MS, 0);
                at / MS
            })
            .collect()
    }

    /// Whether a register was read in the looks since the last traffic.
    fn registers(&self) -> usize {
        let kinds = self.looks.iter().filter(|&&(_, l)| l == Look::Registers);
        kinds.count()
    }
}

#[test]
fn an_owed_answer_is_looked_for_at_doubling_distances_for_ten_seconds() {
    let mut clock = Clock::new();
    clock.traffic(true);
    clock.run(START + 3_600 * SECOND);
    let expected = [
        1, 3, 7, 15, 31, 63, 127, 255, 511, 1_023, 2_023, 3_023, 4_023, 5_023, 6_023, 7_023, 8_023,
        9_023, 10_023,
    ];
    assert_eq!(clock.looks_ms(), expected);
    // From 100 ms on: all but the first six.
    assert_eq!(clock.registers(), expected.len() - 6);
    assert_eq!(clock.timer, None);
}

#[test]
fn when_nothing_is_owed_it_looks_once_after_100_ms_and_then_never() {
    let mut clock = Clock::new();
    clock.traffic(false);
    clock.run(START + 3_600 * SECOND);
    assert_eq!(clock.looks, [(START + 100 * MS, Look::Registers)]);
    assert_eq!(clock.timer, None);
}

#[test]
fn an_answer_leaves_one_last_look() {
    let mut clock = Clock::new();
    clock.sent();
    clock.run(START + MS / 2);
    clock.traffic(false);
    clock.run(START + SECOND);
    assert_eq!(clock.looks, [(START + MS / 2 + 100 * MS, Look::Registers)]);
    assert_eq!(clock.timer, None);
}

#[test]
fn traffic_pulls_the_timer_forward_and_never_puts_it_off() {
    let mut clock = Clock::new();
    clock.traffic(true);
    clock.run(START + 200 * MS);
    assert_eq!(clock.timer, Some(START + 255 * MS));
    // A message that needs no answer has its last look later than that.
    clock.traffic(false);
    assert_eq!(clock.timer, Some(START + 255 * MS));
    clock.traffic(true);
    assert_eq!(clock.timer, Some(START + 201 * MS));
    clock.run(START + 200 * MS + MS / 4);
    clock.traffic(true);
    assert_eq!(clock.timer, Some(START + 201 * MS));
    // The distances begin anew.
    clock.run(START + 300 * MS);
    assert_eq!(
        clock.looks.first(),
        Some(&(START + 201 * MS + MS / 4, Look::Memory))
    );
    let gaps: Vec<_> = clock.looks.windows(2).map(|w| w[1].0 - w[0].0).collect();
    assert_eq!(gaps, [2, 4, 8, 16, 32].map(|ms| ms * MS));
}

#[test]
fn messages_that_are_sent_do_not_put_off_the_look_for_another() {
    let mut clock = Clock::new();
    clock.sent();
    clock.run(START + MS / 4);
    clock.unseen = Some(true);
    for sent in 1..10 {
        clock.run(START + sent * MS / 3);
        if clock.unseen.is_none() {
            break;
        }
        clock.sent();
    }
    assert_eq!(clock.unseen, None);
    assert_eq!(clock.looked, START + MS);
}

#[test]
fn a_timer_for_the_same_time_is_not_armed_again() {
    let mut poll = Poll::new();
    assert_eq!(poll.traffic(START, true), Some(START + MS));
    assert_eq!(poll.traffic(START, true), None);
    assert_eq!(poll.traffic(START + 1, true), None);
    // An earlier time of a clock is a time, too.
    assert_eq!(poll.traffic(START - 1, true), Some(START - 1 + MS));
}

#[test]
fn an_answer_has_not_lain_there_longer_than_it_was_asked_for() {
    let mut poll = Poll::new();
    poll.traffic(START, false);
    poll.sent(START + 3_600 * SECOND);
    assert_eq!(poll.unseen(START + 3_600 * SECOND + MS), MS);
    // What was asked for before may have come before the second message.
    poll.sent(START + 3_600 * SECOND + MS);
    assert_eq!(poll.unseen(START + 3_600 * SECOND + 2 * MS), 2 * MS);
}

#[test]
fn a_steady_exchange_is_not_looked_after() {
    let mut clock = Clock::new();
    for exchange in 0..10_000 {
        for (after, sent) in [(0, true), (60_000, false)] {
            clock.run(START + exchange * 100_000 + after);
            assert_eq!(clock.looks, []);
            if sent {
                clock.sent();
            } else {
                clock.traffic(false);
            }
        }
    }
}

#[test]
fn a_message_without_an_interrupt_is_found_within_one_period() {
    for late in [0, 1, 2, 5, 10, 50, 90, 120, 400, 900, 3_000, 9_000] {
        let mut clock = Clock::new();
        clock.traffic(true);
        clock.run(START + late * MS + MS / 2);
        clock.unseen = Some(false);
        let quiet = clock.now - clock.traffic;
        clock.run(clock.now + (quiet + MS).min(SECOND));
        assert_eq!(clock.unseen, None, "not found after {late} ms");
    }
}

#[test]
fn what_is_no_longer_owed_is_no_longer_looked_for() {
    // Within 100 ms of the traffic: the look that was armed, and the last one.
    let mut clock = Clock::new();
    clock.traffic(true);
    clock.run(START + 20 * MS);
    clock.owed = false;
    clock.run(START + 60 * SECOND);
    assert_eq!(clock.looks_ms(), [1, 3, 7, 15, 31, 100]);
    assert_eq!(clock.registers(), 1);

    // Later: the look that was armed is the last one.
    let mut clock = Clock::new();
    clock.traffic(true);
    clock.run(START + 64 * MS);
    clock.owed = false;
    clock.run(START + 60 * SECOND);
    assert_eq!(clock.looks_ms(), [1, 3, 7, 15, 31, 63, 127]);
    assert_eq!(clock.registers(), 1);
}

#[test]
fn registers_are_read_from_100_ms_on_to_the_nanosecond() {
    for (after, expected) in [
        (100 * MS - 1, Look::Memory),
        (100 * MS, Look::Registers),
        (100 * MS + 1, Look::Registers),
    ] {
        let mut poll = Poll::new();
        assert_eq!(poll.traffic(START, true), Some(START + MS));
        assert_eq!(poll.expired(START + MS), Look::Memory);
        let at = START + after;
        assert_eq!(poll.nothing(at - 2 * MS, true), Some(at));
        assert_eq!(poll.expired(at), expected);
    }
}

#[test]
fn the_last_look_comes_at_100_ms_to_the_nanosecond() {
    let last = START + 100 * MS;
    for (now, expected) in [
        (START, Some(last)),
        (last - 1, Some(last)),
        (last, None),
        (last + 1, None),
    ] {
        let mut poll = Poll::new();
        assert_eq!(poll.traffic(START, false), Some(last));
        assert_eq!(poll.expired(last), Look::Registers);
        assert_eq!(poll.nothing(now, false), expected);
    }
}

#[test]
fn patience_ends_at_ten_seconds_to_the_nanosecond() {
    let end = START + 10 * SECOND;
    for (now, expected) in [
        (end - 1, Some(end - 1 + 2 * MS)),
        (end, None),
        (end + 1, None),
    ] {
        let mut poll = Poll::new();
        assert_eq!(poll.traffic(START, true), Some(START + MS));
        assert_eq!(poll.expired(START + MS), Look::Memory);
        assert_eq!(poll.nothing(now, true), expected);
    }
}

#[test]
fn patience_begins_anew_with_traffic() {
    let mut clock = Clock::new();
    clock.traffic(true);
    clock.run(START + 3_600 * SECOND);
    assert_eq!(clock.timer, None);
    clock.traffic(true);
    clock.run(clock.now + 9 * SECOND);
    assert!(clock.timer.is_some());
}

#[test]
fn a_timer_that_nothing_was_armed_for_looks_at_memory_and_stays_silent() {
    for mut poll in [Poll::new(), Poll::default()] {
        assert_eq!(poll.expired(START), Look::Memory);
        assert_eq!(poll.nothing(START, false), None);
        assert_eq!(poll.nothing(START, true), None);
        assert_eq!(poll.traffic(START, true), Some(START + MS));
    }
}

#[test]
fn a_fresh_timer_is_patient_from_the_beginning_of_the_clock() {
    for poll in [Poll::new(), Poll::default()] {
        let nothing = |now| Poll::nothing(&mut { poll }, now, true);
        assert_eq!(nothing(0), Some(2 * MS));
        assert_eq!(nothing(10 * SECOND - 1), Some(10 * SECOND - 1 + 2 * MS));
        assert_eq!(nothing(10 * SECOND), None);
    }
}

#[test]
fn a_timer_that_is_overdue_when_traffic_comes_is_left_to_expire() {
    let mut poll = Poll::new();
    assert_eq!(poll.traffic(START, true), Some(START + MS));
    assert_eq!(poll.traffic(START + SECOND, true), None);
    let due = START + SECOND + MS;
    assert_eq!(poll.expired(START + SECOND), Look::Later(due));
    assert_eq!(poll.expired(due - 1), Look::Later(due));
    assert_eq!(poll.expired(due), Look::Memory);
    assert_eq!(poll.nothing(due, true), Some(due + 2 * MS));
}

#[test]
fn a_clock_that_runs_back_has_had_traffic_just_now() {
    for (owed, expected) in [(true, START - 1 + 2 * MS), (false, START + 100 * MS)] {
        let mut poll = Poll::new();
        assert_eq!(poll.traffic(START, true), Some(START + MS));
        assert_eq!(poll.expired(START + MS), Look::Memory);
        assert_eq!(poll.nothing(START - 1, owed), Some(expected));
    }
}

#[test]
fn the_last_time_of_a_clock_is_a_time() {
    let mut poll = Poll::new();
    assert_eq!(poll.traffic(u64::MAX, true), Some(u64::MAX));
    assert_eq!(poll.expired(u64::MAX), Look::Memory);
    assert_eq!(poll.nothing(u64::MAX, true), Some(u64::MAX));
    assert_eq!(poll.expired(u64::MAX), Look::Memory);
    assert_eq!(poll.nothing(u64::MAX, false), Some(u64::MAX));
}

/// Something that happens to the timer.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Time passes: a part of the way to the next look, in eighths; 8 is the look itself.
    Eighths(u64),
    /// Time passes, whatever the timer does.
    Wait(u64),
    /// Something moves, with an interrupt.
    Traffic(bool),
    /// A message is sent.
    Sent,
    /// Something moves and no interrupt tells of it.
    Unseen(bool),
    /// A connection is closed: nothing is owed any more.
    Close,
}

impl Clock {
    fn step(&mut self, step: Step) {
        match step {
            Step::Eighths(part) => {
                let next = self.timer.unwrap_or(self.now + SECOND);
                self.run(self.now + (next - self.now) * part / 8);
            }
            Step::Wait(time) => self.run(self.now + time),
            Step::Traffic(owed) => self.traffic(owed),
            Step::Sent => self.sent(),
            Step::Unseen(owed) => self.unseen = Some(owed),
            Step::Close => self.owed = false,
        }
        self.check();
    }

    /// What holds at any time.
    fn check(&self) {
        let quiet = self.now - self.traffic;
        // The k-th look after the last traffic comes when it should, or earlier.
        for (k, (at, _)) in self.looks.iter().enumerate() {
            let limit = if k < 10 {
                (2 << k) - 1
            } else {
                // From 512 ms on once a second.
                1_023 + 1_000 * (k as u64 - 9)
            };
            if self.owed {
                assert!(at - self.traffic <= limit * MS, "look {k} is late");
            }
        }
        match self.timer {
            Some(at) if self.owed => assert!(at - self.now <= SECOND.min(quiet + 2 * MS)),
            Some(_) => {}
            // Silence: a last look was had, and nothing will come that was waited for.
            None if self.owed => assert!(quiet >= 10 * SECOND),
            None if self.traffic != 0 => {
                let (last, look) = self.looks.last().expect("no look since the last traffic");
                assert!(last - self.traffic >= 100 * MS);
                assert_eq!(*look, Look::Registers);
            }
            None => assert!(self.looks.is_empty()),
        }
    }

    /// Whatever happened: if nothing more does, the timer falls silent after a few looks.
    fn falls_silent(mut self) {
        if let Some(owed) = self.unseen {
            if self.timer.is_some() {
                self.run(self.now + SECOND);
                assert_eq!(self.unseen, None);
                assert_eq!(self.owed, owed);
            }
        }
        let before = self.looks.len();
        self.run(self.now + 12 * SECOND);
        assert_eq!(self.timer, None);
        // Nothing owed: the look that was armed, and the last one.
        let most = if self.owed { 19 } else { 2 };
        assert!(self.looks.len() - before <= most, "{:?}", self.looks);
    }
}

#[test]
fn every_short_history_keeps_the_rules() {
    const STEPS: [Step; 9] = [
        Step::Eighths(3),
        Step::Eighths(8),
        Step::Wait(40 * MS),
        Step::Wait(101 * MS),
        Step::Traffic(true),
        Step::Traffic(false),
        Step::Sent,
        Step::Unseen(true),
        Step::Close,
    ];
    const LENGTH: u32 = 6;
    for history in 0..STEPS.len().pow(LENGTH) {
        let mut clock = Clock::new();
        for place in 0..LENGTH {
            clock.step(STEPS[history / STEPS.len().pow(place) % STEPS.len()]);
        }
        clock.falls_silent();
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..=8_u64).prop_map(Step::Eighths),
        2 => (0..200 * MS).prop_map(Step::Wait),
        1 => (0..11 * SECOND).prop_map(Step::Wait),
        3 => any::<bool>().prop_map(Step::Traffic),
        3 => Just(Step::Sent),
        2 => any::<bool>().prop_map(Step::Unseen),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn any_history_keeps_the_rules(steps in proptest::collection::vec(any_step(), 0..100)) {
        let mut clock = Clock::new();
        for step in steps {
            clock.step(step);
        }
        clock.falls_silent();
    }
}
