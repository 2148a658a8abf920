// SPDX-License-Identifier: GPL-2.0

//! Bounds of the trace.

use kernel::macros::kunit_tests;

#[kunit_tests(issei_stats)]
mod tests {
    use super::super::*;

    /// Whether of so many messages exactly the last ones are remembered, in order.
    fn remembers_the_last_of(count: usize) -> Result<bool> {
        let mut statistics = Statistics::new()?;
        for at in 0..count {
            // CAST: The numbers of these tests fit.
            statistics.message(at as u64, Direction::ToFirmware, &Header::default());
        }
        let first = count.saturating_sub(TRACE_LENGTH);
        let expected = (first..count).map(|at| at as u64);
        Ok(statistics
            .last_messages()
            .map(|traced| traced.at)
            .eq(expected)
            && statistics.counters.sent == count as u64
            && statistics.counters.received == 0)
    }

    #[test]
    fn trace_length() -> Result {
        for count in [
            0,
            1,
            TRACE_LENGTH - 1,
            TRACE_LENGTH,
            TRACE_LENGTH + 1,
            2 * TRACE_LENGTH - 1,
            2 * TRACE_LENGTH,
            2 * TRACE_LENGTH + 1,
        ] {
            assert!(remembers_the_last_of(count)?);
        }
        Ok(())
    }

    #[test]
    fn counters_wrap() -> Result {
        let mut statistics = Statistics::new()?;
        statistics.counters.received = u64::MAX;
        statistics.message(0, Direction::FromFirmware, &Header::default());
        assert_eq!(statistics.counters.received, 0);
        Ok(())
    }
}
