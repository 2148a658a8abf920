// SPDX-License-Identifier: GPL-2.0

//! A transport to the responder of the tests, which changes what a test wants changed.

use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

use super::crypto::Memory;
use super::responder::Responder;
use super::script::Line;
use crate::challenge::{Challenge, Summary};
use crate::config::Config;
use crate::error::Error;
use crate::measurements::{GetMeasurements, Operation, Signed};
use crate::requester::{Buffers, Requester};
use crate::signing::Purpose;
use crate::transcript::{Sink, VCA_MAX};
use crate::transport::{Dialogue, Failure, Transport};

type Edit<'a> = Box<dyn FnMut(&[u8], &mut Vec<u8>) + 'a>;

/// The transport.
pub(crate) struct Wire<'a> {
    pub(crate) responder: Responder,
    /// Changes a response, given the request.
    edit: Edit<'a>,
    /// All messages.
    pub(crate) log: Vec<Line>,
    pub(crate) now: u64,
    /// How long an exchange takes.
    pub(crate) latency: u64,
    pub(crate) waits: Vec<u64>,
    /// A responder that does not expect a request breaks the transport, and not the test: what the
    /// requester knows of it was changed.
    pub(crate) forgiving: bool,
}

impl<'a> Wire<'a> {
    pub(crate) fn new(responder: Responder) -> Self {
        Self::edited(responder, |_, _| {})
    }

    pub(crate) fn edited(responder: Responder, edit: impl FnMut(&[u8], &mut Vec<u8>) + 'a) -> Self {
        Self {
            responder,
            edit: Box::new(edit),
            log: Vec::new(),
            now: 1_000_000,
            latency: 100,
            waits: Vec::new(),
            forgiving: false,
        }
    }
}

/// The transport fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl Transport for Wire<'_> {
    type Error = Broken;

    fn exchange(
        &mut self,
        request: &[u8],
        response: &mut [u8],
        deadline: u64,
    ) -> Result<usize, Broken> {
        assert!(deadline > self.now, "no time for a response");
        self.now += self.latency;
        let responder = &mut self.responder;
        let answer = AssertUnwindSafe(|| responder.answer(request));
        let mut answer = match catch_unwind(answer) {
            Ok(answer) => answer,
            Err(_) if self.forgiving => return Err(Broken),
            Err(panic) => resume_unwind(panic),
        };
        (self.edit)(request, &mut answer);
        self.log.push(Line {
            request: request.to_vec(),
            response: answer.clone(),
        });
        let room = response.get_mut(..answer.len()).ok_or(Broken)?;
        room.copy_from_slice(&answer);
        Ok(answer.len())
    }

    fn now(&mut self) -> u64 {
        self.now
    }

    fn wait(&mut self, until: u64) -> Result<(), Broken> {
        assert!(until > self.now, "a wait that is over");
        self.waits.push(until - self.now);
        self.now = until;
        Ok(())
    }
}

/// Keeps transcripts.
#[derive(Default)]
pub(crate) struct Keep {
    pub(crate) challenge: Vec<u8>,
    pub(crate) measurements: Vec<u8>,
}

impl Keep {
    fn slot(&mut self, purpose: Purpose) -> &mut Vec<u8> {
        match purpose {
            Purpose::Challenge => &mut self.challenge,
            Purpose::Measurements => &mut self.measurements,
        }
    }
}

impl Sink for Keep {
    fn begin(&mut self, purpose: Purpose) {
        self.slot(purpose).clear();
    }

    fn append(&mut self, purpose: Purpose, bytes: &[u8]) {
        self.slot(purpose).extend(bytes);
    }
}

pub(crate) type TestRequester = Requester<Memory, Vec<u8>, Keep>;

/// A configuration for messages of 4 KiB, or 64 KiB in chunks.
pub(crate) fn config() -> Config {
    Config::new(0x1000, 0x1_0000)
}

/// A requester that is not connected.
pub(crate) fn requester(config: Config) -> TestRequester {
    let buffers = Buffers {
        vca: vec![0; VCA_MAX],
        message: vec![0; Buffers::<Vec<u8>>::message_size(&config)],
        chain: vec![0; 0x1_0000],
    };
    Requester::new(Memory::shared(), Keep::default(), config, buffers).expect("a requester")
}

pub(crate) const CHALLENGE: Challenge = Challenge {
    slot: 0,
    summary: Summary::All,
    nonce: [0xa5; 32],
    context: [0xc7; 8],
};

/// All measurements, signed.
pub(crate) const MEASURE: GetMeasurements = GetMeasurements {
    operation: Operation::All,
    signed: Some(Signed {
        nonce: [0x5a; 32],
        slot: 0,
    }),
    raw: false,
    new: false,
    context: [0x7c; 8],
};

pub(crate) type TestDialogue<'a, T> = Dialogue<'a, Memory, Vec<u8>, Keep, T>;

/// Connect, digests, both chains, challenge, measurements.
pub(crate) fn whole<T: Transport>(
    dialogue: &mut TestDialogue<'_, T>,
) -> Result<(), Failure<T::Error>> {
    dialogue.connect()?;
    dialogue.get_digests()?;
    dialogue.get_certificate(0)?;
    dialogue.get_certificate(2)?;
    dialogue.challenge(CHALLENGE)?;
    dialogue.get_measurements(MEASURE)
}

/// Runs [`whole`] and returns requester and transport.
pub(crate) fn run<'w>(
    config: Config,
    mut wire: Wire<'w>,
) -> (TestRequester, Wire<'w>, Result<(), Failure<Broken>>) {
    let mut requester = requester(config);
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    let result = whole(&mut dialogue);
    (requester, wire, result)
}

/// The error of [`whole`] when responses to this request are changed.
pub(crate) fn error_of(
    config: Config,
    responder: Responder,
    code: u8,
    mut change: impl FnMut(&mut Vec<u8>),
) -> Error {
    let wire = Wire::edited(responder, move |request, response| {
        if request[1] == code {
            change(response);
        }
    });
    match run(config, wire).2 {
        Err(Failure::Protocol(error)) => error,
        result => panic!("{result:?}"),
    }
}
