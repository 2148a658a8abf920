// SPDX-License-Identifier: GPL-2.0
//! Messages in chunks (SPDM 1.2): CHUNK_SEND and CHUNK_GET.

use super::algorithms::Version;
use super::connection::{Connection, Phase};
use super::response::Response;
use super::wire::{error, request, Answer, Reader, Refusal, ERROR, TRANSFER_MIN};
use crate::faults::Fault;
use crate::hw::Hw;

/// Bit of the first parameter: this is the last chunk.
const LAST: u8 = 1;
/// Bit of an acknowledgement's first parameter: the message is refused before its end.
const EARLY_ERROR: u8 = 1;
/// Bytes of CHUNK_SEND and CHUNK_RESPONSE before the chunk, without the size of the whole.
const CHUNK_HEADER: usize = 12;
/// Bytes of that size.
const LARGE_SIZE: usize = 4;

/// A response that goes out in chunks.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    handle: u8,
    message: Vec<u8>,
    sent: usize,
    sequence: u32,
}

/// A request that comes in chunks.
#[derive(Clone, Debug)]
pub(super) struct Receiving {
    handle: u8,
    message: Vec<u8>,
    size: usize,
    sequence: u32,
}

impl Connection {
    /// The response, or what stands in for one that is too large; `overhead` bytes of a message
    /// are spent already.
    pub(super) fn fit(&mut self, message: Vec<u8>, overhead: usize) -> Vec<u8> {
        if message.len() + overhead <= self.limit() {
            return message;
        }
        let size = message.len() as u32;
        let (code, extended) = if !self.chunks() || size > self.peer.max_message_size {
            self.transcripts.end_measurements();
            self.transcripts.certificates.clear();
            match self.version < Version::V12 {
                true => (error::UNSPECIFIED, Vec::new()),
                false => (error::RESPONSE_TOO_LARGE, size.to_le_bytes().to_vec()),
            }
        } else {
            let handle = self.next_handle;
            self.next_handle = handle.wrapping_add(1);
            self.sending = Some(Sending {
                handle,
                message,
                sent: 0,
                sequence: 0,
            });
            (error::LARGE_RESPONSE, vec![handle])
        };
        [vec![self.version.byte(), ERROR, code, 0], extended].concat()
    }

    /// Whether chunks may come now.
    fn chunked(&self, code: u8) -> Result<(), Refusal> {
        if self.phase < Phase::Capabilities {
            return Err(Refusal::unexpected());
        }
        match self.chunks() {
            true => Ok(()),
            false => Err(Refusal::unsupported(code)),
        }
    }

    /// A sequence number: 16 bits, from 1.4 on 32 bits.
    fn sequence(&self, body: &mut Reader<'_>) -> Result<u32, Refusal> {
        match self.version >= Version::V14 {
            true => body.u32(),
            false => body.u16().map(u32::from),
        }
    }

    pub(super) fn chunk_get(
        &mut self,
        hw: &mut Hw,
        [_, handle]: [u8; 2],
        mut body: Reader<'_>,
    ) -> Answer {
        self.chunked(request::CHUNK_GET)?;
        let sequence = self.sequence(&mut body)?;
        body.end()?;
        let limit = self.limit();
        let version = self.version.byte();
        let sending = self.sending.as_mut().ok_or(Refusal::unexpected())?;
        if handle != sending.handle || sequence != sending.sequence {
            return Err(Refusal::invalid());
        }
        let first = sequence == 0;
        let header = CHUNK_HEADER + if first { LARGE_SIZE } else { 0 };
        let rest = sending.message.get(sending.sent..).unwrap_or_default();
        let mut room = limit.saturating_sub(header);
        if hw.fault(Fault::SpdmChunkShort).is_some() {
            room = room.saturating_sub(1);
        }
        let chunk = rest.get(..room).unwrap_or(rest).to_vec();
        let mut last = chunk.len() == rest.len();
        if hw.fault(Fault::SpdmChunkLastEarly).is_some() {
            last = true;
        }
        if hw.fault(Fault::SpdmChunkLastNever).is_some() {
            last = false;
        }
        let handle = hw.fault(Fault::SpdmChunkHandle).map_or(handle, |v| v as u8);
        let number = hw
            .fault(Fault::SpdmChunkSequence)
            .map_or(sequence, |v| v as u32);
        let size = hw
            .fault(Fault::SpdmChunkSize)
            .map_or(chunk.len() as u32, |v| v as u32);
        let param = if last { LAST } else { 0 };
        let mut response = vec![version, Response::ChunkResponse.code(), param, handle];
        response.extend(number.to_le_bytes());
        response.extend(size.to_le_bytes());
        if first {
            let whole = sending.message.len() as u32;
            let whole = hw
                .fault(Fault::SpdmChunkLargeSize)
                .map_or(whole, |v| v as u32);
            response.extend(whole.to_le_bytes());
        }
        response.extend(&chunk);
        sending.sent += chunk.len();
        sending.sequence += 1;
        if last {
            self.sending = None;
        }
        Ok(response)
    }

    pub(super) fn chunk_send(
        &mut self,
        hw: &mut Hw,
        [attributes, handle]: [u8; 2],
        body: Reader<'_>,
    ) -> Answer {
        self.chunked(request::CHUNK_SEND)?;
        let mut body = body;
        let sequence = self.sequence(&mut body)?;
        if self.version < Version::V14 {
            body.take(2)?;
        }
        let taken = match hw.fault(Fault::SpdmAckEarlyError) {
            Some(_) => Err(Refusal::invalid()),
            None => self.take_chunk(attributes & LAST != 0, handle, sequence, body),
        };
        let number = hw
            .fault(Fault::SpdmAckSequence)
            .map_or(sequence, |v| v as u32);
        let handle = hw.fault(Fault::SpdmAckHandle).map_or(handle, |v| v as u8);
        let code = Response::ChunkSendAck.code();
        let mut response = vec![self.version.byte(), code, 0, handle];
        match self.version >= Version::V14 {
            true => response.extend(number.to_le_bytes()),
            false => response.extend((number as u16).to_le_bytes()),
        }
        match taken {
            Ok(None) => (),
            Ok(Some(message)) => {
                let overhead = response.len();
                let inner = self
                    .answer(hw, &message, overhead)
                    .ok_or(Refusal::Silence)?;
                response.extend(inner);
            }
            Err(_) => {
                if let Some(attributes) = response.get_mut(2) {
                    *attributes = EARLY_ERROR;
                }
                let refused = [self.version.byte(), ERROR, error::INVALID_REQUEST, 0];
                response.extend(refused);
            }
        }
        Ok(response)
    }

    /// Takes a chunk of a request; the whole request if it was the last. A chunk that breaks a
    /// rule ends the transfer.
    fn take_chunk(
        &mut self,
        last: bool,
        handle: u8,
        sequence: u32,
        mut body: Reader<'_>,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let size = body.u32()? as usize;
        let mut receiving = match self.receiving.take() {
            Some(receiving) => receiving,
            None => Receiving {
                handle,
                message: Vec::new(),
                size: self.large_size(&mut body)?,
                sequence: 0,
            },
        };
        let first = receiving.message.is_empty();
        let chunk = body.take(size)?;
        body.end()?;
        let header = CHUNK_HEADER + if first { LARGE_SIZE } else { 0 };
        let full = header + size == self.settings.data_transfer_size as usize;
        receiving.message.extend(chunk);
        let complete = receiving.message.len() == receiving.size;
        let fits = receiving.message.len() <= receiving.size;
        if receiving.handle != handle
            || receiving.sequence != sequence
            || !fits
            || last != complete
            || !(last || full)
            || chunk.is_empty()
        {
            return Err(Refusal::invalid());
        }
        if last {
            return Ok(Some(receiving.message));
        }
        receiving.sequence += 1;
        self.receiving = Some(receiving);
        Ok(None)
    }

    /// The size of the whole request, in its first chunk.
    fn large_size(&self, body: &mut Reader<'_>) -> Result<usize, Refusal> {
        let size = body.u32()?;
        let range = TRANSFER_MIN + 1..=self.settings.max_message_size;
        match range.contains(&size) {
            true => Ok(size as usize),
            false => Err(Refusal::invalid()),
        }
    }
}
