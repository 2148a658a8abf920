// SPDX-License-Identifier: GPL-2.0

//! Bus messages, against bytes written out by hand.

use proptest::prelude::*;

use super::cases;
use crate::fault::Fault;
use crate::wire::*;

/// Firmware 1.2.3.4 with high bytes that show their place; protocol 1; three bytes of capabilities.
const START: [u8; 18] = [
    0x80, 0x00, 0x00, 0x00, // start response
    0x01, 0xa1, 0x02, 0xa2, 0x03, 0xa3, 0x04, 0xa4, // firmware version
    0x01, 0x00, // protocol version
    0x03, // capabilities length
    0xc1, 0xc2, 0xc3,
];

/// The SPDM client and one of Intel's test clients.
const CLIENTS: [u8; 64] = [
    0x81, 0x00, 0x00, 0x00, // clients response
    0x02, 0x00, // count
    0x00, 0x00, // reserved
    // The first client: id, version, reserved, UUID, MTU, flags.
    0x34, 0x12, 0x01, 0x00, //
    0xe8, 0x51, 0x49, 0xdf, 0x94, 0x47, 0x4c, 0x9a, //
    0x83, 0x67, 0xc4, 0xe3, 0x34, 0x64, 0xf1, 0xb4, //
    0x00, 0x10, 0x00, 0x00, //
    0x0d, 0x0c, 0x0b, 0x0a, //
    // The second.
    0x05, 0x00, 0xfe, 0x77, //
    0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, //
    0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, //
    0x00, 0x14, 0x00, 0x00, //
    0x00, 0x00, 0x00, 0x00, //
];

fn client(id: u16) -> Client {
    Client {
        id,
        version: 1,
        uuid: [0x11; 16],
        mtu: 5120,
        flags: 0,
    }
}

/// A clients response that says `count` and is `length` bytes long.
fn clients_response(count: u16, length: usize) -> Vec<u8> {
    let mut message = vec![0; length.max(8)];
    message[0] = 0x81;
    message[4..6].copy_from_slice(&count.to_le_bytes());
    message.truncate(length);
    message
}

/// A start response that says `capabilities` and is `length` bytes long.
fn start_response(capabilities: u8, length: usize) -> Vec<u8> {
    let mut message = vec![0; length.max(15)];
    message[0] = 0x80;
    message[12] = 1;
    message[14] = capabilities;
    message.truncate(length);
    message
}

fn length_fault(command: u32, length: usize) -> Fault {
    Fault::BusMessageLength { command, length }
}

#[test]
fn the_requests() {
    assert_eq!(START_REQUEST, [0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00]);
    assert_eq!(CLIENTS_REQUEST, [0x01, 0x00, 0x00, 0x00]);
}

#[test]
fn the_start_response() {
    let expected = StartResponse {
        fw_version: [0xa101, 0xa202, 0xa303, 0xa404],
        version: 1,
    };
    assert_eq!(StartResponse::parse(&START), Ok(expected));
}

#[test]
fn the_length_of_a_start_response_matches_its_capabilities_exactly() {
    for length in 0..=64 {
        for capabilities in 0..=255 {
            let message = start_response(capabilities, length);
            let parsed = StartResponse::parse(&message);
            if length == 15 + usize::from(capabilities) {
                assert_eq!(parsed.map(|response| response.version), Ok(1));
            } else {
                assert_eq!(parsed, Err(length_fault(0x80, length)));
            }
        }
    }
}

#[test]
fn the_longest_start_response_is_270_bytes() {
    assert_eq!(START_RESPONSE_MAX, 270);
    assert!(StartResponse::parse(&start_response(255, 270)).is_ok());
    for length in [269, 271, 526, 65_516] {
        assert_eq!(
            StartResponse::parse(&start_response(255, length)),
            Err(length_fault(0x80, length))
        );
    }
    assert_eq!(
        StartResponse::parse(&start_response(254, 270)),
        Err(length_fault(0x80, 270))
    );
}

#[test]
fn any_protocol_version_but_0_is_one() {
    let mut message = START;
    for version in 0..=u16::MAX {
        message[12..14].copy_from_slice(&version.to_le_bytes());
        let parsed = StartResponse::parse(&message).map(|response| response.version);
        let expected = if version == 0 {
            Err(Fault::ProtocolVersion)
        } else {
            Ok(version)
        };
        assert_eq!(parsed, expected);
    }
}

#[test]
fn the_length_is_looked_at_before_the_protocol_version() {
    let mut message = START;
    message[12] = 0;
    message[14] = 2;
    assert_eq!(
        StartResponse::parse(&message),
        Err(length_fault(0x80, START.len()))
    );
}

#[test]
fn the_clients_response() {
    let response = ClientsResponse::parse(&CLIENTS).unwrap();
    assert_eq!(response.count(), 2);
    let expected = [
        Client {
            id: 0x1234,
            version: 1,
            uuid: [
                0xe8, 0x51, 0x49, 0xdf, 0x94, 0x47, 0x4c, 0x9a, 0x83, 0x67, 0xc4, 0xe3, 0x34, 0x64,
                0xf1, 0xb4,
            ],
            mtu: 4096,
            flags: 0x0a0b_0c0d,
        },
        Client {
            id: 5,
            version: 0xfe,
            uuid: [0x44; 16],
            mtu: 5120,
            flags: 0,
        },
    ];
    assert_eq!(response.clients().collect::<Vec<_>>(), expected);
}

#[test]
fn a_uuid_is_printed_in_the_order_of_its_bytes() {
    let response = ClientsResponse::parse(&CLIENTS).unwrap();
    let uuid = response.clients().next().unwrap().uuid;
    let digits = uuid.map(|byte| format!("{byte:02x}")).concat();
    let printed = "e85149df-9447-4c9a-8367-c4e33464f1b4";
    assert_eq!(digits, printed.replace('-', ""));
}

#[test]
fn the_length_of_a_clients_response_matches_its_count_exactly() {
    for length in 0..=64 {
        for count in [0, 1, 2, 3, 4, 28, 0x00ff, 0x0100, 0x0102, 0x8000, 0xffff] {
            let message = clients_response(count, length);
            let parsed = ClientsResponse::parse(&message).map(|response| response.count());
            if length == 8 + 28 * usize::from(count) {
                assert_eq!(parsed, Ok(usize::from(count)));
            } else {
                assert_eq!(parsed, Err(length_fault(0x81, length)));
            }
        }
    }
}

#[test]
fn a_byte_more_or_less_than_a_clients_response_is_a_fault() {
    // 2339 is what a section of 64 KiB holds.
    for count in [0, 1, 2, 255, 256, 257, 2339, 2340, 65_535] {
        let length = 8 + 28 * usize::from(count);
        let exact = clients_response(count, length);
        let response = ClientsResponse::parse(&exact).unwrap();
        assert_eq!(response.count(), usize::from(count));
        assert_eq!(response.clients().count(), usize::from(count));
        for length in [length - 1, length + 1, length - 8, length + 28] {
            assert_eq!(
                ClientsResponse::parse(&clients_response(count, length)).err(),
                Some(length_fault(0x81, length)),
                "{count} clients in {length} bytes"
            );
        }
    }
}

#[test]
fn clients_come_in_the_firmware_s_order_with_zero_and_double_ids() {
    let ids = [7_u16, 0, 3, 7, 0xffff, 0];
    let mut message = clients_response(6, 8 + 6 * 28);
    for (index, id) in ids.into_iter().enumerate() {
        let at = 8 + index * 28;
        message[at..at + 2].copy_from_slice(&id.to_le_bytes());
    }
    let response = ClientsResponse::parse(&message).unwrap();
    let found: Vec<_> = response.clients().map(|client| client.id).collect();
    assert_eq!(found, ids);
}

#[test]
fn the_reserved_bytes_are_not_looked_at() {
    let mut message = CLIENTS;
    let before: Vec<_> = ClientsResponse::parse(&CLIENTS)
        .unwrap()
        .clients()
        .collect();
    for index in [6, 7, 11, 39] {
        message[index] = !message[index];
    }
    let response = ClientsResponse::parse(&message).unwrap();
    assert_eq!(response.clients().collect::<Vec<_>>(), before);
}

#[test]
fn a_message_that_breaks_off_is_a_fault_at_every_byte() {
    for length in 0..START.len() {
        assert_eq!(
            StartResponse::parse(&START[..length]),
            Err(length_fault(0x80, length))
        );
    }
    for length in 0..CLIENTS.len() {
        assert_eq!(
            ClientsResponse::parse(&CLIENTS[..length]).err(),
            Some(length_fault(0x81, length))
        );
    }
}

#[test]
fn another_command_is_a_fault_whatever_follows() {
    let bits = (0..32).flat_map(|bit| [0x80 ^ (1 << bit), 0x81 ^ (1 << bit)]);
    for command in (0..=0x1ff).chain(bits).chain([0x8000_0000, u32::MAX]) {
        for length in [4, 5, 8, 15, 18, 36, 64] {
            let mut message = vec![0; length];
            message[..4].copy_from_slice(&command.to_le_bytes());
            let fault = Some(Fault::BusMessage { command });
            if command != 0x80 {
                assert_eq!(StartResponse::parse(&message).err(), fault);
            }
            if command != 0x81 {
                assert_eq!(ClientsResponse::parse(&message).err(), fault);
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn any_start_response_says_what_it_was_given(
        fw_version in any::<[u16; 4]>(),
        version in 1..=u16::MAX,
        capabilities in proptest::collection::vec(any::<u8>(), 0..=255),
    ) {
        let mut message = vec![0x80, 0, 0, 0];
        for part in fw_version {
            message.extend(part.to_le_bytes());
        }
        message.extend(version.to_le_bytes());
        message.push(u8::try_from(capabilities.len())?);
        message.extend(capabilities);
        let expected = StartResponse { fw_version, version };
        prop_assert_eq!(StartResponse::parse(&message), Ok(expected));
    }

    #[test]
    fn no_bytes_make_a_parser_panic(mut message in proptest::collection::vec(any::<u8>(), 0..300)) {
        for command in [0x80, 0x81] {
            if let Some(first) = message.first_chunk_mut::<4>() {
                *first = u32::to_le_bytes(command);
            }
            if let Ok(response) = ClientsResponse::parse(&message) {
                prop_assert_eq!(response.clients().count(), response.count());
                prop_assert_eq!(message.len(), 8 + 28 * response.count());
            }
            if let Ok(response) = StartResponse::parse(&message) {
                prop_assert!(response.version != 0);
            }
        }
    }
}

#[test]
fn a_client_is_admitted_unless_its_id_is_the_bus_s_or_taken() {
    assert!(admit([], &client(1)));
    assert!(admit([], &client(0xffff)));
    assert!(!admit([], &client(0)));
    assert!(!admit([1, 2], &client(0)));
    assert!(!admit([0], &client(0)));
    assert!(admit([1, 2, 0x0300], &client(3)));
    for taken in [1, 2, 3] {
        assert!(!admit([1, 2, 3], &client(taken)));
    }
    assert!(!admit([9, 9], &client(9)));
}

#[test]
fn of_a_table_with_zero_and_double_ids_the_first_of_each_is_admitted() {
    let mut admitted = Vec::new();
    for id in [0, 7, 3, 7, 0xffff, 0, 3, 8] {
        if admit(admitted.iter().copied(), &client(id)) {
            admitted.push(id);
        }
    }
    // All of them share a UUID: that keeps nobody out.
    assert_eq!(admitted, [7, 3, 0xffff, 8]);
}
