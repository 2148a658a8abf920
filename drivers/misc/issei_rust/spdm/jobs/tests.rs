// SPDX-License-Identifier: GPL-2.0

//! How many may wait.

use kernel::macros::kunit_tests;

#[kunit_tests(issei_spdm_jobs)]
mod tests {
    use super::super::*;

    const NONCE: [u8; NONCE_SIZE] = [0x5a; NONCE_SIZE];

    fn failed() -> Result<Arc<Evidence>, Failure> {
        Err(Failure {
            errno: ETIMEDOUT,
            sentence: Sentence::EMPTY,
        })
    }

    fn add(jobs: &mut Jobs, slot: Option<u8>) -> Result<u64> {
        jobs.add(&NONCE, slot).map_err(|failure| failure.errno)
    }

    #[test]
    fn all_places() -> Result {
        let mut jobs = Jobs::new()?;
        for number in 0..JOBS as u64 {
            assert_eq!(add(&mut jobs, None)?, number);
        }
        assert_eq!(add(&mut jobs, None).err(), Some(EBUSY));
        jobs.forget(5);
        assert_eq!(add(&mut jobs, Some(7))?, JOBS as u64);
        assert_eq!(add(&mut jobs, None).err(), Some(EBUSY));
        for number in (0..=JOBS as u64).filter(|number| *number != 5) {
            assert_eq!(jobs.begin().map(|order| order.number), Some(number));
        }
        assert!(jobs.begin().is_none());
        Ok(())
    }

    #[test]
    fn numbers_wrap() -> Result {
        let mut jobs = Jobs::new()?;
        jobs.next = u64::MAX;
        assert_eq!(add(&mut jobs, None)?, u64::MAX);
        assert_eq!(add(&mut jobs, None)?, 0);
        Ok(())
    }

    #[test]
    fn nobody_waits_any_more() -> Result {
        let mut jobs = Jobs::new()?;
        let number = add(&mut jobs, None)?;
        assert!(jobs.take(number).is_none());
        assert!(jobs.finish(number, failed()).is_none());
        let result = jobs.take(number);
        assert!(matches!(result, Some(Err(Failure { errno, .. })) if errno == ETIMEDOUT));
        assert!(jobs.take(number).is_none());
        // It comes back, to be freed.
        assert!(jobs.finish(number, failed()).is_some());
        Ok(())
    }

    #[test]
    fn closed() -> Result {
        let mut jobs = Jobs::new()?;
        for (why, errno, sentence) in [
            (ENODEV, ENODEV, c"the device is gone"),
            (
                ECANCELED,
                EAGAIN,
                c"interrupted, because the system goes to sleep",
            ),
        ] {
            let told = |failure: &Failure| {
                failure.errno == errno && failure.sentence.as_c_str() == sentence
            };
            let number = add(&mut jobs, None)?;
            jobs.close(Some(why));
            assert!(jobs.add(&NONCE, None).is_err_and(|failure| told(&failure)));
            assert!(jobs.finish(number, failed()).is_none());
            let result = jobs.take(number);
            assert!(matches!(result, Some(Err(failure)) if told(&failure)));
            jobs.close(None);
        }
        assert!(add(&mut jobs, None).is_ok());
        Ok(())
    }
}
