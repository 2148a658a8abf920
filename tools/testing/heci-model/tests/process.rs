// SPDX-License-Identifier: GPL-2.0
//! The program itself: its sockets, its trace, its ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use tempfile::TempDir;
use vfio_user::Client;

const BAR0: u32 = 0;
const CONFIG: u32 = 7;
const MSI: u32 = 1;

struct Model {
    child: Child,
    dir: TempDir,
}

impl Model {
    fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_heci-model"))
            .args(["--socket".into(), dir.path().join("vfio")])
            .args(["--control".into(), dir.path().join("control")])
            .args(["--trace".into(), dir.path().join("trace")])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn client(&self) -> Client {
        Client::new(&self.path("vfio")).unwrap()
    }

    fn control(&self) -> Control {
        let stream = UnixStream::connect(self.path("control")).unwrap();
        Control(BufReader::new(stream))
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

struct Control(BufReader<UnixStream>);

impl Control {
    fn command(&mut self, command: Value) -> Value {
        let stream = self.0.get_mut();
        stream.write_all(format!("{command}\n").as_bytes()).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

fn csr(client: &mut Client) -> u32 {
    let mut data = [0; 4];
    client.region_read(BAR0, 4, &mut data).unwrap();
    u32::from_le_bytes(data)
}

#[test]
fn it_speaks_vfio_user_and_ends_with_its_client() {
    let mut model = Model::start(&["--device-id", "e35d"]);
    let mut client = model.client();
    assert_eq!(client.region(BAR0).unwrap().size, 0x1000);
    assert_eq!(client.region(CONFIG).unwrap().size, 256);
    assert_eq!(client.get_irq_info(MSI).unwrap().count, 1);
    let mut identity = [0; 4];
    client.region_read(CONFIG, 0, &mut identity).unwrap();
    assert_eq!(identity, [0x86, 0x80, 0x5d, 0xe3]);
    assert_eq!(csr(&mut client), u32::MAX, "memory decoding is off");
    client.region_write(CONFIG, 4, &[0x06, 0]).unwrap();
    assert_eq!(csr(&mut client), 32 << 24 | 0x20);
    client.reset().unwrap();
    assert_eq!(csr(&mut client), u32::MAX);
    client.shutdown().unwrap();
    assert_eq!(model.exit_code(), Some(0));
    assert!(!model.path("vfio").exists());
    assert!(!model.path("control").exists());
}

#[test]
fn it_can_be_a_mei_function() {
    let model = Model::start(&["--personality", "mei"]);
    let mut client = model.client();
    let mut identity = [0; 4];
    client.region_read(CONFIG, 0, &mut identity).unwrap();
    assert_eq!(identity, [0x86, 0x80, 0x70, 0xa8]);
    let counters = model.control().command(json!({"cmd": "counters"}));
    assert_eq!(counters["mmio_read"]["ME_CSR_HA"], 0);
}

#[test]
fn there_can_be_more_echo_clients() {
    let model = Model::start(&["--more-echo", "2"]);
    let state = model.control().command(json!({"cmd": "state"}));
    let uuids = state["clients"].as_array().unwrap().iter();
    let uuids: Vec<&Value> = uuids.map(|client| &client["uuid"]).collect();
    assert_eq!(uuids.len(), 8);
    assert_eq!(uuids[6], "62756c6b-6563-686f-8001-000000000001");
    assert_eq!(uuids[7], "62756c6b-6563-686f-8001-000000000002");
}

#[test]
fn an_access_costs_what_it_is_told_to() {
    let model = Model::start(&["--mmio-cost-us", "2000"]);
    let mut client = model.client();
    let start = Instant::now();
    for _ in 0..5 {
        csr(&mut client);
    }
    assert!(start.elapsed() >= Duration::from_millis(10));
    model
        .control()
        .command(json!({"cmd": "set", "mmio_cost_us": 0}));
    let state = model.control().command(json!({"cmd": "state"}));
    assert_eq!(state["settings"]["mmio_cost_us"], 0);
}

#[test]
fn control_connections_may_be_many_at_a_time() {
    let model = Model::start(&["--notify", "consumed", "--fw-version", "9.8.7.6"]);
    let mut connections: Vec<Control> = (0..4).map(|_| model.control()).collect();
    for control in &mut connections {
        for _ in 0..2 {
            let state = control.command(json!({"cmd": "state"}));
            assert_eq!(state["settings"]["notify"], "consumed");
            assert_eq!(state["fw_version"], json!([9, 8, 7, 6]));
        }
    }
    drop(connections);
    let answer = model.control().command(json!({"cmd": "clear_faults"}));
    assert_eq!(answer, json!({"ok": true}));
}

#[test]
fn quit_ends_the_process_at_once() {
    let mut model = Model::start(&[]);
    let mut client = model.client();
    let answer = model.control().command(json!({"cmd": "quit"}));
    assert_eq!(answer["ok"], true);
    assert_eq!(model.exit_code(), Some(0));
    assert!(client.region_read(BAR0, 0, &mut [0; 4]).is_err());
}

#[test]
fn time_passes_without_a_client() {
    let model = Model::start(&[]);
    let mut control = model.control();
    control.command(json!({"cmd": "reset_firmware", "down_ms": 20}));
    let down = control.command(json!({"cmd": "state"}));
    assert_eq!(down["link"], "down");
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(10));
        let trace = std::fs::read_to_string(model.path("trace")).unwrap();
        if trace.lines().last().unwrap().contains("\"ready\"") {
            return;
        }
    }
    panic!("the firmware did not come back");
}

#[test]
fn the_trace_has_one_object_per_line_in_order_of_time() {
    let model = Model::start(&[]);
    let mut client = model.client();
    client.region_write(CONFIG, 4, &[0x06, 0]).unwrap();
    client.region_write(BAR0, 4, &[0x15, 0, 0, 0]).unwrap();
    csr(&mut client);
    client.region_write(CONFIG, 0x54, &[3]).unwrap();
    let file = File::open(model.path("trace")).unwrap();
    let lines = BufReader::new(file).lines().map(|line| line.unwrap());
    let lines: Vec<Value> = lines.map(|l| serde_json::from_str(&l).unwrap()).collect();
    let times: Vec<u64> = lines.iter().map(|l| l["t_ns"].as_u64().unwrap()).collect();
    assert!(times.is_sorted());
    let written = lines.iter().find(|line| line["event"] == "mmio_write");
    assert_eq!(written.unwrap()["register"], "H_CSR");
    assert_eq!(written.unwrap()["value"], 0x15);
    for event in ["config_write", "host_reset", "mmio_read", "power"] {
        assert!(lines.iter().any(|line| line["event"] == event), "{event}");
    }
}

#[test]
fn a_bad_command_line_is_refused() {
    for arguments in [
        &["--device-id", "xyz"][..],
        &["--fw-version", "1.2.3"],
        &["--notify", "never"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_heci-model"))
            .args(["--socket".into(), dir.path().join("vfio")])
            .args(["--control".into(), dir.path().join("control")])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_socket_that_exists_is_refused_by_name() {
    let model = Model::start(&[]);
    let output = Command::new(env!("CARGO_BIN_EXE_heci-model"))
        .args(["--socket".into(), model.path("vfio")])
        .args(["--control".into(), model.path("other")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains(model.path("vfio").to_str().unwrap()),
        "{error}"
    );
}
