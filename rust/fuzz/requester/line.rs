// SPDX-License-Identifier: GPL-2.0

//! The transport: to the responder of the device model, whose answers are changed on the way.

use std::time::Duration;

use heci_model::device::Device;
use heci_model::spdm::Connection;
use spdm::code::{Code, ErrorCode};
use spdm::transport::Transport;

use super::story::{Edit, MTU, UNIT};

/// More exchanges than any conversation takes.
const EXCHANGES_MAX: usize = 100_000;

/// The way to the responder.
pub(super) struct Line<'a> {
    device: &'a mut Device,
    connection: Connection,
    edits: &'a [(u8, Edit)],
    padding: bool,
    before: Vec<Vec<u8>>,
    exchanges: usize,
    now: u64,
}

/// No response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost;

impl Transport for Line<'_> {
    type Error = Lost;

    fn exchange(
        &mut self,
        request: &[u8],
        response: &mut [u8],
        deadline: u64,
    ) -> Result<usize, Lost> {
        assert!(deadline > self.now, "no time for a response");
        assert!(request.len() >= 4 && request.len() <= MTU as usize);
        assert!(self.exchanges < EXCHANGES_MAX, "this does not end");
        let now = Duration::from_micros(self.now);
        let replies = self.device.spdm(now, &mut self.connection, request);
        let reply = replies.into_iter().next();
        let (mut answer, mut after) = match reply {
            Some(reply) => (reply.payload, 1 + reply.after.as_micros() as u64),
            None => (Vec::new(), u64::MAX),
        };
        if self.padding {
            answer.resize(answer.len().next_multiple_of(UNIT as usize), 0xee);
        }
        let original = answer.clone();
        for (at, edit) in self.edits {
            if usize::from(*at) == self.exchanges {
                self.change(*edit, request, &mut answer, &mut after);
            }
        }
        if self.before.len() <= usize::from(u8::MAX) {
            self.before.push(original);
        }
        self.exchanges += 1;
        let arrival = self.now.saturating_add(after);
        self.now = arrival.min(deadline);
        if arrival > deadline {
            return Err(Lost);
        }
        let room = response.get_mut(..answer.len()).ok_or(Lost)?;
        room.copy_from_slice(&answer);
        Ok(answer.len())
    }

    fn now(&mut self) -> u64 {
        self.now
    }

    fn wait(&mut self, until: u64) -> Result<(), Lost> {
        assert!(until > self.now, "a wait that is over");
        self.now = until;
        Ok(())
    }
}

impl<'a> Line<'a> {
    pub(super) fn new(device: &'a mut Device, edits: &'a [(u8, Edit)], padding: bool) -> Self {
        Self {
            device,
            connection: Connection::new(MTU),
            edits,
            padding,
            before: Vec::new(),
            exchanges: 0,
            now: 0,
        }
    }

    fn change(&self, edit: Edit, request: &[u8], answer: &mut Vec<u8>, after: &mut u64) {
        let length = answer.len();
        let at = |at: u16| usize::from(at) % length.max(1);
        let error = |code: ErrorCode, data| vec![request[0], Code::ERROR.0, code.0, data];
        match edit {
            Edit::Set(place, value) if length > 0 => answer[at(place)] = value,
            Edit::Flip(bit) if length > 0 => answer[at(bit / 8)] ^= 1 << (bit % 8),
            Edit::Insert(place, value) => answer.insert(at(place), value),
            Edit::Remove(place) if length > 0 => drop(answer.remove(at(place))),
            Edit::Truncate(place) => answer.truncate(at(place)),
            Edit::Append(value) => answer.push(value),
            Edit::Repeat(which) => {
                if let Some(earlier) = self.before.get(usize::from(which)) {
                    answer.clone_from(earlier);
                }
            }
            Edit::Error(code, data) => *answer = error(ErrorCode(code), data),
            Edit::NotReady {
                exponent,
                code,
                multiplier,
            } => {
                *answer = error(ErrorCode::RESPONSE_NOT_READY, 0);
                let code = if code == 0 { request[1] } else { code };
                answer.extend([exponent % 34, code, 1, multiplier]);
            }
            Edit::Large(handle) => {
                *answer = error(ErrorCode::LARGE_RESPONSE, 0);
                answer.push(handle);
            }
            Edit::Lost => *after = u64::MAX,
            Edit::Late(time) => *after = time.into(),
            Edit::Set(..) | Edit::Flip(_) | Edit::Remove(_) => {}
        }
    }
}
