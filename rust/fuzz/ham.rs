// SPDX-License-Identifier: GPL-2.0

//! `rust/ham`: what the firmware says, and what the link makes of it.

use arbitrary::{Arbitrary, Unstructured};
use ham::fault::Fault;
use ham::link::{Action, Event, Link, State, LAST_BACK_OFF_MS, STEP_LIMIT_MS};
use ham::poll::{Look, Poll, LAST_LOOK, LAST_PERIOD, PATIENCE};
use ham::wire::{admit, ClientsResponse, Header, StartResponse, HEADER_SIZE};

/// A message in shared memory: header and payload.
pub(crate) fn wire(input: &[u8]) {
    let Some((header, payload)) = input.split_first_chunk::<HEADER_SIZE>() else {
        return;
    };
    let read = Header::from_bytes(header);
    let written = read.to_bytes();
    assert_eq!(written[..16], header[..16]);
    assert_eq!(Header::from_bytes(&written), read);
    for size in [0, HEADER_SIZE, payload.len(), input.len(), usize::MAX] {
        if let Ok(length) = read.payload_length(size) {
            assert!(length + HEADER_SIZE <= size && length == read.length as usize);
        }
    }
    if read.is_bus() == Ok(true) {
        assert_eq!((read.fw_id, read.host_id, read.status), (0, 0, 0));
    }
    if let Ok(start) = StartResponse::parse(payload) {
        assert!(start.version != 0 && payload.len() >= 15);
    }
    let Ok(response) = ClientsResponse::parse(payload) else {
        return;
    };
    let mut admitted = Vec::new();
    let mut count = 0;
    for client in response.clients() {
        if admit(admitted.iter().copied(), &client) {
            admitted.push(client.id);
        }
        count += 1;
    }
    assert_eq!(count, response.count());
    admitted.sort();
    assert!(!admitted.contains(&0) && admitted.windows(2).all(|pair| pair[0] < pair[1]));
}

/// What happens to a link, and how many milliseconds after what happened before.
#[derive(Arbitrary, Debug)]
struct Happening {
    after: u16,
    long: bool,
    event: Choice,
}

#[derive(Arbitrary, Debug)]
enum Choice {
    Start,
    Stop,
    ResetRequest,
    Ready(bool),
    SetupDone,
    StartDone,
    ClientsDone,
    Absent,
    Broken,
    Stuck,
    Tick,
    Deadline,
    Frozen,
}

/// A story of a link.
pub(crate) fn link(input: &[u8]) {
    let Ok(story) = Vec::<Happening>::arbitrary_take_rest(Unstructured::new(input)) else {
        return;
    };
    let mut link = Link::new();
    let mut now = 0;
    for happening in story {
        now += u64::from(happening.after) << if happening.long { 8 } else { 0 };
        let event = match happening.event {
            Choice::Start => Event::Start,
            Choice::Stop => Event::Stop,
            Choice::ResetRequest => Event::ResetRequest,
            Choice::Ready(ready) => Event::Ready(ready),
            Choice::SetupDone => Event::SetupDone,
            Choice::StartDone => Event::StartDone,
            Choice::ClientsDone => Event::ClientsDone,
            Choice::Absent => Event::Broken(Fault::Absent),
            Choice::Broken => Event::Broken(Fault::ProtocolVersion),
            Choice::Stuck => Event::Broken(Fault::WriteStuck),
            Choice::Tick => Event::Tick,
            Choice::Frozen => Event::Frozen,
            Choice::Deadline => {
                now = now.max(link.deadline().unwrap_or(now));
                Event::Tick
            }
        };
        let action = link.step(now, event);
        let after = link.state();
        let expected = match action {
            Action::None => None,
            Action::Reset => Some(State::HwReady),
            Action::Setup => Some(State::Setup),
            Action::SendStart => Some(State::Start),
            Action::SendClients => Some(State::ClientEnum),
            Action::Quiesce => Some(State::Stopped),
        };
        assert!(expected.is_none_or(|state| state == after));
        assert_eq!(link.is_up(), after == State::Done);
        // Whoever waits for something waits for it for a while only.
        let waits = !matches!(after, State::Stopped | State::Done);
        assert_eq!(link.deadline().is_some(), waits, "{after:?}");
        let longest = now + LAST_BACK_OFF_MS.max(STEP_LIMIT_MS);
        assert!(link.deadline().is_none_or(|deadline| deadline <= longest));
        if event == Event::Tick && waits {
            assert!(link.deadline().is_some_and(|deadline| deadline > now));
        }
    }
}

/// What happens to the timer, and how long after what happened before.
#[derive(Arbitrary, Debug)]
enum Moment {
    Traffic { after: u32, owed: bool },
    Sent { after: u32 },
    Nothing { after: u32, owed: bool },
}

/// A story of the timer.
pub(crate) fn poll(input: &[u8]) {
    let Ok(story) = Vec::<Moment>::arbitrary_take_rest(Unstructured::new(input)) else {
        return;
    };
    let mut poll = Poll::new();
    let mut now = 0_u64;
    let mut traffic = 0;
    let mut armed: Option<u64> = None;
    for moment in story {
        let at = match moment {
            Moment::Traffic { after, owed } => {
                now += u64::from(after);
                traffic = now;
                poll.traffic(now, owed)
            }
            Moment::Sent { after } => {
                now += u64::from(after);
                traffic = now;
                poll.sent(now)
            }
            Moment::Nothing { after, owed } => {
                let Some(at) = armed.take() else {
                    continue;
                };
                now = now.max(at) + u64::from(after);
                match poll.expired(now) {
                    Look::Later(due) => {
                        assert!(due > now);
                        Some(due)
                    }
                    look => {
                        assert!(look == Look::Memory || now - traffic >= LAST_LOOK);
                        poll.nothing(now, owed)
                    }
                }
            }
        };
        if let Some(at) = at {
            assert!(at <= now.max(traffic + LAST_LOOK) + LAST_PERIOD);
            assert!(armed.is_none_or(|armed| at < armed), "it is armed already");
            armed = Some(at);
        }
        // Long after the last traffic nobody looks.
        assert!(armed.is_none_or(|at| at <= traffic + PATIENCE + LAST_PERIOD));
    }
}
