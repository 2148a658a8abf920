// SPDX-License-Identifier: GPL-2.0

//! VERSION, CAPABILITIES and ALGORITHMS.

use super::super::support::responder::Responder;
use super::super::support::wire::{config, error_of, run, Wire};
use super::{refused, refused_of, set, ALGORITHMS, CAPABILITIES, VERSION};
use crate::capabilities::Flags;

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
