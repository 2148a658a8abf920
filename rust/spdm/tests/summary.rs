// SPDX-License-Identifier: GPL-2.0

//! The summary of measurements in CHALLENGE_AUTH, and the measurements that are read after it.

use super::support::crypto::Memory;
use super::support::responder::{block, Responder};
use super::support::vectors::{all, replay};
use super::support::wire::{
    config, requester, whole, Broken, TestDialogue, Wire, CHALLENGE, MEASURE,
};
use crate::algorithms::HashAlgorithm;
use crate::blocks::Record;
use crate::challenge::{Challenge, Summary};
use crate::crypto::Hash;
use crate::error::{Error, Field, Reason};
use crate::host::RustCrypto;
use crate::measurements::{GetMeasurements, Operation};
use crate::transport::{Dialogue, Failure};
use crate::version::Version;

/// Runs a conversation with a responder.
fn talk<R>(responder: Responder, talk: impl FnOnce(&mut TestDialogue<'_, Wire<'_>>) -> R) -> R {
    let mut requester = requester(config());
    let mut wire = Wire::new(responder);
    talk(&mut Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    })
}

fn differs(result: Result<(), Failure<Broken>>) -> Failure<Broken> {
    let failure = result.expect_err("it differs");
    let Failure::Protocol(Error { field, reason, .. }) = failure else {
        panic!("{failure}");
    };
    let expected = (Field::MeasurementSummaryHash, Reason::Differs);
    assert_eq!((field, reason), expected);
    failure
}

const UNSIGNED: GetMeasurements = GetMeasurements {
    signed: None,
    ..MEASURE
};

#[test]
fn recorded_summaries() {
    let mut compared = 0;
    for vector in all() {
        let lines = &vector.lines;
        let crypto = Memory::default();
        let result = replay(vector.config(), vector.version, lines, lines, &crypto);
        let requester = result.expect("it is accepted");
        let read = requester.measurements().expect("they are last");
        let connection = requester.connection().expect("connected");
        let hash = connection.selection.hash.expect("a hash");
        let summary = read
            .record
            .summary(RustCrypto.start(hash).expect("a hash context"));
        let is_last_all = lines.last().is_some_and(|line| line.request[3] == 0xff);
        if let Some(expected) = requester.summary().filter(|_| is_last_all) {
            assert_eq!(summary, *expected, "{}", vector.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 5);
}

#[test]
fn blocks_are_summed_up_in_the_order_of_their_indices() {
    let hash = HashAlgorithm::Sha256;
    let blocks = [(0xfe, 1), (1, 2), (0x80, 3), (0x7f, 4)].map(|(index, value)| {
        let value = vec![value; usize::from(value)];
        block(index, 0x81, &value)
    });
    let [last, first, third, second] = &blocks;
    let sorted = [&first[..], second, third, last].concat();
    let bytes = blocks.concat();
    let record = Record::new(&bytes, 4).expect("it is well");
    let context = RustCrypto.start(hash).expect("a hash context");
    let expected = RustCrypto.digest(hash, &sorted).expect("a digest");
    assert_eq!(record.summary(context), expected);
}

#[test]
fn measurements_that_the_challenge_did_not_sum_up() {
    for version in Version::ALL {
        for request in [MEASURE, UNSIGNED] {
            talk(Responder::new(version.byte()), |dialogue| {
                whole(dialogue).expect("they agree");
                dialogue.get_measurements(request).expect("they agree");
                dialogue.transport.responder.blocks[1][20] ^= 1;
                let failure = differs(dialogue.get_measurements(request));
                assert!(failure.asks_for_restart());
                assert!(dialogue.requester.connection().is_none());
                let text =
                    "MEASUREMENTS: MeasurementSummaryHash: differs from what it has to match";
                assert_eq!(failure.to_string(), text);
            });
        }
    }
}

#[test]
fn measurements_may_change_between_two_messages() {
    let mut responder = Responder::new(0x12);
    let mut changes = 0;
    talk(responder.clone(), |dialogue| {
        let result = dialogue.sequence(2, |dialogue| {
            dialogue.connect()?;
            dialogue.get_digests()?;
            dialogue.get_certificate(0)?;
            dialogue.challenge(CHALLENGE)?;
            if changes < 2 {
                dialogue.transport.responder.blocks[1][20] ^= 1;
                changes += 1;
            }
            dialogue.get_measurements(MEASURE)
        });
        result.expect("they agree in the end");
    });
    responder.blocks.swap(0, 3);
    talk(responder, |dialogue| {
        let mut runs = 0;
        let result = dialogue.sequence(2, |dialogue| {
            runs += 1;
            whole(dialogue)
        });
        let failure = differs(result);
        assert!(failure.asks_for_restart(), "a summary in another order");
        assert_eq!(runs, 3);
    });
}

#[test]
fn what_cannot_be_compared() {
    let begin = |summary| {
        move |dialogue: &mut TestDialogue<'_, Wire<'_>>| {
            dialogue.connect().expect("it works");
            dialogue.get_digests().expect("it works");
            dialogue.get_certificate(0).expect("it works");
            let challenge = Challenge {
                summary,
                ..CHALLENGE
            };
            dialogue.challenge(challenge).expect("it works");
            dialogue.transport.responder.blocks[1][20] ^= 1;
        }
    };
    // Those of the trusted computing base, and none.
    for summary in [Summary::None, Summary::Tcb] {
        talk(Responder::new(0x13), |dialogue| {
            begin(summary)(dialogue);
            assert!(dialogue.requester.summary().is_none());
            dialogue.get_measurements(MEASURE).expect("nobody knows");
        });
    }
    talk(Responder::new(0x13), |dialogue| {
        begin(Summary::All)(dialogue);
        let one = GetMeasurements {
            operation: Operation::One(2),
            ..MEASURE
        };
        let raw = GetMeasurements {
            raw: true,
            ..MEASURE
        };
        let new = GetMeasurements {
            new: true,
            ..MEASURE
        };
        for request in [one, raw, new] {
            dialogue.get_measurements(request).expect("nobody knows");
        }
        assert!(dialogue.requester.summary().is_some());
        let failure = dialogue.get_measurements(MEASURE);
        differs(failure);
        assert!(dialogue.requester.summary().is_none());
    });
    // The summary of another connection, and that of an earlier challenge.
    talk(Responder::new(0x13), |dialogue| {
        begin(Summary::All)(dialogue);
        dialogue.connect().expect("it works");
        dialogue.get_measurements(MEASURE).expect("nobody knows");
        begin(Summary::All)(dialogue);
        let challenge = Challenge {
            summary: Summary::None,
            ..CHALLENGE
        };
        dialogue.challenge(challenge).expect("it works");
        dialogue.get_measurements(MEASURE).expect("nobody knows");
    });
}
