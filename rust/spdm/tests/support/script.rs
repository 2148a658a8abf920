// SPDX-License-Identifier: GPL-2.0

//! A transport that follows a script.

use std::fmt;

use crate::transport::Transport;

/// A request and the response to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
}

/// Expects the requests of a script, in their order, and gives its responses.
pub(crate) struct Script<'a> {
    lines: &'a [Line],
    position: usize,
    now: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// Another request than that of the line.
    Request { line: usize, request: Vec<u8> },
    /// The script has ended.
    Ended,
    /// The response does not fit.
    TooLong,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl<'a> Script<'a> {
    pub(crate) fn new(lines: &'a [Line]) -> Self {
        Self {
            lines,
            position: 0,
            now: 0,
        }
    }

    /// Lines that were played.
    pub(crate) fn position(&self) -> usize {
        self.position
    }
}

impl Transport for Script<'_> {
    type Error = Departure;

    fn exchange(
        &mut self,
        request: &[u8],
        response: &mut [u8],
        deadline: u64,
    ) -> Result<usize, Departure> {
        assert!(deadline > self.now, "no time for a response");
        let line = self.lines.get(self.position).ok_or(Departure::Ended)?;
        if line.request != request {
            return Err(Departure::Request {
                line: self.position,
                request: request.to_vec(),
            });
        }
        self.position += 1;
        self.now += 1_000;
        response
            .get_mut(..line.response.len())
            .ok_or(Departure::TooLong)?
            .copy_from_slice(&line.response);
        Ok(line.response.len())
    }

    fn now(&mut self) -> u64 {
        self.now
    }

    fn wait(&mut self, until: u64) -> Result<(), Departure> {
        self.now = self.now.max(until);
        Ok(())
    }
}
