// SPDX-License-Identifier: GPL-2.0

//! Requests and responses in chunks.

use core::ops::DerefMut;

use super::super::capabilities::DATA_TRANSFER_SIZE_MIN;
use super::super::chunk::{room, Chunk, ChunkGet, ChunkSendAck};
use super::super::code::Code;
use super::super::error::{Error, Field, Reason};
use super::super::wire::{Reader, HEADER_SIZE};
use super::{Assembly, Exchange, Rules, State};

impl<B: DerefMut<Target = [u8]>> Exchange<B> {
    pub(super) fn send_chunk(
        &mut self,
        rules: &Rules,
        number: u32,
        start: usize,
    ) -> Result<(), Error> {
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

    pub(super) fn get_chunk(&mut self, rules: &Rules, assembly: Assembly) -> Result<(), Error> {
        let message = ChunkGet {
            handle: assembly.handle,
            number: assembly.number,
        };
        self.frame_length = message.write(rules.version, &mut self.frame)?;
        self.state = State::GetChunk(assembly);
        Ok(())
    }

    /// ERROR in place of an answer to a single chunk: only the chunk may be repeated.
    pub(super) fn chunk_refused(
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

    /// CHUNK_SEND_ACK for chunk `number`, which ended at `sent`.
    pub(super) fn acknowledged(
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
        self.move_down(length.saturating_sub(inner), 0, inner);
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
    pub(super) fn assemble(
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
        self.move_down(end.saturating_sub(data), start, data);
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

    /// Moves bytes of the buffer towards its beginning.
    fn move_down(&mut self, from: usize, to: usize, length: usize) {
        let end = from.saturating_add(length);
        let shift = from.saturating_sub(to);
        match self.buffer.get_mut(to..end) {
            Some(part) if shift <= part.len() => part.copy_within(shift.., 0),
            _ => {}
        }
    }
}
