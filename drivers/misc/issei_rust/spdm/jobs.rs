// SPDX-License-Identifier: GPL-2.0

//! Evidence that programs have asked for, with nonces of their own. The agent's work item collects
//! it; who asked waits.

use super::{
    evidence::Evidence,
    protocol::wire::NONCE_SIZE,
    text::Sentence,
    trouble::Trouble, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

mod tests;

/// How many may wait.
const JOBS: usize = 16;

/// Why there is no evidence.
pub(crate) struct Failure {
    /// The error number.
    pub(crate) errno: Error,
    /// The reason, as in the file `state` behind the word.
    pub(crate) sentence: Sentence,
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self {
            errno: trouble.errno(),
            sentence: trouble.sentence(),
        }
    }
}

/// What is to be collected.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) nonce: [u8; NONCE_SIZE],
    pub(super) slot: Option<u8>,
}

struct Job {
    order: Order,
    begun: bool,
    result: Option<Result<Arc<Evidence>, Failure>>,
}

/// All that wait.
pub(super) struct Jobs {
    table: KVec<Job>,
    next: u64,
    /// Why nothing is collected now.
    closed: Option<Error>,
}

impl Jobs {
    /// Nobody waits.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            table: KVec::with_capacity(JOBS, GFP_KERNEL)?,
            next: 0,
            closed: None,
        })
    }

    /// Adds a job and returns its number.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: too many wait.
    /// - Why nothing is collected now.
    pub(super) fn add(
        &mut self,
        nonce: &[u8; NONCE_SIZE],
        slot: Option<u8>,
    ) -> Result<u64, Failure> {
        if let Some(error) = self.closed {
            return Err(Trouble::Kernel(error).into());
        }
        let number = self.next;
        let order = Order {
            number,
            nonce: *nonce,
            slot,
        };
        let job = Job {
            order,
            begun: false,
            result: None,
        };
        if self.table.len() >= JOBS || self.table.push_within_capacity(job).is_err() {
            return Err(Failure {
                errno: EBUSY,
                sentence: Sentence::of("too many programs wait for evidence"),
            });
        }
        self.next = number.wrapping_add(1);
        Ok(number)
    }

    /// The job to begin with, if there is one.
    pub(super) fn begin(&mut self) -> Option<Order> {
        let job = self.table.iter_mut().find(|job| !job.begun)?;
        job.begun = true;
        Some(job.order)
    }

    /// Ends a job, unless nobody waits for it any more. What comes back is to be freed outside of
    /// the lock.
    pub(super) fn finish(
        &mut self,
        number: u64,
        result: Result<Arc<Evidence>, Failure>,
    ) -> Option<Result<Arc<Evidence>, Failure>> {
        let job = self.table.iter_mut().find(|job| job.order.number == number);
        match job {
            Some(job) => job.result.replace(result),
            None => Some(result),
        }
    }

    /// The result of a job that has ended, which is forgotten.
    pub(super) fn take(&mut self, number: u64) -> Option<Result<Arc<Evidence>, Failure>> {
        let at = self.position(number)?;
        let ended = self.table.get_mut(at)?.result.take();
        let closed = self.closed.map(|error| Err(Trouble::Kernel(error).into()));
        // What was interrupted because nothing is collected any more fails for that reason.
        let result = match ended {
            Some(Err(failure)) => closed.unwrap_or(Err(failure)),
            ended => ended.or(closed)?,
        };
        self.forget(number);
        Some(result)
    }

    /// Forgets a job. What comes back is to be freed outside of the lock.
    pub(super) fn forget(&mut self, number: u64) -> Option<Result<Arc<Evidence>, Failure>> {
        let at = self.position(number)?;
        self.table.remove(at).ok()?.result
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.table.iter().position(|job| job.order.number == number)
    }

    /// Sets why nothing is collected now, if so. Who waits is told when woken.
    pub(super) fn close(&mut self, closed: Option<Error>) {
        self.closed = closed;
    }
}
