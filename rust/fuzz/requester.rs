// SPDX-License-Identifier: GPL-2.0

//! The whole requester, in a conversation with the responder of the device model, whose responses
//! are changed and whose faults are armed.

mod line;
mod memory;
mod story;

use std::cell::RefCell;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use heci_model::clients;
use heci_model::device::Device;
use heci_model::faults::Fault;
use heci_model::trace::Trace;
use spdm::challenge::{Challenge, Summary};
use spdm::config::{Connection, Floor};
use spdm::evidence::Exchanges;
use spdm::measurements::{GetMeasurements, Operation, Signed};
use spdm::requester::{Buffers, Requester};
use spdm::signing::Purpose;
use spdm::transcript::{Sink, VCA_MAX};
use spdm::transport::{Dialogue, Failure};
use spdm::version::Version;

use line::{Line, Lost};
use memory::Memory;
#[cfg(test)]
use story::{Engine, Told};
use story::{Over, Story, What, Which};

/// The usual operations.
fn usual(signed: bool) -> Vec<What> {
    vec![
        What::Connect,
        What::Digests,
        What::Certificate(0),
        What::Certificate(1),
        What::Challenge(0, Over::All),
        What::All { signed, raw: false },
    ]
}

/// Keeps what was signed of measurements.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Sink for Kept {
    fn begin(&mut self, purpose: Purpose) {
        if purpose == Purpose::Measurements {
            self.0.clear();
        }
    }

    fn append(&mut self, purpose: Purpose, bytes: &[u8]) {
        if purpose == Purpose::Measurements {
            self.0.extend(bytes);
        }
    }
}

type Talk<'a, 'l> = Dialogue<'a, Memory, Vec<u8>, Kept, Line<'l>>;

const CHALLENGE: Challenge = Challenge {
    slot: 0,
    summary: Summary::All,
    nonce: [0xa5; 32],
    context: [0xc7; 8],
};

fn operate(dialogue: &mut Talk<'_, '_>, what: What) -> Result<(), Failure<Lost>> {
    let request = |operation, signed: bool, bits: u8| GetMeasurements {
        operation,
        signed: signed.then_some(Signed {
            nonce: [0x5a; 32],
            slot: bits & 0xf,
        }),
        raw: bits & 0x10 != 0,
        new: bits & 0x20 != 0,
        context: [0x7c; 8],
    };
    match what {
        What::Connect => dialogue.connect(),
        What::Digests => dialogue.get_digests(),
        What::Certificate(slot) => dialogue.get_certificate(slot),
        What::Challenge(slot, over) => dialogue.challenge(Challenge {
            slot,
            summary: match over {
                Over::None => Summary::None,
                Over::Tcb => Summary::Tcb,
                Over::All => Summary::All,
            },
            ..CHALLENGE
        }),
        What::Measure(which, signed, bits) => {
            let operation = match which {
                Which::Count => Operation::Count,
                Which::One(index) => Operation::One(index),
                Which::All => Operation::All,
            };
            dialogue.get_measurements(request(operation, signed, bits))
        }
        What::All { signed, raw } => {
            let bits = if raw { 0x10 } else { 0 };
            dialogue.get_all_measurements(request(Operation::All, signed, bits))
        }
        What::Forget => {
            dialogue.requester.forget();
            Ok(())
        }
        What::Cancel => {
            dialogue.requester.cancel();
            Ok(())
        }
    }
}

/// What was found out.
#[derive(Debug, PartialEq)]
struct Outcome {
    connection: Option<Connection>,
    chain: Option<(u8, Vec<u8>)>,
    record: Vec<u8>,
}

fn outcome(requester: &mut Requester<Memory, Vec<u8>, Kept>) -> Outcome {
    let connection = requester.connection().copied();
    let chain = requester.chain();
    let chain = chain.and_then(|(slot, chain)| Some((slot, chain.ok()?.bytes().to_vec())));
    let vca = requester.vca().len();
    let transcript = &requester.sink().0;
    Outcome {
        connection,
        chain,
        record: connection.map_or(Vec::new(), |connection| {
            let start = if connection.version >= Version::V12 {
                vca
            } else {
                0
            };
            blocks(&connection, transcript.get(start..).unwrap_or_default())
        }),
    }
}

/// All blocks in a transcript.
fn blocks(connection: &Connection, transcript: &[u8]) -> Vec<u8> {
    Exchanges::new(connection, transcript)
        .flat_map(|exchange| {
            let (_, response) = exchange.expect("it was read before");
            response.record.bytes().to_vec()
        })
        .collect()
}

/// Runs a story. Returns what came of it if all operations succeeded.
fn run(story: &Story, device: &mut Device, memory: &Memory) -> Result<Outcome, String> {
    let mut config = story.told.config();
    *device.spdm_settings() = story.engine.settings();
    device.faults().clear();
    let padding = story.told.padding;
    let buffers = || Buffers {
        vca: vec![0; VCA_MAX],
        message: vec![0; Buffers::<Vec<u8>>::message_size(&story.told.config())],
        chain: vec![0; 12_000],
    };
    if story.told.pinned {
        let requester = Requester::new(memory.clone(), Kept::default(), config, buffers());
        let mut requester = requester.expect("there is room");
        let mut line = Line::new(device, &[], padding);
        let mut dialogue = Dialogue {
            requester: &mut requester,
            transport: &mut line,
        };
        if dialogue.connect().is_ok() {
            config.floor = Floor::of(requester.connection().expect("connected"));
        }
    }
    for armed in &story.faults {
        let fault = Fault::ALL[usize::from(armed.fault) % Fault::ALL.len()];
        let value = fault.info().value.map(|_| armed.value);
        let (start, count) = (u64::from(armed.start).max(1), armed.count.into());
        // A value out of its limits is none.
        let _ = device.faults().arm(fault, start, count, value, None);
    }

    let requester = Requester::new(memory.clone(), Kept::default(), config, buffers());
    let mut requester = requester.expect("there is room");
    let mut line = Line::new(device, &story.edits, padding);
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut line,
    };
    let operations = match &story.operations[..] {
        [] => usual(story.engine.signs),
        operations => operations.to_vec(),
    };
    let restarts = if story.told.restarts { 2 } else { 0 };
    let mut failed = None;
    let result = dialogue.sequence(restarts, |dialogue| {
        failed = None;
        for what in &operations {
            match operate(dialogue, *what) {
                Ok(()) => check_floor(dialogue, &config.floor),
                Err(failure) if failure.asks_for_restart() => return Err(failure),
                // What comes next is refused or works.
                Err(failure) => {
                    failed = Some(format!("{what:?}: {failure:?}"));
                }
            }
        }
        Ok(())
    });
    match (result, failed) {
        (Ok(()), None) => Ok(outcome(&mut requester)),
        (Err(failure), _) => Err(format!("{failure:?}")),
        (Ok(()), Some(failure)) => Err(failure),
    }
}

fn check_floor(dialogue: &Talk<'_, '_>, floor: &Floor) {
    if let Some(connection) = dialogue.requester.connection() {
        let found = Floor::of(connection);
        assert!(found.version >= floor.version);
        assert!(found.asym >= floor.asym || connection.selection.asym.is_none());
        assert!(found.hash >= floor.hash || connection.selection.hash.is_none());
    }
}

thread_local! {
    static ENGINE: RefCell<Option<(Device, Memory)>> = const { RefCell::new(None) };
}

fn new_device() -> Device {
    let clients = clients::all(Some(clients::spdm()), Duration::ZERO);
    let settings = heci_model::settings::Settings::default();
    Device::new(0xa85d, [1, 2, 3, 4], clients, settings, Trace::default())
}

/// A story. If the usual operations succeed although responses were changed, they have found out
/// what they find out without a change: it is signed.
pub(crate) fn requester(input: &[u8]) {
    let Ok(story) = Story::arbitrary_take_rest(Unstructured::new(input)) else {
        return;
    };
    ENGINE.with_borrow_mut(|engine| {
        let (device, memory) = engine.get_or_insert_with(|| (new_device(), Memory::default()));
        let changed = run(&story, device, memory);
        if !(story.operations.is_empty() && story.faults.is_empty()) {
            return;
        }
        let unchanged = Story {
            edits: Vec::new(),
            ..story
        };
        let usual = run(&unchanged, device, memory);
        assert!(
            changed.is_err() || changed == usual,
            "{changed:?} {usual:?}"
        );
    });
}

#[cfg(test)]
#[test]
fn the_usual_operations_succeed() {
    let mut device = new_device();
    let memory = Memory::default();
    for (number, bits) in (0..1_u8 << 5).enumerate() {
        let bit = |place: u8| bits >> place & 1 != 0;
        let size = |short| if short { 128 } else { 0 };
        // Before 1.2 nobody knows how long a message may be.
        let version = if bit(0) {
            2 + number / 2 % 3
        } else {
            number / 2 % 5
        };
        let story = Story {
            engine: Engine {
                version: version as u8,
                hash: bits,
                asym: bits * 8,
                transfer: size(bit(0)),
                chunk: bit(0),
                signs: bit(1),
                alias: bit(2),
                multi_key: bit(3),
                omit_root: bit(4),
                long_chain: bit(2),
            },
            told: Told {
                transfer: size(bit(0)),
                portion: 40,
                chunks: bit(0),
                algorithms: bit(3),
                tables: bit(4),
                padding: bit(3),
                pinned: bit(2),
                restarts: bit(1),
            },
            operations: Vec::new(),
            edits: Vec::new(),
            faults: Vec::new(),
        };
        let outcome = run(&story, &mut device, &memory).expect("nothing is wrong");
        assert!(!outcome.record.is_empty());
    }
}
