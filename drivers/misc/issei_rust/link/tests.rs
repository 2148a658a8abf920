// SPDX-License-Identifier: GPL-2.0

//! Bounds of the timer that looks without an interrupt.

use kernel::macros::kunit_tests;

#[kunit_tests(issei_poll)]
mod tests {
    use crate::ham::poll::{
        Look,
        Poll,
        FIRST_PERIOD,
        LAST_LOOK,
        LAST_PERIOD,
        PATIENCE,
        REGISTERS_AFTER, //
    };

    #[test]
    fn periods() {
        let mut poll = Poll::new();
        let mut at = poll.traffic(0, true);
        assert_eq!(at, Some(FIRST_PERIOD));
        let mut period = FIRST_PERIOD;
        while let Some(now) = at {
            let look = match now >= REGISTERS_AFTER {
                true => Look::Registers,
                false => Look::Memory,
            };
            assert_eq!(poll.expired(now), look);
            at = poll.nothing(now, true);
            period = (2 * period).min(LAST_PERIOD);
            let next = (now < PATIENCE).then_some(now + period);
            assert_eq!(at, next);
        }
    }

    #[test]
    fn early() {
        let mut poll = Poll::new();
        poll.sent(0);
        poll.traffic(1, false);
        poll.sent(2);
        let due = FIRST_PERIOD + 2;
        assert_eq!(poll.expired(due - 1), Look::Later(due));
        assert_eq!(poll.expired(due), Look::Memory);
    }

    #[test]
    fn patience() {
        for (now, waits) in [(PATIENCE - 1, true), (PATIENCE, false)] {
            let mut poll = Poll::new();
            poll.traffic(0, true);
            assert_eq!(poll.expired(FIRST_PERIOD), Look::Memory);
            assert_eq!(poll.nothing(now, true).is_some(), waits);
        }
    }

    #[test]
    fn last_look() {
        for (now, at) in [(LAST_LOOK - 1, Some(LAST_LOOK)), (LAST_LOOK, None)] {
            let mut poll = Poll::new();
            poll.traffic(0, true);
            assert_eq!(poll.expired(FIRST_PERIOD), Look::Memory);
            assert_eq!(poll.nothing(now, false), at);
        }
    }

    #[test]
    fn end_of_time() {
        let mut poll = Poll::new();
        assert_eq!(poll.traffic(u64::MAX, true), Some(u64::MAX));
        assert_eq!(poll.expired(u64::MAX), Look::Memory);
        assert_eq!(poll.nothing(u64::MAX, true), Some(u64::MAX));
    }
}
