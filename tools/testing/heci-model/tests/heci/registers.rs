// SPDX-License-Identifier: GPL-2.0
//! The four registers.

use crate::guest::*;

#[test]
fn a_write_to_h_cb_ww_fills_one_slot() {
    let mut guest = Guest::new();
    for slots in 1..=5 {
        guest.write(H_CB_WW, 0);
        let csr = guest.read(H_CSR);
        assert_eq!(csr >> 16 & 0xff, slots, "write pointer");
        assert_eq!(csr >> 8 & 0xff, 0, "read pointer");
    }
}

#[test]
fn a_read_of_fw_cb_rw_empties_one_slot() {
    let mut guest = Guest::new();
    guest.handshake();
    guest.request_setup(setup_request());
    for left in [2, 1] {
        assert_eq!(filled(guest.read(FW_CSR_HA)), left);
        guest.read(FW_CB_RW);
    }
    assert_eq!(filled(guest.read(FW_CSR_HA)), 0);
}

#[test]
fn a_read_from_an_empty_firmware_buffer_moves_nothing() {
    let mut guest = Guest::new();
    let before = guest.read(FW_CSR_HA);
    assert_eq!(guest.read(FW_CB_RW), 0);
    assert_eq!(guest.read(FW_CSR_HA), before);
}

#[test]
fn both_registers_state_the_depth_of_their_buffer() {
    let mut guest = Guest::new();
    assert_eq!(guest.read(H_CSR) >> 24, 32);
    assert_eq!(guest.read(FW_CSR_HA) >> 24, 32);
}

#[test]
fn fw_csr_ha_is_read_only() {
    let mut guest = Guest::new();
    let before = guest.read(FW_CSR_HA);
    for value in [0, u32::MAX, RST, IG] {
        guest.write(FW_CSR_HA, value);
        assert_eq!(guest.read(FW_CSR_HA), before);
    }
}

#[test]
fn fw_cb_rw_ignores_writes_and_h_cb_ww_reads_as_zero() {
    let mut guest = Guest::new();
    guest.write(FW_CB_RW, 5);
    guest.write(H_CB_WW, 5);
    assert_eq!(guest.read(FW_CB_RW), 0);
    assert_eq!(guest.read(H_CB_WW), 0);
    assert_eq!(filled(guest.read(H_CSR)), 1);
}

#[test]
fn ig_clears_itself() {
    let mut guest = Guest::new();
    guest.write(H_CSR, IG | IE);
    assert_eq!(guest.h_csr(), IE);
    let counters = guest.ok(serde_json::json!({"cmd": "counters"}));
    assert_eq!(counters["doorbells"], 1);
}

#[test]
fn is_is_cleared_by_writing_one() {
    let mut guest = Guest::new();
    guest.handshake();
    guest.request_setup(setup_request());
    assert_eq!(guest.h_csr() & IS, IS);
    guest.write(H_CSR, IE | RDY);
    assert_eq!(guest.h_csr() & IS, IS, "a zero leaves it");
    guest.write(H_CSR, IE | RDY | IS);
    assert_eq!(guest.h_csr() & IS, 0);
    guest.write(H_CSR, IE | RDY | IS);
    assert_eq!(guest.h_csr() & IS, 0, "one does not set it");
}

#[test]
fn a_read_modify_write_of_h_csr_clears_is_by_accident() {
    let mut guest = Guest::new();
    guest.handshake();
    guest.request_setup(setup_request());
    let value = guest.read(H_CSR);
    guest.write(H_CSR, value | IG);
    assert_eq!(guest.h_csr() & IS, 0);
}

#[test]
fn an_interrupt_comes_only_when_is_goes_from_0_to_1() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.acknowledge();
    guest.exchange(&Message::new(2, 1, b"a"));
    assert_eq!(guest.interrupts(), 1);
    guest.submit(&Message::new(2, 1, b"b"));
    assert_eq!(guest.interrupts(), 1);
    let read = guest.counters()[3].wrapping_add(1);
    guest.set_counter(3, read);
    guest.ring();
    guest.submit(&Message::new(2, 1, b"c"));
    assert_eq!(guest.look().unwrap().payload, b"c");
    assert_eq!(guest.interrupts(), 0, "IS still stands");
}

#[test]
fn without_ie_there_is_no_interrupt_until_ie_is_set() {
    let mut guest = Guest::new();
    guest.handshake();
    guest.write(H_CSR, RDY);
    for dword in setup_request() {
        guest.write(H_CB_WW, dword);
    }
    guest.write(H_CSR, RDY | IG);
    assert_eq!(guest.h_csr(), RDY | IS);
    assert_eq!(guest.interrupts(), 0);
    guest.write(H_CSR, RDY | IE);
    assert_eq!(guest.interrupts(), 1);
    guest.write(H_CSR, RDY | IE);
    assert_eq!(guest.interrupts(), 0);
}

#[test]
fn acknowledging_while_enabling_gives_no_interrupt() {
    let mut guest = Guest::new();
    guest.handshake();
    guest.write(H_CSR, RDY);
    for dword in setup_request() {
        guest.write(H_CB_WW, dword);
    }
    guest.write(H_CSR, RDY | IG);
    guest.write(H_CSR, RDY | IE | IS);
    assert_eq!(guest.interrupts(), 0);
}

#[test]
fn pointers_are_8_bit_counters_that_wrap() {
    let mut guest = Guest::new();
    for _ in 0..80 {
        guest.handshake();
        for _ in 0..3 {
            guest.request_setup(setup_request());
            guest.drain();
        }
    }
    for round in 0..40 {
        guest.request_setup(setup_request());
        let csr = guest.read(H_CSR);
        assert_eq!(filled(csr), 0);
        assert_eq!(csr >> 16 & 0xff, (7 * (round + 4)) % 256);
        assert_eq!(guest.drain(), [0xcafe_8086, 0]);
    }
}

#[test]
fn more_filled_slots_than_depth_is_an_error_that_resets_the_firmware() {
    let mut guest = Guest::new();
    guest.handshake();
    for _ in 0..33 {
        guest.write(H_CB_WW, 0x8086_cafe);
    }
    assert_eq!(filled(guest.read(H_CSR)), 33);
    guest.ring();
    assert_eq!(guest.firmware(), RST);
    assert_eq!(guest.drain(), [0u32; 0]);
    guest.pass_ms(10);
    guest.bring_up();
}

#[test]
fn the_hardware_clears_rdy_when_rst_is_set() {
    let mut guest = Guest::new();
    guest.handshake();
    assert_eq!(guest.h_csr() & RDY, RDY);
    guest.write(H_CSR, RST | RDY | IE);
    assert_eq!(guest.h_csr(), RST | IE);
}

#[test]
fn a_blind_write_during_a_reset_drops_rst_and_sets_rdy() {
    let mut guest = Guest::new();
    guest.write(H_CSR, RST | IG);
    guest.ring();
    assert_eq!(guest.h_csr(), RDY | IE);
}

#[test]
fn bits_7_to_5_are_kept_as_the_host_writes_them() {
    let mut guest = Guest::new();
    assert_eq!(guest.read(H_CSR) & 0xe0, 0x20);
    guest.bring_up();
    assert_eq!(guest.read(H_CSR) & 0xe0, 0x20);
    guest.write(H_CSR, RDY | IE | 0xc0);
    assert_eq!(guest.read(H_CSR) & 0xe0, 0xc0);
}

#[test]
fn sub_dword_reads_give_the_bytes_of_the_register() {
    let mut guest = Guest::new();
    let whole = guest.read_bar(H_CSR, 4);
    for start in 0..4 {
        for len in 1..=4 - start {
            let part = guest.read_bar(H_CSR + start as u64, len);
            assert_eq!(part, whole[start..start + len]);
        }
    }
}

#[test]
fn sub_dword_writes_change_only_their_bytes() {
    let mut guest = Guest::new();
    guest.write_bar(H_CSR, &[IE as u8]);
    guest.write_bar(H_CSR + 1, &[0xff; 3]);
    assert_eq!(guest.h_csr(), IE);
    assert_eq!(guest.read(H_CSR) >> 8, 0x20_0000, "pointers are read only");
}

#[test]
fn accesses_of_any_size_and_place_are_handled() {
    for offset in (0..24).chain([0xfff, 0x1000, u64::MAX - 2]) {
        for len in [0, 1, 2, 3, 4, 5, 8, 64] {
            let mut guest = Guest::new();
            guest.read_bar(offset, len);
            guest.write_bar(offset, &vec![0xff; len]);
            guest.read_bar(offset, len);
        }
    }
}
