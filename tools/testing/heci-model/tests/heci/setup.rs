// SPDX-License-Identifier: GPL-2.0
//! Messages in the circular buffer: the setup exchange.

use crate::guest::*;

fn answer(change: impl FnOnce(&mut [u32; 7])) -> Vec<u32> {
    let mut guest = Guest::new();
    guest.handshake();
    let mut request = setup_request();
    change(&mut request);
    guest.request_setup(request);
    guest.drain()
}

#[test]
fn the_request_has_7_dwords_and_the_response_2_with_status_0() {
    assert_eq!(answer(|_| ()), [0xcafe_8086, 0]);
}

#[test]
fn nothing_happens_before_the_7th_dword() {
    let mut guest = Guest::new();
    guest.handshake();
    let request = setup_request();
    for dword in &request[..6] {
        guest.write(H_CB_WW, *dword);
        guest.ring();
        assert_eq!(guest.drain(), [0u32; 0]);
    }
    guest.write(H_CB_WW, request[6]);
    assert_eq!(
        guest.drain(),
        [0u32; 0],
        "the firmware has to see the doorbell"
    );
    guest.ring();
    assert_eq!(guest.drain(), [0xcafe_8086, 0]);
}

#[test]
fn the_firmware_takes_the_request_out_of_the_buffer() {
    let mut guest = Guest::new();
    guest.handshake();
    guest.request_setup(setup_request());
    let csr = guest.read(H_CSR);
    assert_eq!((csr >> 16 & 0xff, csr >> 8 & 0xff), (7, 7));
}

#[test]
fn a_wrong_identifier_is_a_corrupted_header() {
    assert_eq!(answer(|r| r[0] = 0x8086_cafd), [0xcafe_8086, 0x07]);
}

#[test]
fn another_version_is_not_supported() {
    assert_eq!(answer(|r| r[1] = 2), [0xcafe_8086, 0x01]);
}

#[test]
fn the_reserved_half_word_beside_the_version_is_ignored() {
    assert_eq!(answer(|r| r[1] |= 0xabcd_0000), [0xcafe_8086, 0]);
}

#[test]
fn memory_that_is_not_all_guest_memory_is_not_supported() {
    for change in [
        |r: &mut [u32; 7]| r[2] = 0xff_f000,
        |r: &mut [u32; 7]| r[3] = 0,
        |r: &mut [u32; 7]| r[4] = 0,
        |r: &mut [u32; 7]| r[5] = u32::MAX,
        |r: &mut [u32; 7]| r[6] = 12,
        |r: &mut [u32; 7]| r[2] += 2,
    ] {
        assert_eq!(answer(change), [0xcafe_8086, 0x09]);
    }
}

#[test]
fn sections_of_other_sizes_are_used_as_given() {
    let mut guest = Guest::new();
    guest.handshake();
    let mut request = setup_request();
    request[4] = 0x1000;
    request[5] = 0x2000;
    guest.request_setup(request);
    assert_eq!(guest.drain(), [0xcafe_8086, 0]);
    guest.poke(SHARED, &[7, 0, 0, 0]);
    guest.poke(SHARED + 20, &START);
    guest.poke(SHARED + 0x3000, &[1]);
    guest.ring();
    assert_eq!(guest.peek(SHARED + 0x1000 + 20, 1), [0x80]);
    assert_eq!(guest.peek(SHARED + 0x3000, 9), [1, 0, 0, 0, 1, 0, 0, 0, 1]);
}

#[test]
fn a_refused_setup_leaves_the_firmware_waiting_for_a_better_one() {
    let mut guest = Guest::new();
    guest.handshake();
    let mut request = setup_request();
    request[1] = 9;
    guest.request_setup(request);
    guest.drain();
    guest.request_setup(setup_request());
    assert_eq!(guest.drain(), [0xcafe_8086, 0]);
}
