// SPDX-License-Identifier: GPL-2.0

//! Operations that are not possible, and what remains after an error.

use super::support::responder::{Responder, FLAGS};
use super::support::wire::{config, error_of, requester, run, Wire, CHALLENGE, MEASURE};
use crate::capabilities::Flags;
use crate::challenge::Challenge;
use crate::config::Floor;
use crate::error::Field;
use crate::measurements::{GetMeasurements, Operation, Signed};
use crate::requester::{Buffers, Requester};
use crate::transport::{Dialogue, Step};
use crate::version::Version;

#[test]
fn operations_out_of_order_or_beyond_the_responder() {
    let text = |result: Result<(), crate::error::Error>| {
        result.expect_err("it is not possible").to_string()
    };
    let mut requester = requester(config());
    let order = "another operation has to come first";
    assert_eq!(
        text(requester.get_digests()),
        format!("GET_DIGESTS: {order}")
    );
    assert_eq!(
        text(requester.get_certificate(0)),
        format!("GET_CERTIFICATE: {order}")
    );
    assert_eq!(
        text(requester.challenge(CHALLENGE)),
        format!("CHALLENGE: {order}")
    );
    assert_eq!(
        text(requester.get_measurements(MEASURE)),
        format!("GET_MEASUREMENTS: {order}")
    );
    assert!(matches!(requester.poll(0), Ok(Step::Done)));
    assert_eq!(
        text(requester.received(0, 0)),
        format!("GET_VERSION: {order}")
    );

    let mut wire = Wire::new(Responder::new(0x10));
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    dialogue.connect().expect("it works");
    assert_eq!(
        text(dialogue.requester.get_certificate(0)),
        format!("GET_CERTIFICATE: SlotID: {order}")
    );
    dialogue.get_digests().expect("it works");
    assert_eq!(
        text(dialogue.requester.challenge(CHALLENGE)),
        format!("CHALLENGE: SlotID: {order}")
    );
    for slot in [1, 8, 0xff] {
        let missing = "GET_CERTIFICATE: SlotID: missing";
        assert_eq!(text(dialogue.requester.get_certificate(slot)), missing);
    }
    dialogue.get_certificate(0).expect("it works");
    let request = |operation, slot, raw, new| GetMeasurements {
        operation,
        signed: Some(Signed {
            nonce: [0; 32],
            slot,
        }),
        raw,
        new,
        context: [0; 8],
    };
    let no = "the responder has no such capability";
    for (request, expected) in [
        (
            request(Operation::All, 0, true, false),
            format!("Param1: {no}"),
        ),
        (
            request(Operation::All, 0, false, true),
            format!("Param1: {no}"),
        ),
        (
            request(Operation::One(0), 0, false, false),
            "MeasurementIndex: 0x0 is not allowed".into(),
        ),
        (
            request(Operation::One(0xff), 0, false, false),
            "MeasurementIndex: 0xff is not allowed".into(),
        ),
        (
            request(Operation::All, 2, false, false),
            "SlotID: 0x2 is not allowed".into(),
        ),
    ] {
        let error = text(dialogue.requester.get_measurements(request));
        assert_eq!(error, format!("GET_MEASUREMENTS: {expected}"));
    }
    dialogue.requester.get_digests().expect("it begins");
    let busy = text(dialogue.requester.get_digests());
    assert_eq!(busy, format!("GET_DIGESTS: {order}"));

    for (without, expected) in [
        (Flags::MEAS_SIG.0, format!("GET_MEASUREMENTS: {no}")),
        (Flags::CHAL.0, format!("CHALLENGE: {no}")),
    ] {
        dialogue.transport.responder.flags = FLAGS & 0xffff & !without;
        dialogue.connect().expect("it works");
        let result = match without {
            without if without == Flags::CHAL.0 => dialogue.requester.challenge(CHALLENGE),
            _ => dialogue.requester.get_measurements(MEASURE),
        };
        assert_eq!(text(result), expected);
    }
    dialogue.transport.responder.flags = Flags::CERT.0 | Flags::CHAL.0 | Flags::MEAS_NO_SIG.0;
    dialogue.connect().expect("it works");
    let error = text(dialogue.requester.get_measurements(MEASURE));
    assert_eq!(error, format!("GET_MEASUREMENTS: Signature: {no}"));
    dialogue.transport.responder.flags = Flags::MEAS_NO_SIG.0;
    dialogue.connect().expect("it works");
    assert_eq!(
        text(dialogue.requester.get_digests()),
        format!("GET_DIGESTS: {no}")
    );
}

#[test]
fn a_public_key_in_place_of_certificates() {
    let mut responder = Responder::new(0x12);
    responder.flags = FLAGS & !Flags::CERT.0 | Flags::PUB_KEY_ID.0;
    let mut requester = requester(config());
    let mut wire = Wire::new(responder);
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    dialogue.connect().expect("it works");
    let no = "the responder has no such capability";
    let failure = dialogue.get_digests().expect_err("there are none");
    assert_eq!(failure.to_string(), format!("GET_DIGESTS: {no}"));
    for slot in [0, 0xf] {
        let challenge = Challenge { slot, ..CHALLENGE };
        let failure = dialogue.challenge(challenge).expect_err("by which key?");
        assert_eq!(failure.to_string(), format!("CHALLENGE: SlotID: {no}"));
        let nonce = [0; 32];
        let measure = GetMeasurements {
            signed: Some(Signed { nonce, slot }),
            ..MEASURE
        };
        let failure = dialogue.get_measurements(measure);
        let text = failure.expect_err("by which key?").to_string();
        assert_eq!(text, format!("GET_MEASUREMENTS: SlotID: {no}"));
    }
    let unsigned = GetMeasurements {
        signed: None,
        ..MEASURE
    };
    dialogue
        .get_measurements(unsigned)
        .expect("no key is needed");
}

#[test]
fn a_slot_that_cannot_be() {
    let (mut requester, _, result) = run(config(), Wire::new(Responder::new(0x12)));
    result.expect("it works");
    for slot in [8, 0xf, 0x80, 0xff] {
        let error = requester.challenge(Challenge { slot, ..CHALLENGE });
        let expected = format!("CHALLENGE: SlotID: {slot:#x} is not allowed");
        assert_eq!(error.expect_err("there is none").to_string(), expected);
    }
}

#[test]
fn after_an_error_the_connection_is_lost() {
    let (mut requester, _, result) = run(config(), {
        Wire::edited(Responder::new(0x12), |request, response| {
            if request[1] == 0x83 {
                response[4] ^= 1;
            }
        })
    });
    result.expect_err("it is wrong");
    assert!(requester.connection().is_none());
    assert!(requester.get_digests().is_err());
    assert!(matches!(requester.poll(0), Ok(Step::Done)));
}

#[test]
fn after_a_refusal_nothing_is_left_to_do() {
    let wire = Wire::edited(Responder::new(0x12), |request, response| {
        if request[1] == 0x83 {
            *response = vec![0x12, 0x7f, 0x01, 0];
        }
    });
    let (mut requester, wire, result) = run(config(), wire);
    result.expect_err("it is refused");
    assert!(matches!(requester.poll(wire.now), Ok(Step::Done)));
    assert!(requester.received(4, wire.now).is_err());
}

#[test]
fn what_is_wrong_with_a_certificate_spares_the_connection() {
    let answer = |change: fn(&mut Vec<u8>)| {
        let wire = Wire::edited(Responder::new(0x12), move |request, response| {
            if request[1] == 0x82 {
                change(response);
            }
        });
        let (requester, _, result) = run(config(), wire);
        let text = result.expect_err("it is wrong").to_string();
        (text, requester.connection().is_some())
    };
    let differs = "differs from what it has to match";
    let slot = answer(|response| response[2] = 1);
    assert_eq!(slot, (format!("CERTIFICATE: SlotID: {differs}"), false));
    let digest = answer(|response| response[20] ^= 1);
    assert_eq!(digest, (format!("CERTIFICATE: Digest: {differs}"), false));

    // A root hash that is wrong, but covered by the digest.
    let mut responder = Responder::new(0x12);
    responder.root_hash = Some([0x55; 32]);
    let (requester, _, result) = run(config(), Wire::new(responder));
    let text = result.expect_err("it is wrong").to_string();
    assert_eq!(text, format!("CERTIFICATE: RootHash: {differs}"));
    assert!(requester.connection().is_some());
}

#[test]
fn a_floor_for_the_next_connection() {
    let (mut requester, mut wire, result) = run(config(), Wire::new(Responder::new(0x12)));
    result.expect("it works");
    let floor = Floor {
        version: Version::V13,
        ..Floor::NONE
    };
    requester.set_floor(floor);
    assert_eq!(requester.config().floor, floor);
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    let failure = dialogue.connect().expect_err("it is below");
    let expected = "VERSION: VersionNumberEntry: 0x12 is weaker than what is pinned";
    assert_eq!(failure.to_string(), expected);
}

#[test]
fn buffers_that_are_too_small() {
    let sizes = [
        (1023, 0x1000, 0, "needs 1024 bytes, there is room for 1023"),
        (1024, 0x1000, 0, "needs 65552 bytes, there is room for 4096"),
    ];
    for (vca, message, chain, expected) in sizes {
        let buffers = Buffers {
            vca: vec![0; vca],
            message: vec![0; message],
            chain: vec![0; chain],
        };
        let crypto = super::support::crypto::Memory::default();
        let error = Requester::new(crypto, (), config(), buffers).err();
        let error = error.expect("it is too small");
        assert_eq!(error.to_string(), format!("GET_CAPABILITIES: {expected}"));
    }
    let mut small = config();
    small.data_transfer_size = 41;
    let buffers = Buffers {
        vca: vec![0; 1024],
        message: vec![0; 0x1_0010],
        chain: vec![0; 10],
    };
    let crypto = super::support::crypto::Memory::default();
    let error = Requester::new(crypto, (), small, buffers).err();
    let field = error.expect("it is too small").field;
    assert_eq!(field, Field::DataTransferSize);
}

#[test]
fn a_request_that_is_too_long_for_the_responder() {
    let mut without = config();
    without.chunks = false;
    let mut responder = Responder::new(0x13);
    responder.data_transfer_size = 42;
    let error = error_of(without, responder, 0, |_| {});
    assert_eq!(
        error.to_string(),
        "CHALLENGE: DataTransferSize: 44 is above 42"
    );
}
