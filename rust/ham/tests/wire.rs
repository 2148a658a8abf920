// SPDX-License-Identifier: GPL-2.0

//! The setup exchange and the message header, against bytes written out by hand.

use proptest::prelude::*;

use super::cases;
use crate::fault::Fault;
use crate::wire::*;

/// A header with a different byte in each place.
const HEADER: Header = Header {
    length: 0x0403_0201,
    fw_id: 0x0605,
    host_id: 0x0807,
    flags: 0x0c0b_0a09,
    status: 0x100f_0e0d,
};
const HEADER_BYTES: [u8; 20] = [
    0x01, 0x02, 0x03, 0x04, // length
    0x05, 0x06, // firmware client
    0x07, 0x08, // host client
    0x09, 0x0a, 0x0b, 0x0c, // flags
    0x0d, 0x0e, 0x0f, 0x10, // status
    0x00, 0x00, 0x00, 0x00, // reserved
];

#[test]
fn the_setup_request_is_28_bytes() {
    let request = SetupRequest {
        address: 0x1716_1514_1312_1110,
        h2f_size: 0x2322_2120,
        f2h_size: 0x3332_3130,
        control_size: 0x4342_4140,
    };
    let bytes = request.to_dwords().map(u32::to_le_bytes).concat();
    let expected = [
        0xfe, 0xca, 0x86, 0x80, // 0x8086CAFE
        0x01, 0x00, // version
        0x00, 0x00, // reserved
        0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, // address
        0x20, 0x21, 0x22, 0x23, // host to firmware
        0x30, 0x31, 0x32, 0x33, // firmware to host
        0x40, 0x41, 0x42, 0x43, // control block
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn the_setup_request_of_a_driver() {
    let request = SetupRequest {
        address: 0xffff_f000,
        h2f_size: 64 << 10,
        f2h_size: 64 << 10,
        control_size: 4 << 10,
    };
    let expected = [
        0x8086_cafe,
        0x0000_0001,
        0xffff_f000,
        0x0000_0000,
        0x0001_0000,
        0x0001_0000,
        0x0000_1000,
    ];
    assert_eq!(request.to_dwords(), expected);
}

#[test]
fn the_setup_response_is_two_dwords_with_id_and_success() {
    assert_eq!(SETUP_RESPONSE_DWORDS, 2);
    assert_eq!(check_setup_response(0xcafe_8086, 0), Ok(()));
}

#[test]
fn another_setup_response_is_a_fault() {
    let statuses = (1..=9).chain([0xff, 0x100, 0x8000_0000, u32::MAX]);
    let wrong_status = statuses.map(|status| (0xcafe_8086, status));
    let wrong_bit = (0..32).map(|bit| (0xcafe_8086 ^ (1 << bit), 0));
    let wrong_id = [0, 0x8086_cafe, 0x8680_feca, u32::MAX].map(|id| (id, 0));
    let wrong_both = [(0, 1), (u32::MAX, u32::MAX)];
    for (id, status) in wrong_status
        .chain(wrong_bit)
        .chain(wrong_id)
        .chain(wrong_both)
    {
        assert_eq!(
            check_setup_response(id, status),
            Err(Fault::SetupResponse { id, status })
        );
    }
}

#[test]
fn a_header_is_20_bytes() {
    assert_eq!(HEADER_SIZE, 20);
    assert_eq!(HEADER.to_bytes(), HEADER_BYTES);
    assert_eq!(Header::from_bytes(&HEADER_BYTES), HEADER);
    assert_eq!(Header::default().to_bytes(), [0; 20]);
    assert_eq!(Header::from_bytes(&[0; 20]), Header::default());
}

#[test]
fn the_reserved_dword_of_a_header_is_not_looked_at() {
    let mut bytes = HEADER_BYTES;
    bytes[16..].copy_from_slice(&[0xff; 4]);
    assert_eq!(Header::from_bytes(&bytes), HEADER);
}

#[test]
fn each_byte_of_a_header_belongs_to_one_field() {
    let zero = Header::default();
    for index in 0..20 {
        let mut bytes = [0; 20];
        bytes[index] = 0xa5;
        let header = Header::from_bytes(&bytes);
        let changed = [
            header.length != zero.length,
            header.fw_id != zero.fw_id,
            header.host_id != zero.host_id,
            header.flags != zero.flags,
            header.status != zero.status,
        ];
        let field = match index {
            0..4 => Some(0),
            4..6 => Some(1),
            6..8 => Some(2),
            8..12 => Some(3),
            12..16 => Some(4),
            _ => None,
        };
        let expected = [0, 1, 2, 3, 4].map(|i| Some(i) == field);
        assert_eq!(changed, expected, "byte {index}");
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn any_header_survives_the_way_through_memory(
        length: u32, fw_id: u16, host_id: u16, flags: u32, status: u32,
    ) {
        let header = Header { length, fw_id, host_id, flags, status };
        prop_assert_eq!(Header::from_bytes(&header.to_bytes()), header);
    }

    #[test]
    fn any_bytes_of_a_header_survive_but_the_reserved(bytes: [u8; 20]) {
        let again = Header::from_bytes(&bytes).to_bytes();
        prop_assert_eq!(&again[..16], &bytes[..16]);
        prop_assert_eq!(&again[16..], &[0; 4]);
    }
}

fn payload_length(length: u32, section: usize) -> Result<usize, Fault> {
    let header = Header { length, ..HEADER };
    header.payload_length(section)
}

#[test]
fn a_section_of_64_kib_holds_65516_bytes_of_payload() {
    for length in [0, 1, 4, 65_515, 65_516] {
        assert_eq!(payload_length(length, 65_536), Ok(length as usize));
    }
    let beyond = [
        65_517,
        65_535,
        65_536,
        0x0001_0001,
        0x8000_0000,
        u32::MAX - 20,
        u32::MAX - 19,
        u32::MAX,
    ];
    for length in beyond {
        assert_eq!(
            payload_length(length, 65_536),
            Err(Fault::MessageLength { length })
        );
    }
}

#[test]
fn header_and_payload_fit_in_the_section() {
    for section in 0..=64_usize {
        for length in 0..=64_u32 {
            let expected = if length as usize + 20 <= section {
                Ok(length as usize)
            } else {
                Err(Fault::MessageLength { length })
            };
            assert_eq!(payload_length(length, section), expected);
        }
    }
}

#[test]
fn a_message_is_the_bus_s_own_if_both_ids_are_zero() {
    let ids = [0, 1, 2, 0xff, 0x100, 0x8000, 0xffff];
    let statuses = (0..=9).chain([0xff, 0x100, 0x8000_0000, u32::MAX]);
    for status in statuses {
        for fw_id in ids {
            for host_id in ids {
                for (length, flags) in [(0, 0), (4, u32::MAX), (u32::MAX, 1)] {
                    let header = Header {
                        length,
                        fw_id,
                        host_id,
                        flags,
                        status,
                    };
                    let expected = match (fw_id == 0 && host_id == 0, status == 0) {
                        (true, true) => Ok(true),
                        (true, false) => Err(Fault::BusMessageHeader { status }),
                        (false, _) => Ok(false),
                    };
                    assert_eq!(header.is_bus(), expected, "{header:?}");
                }
            }
        }
    }
}

#[test]
fn success_is_zero() {
    assert_eq!(STATUS_SUCCESS, 0);
}
