// SPDX-License-Identifier: GPL-2.0

//! Every kind of response at every step of a conversation: none is taken for the right one, the
//! conversation ends, and the requester can connect again.

use super::support::crypto::Memory;
use super::support::responder::Responder;
use super::support::script::Line;
use super::support::wire::{config, requester, run, whole, Broken, Wire};
use crate::config::Config;
use crate::transport::{Dialogue, Failure, Transport};
use crate::version::Version;

/// More exchanges than any conversation here takes.
const EXCHANGES_MAX: usize = 500;

/// How much of a response is tried in every length; what steers stands in its beginning.
const LENGTHS: usize = 48;

/// Plays a conversation, with one wrong response before a right one.
struct Play<'a> {
    lines: &'a [Line],
    /// The next line.
    next: usize,
    /// Before the response of which line, and what.
    wrong: Option<(usize, &'a [u8])>,
    /// The wrong response was taken for the right one.
    taken: bool,
    exchanges: usize,
    now: u64,
}

impl Play<'_> {
    fn response(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        self.exchanges += 1;
        assert!(self.exchanges < EXCHANGES_MAX, "this does not end");
        if let Some((_, wrong)) = self.wrong.take_if(|(step, _)| *step == self.next) {
            return Some(wrong.to_vec());
        }
        let asked = |line: &Line| line.request == request;
        let respond_if_ready = request[1] == 0xff;
        if self.lines.get(self.next + 1).is_some_and(asked) && !asked(&self.lines[self.next]) {
            self.taken = true;
            self.next += 1;
        }
        let line = self.lines.get(self.next)?;
        (respond_if_ready || asked(line)).then(|| {
            self.next += 1;
            line.response.clone()
        })
    }
}

impl Transport for Play<'_> {
    type Error = Broken;

    fn exchange(
        &mut self,
        request: &[u8],
        response: &mut [u8],
        deadline: u64,
    ) -> Result<usize, Broken> {
        assert!(deadline > self.now, "no time for a response");
        self.now += 100;
        let answer = self.response(request).ok_or(Broken)?;
        let room = response.get_mut(..answer.len()).ok_or(Broken)?;
        room.copy_from_slice(&answer);
        Ok(answer.len())
    }

    fn now(&mut self) -> u64 {
        self.now
    }

    fn wait(&mut self, until: u64) -> Result<(), Broken> {
        assert!(until > self.now, "a wait that is over");
        self.now = until;
        Ok(())
    }
}

/// Calls `try_one` with every response that is wrong in place of this one.
fn every_kind(right: &[u8], others: &[Line], mut try_one: impl FnMut(&[u8])) {
    let (version, code) = (right[0], right[1]);
    // Every code, with the body that belongs here and without one.
    for other in (0..=u8::MAX).filter(|other| *other != code) {
        try_one(&[&[version, other], &right[2..]].concat());
        try_one(&[version, other, 0, 0]);
    }
    for other in (0..=u8::MAX).filter(|other| *other != version) {
        try_one(&[&[other], &right[1..]].concat());
    }
    // Every ERROR: bare, with too little data, with that of ResponseNotReady.
    for error in 0..=u8::MAX {
        for data in [&[][..], &[1], &[0, code | 0x80, 1, 2]] {
            try_one(&[&[version, 0x7f, error, 0], data].concat());
        }
    }
    // Every response that is right elsewhere.
    let others = others.iter().map(|line| &line.response[..]);
    others
        .filter(|other| *other != right)
        .for_each(&mut try_one);
    (0..right.len().min(LENGTHS)).for_each(|length| try_one(&right[..length]));
    try_one(&right[..right.len() - 1]);
    try_one(&[right, &[0]].concat());
}

fn try_all(config: Config, responder: Responder) {
    let (_, wire, result) = run(config, Wire::new(responder));
    result.expect("nothing is wrong");
    let lines = wire.log;
    Memory::shared().freeze();
    for (step, line) in lines.iter().enumerate() {
        every_kind(&line.response, &lines, |response| {
            let mut requester = requester(config);
            let mut play = Play {
                lines: &lines,
                next: 0,
                wrong: Some((step, response)),
                taken: false,
                exchanges: 0,
                now: 1_000_000,
            };
            let mut dialogue = Dialogue {
                requester: &mut requester,
                transport: &mut play,
            };
            let result: Result<(), Failure<Broken>> = whole(&mut dialogue);
            let all_asked = play.next == lines.len() && !play.taken;
            assert_eq!(result.is_ok(), all_asked, "step {step}: {response:02x?}");

            (play.next, play.wrong) = (0, None);
            let mut dialogue = Dialogue {
                requester: &mut requester,
                transport: &mut play,
            };
            dialogue.connect().expect("it can connect again");
        });
    }
}

macro_rules! versions {
    ($($test:ident: $version:expr, $transfer:literal;)+) => {
        $(#[test]
        fn $test() {
            let mut config = config();
            let mut responder = Responder::new($version.byte());
            config.data_transfer_size = $transfer;
            responder.data_transfer_size = responder.data_transfer_size.min($transfer);
            try_all(config, responder);
        })+
    };
}

versions! {
    every_kind_at_every_step_of_1_0: Version::V10, 0x1000;
    every_kind_at_every_step_of_1_1: Version::V11, 0x1000;
    every_kind_at_every_step_of_1_2: Version::V12, 0x1000;
    every_kind_at_every_step_of_1_3: Version::V13, 0x1000;
    every_kind_at_every_step_of_1_4: Version::V14, 0x1000;
    every_kind_at_every_step_in_chunks: Version::V13, 0x100;
}
