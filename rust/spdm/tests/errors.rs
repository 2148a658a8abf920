// SPDX-License-Identifier: GPL-2.0

//! Every check of a response: one thing is wrong, and the error says in which message, which field
//! and why.

use super::support::responder::{block, Responder, MULTI_KEY};
use super::support::wire::{config, error_of, requester, run, whole, Wire, CHALLENGE, MEASURE};
use crate::capabilities::Flags;
use crate::challenge::{Challenge, Summary};
use crate::error::{Field, Reason};
use crate::measurements::{GetMeasurements, Operation, Signed};
use crate::requester::{Buffers, Requester};
use crate::transport::{Dialogue, Step};
use crate::version::Version;

const VERSION: u8 = 0x84;
const CAPABILITIES: u8 = 0xe1;
const ALGORITHMS: u8 = 0xe3;
const DIGESTS: u8 = 0x81;
const CERTIFICATE: u8 = 0x82;
const AUTH: u8 = 0x83;
const MEASUREMENTS: u8 = 0xe0;

/// Changes the response to a request in a version, and compares the error.
#[track_caller]
fn refused(version: u8, request: u8, change: impl FnMut(&mut Vec<u8>), expected: &str) {
    refused_of(Responder::new(version), request, change, expected);
}

#[track_caller]
fn refused_of(responder: Responder, request: u8, change: impl FnMut(&mut Vec<u8>), expected: &str) {
    let mut config = config();
    config.supported_algorithms = true;
    let error = error_of(config, responder, request, change);
    assert_eq!(error.to_string(), expected);
}

/// Sets bytes from a place on.
fn set<'a>(at: usize, bytes: &'a [u8]) -> impl FnMut(&mut Vec<u8>) + 'a {
    move |response| response[at..at + bytes.len()].copy_from_slice(bytes)
}

#[test]
fn header() {
    for (request, name) in [
        (VERSION, "VERSION"),
        (CAPABILITIES, "CAPABILITIES"),
        (ALGORITHMS, "ALGORITHMS"),
        (DIGESTS, "DIGESTS"),
        (CERTIFICATE, "CERTIFICATE"),
        (AUTH, "CHALLENGE_AUTH"),
        (MEASUREMENTS, "MEASUREMENTS"),
    ] {
        refused(
            0x12,
            request,
            set(0, &[0x15]),
            &format!("{name}: SPDMVersion: 0x15 is not allowed"),
        );
        refused(
            0x12,
            request,
            set(1, &[0x08]),
            &format!("{name}: RequestResponseCode: 0x8 is not allowed"),
        );
        refused(
            0x12,
            request,
            |response| response.truncate(3),
            &format!("{name}: message of 3 bytes ends before byte 4"),
        );
        refused(
            0x12,
            request,
            Vec::clear,
            &format!("{name}: message of 0 bytes ends before byte 4"),
        );
    }
}

#[test]
fn every_message_one_byte_too_long_or_too_short() {
    for version in Version::ALL {
        for request in [
            VERSION,
            CAPABILITIES,
            ALGORITHMS,
            DIGESTS,
            CERTIFICATE,
            AUTH,
            MEASUREMENTS,
        ] {
            let mut full = 0;
            let responder = Responder::new(version.byte());
            let error = error_of(config(), responder.clone(), request, |response| {
                full = response.len();
                response.push(0);
            });
            let reason = Reason::Length {
                expected: full,
                actual: full + 1,
            };
            assert_eq!((error.message.0, error.reason), (request & 0x7f, reason));
            let error = error_of(config(), responder, request, |response| {
                response.pop();
            });
            let short = matches!(error.reason, Reason::Short { expected, actual }
                if expected == actual + 1 && actual == full - 1);
            assert!(short, "{error}");
        }
    }
}

#[test]
fn version() {
    let none = "VERSION: VersionNumberEntry: nothing in common with the responder";
    refused(
        0x12,
        VERSION,
        |response| {
            response.truncate(6);
            response[5] = 0;
        },
        "VERSION: VersionNumberEntry: missing",
    );
    refused(0x12, VERSION, set(6, &[0x00, 0x20, 0x00, 0x09]), none);
    // Versions that are not released do not count.
    refused(0x12, VERSION, set(6, &[0x01, 0x12, 0x0f, 0x11]), none);
}

#[test]
fn capabilities() {
    refused(
        0x12,
        CAPABILITIES,
        set(5, &[32]),
        "CAPABILITIES: CTExponent: 32 is above 31",
    );
    refused(
        0x12,
        CAPABILITIES,
        set(12, &[41, 0]),
        "CAPABILITIES: DataTransferSize: 41 is below 42",
    );
    refused(
        0x12,
        CAPABILITIES,
        set(16, &[0xff, 0x0f, 0]),
        "CAPABILITIES: MaxSPDMmsgSize: 4095 is below 4096",
    );
    let mut responder = Responder::new(0x12);
    responder.flags &= 0xffff;
    refused_of(
        responder,
        CAPABILITIES,
        |_| {},
        "CAPABILITIES: MaxSPDMmsgSize: differs from what it has to match",
    );
    let cert = Flags::CERT.0;
    let chal = Flags::CHAL.0;
    for (version, flags) in [
        (0x10, cert | 3 << 3),
        (0x11, cert | 3 << 10),
        (0x13, cert | 3 << 22),
        (0x13, cert | 3 << 26),
        (0x10, cert | Flags::MEAS_FRESH.0),
        (0x11, cert | chal | Flags::PUB_KEY_ID.0),
        (0x10, chal),
        (0x10, Flags::MEAS_SIG.0),
        (0x11, Flags::KEY_EX.0),
        (0x11, Flags::MUT_AUTH.0),
        (0x13, Flags::EP_INFO_SIG.0),
        (0x12, Flags::ALIAS_CERT.0),
        (0x12, Flags::SET_CERT.0),
        (0x13, Flags::PUB_KEY_ID.0 | Flags::MULTI_KEY_ONLY.0),
    ] {
        refused(
            version,
            CAPABILITIES,
            set(8, &flags.to_le_bytes()),
            &format!("CAPABILITIES: Flags: {flags:#x} contradicts itself"),
        );
    }
    // Bits that a version does not define are ignored.
    let (_, _, result) = run(
        config(),
        Wire::edited(Responder::new(0x10), |request, response| {
            if request[1] == CAPABILITIES {
                response[9..12].fill(0xff);
                response[4] = 0xff;
            }
        }),
    );
    assert!(result.is_err_and(|failure| failure.to_string().contains("Signature")));
}

#[test]
fn algorithms_beforehand() {
    let mut asked = config();
    asked.supported_algorithms = false;
    let error = error_of(asked, Responder::new(0x13), CAPABILITIES, |response| {
        response[2] = 1;
    });
    assert_eq!(
        error.to_string(),
        "CAPABILITIES: Param1: 0x1 is not allowed"
    );
    refused(
        0x13,
        CAPABILITIES,
        |response| response.truncate(40),
        "CAPABILITIES: PqcAsymAlgo: message of 40 bytes ends before byte 46",
    );
    refused(
        0x13,
        CAPABILITIES,
        set(26, &[0, 0x0e]),
        "CAPABILITIES: BaseAsymAlgo: nothing in common with the responder",
    );
    refused(
        0x13,
        CAPABILITIES,
        set(30, &[0x40]),
        "CAPABILITIES: BaseHashAlgo: nothing in common with the responder",
    );
    // What it selects later is part of what it said.
    refused(
        0x13,
        CAPABILITIES,
        set(26, &[0x80]),
        "ALGORITHMS: BaseAsymAlgo: 0x10 was not offered",
    );
    refused(
        0x13,
        CAPABILITIES,
        set(30, &[0x02]),
        "ALGORITHMS: BaseHashAlgo: 0x1 was not offered",
    );
}

#[test]
fn algorithms() {
    refused(
        0x12,
        ALGORITHMS,
        set(4, &[37]),
        "ALGORITHMS: Length: 37 bytes instead of 36",
    );
    for (at, byte, expected) in [
        (
            6,
            0x00,
            "MeasurementSpecification: 0x0 does not select exactly one",
        ),
        (6, 0x02, "MeasurementSpecification: 0x2 was not offered"),
        (7, 0x01, "OtherParams: 0x1 was not offered"),
        (7, 0x10, "OtherParams: 0x10 was not offered"),
        (
            8,
            0x00,
            "MeasurementHashAlgo: 0x0 does not select exactly one",
        ),
        (
            8,
            0x03,
            "MeasurementHashAlgo: 0x3 does not select exactly one",
        ),
        (
            9,
            0x01,
            "MeasurementHashAlgo: 0x102 does not select exactly one",
        ),
        (12, 0x00, "BaseAsymAlgo: 0x0 does not select exactly one"),
        (12, 0x11, "BaseAsymAlgo: 0x11 does not select exactly one"),
        (13, 0x02, "BaseAsymAlgo: 0x200 was not offered"),
        (16, 0x00, "BaseHashAlgo: 0x0 does not select exactly one"),
        (16, 0x03, "BaseHashAlgo: 0x3 does not select exactly one"),
        (16, 0x40, "BaseHashAlgo: 0x40 was not offered"),
        (20, 0x01, "PqcAsymAlgo: 0x1 was not offered"),
        (31, 0x01, "MELspecification: 0x1 was not offered"),
        (32, 0x01, "ExtAlg: 0x1 was not offered"),
        (33, 0x02, "ExtAlg: 0x2 was not offered"),
    ] {
        let error = error_of(config(), Responder::new(0x14), ALGORITHMS, set(at, &[byte]));
        assert_eq!(error.to_string(), format!("ALGORITHMS: {expected}"));
    }
}

#[test]
fn algorithm_tables() {
    let table = |tables: &'static [[u8; 4]]| {
        move |response: &mut Vec<u8>| {
            response[2] = tables.len() as u8;
            response[4] = (36 + 4 * tables.len()) as u8;
            response.extend(tables.concat());
        }
    };
    refused(
        0x12,
        ALGORITHMS,
        table(&[[2, 0x20, 1, 0]]),
        "ALGORITHMS: AlgStruct: 0x2 was not offered",
    );
    refused(
        0x12,
        ALGORITHMS,
        set(2, &[1]),
        "ALGORITHMS: AlgStruct: message of 36 bytes ends before byte 38",
    );
    let mut offers = config();
    offers.offer.tables.dhe = 0x18;
    offers.offer.tables.aead = 0x02;
    for (tables, expected) in [
        (&[[2, 0x20, 8, 0], [2, 0x20, 8, 0]][..], "0x2 occurs twice"),
        (&[[3, 0x20, 2, 0], [2, 0x20, 8, 0]], "0x2 occurs twice"),
        (&[[2, 0x20, 0x18, 0]], "0x18 does not select exactly one"),
        (&[[2, 0x20, 1, 0]], "0x1 was not offered"),
        (&[[9, 0x20, 1, 0]], "0x9 was not offered"),
    ] {
        let error = error_of(offers, Responder::new(0x12), ALGORITHMS, table(tables));
        assert_eq!(
            error.to_string(),
            format!("ALGORITHMS: AlgStruct: {expected}")
        );
    }
    let right = table(&[[2, 0x20, 0x10, 0], [3, 0x20, 2, 0]]);
    let error = error_of(offers, Responder::new(0x12), ALGORITHMS, right);
    assert_eq!(
        error.to_string(),
        "CHALLENGE_AUTH: Signature: wrong signature"
    );
}

#[test]
fn digests() {
    refused(0x12, DIGESTS, set(3, &[0]), "DIGESTS: SlotMask: missing");
    refused(
        0x13,
        DIGESTS,
        set(2, &[0x01]),
        "DIGESTS: SupportedSlotMask: 0x5 contradicts itself",
    );
    refused(
        0x12,
        DIGESTS,
        set(3, &[7]),
        "DIGESTS: Digest: message of 68 bytes ends before byte 100",
    );
    refused(
        0x12,
        DIGESTS,
        |response| {
            response.truncate(36);
            response[3] = 2;
        },
        "GET_CERTIFICATE: SlotID: missing",
    );
    let mut responder = Responder::new(0x13);
    responder.flags |= MULTI_KEY;
    for (at, byte, expected) in [
        (68, 0, "KeyPairID: 0x0 is not allowed"),
        (70, 4, "CertificateInfo: 0x4 is not allowed"),
    ] {
        let expected = format!("DIGESTS: {expected}");
        refused_of(responder.clone(), DIGESTS, set(at, &[byte]), &expected);
    }
    refused_of(
        responder.clone(),
        DIGESTS,
        |response| response.truncate(70),
        "DIGESTS: CertificateInfo: message of 70 bytes ends before byte 72",
    );
    refused_of(
        responder.clone(),
        CERTIFICATE,
        set(3, &[2]),
        "CERTIFICATE: CertificateInfo: differs from what it has to match",
    );
    responder.usage = !(1 << 1);
    refused_of(
        responder.clone(),
        0,
        |_| {},
        "CHALLENGE: SlotID: the key of the slot is not meant for this",
    );
    responder.usage = !(1 << 2);
    refused_of(
        responder,
        0,
        |_| {},
        "GET_MEASUREMENTS: SlotID: the key of the slot is not meant for this",
    );
}

#[test]
fn certificate() {
    let differs = "differs from what it has to match";
    refused(
        0x12,
        CERTIFICATE,
        set(2, &[1]),
        &format!("CERTIFICATE: SlotID: {differs}"),
    );
    refused(
        0x13,
        CERTIFICATE,
        set(3, &[5]),
        "CERTIFICATE: CertificateInfo: 0x5 is not allowed",
    );
    refused(
        0x14,
        CERTIFICATE,
        set(2, &[0x80]),
        "CERTIFICATE: Param1: 0x80 was not offered",
    );
    refused(
        0x12,
        CERTIFICATE,
        |response| {
            response.truncate(8);
            response[4..6].fill(0);
        },
        "CERTIFICATE: PortionLength: 0x0 is not allowed",
    );
    let mut portions = config();
    portions.portion = 100;
    let error = error_of(portions, Responder::new(0x12), CERTIFICATE, |response| {
        response[4] += 1;
        response.push(0);
    });
    assert_eq!(
        error.to_string(),
        "CERTIFICATE: PortionLength: 101 is above 100"
    );
    let mut count = 0;
    let error = error_of(portions, Responder::new(0x12), CERTIFICATE, |response| {
        count += 1;
        if count == 3 {
            response[6] ^= 1;
        }
    });
    assert_eq!(
        error.to_string(),
        format!("CERTIFICATE: RemainderLength: {differs}")
    );
    let error = error_of(portions, Responder::new(0x12), CERTIFICATE, |response| {
        response[6..8].fill(0xff);
    });
    assert_eq!(
        error.to_string(),
        "CERTIFICATE: CertChain: needs 65635 bytes, there is room for 65535"
    );
    let length = Responder::new(0x12).chain(0).len();
    refused(
        0x12,
        CERTIFICATE,
        set(8 + length - 1, &[0xff]),
        &format!("CERTIFICATE: Digest: {differs}"),
    );
    refused(
        0x12,
        DIGESTS,
        set(4, &[0xff, 0xff]),
        &format!("CERTIFICATE: Digest: {differs}"),
    );
}

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
        dialogue.transport.responder.flags = super::support::responder::FLAGS & 0xffff & !without;
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
fn after_an_error_the_connection_is_lost() {
    let (mut requester, _, result) = run(config(), {
        Wire::edited(Responder::new(0x12), |request, response| {
            if request[1] == AUTH {
                response[4] ^= 1;
            }
        })
    });
    result.expect_err("it is wrong");
    assert!(requester.connection().is_none());
    assert!(requester.get_digests().is_err());
}

#[test]
fn a_refused_chain_spares_the_connection_and_can_be_looked_at() {
    let mut requester = requester(config());
    let mut wire = Wire::new(Responder::new(0x12));
    wire.responder.slots[1].1.truncate(100);
    wire.responder.slots[1].1.insert(0, 0x30);
    wire.responder.slots[1].1[1..4].copy_from_slice(&[0x82, 0, 97]);
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    dialogue.connect().expect("it works");
    dialogue.get_digests().expect("it works");
    dialogue.get_certificate(0).expect("it works");
    let failure = dialogue.get_certificate(2).expect_err("it is no chain");
    let expected = "CERTIFICATE: CertChain: certificate 0: not an X.509 certificate";
    assert!(failure.to_string().starts_with(expected), "{failure}");
    let (slot, chain) = dialogue.requester.chain().expect("it was read");
    assert_eq!(slot, 2);
    assert_eq!(chain.expect("its header is well").der().len(), 101);
    let second = Challenge {
        slot: 2,
        ..CHALLENGE
    };
    assert!(dialogue.requester.challenge(second).is_err());
    dialogue.challenge(CHALLENGE).expect("slot 0 is well");
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
