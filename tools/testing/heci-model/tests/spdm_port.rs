// SPDX-License-Identifier: GPL-2.0
//! The program's SPDM sockets, in the protocol of DMTF's and QEMU's emulators: three big-endian
//! numbers (command, transport type, size), then the payload.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{json, Value};

const NORMAL: u32 = 1;
const CONTINUE: u32 = 0xfffd;
const SHUTDOWN: u32 = 0xfffe;
const UNKNOWN: u32 = 0xffff;
const TEST: u32 = 0xdead;

const GET_VERSION: [u8; 4] = [0x10, 0x84, 0, 0];

/// A model that is ended with the test.
struct Model(Child);

impl Drop for Model {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heci-model"));
    command.args(arguments);
    command
}

fn start(arguments: &[&str]) -> Model {
    let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    Model(child)
}

fn output(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// An address where nobody listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn write_frame(stream: &mut TcpStream, command: u32, transport: u32, payload: &[u8]) {
    let numbers = [command, transport, payload.len() as u32].map(u32::to_be_bytes);
    stream
        .write_all(&[&numbers.concat(), payload].concat())
        .unwrap();
}

fn read_frame(stream: &mut TcpStream) -> (u32, u32, Vec<u8>) {
    let mut header = [0; 12];
    stream.read_exact(&mut header).unwrap();
    let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
    let mut payload = vec![0; number(8) as usize];
    stream.read_exact(&mut payload).unwrap();
    (number(0), number(4), payload)
}

fn exchange(stream: &mut TcpStream, command: u32, payload: &[u8]) -> (u32, u32, Vec<u8>) {
    write_frame(stream, command, 0, payload);
    read_frame(stream)
}

fn version(stream: &mut TcpStream) {
    let (command, transport, payload) = exchange(stream, NORMAL, &GET_VERSION);
    assert_eq!((command, transport, payload[1]), (NORMAL, 0, 4));
}

fn control(path: &Path, command: Value) -> Value {
    let mut stream = BufReader::new(UnixStream::connect(path).unwrap());
    let text = format!("{command}\n");
    stream.get_mut().write_all(text.as_bytes()).unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn the_port_answers_every_command() {
    let address = free_address();
    let _model = start(&["--no-device", "--spdm-listen", &address]);
    let mut stream = TcpStream::connect(&address).unwrap();
    let hello = exchange(&mut stream, TEST, b"Client Hello!\0");
    assert_eq!(hello, (TEST, 0, b"Server Hello!\0".to_vec()));
    version(&mut stream);
    assert_eq!(exchange(&mut stream, 0x1234, b"x"), (UNKNOWN, 0, vec![]));
    version(&mut stream);
    let end = exchange(&mut stream, CONTINUE, &[]);
    assert_eq!(end, (CONTINUE, 0, vec![]));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed");
    version(&mut TcpStream::connect(&address).unwrap());
}

#[test]
fn shutdown_ends_a_responder_without_a_device() {
    let address = free_address();
    let mut model = start(&["--no-device", "--spdm-listen", &address]);
    let mut stream = TcpStream::connect(&address).unwrap();
    assert_eq!(exchange(&mut stream, SHUTDOWN, &[]), (SHUTDOWN, 0, vec![]));
    assert_eq!(model.0.wait().unwrap().code(), Some(0));
}

#[test]
fn shutdown_does_not_end_a_device() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let (socket, commands, address) = (path("vfio"), path("control"), free_address());
    let arguments = [
        "--socket",
        &socket,
        "--control",
        &commands,
        "--spdm-listen",
        &address,
    ];
    let _model = start(&arguments);
    let mut stream = TcpStream::connect(&address).unwrap();
    assert_eq!(exchange(&mut stream, SHUTDOWN, &[]).0, SHUTDOWN);
    version(&mut TcpStream::connect(&address).unwrap());
}

#[test]
fn requesters_do_not_disturb_each_other() {
    let address = free_address();
    let _model = start(&["--no-device", "--spdm-listen", &address]);
    let mut one = TcpStream::connect(&address).unwrap();
    version(&mut one);
    version(&mut TcpStream::connect(&address).unwrap());
    let get_capabilities = [0x11, 0xe1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(exchange(&mut one, NORMAL, &get_capabilities).2[1], 0x61);
    let mut other = TcpStream::connect(&address).unwrap();
    assert_eq!(
        exchange(&mut other, NORMAL, &get_capabilities).2[1..3],
        [0x7f, 4]
    );
}

#[test]
fn another_transport_or_too_large_a_frame_ends_the_connection() {
    let address = free_address();
    let _model = start(&["--no-device", "--spdm-listen", &address]);
    let mut stream = TcpStream::connect(&address).unwrap();
    write_frame(&mut stream, NORMAL, 1, &GET_VERSION);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream
        .write_all(&[0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0, 0, 0])
        .unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    version(&mut TcpStream::connect(&address).unwrap());
}

#[test]
fn a_command_changes_what_the_port_answers() {
    let directory = tempfile::tempdir().unwrap();
    let commands = directory.path().join("control");
    let address = free_address();
    let path = commands.to_str().unwrap();
    let _model = start(&["--no-device", "--control", path, "--spdm-listen", &address]);
    let ok = json!({"ok": true});
    assert_eq!(
        control(&commands, json!({"cmd": "spdm_set", "versions": ["1.4"]})),
        ok
    );
    let mut stream = TcpStream::connect(&address).unwrap();
    let only = vec![0x10, 4, 0, 0, 0, 1, 0, 0x14];
    assert_eq!(exchange(&mut stream, NORMAL, &GET_VERSION).2, only);
    let fault = json!({"cmd": "fault", "name": "spdm-busy", "on": "version"});
    assert_eq!(control(&commands, fault), ok);
    let busy = vec![0x10, 0x7f, 3, 0];
    assert_eq!(exchange(&mut stream, NORMAL, &GET_VERSION).2, busy);
    assert_eq!(exchange(&mut stream, NORMAL, &GET_VERSION).2, only);
}

#[test]
fn an_identity_can_be_given() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let openssl = |arguments: &str| {
        let openssl = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&directory)
            .output();
        let output = openssl.expect("openssl is not installed: it is needed for this test");
        assert!(output.status.success(), "openssl {arguments}");
    };
    openssl("ecparam -name prime256v1 -genkey -noout -out sec1");
    openssl("pkcs8 -topk8 -nocrypt -in sec1 -out key");
    openssl("req -x509 -new -key key -subj /CN=given -days 2 -out chain");
    openssl("genpkey -algorithm ed25519 -out ed25519");
    openssl("x509 -in chain -outform der -out der");

    let given = format!("3:{}:{}", path("chain"), path("key"));
    let (commands, address) = (path("control"), free_address());
    let arguments = [
        "--no-device",
        "--control",
        &commands,
        "--spdm-listen",
        &address,
    ];
    let _model = start(&[&arguments[..], &["--spdm-identity", &given]].concat());
    let spdm = json!({"cmd": "spdm", "slot": 3, "asym": "ecdsa-p256"});
    let answer = control(Path::new(&commands), spdm);
    let der: String = fs::read(path("der"))
        .unwrap()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(answer["certificates"], json!([der]));
    let other = json!({"cmd": "spdm", "slot": 3});
    let answer = control(Path::new(&commands), other);
    assert_eq!(answer["ok"], false, "{answer}");

    let second = path("second");
    for (chain, key, why) in [
        ("nothing", "key", "cannot read"),
        ("key", "key", "certificates in"),
        ("chain", "ed25519", "PKCS #8"),
        ("chain", "sec1", "openssl pkcs8"),
    ] {
        let given = format!("3:{}:{}", path(chain), path(key));
        let arguments = [
            "--no-device",
            "--control",
            &second,
            "--spdm-listen",
            "127.0.0.1:0",
        ];
        let output = output(&[&arguments[..], &["--spdm-identity", &given]].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(error.contains(why), "{error}");
    }
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other");
    let given = format!("3:{}:{}", path("chain"), path("other"));
    let output = output(&[
        "--no-device",
        "--spdm-listen",
        "127.0.0.1:0",
        "--spdm-identity",
        &given,
    ]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("does not belong"), "{error}");
}

#[test]
fn bad_options_are_refused_with_what_is_wrong() {
    let listen = ["--no-device", "--spdm-listen", "127.0.0.1:0"];
    for (arguments, code, why) in [
        (&["--no-device"][..], 2, "--spdm-listen"),
        (&["--spdm-identity", "9:a:b"], 2, "0 to 7"),
        (&["--spdm-identity", "1:a"], 2, "SLOT:CHAIN:KEY"),
        (&["--spdm-seed", "a b"], 1, "--spdm-seed"),
        (&["--spdm-chain-length", "1"], 1, "--spdm-chain-length"),
        (&["--spdm-hash", "sha1"], 2, "sha1"),
    ] {
        let mut all = arguments.to_vec();
        if arguments[0] != "--no-device" {
            all.extend(listen);
        }
        let output = output(&all);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(why), "{error}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = output(&["--no-device", "--spdm-listen", &address]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&address), "{error}");
}

#[test]
fn without_a_responder_to_connect_to_there_is_no_model() {
    let address = free_address();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let (socket, commands) = (path("vfio"), path("control"));
    let arguments = [
        "--socket",
        &socket,
        "--control",
        &commands,
        "--spdm-connect",
        &address,
    ];
    let output = output(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&address), "{error}");
}
