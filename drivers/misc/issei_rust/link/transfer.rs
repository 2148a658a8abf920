// SPDX-License-Identifier: GPL-2.0

//! How messages get into and out of the shared memory.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::Link;
use crate::{
    clients::{
        Buffer,
        Message, //
    },
    device::Issei,
    ham::{
        fault::Fault,
        link::{
            Event,
            State, //
        },
        wire::{
            Header,
            StartResponse,
            START_RESPONSE_MAX, //
        },
    },
    shm::{
        SharedMemory,
        SECTION_SIZE, //
    },
    stats::Direction, //
};

/// Longest payload, in bytes, that the interrupt handler copies itself.
pub(crate) const SMALL_MAX: usize = 4096;

/// A message that waits in shared memory for the work item.
#[derive(Clone, Copy)]
pub(crate) struct Large {
    pub(crate) header: Header,
    pub(crate) length: usize,
    /// The slot of its recipient, or [`None`] for a bus message.
    pub(crate) slot: Option<usize>,
    /// The bring-up it belongs to.
    pub(crate) generation: u32,
}

/// What a look at the shared memory has found.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    /// A message came: it was taken in, or left to the work item just now.
    pub(super) received: bool,
    /// A message was consumed: the firmware is to be told.
    pub(super) consumed: bool,
    /// A message was published: the firmware is to be told.
    pub(super) published: bool,
    /// Something is other than it was.
    pub(super) moved: bool,
    /// A message was left to the work item, which will acknowledge.
    pub(super) left: bool,
}

impl Link {
    /// Looks at the counters in memory: takes in a message and sends one, as far as there are any.
    pub(super) fn look(&mut self, dev: &Issei) -> Result<Found, Fault> {
        let mut found = Found::default();
        if self.large.is_none() && self.has_message()? {
            found.received = true;
            found.left = !self.receive(dev)?;
            found.consumed = !found.left;
        } else if self.large.is_some() {
            found.left = true;
        }
        let was_free = self.h2f_free;
        self.see_consumed()?;
        found.published = self.send_next(dev, None)?;
        found.moved = found.consumed || found.published || was_free != self.h2f_free;
        Ok(found)
    }

    fn has_message(&self) -> Result<bool, Fault> {
        match &self.hardware {
            Some(hardware) => self.counters.f2h_has_message(hardware.shm.f2h_wr()),
            None => Ok(false),
        }
    }

    pub(super) fn see_consumed(&mut self) -> Result<(), Fault> {
        if let Some(hardware) = &self.hardware {
            self.h2f_free = self.counters.h2f_is_free(hardware.shm.h2f_rd())?;
        }
        Ok(())
    }

    /// Takes in the firmware's message. Returns false when it is left to the work item.
    fn receive(&mut self, dev: &Issei) -> Result<bool, Fault> {
        let Some(hardware) = &self.hardware else {
            return Ok(true);
        };
        let shm = hardware.shm.clone();
        let header = shm.header();
        let length = header.payload_length(SECTION_SIZE)?;
        self.statistics
            .message(dev.now(), Direction::FromFirmware, &header);

        let slot = if header.is_bus()? {
            if self.machine.state() != State::ClientEnum {
                if length > START_RESPONSE_MAX {
                    return Err(Fault::MessageLength {
                        length: header.length,
                    });
                }
                let mut payload = [0; START_RESPONSE_MAX];
                let payload = payload.get_mut(..length).unwrap_or_default();
                copy(&shm, payload, &header)?;
                return self.start_response(dev, payload).map(|()| true);
            }
            None
        } else {
            match self.clients.recipient(&header, length) {
                Some(slot) => Some(slot),
                None => {
                    self.settle(dev);
                    self.consume();
                    return Ok(true);
                }
            }
        };
        match slot {
            Some(slot) if length <= SMALL_MAX => {
                let spare = self
                    .clients
                    .connection(slot)
                    .ok()
                    .and_then(|c| c.take_spare());
                match spare.map_or_else(|| zeroed(length, GFP_ATOMIC | __GFP_NOWARN), Ok) {
                    Ok(mut buffer) => {
                        copy(&shm, buffer.get_mut(..length).unwrap_or_default(), &header)?;
                        let message = Message::new(buffer, length);
                        // The recipient was found a moment ago, under this same lock: it takes it.
                        let _ = self.clients.deliver(slot, header.host_id, message);
                    }
                    Err(_) => {
                        self.clients.no_memory(slot, header.host_id);
                        self.settle(dev);
                    }
                }
                self.consume();
                Ok(true)
            }
            slot => {
                self.large = Some(Large {
                    header,
                    length,
                    slot,
                    generation: self.generation,
                });
                dev.receive_large.schedule();
                Ok(false)
            }
        }
    }

    fn start_response(&mut self, dev: &Issei, payload: &[u8]) -> Result<(), Fault> {
        let response = StartResponse::parse(payload)?;
        if self.machine.state() != State::Start {
            return Err(Fault::UnexpectedStart);
        }
        self.fw_version = response.fw_version;
        self.protocol_version = response.version;
        self.consume();
        self.run(dev, Event::StartDone);
        Ok(())
    }

    /// The message that waits for the work item, with the memory to copy it from.
    pub(crate) fn large(&self) -> Option<(Large, Arc<SharedMemory>)> {
        Some((self.large?, self.hardware.as_ref()?.shm.clone()))
    }

    /// Ends the work on a large message, unless it is void by now: `done` does what is to be done
    /// with it, then the firmware is told.
    pub(crate) fn finish_large(
        &mut self,
        dev: &Issei,
        large: &Large,
        done: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) {
        if self.generation != large.generation || self.large.take().is_none() {
            return;
        }
        let finished = done(self).and_then(|()| {
            self.consume();
            if large.slot.is_none() {
                self.run(dev, Event::ClientsDone);
            }
            self.see_consumed()?;
            let published = self.send_next(dev, None)?;
            self.acknowledge(true);
            let found = Found {
                consumed: true,
                published,
                moved: true,
                ..Found::default()
            };
            self.after_acknowledge(dev, found).map(|_| ())
        });
        if let Err(fault) = finished {
            self.broken(dev, fault);
        }
    }

    /// Publishes the message that waits longest, if the section is free. `current` is the slot of a
    /// writer who calls.
    pub(super) fn send_next(&mut self, dev: &Issei, current: Option<usize>) -> Result<bool, Fault> {
        let Some(hardware) = &self.hardware else {
            return Ok(false);
        };
        if !self.h2f_free {
            return Ok(false);
        }
        let counters = &mut self.counters;
        let mut send = |header: &Header, payload: &[u8]| {
            let mut sent = *counters;
            hardware.shm.send(header, payload, sent.sent())?;
            *counters = sent;
            Ok(())
        };
        let header = match self.bus_request.take() {
            Some(request) => {
                let header = Header {
                    // CAST: Both requests are a few bytes long.
                    length: request.len() as u32,
                    ..Header::default()
                };
                send(&header, request)?;
                Some(header)
            }
            None => self.clients.send_next(current, send)?,
        };
        let Some(header) = header else {
            return Ok(false);
        };
        let now = dev.now();
        self.h2f_free = false;
        self.sent_at = now;
        self.statistics.message(now, Direction::ToFirmware, &header);
        Ok(true)
    }

    fn consume(&mut self) {
        if let Some(hardware) = &self.hardware {
            hardware.shm.consumed(self.counters.consumed());
        }
    }
}

/// A buffer of `length` zeroes.
pub(crate) fn zeroed(length: usize, flags: kernel::alloc::Flags) -> Result<Buffer> {
    Ok(Buffer::zeroed(length, flags)?)
}

/// Copies the payload of the firmware's message.
fn copy(shm: &SharedMemory, payload: &mut [u8], header: &Header) -> Result<(), Fault> {
    shm.receive(payload).map_err(|_| Fault::MessageLength {
        length: header.length,
    })
}
