// SPDX-License-Identifier: GPL-2.0

//! All measurements of a responder whose messages are too short for all at once.

use super::support::responder::{block, Responder, CHUNK};
use super::support::wire::{config, requester, Broken, TestDialogue, Wire, CHALLENGE, MEASURE};
use crate::capabilities::Flags;
use crate::code::ErrorCode;
use crate::error::{Error, Field, Reason};
use crate::evidence::{read_vca, Exchanges};
use crate::measurements::{GetMeasurements, Operation};
use crate::transport::{Dialogue, Failure};
use crate::version::Version;

/// A responder that refuses a message with all of its measurements.
fn short(version: Version) -> Responder {
    let mut responder = Responder::new(version.byte());
    responder.flags &= !CHUNK;
    responder.max_spdm_msg_size = responder.data_transfer_size;
    responder.transmit_size = 440;
    responder
}

/// Measurements 1, 2 and 3.
fn without_gaps(version: Version) -> Responder {
    let mut responder = short(version);
    responder.blocks = [1, 2, 3]
        .map(|index| block(index, 0x84, &[index; 150]))
        .to_vec();
    responder
}

/// Connects, authenticates and measures; changes responses to GET_MEASUREMENTS, told how many
/// requests there were before. Hands over what came of it.
fn collect(
    responder: Responder,
    request: GetMeasurements,
    mut edit: impl FnMut(usize, &[u8], &mut Vec<u8>),
    check: impl FnOnce(&mut TestDialogue<'_, Wire<'_>>, Result<(), Failure<Broken>>, usize),
) {
    let mut config = config();
    config.portion = 400;
    let mut requester = requester(config);
    let mut count = 0;
    let mut wire = Wire::edited(responder, |request, response| {
        if request[1] == 0xe0 {
            edit(count, request, response);
            count += 1;
        }
    });
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    dialogue.connect().expect("it works");
    dialogue.get_digests().expect("it works");
    dialogue.get_certificate(0).expect("it works");
    dialogue.challenge(CHALLENGE).expect("it works");
    let before = dialogue.transport.log.len();
    let result = dialogue.get_all_measurements(request);
    let exchanges = dialogue.transport.log.len() - before;
    check(&mut dialogue, result, exchanges);
}

/// The measurements in the transcript that the sink took, and how they were asked for.
fn kept(dialogue: &mut TestDialogue<'_, Wire<'_>>) -> (Vec<u8>, Vec<GetMeasurements>) {
    let (connection, length) = read_vca(dialogue.requester.vca()).expect("it is well");
    let start = if connection.version >= Version::V12 {
        length
    } else {
        0
    };
    let transcript = &dialogue.requester.sink().measurements[start..];
    let exchanges: Vec<_> = Exchanges::new(&connection, transcript)
        .collect::<Result<_, _>>()
        .expect("they are well");
    let record = exchanges
        .iter()
        .flat_map(|(_, response)| response.record.bytes().to_vec())
        .collect();
    (
        record,
        exchanges.into_iter().map(|(request, _)| request).collect(),
    )
}

const UNSIGNED: GetMeasurements = GetMeasurements {
    signed: None,
    ..MEASURE
};

#[test]
fn one_message_where_it_fits() {
    for version in Version::ALL {
        let mut responder = short(version);
        responder.transmit_size = usize::MAX;
        let record = responder.blocks.concat();
        collect(
            responder,
            MEASURE,
            |_, _, _| {},
            |dialogue, result, exchanges| {
                result.expect("it works");
                assert_eq!(exchanges, 1);
                let read = dialogue.requester.measurements().expect("it was read");
                assert_eq!(read.record.bytes(), record);
            },
        );
    }
}

#[test]
fn one_by_one_without_gaps() {
    for version in Version::ALL {
        for request in [MEASURE, UNSIGNED] {
            let responder = without_gaps(version);
            let record = responder.blocks.concat();
            collect(
                responder,
                request,
                |_, _, _| {},
                |dialogue, result, exchanges| {
                    result.expect("it works");
                    assert_eq!(exchanges, 1 + 1 + 3, "not one more than needed");
                    let (kept, requests) = kept(dialogue);
                    assert_eq!(kept, record);
                    let asked: Vec<_> = requests
                        .iter()
                        .map(|request| (request.operation.byte(), request.signed))
                        .collect();
                    let expected = [(0, None), (1, None), (2, None), (3, request.signed)];
                    assert_eq!(asked, expected);
                },
            );
        }
    }
}

#[test]
fn one_by_one_with_gaps() {
    for version in Version::ALL {
        for request in [MEASURE, UNSIGNED] {
            let responder = short(version);
            let record = responder.blocks.concat();
            collect(
                responder,
                request,
                |_, _, _| {},
                |dialogue, result, exchanges| {
                    result.expect("it works");
                    assert_eq!(exchanges, 1 + 1 + 254 + 1 + 1 + 4);
                    let (kept, requests) = kept(dialogue);
                    assert_eq!(kept, record);
                    let signed: Vec<_> = requests.iter().map(|request| request.signed).collect();
                    assert_eq!(signed, [None, None, None, None, request.signed]);
                    let signatures = dialogue
                        .transport
                        .log
                        .iter()
                        .filter(|line| line.request[1] == 0xe0 && line.request[2] & 1 != 0)
                        .filter(|line| line.response[1] == 0x60);
                    assert_eq!(signatures.count(), usize::from(request.signed.is_some()));
                },
            );
        }
    }
}

#[test]
fn one_by_one_without_certificates() {
    let mut responder = short(Version::V13);
    responder.flags = Flags::MEAS_NO_SIG.0;
    let record = responder.blocks.concat();
    let mut requester = requester(config());
    let mut wire = Wire::new(responder);
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    dialogue.connect().expect("it works");
    dialogue.get_all_measurements(UNSIGNED).expect("it works");
    let (kept, requests) = kept(&mut dialogue);
    assert_eq!((kept, requests.len()), (record, 5));
}

#[test]
fn the_last_index_of_all() {
    let mut responder = short(Version::V12);
    responder.blocks = (1..=254)
        .map(|index| block(index, 0x84, &[index; 2]))
        .collect();
    let record = responder.blocks.concat();
    collect(
        responder,
        MEASURE,
        |_, _, _| {},
        |dialogue, result, exchanges| {
            result.expect("it works");
            assert_eq!(exchanges, 1 + 1 + 254);
            assert_eq!(kept(dialogue).0, record);
        },
    );
}

/// Measures with changed responses, and compares field and reason of the error.
#[track_caller]
fn refused(
    responder: Responder,
    edit: impl FnMut(usize, &[u8], &mut Vec<u8>),
    expected: (Field, Reason),
) -> (Failure<Broken>, bool, usize) {
    let mut outcome = None;
    collect(responder, MEASURE, edit, |dialogue, result, exchanges| {
        let failure = result.expect_err("something is wrong");
        let connected = dialogue.requester.connection().is_some();
        outcome = Some((failure, connected, exchanges));
    });
    let outcome = outcome.expect("it ran");
    let Failure::Protocol(Error { field, reason, .. }) = outcome.0 else {
        panic!("{}", outcome.0);
    };
    assert_eq!((field, reason), expected);
    outcome
}

fn invalid(response: &mut Vec<u8>) {
    *response = vec![response[0], 0x7f, 0x01, 0];
}

#[test]
fn fewer_than_their_number() {
    for (number, exchanges) in [(5, 1 + 1 + 254), (0, 1 + 1)] {
        let edit = |_, request: &[u8], response: &mut Vec<u8>| {
            if request[3] == 0 {
                response[2] = number;
            }
        };
        let field = match number {
            0 => Field::MeasurementIndex,
            _ => Field::NumberOfBlocks,
        };
        let (failure, connected, actual) =
            refused(short(Version::V12), edit, (field, Reason::Missing));
        assert_eq!((connected, actual), (false, exchanges));
        assert!(!failure.asks_for_restart());
    }
}

#[test]
fn others_when_they_are_read_again() {
    let number = |count, request: &[u8], response: &mut Vec<u8>| {
        if count > 1 && request[3] == 0 {
            response[2] = 3;
        }
    };
    let gone = |count, request: &[u8], response: &mut Vec<u8>| {
        if count > 256 && request[3] == 2 {
            invalid(response);
        }
    };
    let changed = (Field::NumberOfBlocks, Reason::Changed);
    let missing = (Field::NumberOfBlocks, Reason::Missing);
    let (failure, connected, exchanges) = refused(short(Version::V12), number, changed);
    assert_eq!((connected, exchanges), (false, 1 + 1 + 254 + 1 + 1));
    assert!(failure.asks_for_restart());
    refused(short(Version::V12), gone, missing);
}

#[test]
fn the_responder_says_that_they_changed() {
    let edit = |_, request: &[u8], response: &mut Vec<u8>| {
        // In the signed one it would be signed as well.
        if request[2] & 1 == 0 && request[3] == 3 {
            response[3] = 0x10;
        }
    };
    collect(
        without_gaps(Version::V12),
        UNSIGNED,
        edit,
        |dialogue, result, _| {
            let failure = result.expect_err("they changed");
            assert_eq!(
                failure.to_string(),
                "MEASUREMENTS: content changed: changed while it was read"
            );
            assert!(failure.asks_for_restart());
            assert!(matches!(failure, Failure::Protocol(error) if error.could_not_check()));
            assert!(dialogue.requester.connection().is_none());
        },
    );
    let mut responder = short(Version::V12);
    responder.transmit_size = usize::MAX;
    let edit = |_, _: &[u8], response: &mut Vec<u8>| response[3] = 0x10;
    collect(responder, UNSIGNED, edit, |_, result, _| {
        assert!(result.expect_err("they changed").asks_for_restart());
    });
}

#[test]
fn they_are_not_what_was_summed_up() {
    for responder in [short(Version::V12), without_gaps(Version::V12)] {
        let mut other = responder.clone();
        other.blocks[1][20] ^= 1;
        let edit = |_, request: &[u8], response: &mut Vec<u8>| {
            if request[3] == 2 {
                let start = 8;
                let block = &other.blocks[1];
                response[start..start + block.len()].copy_from_slice(block);
            }
        };
        let mut checked = false;
        collect(responder, UNSIGNED, edit, |dialogue, result, _| {
            let failure = result.expect_err("they differ");
            assert_eq!(
                failure.to_string(),
                "MEASUREMENTS: MeasurementSummaryHash: differs from what it has to match"
            );
            assert!(dialogue.requester.connection().is_none());
            checked = true;
        });
        assert!(checked);
    }
}

#[test]
fn raw_ones_are_not_summed_up() {
    let raw = GetMeasurements {
        raw: true,
        ..MEASURE
    };
    let mut responder = without_gaps(Version::V12);
    responder.blocks[0][10] ^= 1;
    let mut checked = 0;
    collect(
        responder,
        raw,
        |_, _, _| {},
        |dialogue, result, _| {
            result.expect("it works");
            dialogue.transport.responder.blocks[1][20] ^= 1;
            dialogue.get_all_measurements(raw).expect("nobody knows");
            let requests = &dialogue.transport.log;
            let is_raw = requests
                .iter()
                .filter(|line| line.request[1] == 0xe0)
                .all(|line| line.request[2] & 2 != 0);
            assert!(is_raw);
            checked += 1;
        },
    );
    assert_eq!(checked, 1);
}

#[test]
fn other_errors_end_it() {
    for (code, restart) in [
        (ErrorCode::UNSPECIFIED, false),
        (ErrorCode::RESPONSE_TOO_LARGE, false),
        (ErrorCode::REQUEST_RESYNCH, true),
    ] {
        let edit = |_, request: &[u8], response: &mut Vec<u8>| {
            if request[3] == 2 {
                *response = vec![0x12, 0x7f, code.0, 0];
            }
        };
        let expected = (Field::Message, Reason::Refused { code, data: 0 });
        let (failure, connected, exchanges) = refused(short(Version::V12), edit, expected);
        assert_eq!((connected, exchanges), (!restart, 1 + 1 + 2));
        assert_eq!(failure.asks_for_restart(), restart);
    }
    let edit = |_, request: &[u8], response: &mut Vec<u8>| {
        if request[3] == Operation::Count.byte() {
            invalid(response);
        }
    };
    let code = ErrorCode::INVALID_REQUEST;
    let expected = (Field::Message, Reason::Refused { code, data: 0 });
    refused(short(Version::V12), edit, expected);
    // Only what is too large is read in another way.
    let edit = |_, _: &[u8], response: &mut Vec<u8>| invalid(response);
    let (_, connected, exchanges) = refused(short(Version::V12), edit, expected);
    assert_eq!((connected, exchanges), (true, 1));
}
