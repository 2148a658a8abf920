// SPDX-License-Identifier: GPL-2.0

//! The sentences for the log.

use std::collections::HashSet;

use crate::fault::Fault;

/// One of each, in the order of the type; numbers that no other place of a sentence shows.
const ALL: [Fault; 19] = [
    Fault::FirmwareReset,
    Fault::Requested,
    Fault::NotReady,
    Fault::NoSetupResponse,
    Fault::SetupResponse {
        id: 0x00c0_ffee,
        status: 0x09,
    },
    Fault::SetupLength { dwords: 211 },
    Fault::NoStartResponse,
    Fault::NoClientsResponse,
    Fault::BusMessageLength {
        command: 0x5151,
        length: 4711,
    },
    Fault::BusMessage { command: 0x6161 },
    Fault::UnexpectedStart,
    Fault::BusMessageHeader { status: 0x7171 },
    Fault::ProtocolVersion,
    Fault::MessageLength { length: 8181 },
    Fault::HostToFirmwareCounter { wr: 31, rd: 41 },
    Fault::FirmwareToHostCounter { wr: 51, rd: 61 },
    Fault::WriteStuck,
    Fault::NoMemory,
    Fault::Absent,
];

/// The place in [`ALL`]. A new variant does not compile until it has one.
fn place(fault: Fault) -> usize {
    match fault {
        Fault::FirmwareReset => 0,
        Fault::Requested => 1,
        Fault::NotReady => 2,
        Fault::NoSetupResponse => 3,
        Fault::SetupResponse { .. } => 4,
        Fault::SetupLength { .. } => 5,
        Fault::NoStartResponse => 6,
        Fault::NoClientsResponse => 7,
        Fault::BusMessageLength { .. } => 8,
        Fault::BusMessage { .. } => 9,
        Fault::UnexpectedStart => 10,
        Fault::BusMessageHeader { .. } => 11,
        Fault::ProtocolVersion => 12,
        Fault::MessageLength { .. } => 13,
        Fault::HostToFirmwareCounter { .. } => 14,
        Fault::FirmwareToHostCounter { .. } => 15,
        Fault::WriteStuck => 16,
        Fault::NoMemory => 17,
        Fault::Absent => 18,
    }
}

#[test]
fn each_fault_has_a_sentence_of_its_own() {
    let mut seen = HashSet::new();
    for (index, fault) in ALL.into_iter().enumerate() {
        assert_eq!(place(fault), index);
        let sentence = fault.to_string();
        assert!(sentence.split_whitespace().count() >= 3, "{sentence:?}");
        assert_eq!(sentence.trim(), sentence);
        assert!(!sentence.contains('\n'), "{sentence:?}");
        // The log line goes on after it.
        assert!(!sentence.ends_with('.'), "{sentence:?}");
        // Only the words count: numbers must not be all that tells two faults apart.
        let words = sentence.replace(|c: char| c.is_ascii_digit(), "");
        assert!(seen.insert(words), "{sentence:?} occurs twice");
    }
}

#[test]
fn a_sentence_shows_what_was_wrong() {
    let shown = [
        (4, &["0x00c0ffee", "status 0x9"][..]),
        (5, &["211"]),
        (8, &["0x5151", "4711"]),
        (9, &["0x6161"]),
        (11, &["0x7171"]),
        (13, &["8181"]),
        (14, &["31 messages sent", "41 consumed"]),
        (15, &["51 messages", "61 consumed"]),
    ];
    for (index, parts) in shown {
        let sentence = ALL[index].to_string();
        for part in parts {
            assert!(
                sentence.contains(part),
                "{sentence:?} does not say {part:?}"
            );
        }
    }
}
