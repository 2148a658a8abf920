// SPDX-License-Identifier: GPL-2.0

//! One request and its response, whatever lies between: chunks both ways, Busy, ResponseNotReady,
//! time limits.
//!
//! ```text
//!            +--> SendChunk --+      LargeResponse
//!  begin ----+                +----------------------> GetChunk ---+
//!            +----> Send -----+--------------------------------- --+--> Done
//!                     ^       | ResponseNotReady                   |
//!                     |       v                                    |
//!                     +---- Ready --(too late)                     |
//!                             +------------------------------------+
//! ```

#![forbid(unsafe_code)]

mod chunks;

use core::ops::DerefMut;

use super::code::{Code, ErrorCode};
use super::config::Timing;
use super::error::{Error, Field, Reason};
use super::error_response::{respond_if_ready, Detail, ErrorResponse, NotReady};
use super::transport::Step;
use super::version::Version;
use super::wire::Reader;

/// Longest request, in bytes: NEGOTIATE_ALGORITHMS with four tables needs 48.
const REQUEST_MAX: usize = 64;

/// What holds for one exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Version in the header.
    pub(super) version: Version,
    /// Whether both sides take chunks.
    pub(super) chunks: bool,
    /// Whether the responder may ask for patience.
    pub(super) not_ready: bool,
    /// Longest single request, in bytes.
    pub(super) request_size: usize,
    /// Longest single response, in bytes.
    pub(super) response_size: usize,
    /// Longest response in chunks, in bytes.
    pub(super) response_max: usize,
    /// How long to wait for each answer.
    pub(super) answer_time: u64,
    /// Other times.
    pub(super) timing: Timing,
    /// Bytes that the transport may add.
    pub(super) padding: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Send,
    SendChunk { number: u32, end: usize },
    Ready { expires: u64 },
    GetChunk(Assembly),
}

/// A response that comes in chunks.
#[derive(Clone, Copy, Debug)]
struct Assembly {
    handle: u8,
    number: u32,
    received: usize,
    /// Length of the whole response, from chunk 0.
    total: usize,
    /// Length of the message that chunk 0 came in, and so of all but the last.
    size: usize,
    /// Whether it is long only together with CHUNK_SEND_ACK around it.
    wrapped: bool,
}

pub(super) struct Exchange<B> {
    buffer: B,
    request: [u8; REQUEST_MAX],
    request_length: usize,
    code: Code,
    frame: [u8; REQUEST_MAX],
    frame_length: usize,
    state: State,
    rules: Option<Rules>,
    handle: u8,
    /// When the exchange began, once it has.
    started: Option<u64>,
    wait_until: Option<u64>,
    retries: u32,
}

impl<B: DerefMut<Target = [u8]>> Exchange<B> {
    pub(super) fn new(buffer: B) -> Self {
        Self {
            buffer,
            request: [0; REQUEST_MAX],
            request_length: 0,
            code: Code::GET_VERSION,
            frame: [0; REQUEST_MAX],
            frame_length: 0,
            state: State::Idle,
            rules: None,
            handle: 0,
            started: None,
            wait_until: None,
            retries: 0,
        }
    }

    /// The request that was begun last.
    pub(super) fn request(&self) -> &[u8] {
        self.request.get(..self.request_length).unwrap_or_default()
    }

    /// The code of that request.
    pub(super) fn code(&self) -> Code {
        self.code
    }

    /// The response.
    pub(super) fn response(&self, length: usize) -> &[u8] {
        self.buffer.get(..length).unwrap_or_default()
    }

    /// Gives up.
    pub(super) fn cancel(&mut self) {
        self.state = State::Idle;
    }

    /// Begins an exchange with the request that `write` writes.
    pub(super) fn begin(
        &mut self,
        rules: Rules,
        write: impl FnOnce(&mut [u8]) -> Result<usize, Error>,
    ) -> Result<(), Error> {
        self.state = State::Idle;
        self.request_length = write(&mut self.request)?;
        self.code = Code(self.request.get(1).copied().unwrap_or_default());
        self.rules = Some(rules);
        self.started = None;
        self.wait_until = None;
        self.retries = 0;
        self.restart(&rules)
    }

    /// Sends the request from its beginning.
    fn restart(&mut self, rules: &Rules) -> Result<(), Error> {
        if self.request_length <= rules.request_size {
            self.state = State::Send;
            return Ok(());
        }
        if !rules.chunks {
            let reason = Reason::Above {
                limit: u32::try_from(rules.request_size).unwrap_or(u32::MAX),
                actual: u32::try_from(self.request_length).unwrap_or(u32::MAX),
            };
            return Err(Error::new(self.code, Field::DataTransferSize, reason));
        }
        self.handle = self.handle.wrapping_add(1);
        self.send_chunk(rules, 0, 0)
    }

    /// Moves on to time `now`.
    pub(super) fn tick(&mut self, now: u64) -> Result<(), Error> {
        let (Some(rules), false) = (self.rules, matches!(self.state, State::Idle)) else {
            return Ok(());
        };
        let started = *self.started.get_or_insert(now);
        let actual = now.saturating_sub(started);
        if actual >= rules.timing.limit {
            let limit = rules.timing.limit;
            let reason = Reason::Late { limit, actual };
            return Err(Error::new(self.code, Field::Message, reason));
        }
        if self.wait_until.is_some_and(|until| now >= until) {
            self.wait_until = None;
        }
        match self.state {
            // The response may have been dropped: the request goes out again.
            State::Ready { expires } if now > expires => self.restart(&rules),
            _ => Ok(()),
        }
    }

    /// What to do at time `now`, after [`Self::tick`].
    pub(super) fn step(&mut self, now: u64) -> Step<'_> {
        let (Some(rules), false) = (self.rules, matches!(self.state, State::Idle)) else {
            return Step::Done;
        };
        if let Some(until) = self.wait_until {
            return Step::Wait { until };
        }
        let started = self.started.unwrap_or(now);
        let deadline = now
            .saturating_add(rules.answer_time)
            .min(started.saturating_add(rules.timing.limit));
        let window = self.window(&rules);
        let request = match self.state {
            State::Send => self.request.get(..self.request_length),
            _ => self.frame.get(..self.frame_length),
        };
        Step::Exchange {
            request: request.unwrap_or_default(),
            response: self.buffer.get_mut(window).unwrap_or_default(),
            deadline,
        }
    }

    /// Where the next single message goes.
    fn window(&self, rules: &Rules) -> core::ops::Range<usize> {
        let start = match self.state {
            State::GetChunk(assembly) => assembly.received,
            _ => 0,
        };
        let end = start.saturating_add(rules.response_size);
        start..end.min(self.buffer.len())
    }

    /// Takes the `length` bytes that are now in the buffer. Returns the length of the response
    /// when it is complete.
    pub(super) fn received(&mut self, length: usize, now: u64) -> Result<Option<usize>, Error> {
        let Some(rules) = self.rules else {
            return Err(Error::new(self.code, Field::Message, Reason::Order));
        };
        let window = self.window(&rules);
        if length > window.len() {
            let reason = Reason::Above {
                limit: u32::try_from(window.len()).unwrap_or(u32::MAX),
                actual: u32::try_from(length).unwrap_or(u32::MAX),
            };
            return Err(Error::new(self.code.response(), Field::Message, reason));
        }
        let end = window.start.saturating_add(length);
        let is_error = self.is_error(window.start, end);
        match self.state {
            State::Idle => Err(Error::new(self.code, Field::Message, Reason::Order)),
            State::Send | State::Ready { .. } if is_error => {
                self.refused(&rules, length, now, false)
            }
            State::Send | State::Ready { .. } => Ok(self.complete(length)),
            State::SendChunk { .. } | State::GetChunk(_) if is_error => {
                self.chunk_refused(&rules, window.start, end, now)
            }
            State::SendChunk { number, end } => self.acknowledged(&rules, length, now, number, end),
            State::GetChunk(assembly) => self.assemble(&rules, length, assembly),
        }
    }

    fn complete(&mut self, length: usize) -> Option<usize> {
        self.state = State::Idle;
        Some(length)
    }

    fn is_error(&self, start: usize, end: usize) -> bool {
        let message = self.buffer.get(start..end).unwrap_or_default();
        message.get(1) == Some(&Code::ERROR.0)
    }

    fn read_error(&self, rules: &Rules, start: usize, end: usize) -> Result<ErrorResponse, Error> {
        let message = self.buffer.get(start..end).unwrap_or_default();
        // Whoever complains of the version may not know that of the connection.
        let version = match message {
            [version, _, code, ..] if *code == ErrorCode::VERSION_MISMATCH.0 => *version,
            _ => rules.version.byte(),
        };
        let mut reader = Reader::new(Code::ERROR, message);
        let response = ErrorResponse::read(&mut reader, version)?;
        reader.end(rules.padding)?;
        Ok(response)
    }

    /// ERROR in place of the response, which begins the buffer. `chunked` tells that the request
    /// went out in chunks, so that it has to go out anew from the first.
    fn refused(
        &mut self,
        rules: &Rules,
        length: usize,
        now: u64,
        chunked: bool,
    ) -> Result<Option<usize>, Error> {
        let response = self.read_error(rules, 0, length)?;
        match response.detail {
            _ if response.code.is_transient() => {
                if chunked {
                    self.restart(rules)?;
                }
                self.wait(rules, now, rules.timing.busy_delay)?;
            }
            Detail::NotReady(not_ready) if rules.not_ready => {
                self.not_ready(rules, now, not_ready)?;
            }
            Detail::Handle(handle) if rules.chunks => self.get_chunk(
                rules,
                Assembly {
                    handle,
                    number: 0,
                    received: 0,
                    total: 0,
                    size: 0,
                    wrapped: chunked,
                },
            )?,
            _ => return Err(self.refusal(&response)),
        }
        Ok(None)
    }

    fn refusal(&self, response: &ErrorResponse) -> Error {
        let reason = Reason::Refused {
            code: response.code,
            data: response.data,
        };
        Error::new(self.code, Field::Message, reason)
    }

    fn not_ready(&mut self, rules: &Rules, now: u64, not_ready: NotReady) -> Result<(), Error> {
        if not_ready.request != self.code {
            let reason = Reason::Value(not_ready.request.0.into());
            return Err(Error::new(Code::ERROR, Field::ExtendedErrorData, reason));
        }
        let ready_after = not_ready.ready_after();
        self.wait(rules, now, ready_after)?;
        self.frame_length =
            respond_if_ready(rules.version, self.code, not_ready.token, &mut self.frame)?;
        let latest = not_ready
            .dropped_after()
            .saturating_sub(rules.timing.round_trip)
            .max(ready_after);
        let expires = now.saturating_add(latest);
        self.state = State::Ready { expires };
        Ok(())
    }

    /// Waits that long before the next message, if there is time and patience left.
    fn wait(&mut self, rules: &Rules, now: u64, time: u64) -> Result<(), Error> {
        let error = |reason| Error::new(self.code, Field::Message, reason);
        if self.retries >= rules.timing.retries {
            return Err(error(Reason::Retries(self.retries)));
        }
        let until = now.saturating_add(time);
        let taken = until.saturating_sub(self.started.unwrap_or(now));
        if taken >= rules.timing.limit {
            return Err(error(Reason::Late {
                limit: rules.timing.limit,
                actual: taken,
            }));
        }
        self.retries = self.retries.saturating_add(1);
        self.wait_until = Some(until);
        Ok(())
    }
}
