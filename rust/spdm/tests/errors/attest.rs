// SPDX-License-Identifier: GPL-2.0

//! CHALLENGE_AUTH and MEASUREMENTS.

use super::super::support::responder::{block, Responder};
use super::super::support::wire::{
    config, error_of, requester, run, whole, Wire, CHALLENGE, MEASURE,
};
use super::{refused, refused_of, set, AUTH, MEASUREMENTS};
use crate::challenge::{Challenge, Summary};
use crate::measurements::{GetMeasurements, Operation};
use crate::transport::Dialogue;

#[test]
fn challenge_auth() {
    let differs = "differs from what it has to match";
    // The summary makes place 68, the opaque data 100, the context 102.
    for (at, byte, expected) in [
        (2, 0x01, format!("SlotID: {differs}")),
        (3, 0x01, format!("SlotMask: {differs}")),
        (3, 0x0f, format!("SlotMask: {differs}")),
        (4, 0xff, format!("CertChainHash: {differs}")),
        (101, 0x05, "OpaqueDataLength: 1280 is above 1024".into()),
        (102, 0xff, format!("RequesterContext: {differs}")),
        (68, 0xff, "Signature: wrong signature".into()),
        (110, 0xff, "Signature: wrong signature".into()),
    ] {
        let expected = format!("CHALLENGE_AUTH: {expected}");
        refused(0x13, AUTH, set(at, &[byte]), &expected);
    }
    refused(
        0x11,
        AUTH,
        set(2, &[0x80]),
        "CHALLENGE_AUTH: ResponseAttribute: 0x80 was not offered",
    );
    // Since 1.2 the bit is reserved: only the signature is not over it.
    refused(
        0x12,
        AUTH,
        set(2, &[0x80]),
        "CHALLENGE_AUTH: Signature: wrong signature",
    );
}

#[test]
fn challenge_auth_after_cached_digests_names_the_slot() {
    let mut requester = requester(config());
    let mut wire = Wire::edited(Responder::new(0x12), |request, response| {
        if request[1] == AUTH && request[3] == 0 {
            response[3] = 0b110;
        }
    });
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    whole(&mut dialogue).expect("it works");
    dialogue.connect().expect("it works");
    let challenge = Challenge {
        summary: Summary::None,
        ..CHALLENGE
    };
    let failure = dialogue
        .challenge(challenge)
        .expect_err("slot 0 is not there");
    assert!(failure.to_string().starts_with("CHALLENGE_AUTH: SlotMask"));
}

#[test]
fn opaque_data() {
    let mut responder = Responder::new(0x12);
    responder.opaque = vec![1; 1024];
    let (requester, _, result) = run(config(), Wire::new(responder.clone()));
    result.expect("it is not too long");
    let measurements = requester.measurements().expect("they were read");
    assert_eq!(measurements.opaque, [1; 1024]);
    let mut without = config();
    without.offer.other_params = 0;
    let error = error_of(without, responder, 0, |_| {});
    assert_eq!(
        error.to_string(),
        "CHALLENGE_AUTH: OpaqueDataLength: 1024 is above 0"
    );
}

#[test]
fn measurements() {
    let differs = "differs from what it has to match";
    let record = 8 + Responder::new(0x13).blocks.concat().len();
    for (at, byte, expected) in [
        (3, 0x01, format!("SlotID: {differs}")),
        (3, 0x30, "content changed: 0x3 is not allowed".into()),
        (
            4,
            0x00,
            format!("MeasurementRecordLength: {} bytes instead of 0", record - 8),
        ),
        (
            4,
            0x03,
            "MeasurementRecordLength: 408 bytes instead of 385".into(),
        ),
        (
            4,
            0x05,
            "MeasurementBlock: message of 0 bytes ends before byte 7".into(),
        ),
        (8, 0x00, "MeasurementIndex: 0x0 is not allowed".into()),
        (8, 0xff, "MeasurementIndex: 0xff is not allowed".into()),
        (8, 0x02, "MeasurementIndex: 0x2 occurs twice".into()),
        (
            9,
            0x02,
            "MeasurementSpecification: 0x2 was not offered".into(),
        ),
        (13, 0x1f, "MeasurementBlock: 32 bytes instead of 31".into()),
        (record, 0xff, "Signature: wrong signature".into()),
        (
            record + 33,
            0x05,
            "OpaqueDataLength: 1280 is above 1024".into(),
        ),
        (record + 34, 0xff, format!("RequesterContext: {differs}")),
    ] {
        let expected = format!("MEASUREMENTS: {expected}");
        refused(0x13, MEASUREMENTS, set(at, &[byte]), &expected);
    }
    let mut responder = Responder::new(0x12);
    responder.blocks[0] = block(1, 0, &[1; 31]);
    refused_of(
        responder.clone(),
        0,
        |_| {},
        "MEASUREMENTS: MeasurementBlock: 31 bytes instead of 32",
    );
    responder.blocks.clear();
    refused_of(
        responder,
        0,
        |_| {},
        "MEASUREMENTS: NumberOfBlocks: 0x0 is not allowed",
    );
}

#[test]
fn measurements_that_were_not_asked_for() {
    let unsigned = |operation| GetMeasurements {
        operation,
        signed: None,
        ..MEASURE
    };
    for (operation, from, expected) in [
        (Operation::Count, 1, "NumberOfBlocks: 0x1 is not allowed"),
        (Operation::One(1), 0, "NumberOfBlocks: 0x0 is not allowed"),
        (
            Operation::One(1),
            0xff,
            "NumberOfBlocks: 0x4 is not allowed",
        ),
        (
            Operation::One(1),
            2,
            "MeasurementIndex: differs from what it has to match",
        ),
        (Operation::All, 0, "NumberOfBlocks: 0x0 is not allowed"),
    ] {
        let mut requester = requester(config());
        let mut other = Responder::new(0x12);
        let mut wire = Wire::edited(Responder::new(0x12), move |request, response| {
            if request[1] == MEASUREMENTS {
                let mut request = request.to_vec();
                request[3] = from;
                *response = other.answer(&request);
                response[0] = 0x12;
            }
        });
        let mut dialogue = Dialogue {
            requester: &mut requester,
            transport: &mut wire,
        };
        dialogue.connect().expect("it works");
        let failure = dialogue.get_measurements(unsigned(operation));
        let text = failure.expect_err("it was not asked for").to_string();
        assert_eq!(text, format!("MEASUREMENTS: {expected}"));
    }
}
