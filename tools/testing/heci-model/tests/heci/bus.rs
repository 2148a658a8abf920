// SPDX-License-Identifier: GPL-2.0
//! The function on the PCI bus.

use std::time::Duration;

use heci_model::clients;
use heci_model::device::Device;
use heci_model::settings::Settings;
use heci_model::trace::Trace;
use vfio_user::{DmaMapFlags, DmaUnmapFlags, ServerBackend};

use crate::guest::*;

#[test]
fn vendor_is_8086_and_device_id_is_any() {
    for id in [0xa85d, 0xe35d, 0xe45d, 0xd470, 0xd358, 0x4d5d, 0x1234u16] {
        let clients = clients::all(Some(clients::spdm()), Duration::ZERO);
        let settings = Settings::default();
        let mut device = Device::new(id, [0; 4], clients, settings, Trace::default());
        let mut identity = [0; 4];
        device.config_read(Duration::ZERO, 0, &mut identity);
        assert_eq!(u32::from_le_bytes(identity), u32::from(id) << 16 | 0x8086);
    }
}

#[test]
fn class_is_0780() {
    assert_eq!(Guest::new().read_config(0x0a, 2), [0x80, 0x07]);
}

#[test]
fn bar_0_is_memory_with_registers_in_its_first_16_bytes() {
    let mut guest = Guest::new();
    assert_eq!(guest.read_config(0x10, 1)[0] & 1, 0, "memory, not ports");
    guest.write_bar(0x10, &[0xff; 16]);
    assert_eq!(guest.read_bar(0x10, 16), [0; 16]);
    assert_ne!(guest.read(H_CSR), 0);
}

#[test]
fn there_is_one_msi_vector_with_64_bit_address() {
    let control = word(&Guest::new().read_config(0x8e, 2), 0);
    assert_eq!(control >> 1 & 7, 0, "one vector");
    assert_eq!(control >> 7 & 1, 1, "64-bit address");
}

#[test]
fn dma_needs_bus_mastering() {
    let mut guest = Guest::new();
    guest.write_config(0x04, &[0x02]);
    guest.handshake();
    guest.request_setup(setup_request());
    assert_eq!(guest.drain(), [0xcafe_8086, 0x09]);
}

#[test]
fn losing_bus_mastering_ends_the_link_without_a_touch_of_memory() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.write_config(0x04, &[0x02]);
    let before = guest.peek(SHARED, 2 * SECTION as usize + 16);
    guest.ring();
    guest.pass_ms(10);
    assert_eq!(guest.peek(SHARED, 2 * SECTION as usize + 16), before);
    assert_eq!(guest.state()["link"], "ready");
}

#[test]
fn host_firmware_status_registers_follow_the_state() {
    let mut guest = Guest::new();
    let hfs = [0x40, 0x48, 0x60, 0x64, 0x68, 0x6c];
    let mut status = || hfs.map(|at| dword(&guest.read_config(at, 4), 0));
    let ready = status();
    assert!(ready.iter().all(|value| *value != 0));
    guest.write(H_CSR, RST | IG);
    let down = dword(&guest.read_config(0x40, 4), 0);
    assert_ne!(down, ready[0]);
    guest.pass_ms(1);
    assert_eq!(dword(&guest.read_config(0x40, 4), 0), ready[0]);
}

#[test]
fn config_accesses_of_any_size_and_alignment_agree() {
    let mut guest = Guest::new();
    let whole = guest.read_config(0, 256);
    for offset in 0..256 {
        for len in 1..=(256 - offset).min(9) {
            let part = guest.read_config(offset as u64, len);
            assert_eq!(part, whole[offset..offset + len]);
        }
    }
}

#[test]
fn config_writes_by_byte_and_by_dword_agree() {
    let mut guest = Guest::new();
    guest.write_config(0x10, &[0x00, 0x50, 0xfe, 0x12]);
    let once = guest.read_config(0x10, 4);
    guest.write_config(0x10, &[0; 4]);
    for (offset, byte) in (0x10..).zip([0x00, 0x50, 0xfe, 0x12]) {
        guest.write_config(offset, &[byte]);
    }
    assert_eq!(guest.read_config(0x10, 4), once);
}

#[test]
fn in_d3hot_registers_read_as_ones_and_writes_have_no_effect() {
    let mut guest = Guest::new();
    guest.handshake();
    let before = guest.h_csr();
    guest.sleep();
    assert_eq!(guest.state()["power"], "D3hot");
    assert_eq!(guest.read(H_CSR), u32::MAX);
    guest.write(H_CSR, RST | IG);
    guest.write(H_CB_WW, 1);
    guest.wake();
    assert_eq!(guest.state()["power"], "D0");
    assert_eq!(guest.h_csr(), before, "no soft reset: state is kept");
    assert_eq!(filled(guest.read(H_CSR)), 0);
}

#[test]
fn d3hot_is_counted_when_it_is_entered() {
    let mut guest = Guest::new();
    for _ in 0..3 {
        guest.sleep();
        guest.sleep();
        guest.wake();
    }
    let counters = guest.ok(serde_json::json!({"cmd": "counters"}));
    assert_eq!(counters["d3hot"], 3);
}

#[test]
fn in_d3hot_there_is_neither_dma_nor_interrupt() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.submit(&Message::new(5, 1, b"late"));
    guest.sleep();
    let before = guest.counters();
    guest.pass_ms(400);
    assert_eq!(guest.counters(), before);
    assert_eq!(guest.interrupts(), 0);
    guest.wake();
    guest.bring_up();
}

#[test]
fn memory_decoding_off_reads_as_ones() {
    let mut guest = Guest::new();
    guest.write_config(0x04, &[0x04]);
    assert_eq!(guest.read(FW_CSR_HA), u32::MAX);
}

#[test]
fn without_msi_enabled_there_is_no_interrupt_message() {
    let mut guest = Guest::new();
    guest.write_config(0x8e, &[0x00]);
    guest.handshake();
    guest.request_setup(setup_request());
    assert_eq!(guest.interrupts(), 0);
    assert_eq!(guest.h_csr() & IS, IS);
}

#[test]
fn a_masked_vector_keeps_one_message_pending() {
    for vfio in [false, true] {
        let mut guest = Guest::new();
        guest.handshake();
        let mask = |guest: &mut Guest, on: bool| match vfio {
            true => guest.mask_line(on),
            false => guest.write_config(0x9c, &[on.into()]),
        };
        mask(&mut guest, true);
        guest.request_setup(setup_request());
        assert_eq!(guest.interrupts(), 0);
        mask(&mut guest, false);
        assert_eq!(guest.interrupts(), 1);
        mask(&mut guest, true);
        mask(&mut guest, false);
        assert_eq!(guest.interrupts(), 0);
    }
}

#[test]
fn the_vector_can_be_triggered_and_switched_off() {
    let mut guest = Guest::new();
    guest.trigger_line(1);
    assert_eq!(guest.interrupts(), 1);
    guest.trigger_line(0);
    guest.trigger_line(1);
    assert_eq!(guest.interrupts(), 0);
}

#[test]
fn a_function_reset_is_a_power_on_with_ready_firmware() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.backend.reset().unwrap();
    assert_eq!(guest.read_config(0x04, 1), [0]);
    guest.write_config(0x8e, &[0x01]);
    guest.write_config(0x04, &[0x06]);
    assert_eq!(guest.firmware(), RDY);
    assert_eq!(guest.h_csr(), 0);
    guest.bring_up();
}

#[test]
fn unmapped_guest_memory_ends_the_link_and_is_counted() {
    let mut guest = Guest::new();
    guest.bring_up();
    let flags = DmaUnmapFlags::empty();
    guest.backend.dma_unmap(flags, RAM, RAM_SIZE).unwrap();
    guest.submit(&Message::new(2, 1, b"x"));
    assert_eq!(guest.state()["link"], "ready");
    let counters = guest.ok(serde_json::json!({"cmd": "counters"}));
    assert_eq!(counters["dma_errors"], 1);
    guest.map(DmaMapFlags::READ_WRITE);
    guest.bring_up();
}

#[test]
fn read_only_memory_and_memory_without_a_file_stay_out_of_reach() {
    let mut guest = Guest::new();
    let all = DmaUnmapFlags::UNMAP_ALL;
    guest.backend.dma_unmap(all, 0, 0).unwrap();
    guest.map(DmaMapFlags::READ);
    let both = DmaMapFlags::READ_WRITE;
    guest.backend.dma_map(both, 0, 0, 0x1000, None).unwrap();
    guest.handshake();
    guest.request_setup(setup_request());
    assert_eq!(guest.drain(), [0xcafe_8086, 0x09]);
}

#[test]
fn other_regions_are_refused() {
    let mut guest = Guest::new();
    assert!(guest.backend.region_read(1, 0, &mut [0; 4]).is_err());
    assert!(guest.backend.region_write(8, 0, &[0; 4]).is_err());
}
