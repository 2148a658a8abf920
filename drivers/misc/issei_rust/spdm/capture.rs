// SPDX-License-Identifier: GPL-2.0

//! The agent's last messages as a file for dissectors, and counters of all.
//!
//! The file is a pcap savefile of link type 291, `LINKTYPE_MCTP`: each message is one MCTP packet,
//! which it never was. That is what DMTF's spdm-dump reads. Sources: pcap-savefile(5), the list of
//! link types of tcpdump.org, DMTF DSP0236 "MCTP packet fields", DSP0275.

use core::array;
use kernel::{
    fmt::{
        Result as Shown,
        Write, //
    },
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

use super::protocol::code::{
    Code,
    ErrorCode, //
};
use crate::kapi::{
    clock,
    debugfs::Output, //
};

// Named in full, because tools/testing/kapi mounts this file from elsewhere.
#[path = "capture/tests.rs"]
mod tests;

/// How many bytes of the file are kept.
const CAPACITY: usize = 256 << 10;

/// How many bytes of a packet are kept. A message in one piece is half as long at most.
const SNAPLEN: usize = 128 << 10;

/// The header of the file: magic number of nanoseconds, version 2.4, no time zone, no accuracy,
/// longest packet, link type.
const FILE_HEADER: [u32; 6] = [0xa1b2_3c4d, 4 << 16 | 2, 0, 0, SNAPLEN as u32, 291];

/// The header of a packet has four words: seconds, nanoseconds, length here, and as it was.
const PACKET_HEADER: usize = 4 * size_of::<u32>();
/// Where in it the length here is.
const CAPTURED: usize = 2 * size_of::<u32>();

/// Bits of the last byte of an MCTP header: first and last packet of a message; of a request.
const MCTP_WHOLE: u8 = 0xc0;
const MCTP_TAG_OWNER: u8 = 0x08;
/// The type of MCTP messages that are SPDM messages.
const MCTP_SPDM: u8 = 5;

const NS_PER_SEC: i64 = 1_000_000_000;

/// Which way a message went. The MCTP addresses are made up.
#[derive(Clone, Copy)]
enum Direction {
    Request,
    Response,
}

impl Direction {
    /// What precedes a message in its packet: version, destination, source, flags; type.
    fn header(self) -> [u8; 5] {
        match self {
            Self::Request => [1, 9, 8, MCTP_WHOLE | MCTP_TAG_OWNER, MCTP_SPDM],
            Self::Response => [1, 8, 9, MCTP_WHOLE, MCTP_SPDM],
        }
    }
}

/// The last packets, each with its header, as they stand in the file.
struct Ring {
    /// As many as were needed so far; [`CAPACITY`] of them before anything is overwritten.
    bytes: KVVec<u8>,
    start: usize,
    length: usize,
}

impl Ring {
    /// Adds a packet, in place of the oldest ones if need be.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`
    fn push(&mut self, counters: &mut Counters, direction: Direction, message: &[u8]) -> Result {
        let now = clock::realtime();
        let header = direction.header();
        let kept = message
            .get(..SNAPLEN.saturating_sub(header.len()))
            .unwrap_or(message);
        let captured = header.len().saturating_add(kept.len());
        let length = header.len().saturating_add(message.len());
        let packet = PACKET_HEADER.saturating_add(captured);

        self.reserve(packet)?;
        while CAPACITY.saturating_sub(self.length) < packet {
            self.pop();
            count(&mut counters.dropped);
        }
        // CAST: Seconds are 32 bits in this format; a message is shorter than 4 GiB.
        for word in [
            now.div_euclid(NS_PER_SEC) as u32,
            now.rem_euclid(NS_PER_SEC) as u32,
            captured as u32,
            length as u32,
        ] {
            self.put(&word.to_ne_bytes());
        }
        self.put(&header);
        self.put(kept);
        Ok(())
    }

    /// Makes room for a packet as long as nothing was overwritten: then all lies at the beginning.
    fn reserve(&mut self, packet: usize) -> Result {
        let needed = self.length.saturating_add(packet);
        let size = needed.checked_next_power_of_two();
        let size = size.map_or(CAPACITY, |size| size.min(CAPACITY));

        if self.bytes.len() < size {
            self.bytes.resize(size, 0, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Removes the oldest packet.
    fn pop(&mut self) {
        let captured = array::from_fn(|i| {
            let at = after(self.start, CAPTURED.saturating_add(i));
            self.bytes.get(at).copied().unwrap_or(0)
        });
        // CAST: A `u32` fits.
        let captured = u32::from_ne_bytes(captured) as usize;
        let length = PACKET_HEADER.saturating_add(captured);

        self.start = after(self.start, length);
        self.length = self.length.saturating_sub(length);
    }

    /// Adds bytes, for which there is room.
    fn put(&mut self, bytes: &[u8]) {
        let mut at = after(self.start, self.length);

        for byte in bytes {
            if let Some(place) = self.bytes.get_mut(at) {
                *place = *byte;
            }
            at = after(at, 1);
        }
        self.length = self.length.saturating_add(bytes.len());
    }

    /// The bytes, in two parts.
    fn parts(&self) -> (&[u8], &[u8]) {
        let to_end = self.bytes.len().saturating_sub(self.start);
        let first = self.length.min(to_end);
        let part = |start: usize, length| {
            let end = start.saturating_add(length);
            self.bytes.get(start..end).unwrap_or_default()
        };

        (
            part(self.start, first),
            part(0, self.length.saturating_sub(first)),
        )
    }
}

/// A place in the ring, so many bytes after another.
fn after(place: usize, bytes: usize) -> usize {
    place.wrapping_add(bytes) % CAPACITY
}

fn count(counter: &mut u64) {
    *counter = counter.wrapping_add(1);
}

/// Counters since probe.
#[derive(Zeroable)]
struct Counters {
    /// By the code of the message, but for responses with the code of a request.
    messages: [u64; 256],
    misdirected: u64,
    /// ERROR, by the code of the error.
    errors: [u64; 256],
    /// Requests that got no response, by the number of the error; those of 0 have a higher one.
    failures: [u64; 134],
    /// Messages that were captured, but are not any more, or were not for want of memory.
    dropped: u64,
}

impl Counters {
    fn count(&mut self, direction: Direction, message: &[u8]) {
        let [_, code, param1, ..] = *message else {
            return;
        };
        if matches!(direction, Direction::Response) {
            if code & 0x80 != 0 {
                count(&mut self.misdirected);
                return;
            }
            if Code(code) == Code::ERROR {
                self.errors.get_mut(usize::from(param1)).map(count);
            }
        }
        self.messages.get_mut(usize::from(code)).map(count);
    }
}

struct State {
    counters: Counters,
    ring: Ring,
}

/// The messages between one agent and its engine. All functions run in process context.
#[pin_data]
pub(crate) struct Capture {
    #[pin]
    state: Mutex<State>,
}

impl Capture {
    /// No messages yet. Memory for them comes with the first one.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- new_mutex!(
                init!(State {
                    counters <- pin_init::init_zeroed(),
                    ring: Ring {
                        bytes: KVVec::new(),
                        start: 0,
                        length: 0,
                    },
                }),
                "issei:spdm_capture"
            ),
        })
    }

    /// A request is being sent.
    pub(crate) fn request(&self, message: &[u8]) {
        self.message(Direction::Request, message);
    }

    /// A response was received.
    pub(crate) fn response(&self, message: &[u8]) {
        self.message(Direction::Response, message);
    }

    fn message(&self, direction: Direction, message: &[u8]) {
        let mut state = self.state.lock();
        let State { counters, ring } = &mut *state;

        counters.count(direction, message);
        if ring.push(counters, direction, message).is_err() {
            count(&mut counters.dropped);
        }
    }

    /// A request could not be sent, or no response came.
    pub(crate) fn error(&self, error: Error) {
        let failures = &mut self.state.lock().counters.failures;
        let number = usize::try_from(error.to_errno().wrapping_neg()).unwrap_or(0);
        let number = if number < failures.len() { number } else { 0 };

        failures.get_mut(number).map(count);
    }

    /// Writes the file.
    pub(crate) fn pcap(&self, out: &mut Output<'_>) -> Shown {
        let state = self.state.lock();
        let (first, second) = state.ring.parts();

        for word in FILE_HEADER {
            out.bytes(&word.to_ne_bytes())?;
        }
        out.bytes(first)?;
        out.bytes(second)
    }

    /// Writes the counters that are not zero, one name and value in a line.
    pub(crate) fn statistics(&self, out: &mut Output<'_>) -> Shown {
        let state = self.state.lock();
        let counters = &state.counters;

        for (code, count) in (0..=u8::MAX).zip(&counters.messages) {
            match Code(code).name() {
                _ if *count == 0 => {}
                Some(name) => writeln!(out, "{name} {count}")?,
                None => writeln!(out, "message_{code:#04x} {count}")?,
            }
        }
        for (code, count) in (0..=u8::MAX).zip(&counters.errors) {
            match ErrorCode(code).name() {
                _ if *count == 0 => {}
                Some(name) => writeln!(out, "ERROR_{name} {count}")?,
                None => writeln!(out, "ERROR_{code:#04x} {count}")?,
            }
        }
        for (number, count) in (0..).zip(&counters.failures) {
            match number {
                _ if *count == 0 => {}
                0 => writeln!(out, "other_error {count}")?,
                _ => writeln!(
                    out,
                    "{:?} {count}",
                    Error::from_errno(i32::wrapping_neg(number))
                )?,
            }
        }
        for (name, count) in [
            ("misdirected", counters.misdirected),
            ("dropped", counters.dropped),
        ] {
            if count > 0 {
                writeln!(out, "{name} {count}")?;
            }
        }
        Ok(())
    }
}
