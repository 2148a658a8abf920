// SPDX-License-Identifier: GPL-2.0

//! What carries messages, and the loop that runs a requester over it.

#![forbid(unsafe_code)]

use core::fmt;
use core::ops::DerefMut;

use super::challenge::Challenge;
use super::code::Code;
use super::crypto::{Hash, Verify};
use super::error::Error;
use super::measurements::GetMeasurements;
use super::requester::Requester;
use super::transcript::Sink;

/// What carries messages, one request and its response at a time.
pub trait Transport {
    /// What can go wrong on the way.
    type Error;

    /// Sends a request and waits for its response, at most until `deadline`. Returns the length of
    /// the response, in bytes. A response to an earlier request is never returned: after a timeout
    /// the transport gets rid of it.
    ///
    /// # Errors
    ///
    /// The response did not come, or did not fit.
    fn exchange(
        &mut self,
        request: &[u8],
        response: &mut [u8],
        deadline: u64,
    ) -> Result<usize, Self::Error>;

    /// The time, in microseconds of a monotonic clock.
    fn now(&mut self) -> u64;

    /// Waits until that time.
    ///
    /// # Errors
    ///
    /// The wait was interrupted.
    fn wait(&mut self, until: u64) -> Result<(), Self::Error>;
}

/// What to do next.
#[derive(Debug)]
#[must_use]
pub enum Step<'a> {
    /// Send the request, put the response into the buffer, tell its length.
    Exchange {
        /// The request.
        request: &'a [u8],
        /// Room for the response.
        response: &'a mut [u8],
        /// When to give up.
        deadline: u64,
    },
    /// Do nothing until that time.
    Wait {
        /// The time.
        until: u64,
    },
    /// The operation is complete, or there is none.
    Done,
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<E> {
    /// On the way.
    Transport {
        /// The request that was on its way.
        message: Code,
        /// What the transport says.
        error: E,
    },
    /// In what the responder said.
    Protocol(Error),
}

impl<E> Failure<E> {
    /// Whether to begin again at GET_VERSION: [`Error::asks_for_restart`].
    pub fn asks_for_restart(&self) -> bool {
        matches!(self, Self::Protocol(error) if error.asks_for_restart())
    }
}

impl<E> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        Self::Protocol(error)
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport { message, error } => write!(f, "{message}: {error}"),
            Self::Protocol(error) => error.fmt(f),
        }
    }
}

/// A requester and its transport: every operation at once.
pub struct Dialogue<'a, C: Hash + Verify, B, S, T> {
    /// The requester.
    pub requester: &'a mut Requester<C, B, S>,
    /// The transport.
    pub transport: &'a mut T,
}

impl<C, B, S, T> Dialogue<'_, C, B, S, T>
where
    C: Hash + Verify,
    B: DerefMut<Target = [u8]>,
    S: Sink,
    T: Transport,
{
    /// Runs the operation that was begun.
    ///
    /// # Errors
    ///
    /// As the transport and the requester say.
    pub fn run(&mut self) -> Result<(), Failure<T::Error>> {
        loop {
            let now = self.transport.now();
            let result = match self.requester.poll(now)? {
                Step::Exchange {
                    request,
                    response,
                    deadline,
                } => self.transport.exchange(request, response, deadline),
                Step::Wait { until } => match self.transport.wait(until) {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
                Step::Done => return Ok(()),
            };
            match result {
                Ok(length) => {
                    let now = self.transport.now();
                    self.requester.received(length, now)?;
                }
                Err(error) => {
                    let message = self.requester.cancel();
                    return Err(Failure::Transport { message, error });
                }
            }
        }
    }

    /// [`Requester::connect`]
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn connect(&mut self) -> Result<(), Failure<T::Error>> {
        self.requester.connect()?;
        self.run()
    }

    /// [`Requester::get_digests`]
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn get_digests(&mut self) -> Result<(), Failure<T::Error>> {
        self.requester.get_digests()?;
        self.run()
    }

    /// [`Requester::get_certificate`]
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn get_certificate(&mut self, slot: u8) -> Result<(), Failure<T::Error>> {
        self.requester.get_certificate(slot)?;
        self.run()
    }

    /// [`Requester::challenge`]
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn challenge(&mut self, challenge: Challenge) -> Result<(), Failure<T::Error>> {
        self.requester.challenge(challenge)?;
        self.run()
    }

    /// [`Requester::get_measurements`]
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn get_measurements(&mut self, request: GetMeasurements) -> Result<(), Failure<T::Error>> {
        self.requester.get_measurements(request)?;
        self.run()
    }

    /// Runs a sequence that begins with [`Self::connect`], and again when the responder asks for
    /// that (RequestResynch and the like) or measurements may have changed in between, at most
    /// `restarts` times.
    ///
    /// # Errors
    ///
    /// As the last run of the sequence.
    pub fn sequence<R>(
        &mut self,
        restarts: u32,
        mut sequence: impl FnMut(&mut Self) -> Result<R, Failure<T::Error>>,
    ) -> Result<R, Failure<T::Error>> {
        for _ in 0..restarts {
            match sequence(self) {
                Err(failure) if failure.asks_for_restart() => {}
                result => return result,
            }
        }
        sequence(self)
    }
}
