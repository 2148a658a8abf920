// SPDX-License-Identifier: GPL-2.0
//! The control socket's commands.

use serde_json::json;

use crate::guest::*;

#[test]
fn accesses_are_counted_by_register() {
    let mut guest = Guest::new();
    guest.read(H_CSR);
    guest.read(FW_CSR_HA);
    guest.read(FW_CSR_HA);
    guest.read_bar(0x20, 4);
    guest.write(H_CB_WW, 0);
    guest.write(H_CSR, 0);
    let counters = guest.ok(json!({"cmd": "counters", "clear": true}));
    assert_eq!(
        counters["mmio_read"],
        json!({"H_CB_WW": 0, "H_CSR": 1, "FW_CB_RW": 0, "FW_CSR_HA": 2, "other": 1, "total": 4})
    );
    assert_eq!(counters["mmio_write"]["total"], 2);
    assert_eq!(counters["config_write"], 2);
    let counters = guest.ok(json!({"cmd": "counters"}));
    assert_eq!(counters["mmio_read"]["total"], 0);
}

#[test]
fn messages_interrupts_and_doorbells_are_counted() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.ok(json!({"cmd": "counters", "clear": true}));
    guest.acknowledge();
    guest.exchange(&Message::new(2, 1, b"x"));
    let counters = guest.ok(json!({"cmd": "counters"}));
    assert_eq!(
        counters["messages"],
        json!({"h2f": 1, "f2h": 1, "bus_h2f": 0, "bus_f2h": 0})
    );
    assert_eq!(counters["interrupts"], 1);
    assert_eq!(counters["doorbells"], 2);
    assert_eq!(counters["mmio_write"]["H_CSR"], 3);
    assert_eq!(counters["mmio_read"]["total"], 0);
}

#[test]
fn settings_change_at_run_time() {
    let mut guest = Guest::new();
    guest.ok(json!({"cmd": "set", "notify": "every-doorbell", "ready_latency_us": 7}));
    let settings = guest.state()["settings"].clone();
    assert_eq!(settings["notify"], "every-doorbell");
    assert_eq!(settings["ready_latency_us"], 7);
    assert_eq!(settings["write_delay_us"], 0);
}

#[test]
fn status_registers_can_be_fixed() {
    let mut guest = Guest::new();
    guest.ok(json!({"cmd": "set", "hfs": [1, 2, 3, 4, 5, 0xffff_ffffu32]}));
    guest.write(H_CSR, RST | IG);
    assert_eq!(guest.read_config(0x40, 4), [1, 0, 0, 0]);
    assert_eq!(guest.read_config(0x6c, 4), [0xff; 4]);
    assert_eq!(guest.state()["hfs"][3], 4);
}

#[test]
fn an_interrupt_can_come_for_no_reason() {
    let mut guest = Guest::new();
    guest.ok(json!({"cmd": "interrupt"}));
    assert_eq!(guest.interrupts(), 1);
    assert_eq!(guest.h_csr() & IS, 0);
}

#[test]
fn any_message_can_be_sent_unasked() {
    let mut guest = Guest::new();
    guest.bring_up();
    guest.ok(json!({"cmd": "send", "fw_id": 9, "host_id": 8, "status": 7, "data": "0aff"}));
    let expected = Message::new(9, 8, &[0x0a, 0xff]).with_status(7);
    assert_eq!(guest.take().unwrap(), expected);
}

#[test]
fn a_message_without_a_link_or_beyond_the_section_is_refused() {
    let mut guest = Guest::new();
    let send = |data: String| json!({"cmd": "send", "fw_id": 2, "host_id": 1, "data": data});
    assert_eq!(guest.command(send("00".into()))["ok"], false);
    guest.bring_up();
    guest.ok(send("00".repeat(65516)));
    assert_eq!(guest.command(send("00".repeat(65517)))["ok"], false);
    assert_eq!(guest.command(send("0".into()))["ok"], false);
}

#[test]
fn the_state_shows_clients_counters_and_memory() {
    let mut guest = Guest::new();
    guest.bring_up();
    let state = guest.state();
    assert_eq!(state["power"], "D0");
    assert_eq!(state["device_id"], 0xa85d);
    assert_eq!(state["fw_version"], json!([1, 2, 3, 4]));
    assert_eq!(state["shared_memory"]["address"], SHARED);
    assert_eq!(state["counters"]["h2f_wr"], 2);
    assert_eq!(state["interrupt_connected"], true);
    let clients = state["clients"].as_array().unwrap();
    assert_eq!(clients.len(), 6);
    assert_eq!(clients[0]["uuid"], "e85149df-9447-4c9a-8367-c4e33464f1b4");
}

#[test]
fn what_is_not_a_command_is_answered_with_the_reason() {
    let mut guest = Guest::new();
    for line in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"cmd":"no such"}"#,
        r#"{"cmd":"state","more":1}"#,
        r#"{"cmd":"set","notify":"sometimes"}"#,
        r#"{"cmd":"set","poll":1}"#,
        r#"{"cmd":"send","fw_id":65536,"host_id":1}"#,
        r#"{"cmd":"fault","name":"no such"}"#,
        r#"{"cmd":"fault","name":"setup-short","start":0}"#,
        r#"{"cmd":"fault","name":"setup-short","value":1}"#,
        r#"{"cmd":"fault","name":"setup-short","count":-1}"#,
    ] {
        let (answer, _) = heci_model::control::answer(&guest.shared, line);
        assert_eq!(answer["ok"], false, "{line}");
        assert!(answer["error"]
            .as_str()
            .is_some_and(|text| !text.is_empty()));
    }
    assert_eq!(guest.state()["ok"], true);
}

#[test]
fn faults_are_listed_with_what_has_fired() {
    let mut guest = Guest::new();
    guest.ok(json!({"cmd": "fault", "name": "setup-status", "start": 2, "count": 0, "value": 5}));
    for _ in 0..3 {
        guest.handshake();
        guest.request_setup(setup_request());
    }
    let faults = guest.ok(json!({"cmd": "faults"}))["faults"].clone();
    let row = faults.as_array().unwrap().iter();
    let row = row
        .clone()
        .find(|row| row["name"] == "setup-status")
        .unwrap();
    assert_eq!(row["armed"]["fired"], 2);
    assert_eq!(row["hook"], "setup");
    guest.ok(json!({"cmd": "clear_faults"}));
    guest.set_up();
}
