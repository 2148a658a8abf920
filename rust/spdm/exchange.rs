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

use core::ops::DerefMut;

use super::capabilities::DATA_TRANSFER_SIZE_MIN;
use super::chunk::{room, Chunk, ChunkGet, ChunkSendAck};
use super::code::{Code, ErrorCode};
use super::config::Timing;
use super::error::{Error, Field, Reason};
use super::error_response::{respond_if_ready, Detail, ErrorResponse, NotReady};
use super::transport::Step;
use super::version::Version;
use super::wire::{Reader, HEADER_SIZE};

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

    fn send_chunk(&mut self, rules: &Rules, number: u32, start: usize) -> Result<(), Error> {
        let rest = self.request_length.saturating_sub(start);
        let end = start.saturating_add(rest.min(room(rules.request_size, number)));
        let chunk = Chunk {
            handle: self.handle,
            number,
            last: end == self.request_length,
            large_size: (number == 0)
                .then(|| u32::try_from(self.request_length).unwrap_or(u32::MAX)),
            data: self.request.get(start..end).unwrap_or_default(),
        };
        self.frame_length = chunk.write(rules.version, &mut self.frame)?;
        self.state = State::SendChunk { number, end };
        Ok(())
    }

    fn get_chunk(&mut self, rules: &Rules, assembly: Assembly) -> Result<(), Error> {
        let message = ChunkGet {
            handle: assembly.handle,
            number: assembly.number,
        };
        self.frame_length = message.write(rules.version, &mut self.frame)?;
        self.state = State::GetChunk(assembly);
        Ok(())
    }

    /// Moves on to time `now`.
    pub(super) fn tick(&mut self, now: u64) -> Result<(), Error> {
        let (Some(rules), false) = (self.rules, matches!(self.state, State::Idle)) else {
            return Ok(());
        };
        self.started.get_or_insert(now);
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

    /// ERROR in place of an answer to a single chunk: only the chunk may be repeated.
    fn chunk_refused(
        &mut self,
        rules: &Rules,
        start: usize,
        end: usize,
        now: u64,
    ) -> Result<Option<usize>, Error> {
        let response = self.read_error(rules, start, end)?;
        if !response.code.is_transient() {
            return Err(self.refusal(&response));
        }
        self.wait(rules, now, rules.timing.busy_delay)?;
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
        if taken > rules.timing.limit {
            return Err(error(Reason::Late {
                limit: rules.timing.limit,
                actual: taken,
            }));
        }
        self.retries = self.retries.saturating_add(1);
        self.wait_until = Some(until);
        Ok(())
    }

    /// CHUNK_SEND_ACK for chunk `number`, which ended at `sent`.
    fn acknowledged(
        &mut self,
        rules: &Rules,
        length: usize,
        now: u64,
        number: u32,
        sent: usize,
    ) -> Result<Option<usize>, Error> {
        let mut reader = Reader::new(Code::CHUNK_SEND_ACK, self.response(length));
        let ack = ChunkSendAck::read(&mut reader, rules.version)?;
        if ack.handle != self.handle {
            return Err(reader.error(Field::Handle, Reason::Differs));
        }
        if ack.number != number {
            return Err(reader.error(Field::ChunkSeqNo, Reason::Differs));
        }
        let inner = ack.response.len();
        let complete = sent == self.request_length;
        if !complete && !ack.early_error {
            if inner > rules.padding {
                let reason = Reason::Length {
                    expected: length.saturating_sub(inner),
                    actual: length,
                };
                return Err(reader.error(Field::Message, reason));
            }
            self.send_chunk(rules, number.saturating_add(1), sent)?;
            return Ok(None);
        }
        if inner < HEADER_SIZE {
            return Err(reader.error(Field::Message, Reason::Missing));
        }
        let early_error = ack.early_error;
        self.buffer
            .copy_within(length.saturating_sub(inner)..length, 0);
        if self.is_error(0, inner) {
            return self.refused(rules, inner, now, true);
        }
        if early_error {
            let reason = Reason::Inconsistent(1);
            return Err(Error::new(Code::CHUNK_SEND_ACK, Field::Param1, reason));
        }
        Ok(self.complete(inner))
    }

    /// CHUNK_RESPONSE, which lies behind what was assembled so far.
    fn assemble(
        &mut self,
        rules: &Rules,
        length: usize,
        mut assembly: Assembly,
    ) -> Result<Option<usize>, Error> {
        let start = assembly.received;
        let message = self.buffer.get(start..start.saturating_add(length));
        let mut reader = Reader::new(Code::CHUNK_RESPONSE, message.unwrap_or_default());
        let chunk = Chunk::read(&mut reader, rules.version)?;
        let size = reader.end(rules.padding)?;
        if chunk.handle != assembly.handle {
            return Err(reader.error(Field::Handle, Reason::Differs));
        }
        if chunk.number != assembly.number {
            return Err(reader.error(Field::ChunkSeqNo, Reason::Differs));
        }
        if let Some(total) = chunk.large_size {
            assembly.total = self.check_total(rules, &reader, total, assembly.wrapped)?;
            assembly.size = size;
        }
        let data = chunk.data.len();
        let received = start.saturating_add(data);
        let minimum = usize::try_from(DATA_TRANSFER_SIZE_MIN).unwrap_or(usize::MAX);
        let full = size == assembly.size && size >= minimum;
        if data == 0 || received > assembly.total || !(chunk.last || full) {
            let reason = Reason::Value(u32::try_from(data).unwrap_or(u32::MAX));
            return Err(reader.error(Field::ChunkSize, reason));
        }
        if chunk.last != (received == assembly.total) {
            let reason = Reason::Inconsistent(u32::try_from(received).unwrap_or(u32::MAX));
            return Err(reader.error(Field::LargeMessageSize, reason));
        }
        let end = start.saturating_add(size);
        self.buffer
            .copy_within(end.saturating_sub(data)..end, start);
        if received < assembly.total {
            assembly.received = received;
            assembly.number = assembly.number.saturating_add(1);
            self.get_chunk(rules, assembly)?;
            return Ok(None);
        }
        if self.is_error(0, received) {
            let reason = Reason::Value(Code::ERROR.0.into());
            return Err(Error::new(
                self.code.response(),
                Field::RequestResponseCode,
                reason,
            ));
        }
        Ok(self.complete(received))
    }

    fn check_total(
        &self,
        rules: &Rules,
        reader: &Reader<'_>,
        total: u32,
        wrapped: bool,
    ) -> Result<usize, Error> {
        let limit = rules.response_max.min(self.buffer.len());
        let reason = if total <= DATA_TRANSFER_SIZE_MIN && !wrapped {
            Reason::Below {
                limit: DATA_TRANSFER_SIZE_MIN,
                actual: total,
            }
        } else {
            match usize::try_from(total) {
                Ok(total) if total <= limit => return Ok(total),
                _ => Reason::Above {
                    limit: u32::try_from(limit).unwrap_or(u32::MAX),
                    actual: total,
                },
            }
        };
        Err(reader.error(Field::LargeMessageSize, reason))
    }
}
