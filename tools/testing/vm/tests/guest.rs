// SPDX-License-Identifier: GPL-2.0

//! The runner, tried on real guests.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::Command;

/// What a run of `vm run` ended with.
struct Ended {
    status: Option<i32>,
    stdout: String,
    stderr: String,
    out: tempfile::TempDir,
}

impl Ended {
    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.out.path().join(name)).unwrap()
    }
}

fn vm(options: &[&str], command: &[&str]) -> Ended {
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_vm"))
        .args(["run", "--out"])
        .arg(out.path())
        .args(options)
        .arg("--")
        .args(command)
        .output()
        .unwrap();
    Ended {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        out,
    }
}

#[test]
fn status_and_output_come_back() {
    let script =
        "echo to stdout; echo to stderr >&2; echo to the log >/dev/kmsg; echo $0 $1; exit 7";
    let ended = vm(&["--no-model"], &["sh", "-c", script, "a b", "c'd"]);
    assert_eq!(ended.status, Some(7), "{}", ended.stderr);
    assert_eq!(ended.stdout, "to stdout\nto stderr\na b c'd\n");
    assert!(ended.file("kernel.log").contains("] to the log"));
    assert!(ended.file("kernel.log").contains("] Linux version "));
    assert_eq!(ended.file("output.log"), ended.stdout);
}

#[test]
fn much_output_arrives_whole() {
    let ended = vm(&["--no-model"], &["seq", "20000"]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    let expected: String = (1..=20_000).map(|i| format!("{i}\n")).collect();
    assert!(ended.stdout == expected, "{} bytes", ended.stdout.len());
}

#[test]
fn a_splat_fails_the_run() {
    let script = "echo 'WARNING: drivers/misc/x.c:1 at f+0x1/0x2, CPU#0: sh/1' >/dev/kmsg";
    let ended = vm(&["--no-model"], &["sh", "-c", script]);
    assert_eq!(ended.status, Some(120), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("WARNING: drivers/misc/x.c:1"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_panic_fails_the_run() {
    let ended = vm(
        &["--no-model"],
        &["sh", "-c", "echo c >/proc/sysrq-trigger; sleep 60"],
    );
    assert_eq!(ended.status, Some(120), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("sysrq triggered crash"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_guest_without_a_status_fails_the_run() {
    let ended = vm(
        &["--no-model"],
        &["sh", "-c", "echo 0; reboot -f; sleep 60"],
    );
    assert_eq!(ended.status, Some(121), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("ended without a status"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_time_limit_names_its_step() {
    let ended = vm(
        &["--no-model", "--timeout", "2"],
        &["sh", "-c", "echo so far; sleep 600"],
    );
    assert_eq!(ended.status, Some(122), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("run the command: the time limit of 2 s"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("so far"), "{}", ended.stderr);
}

#[test]
fn two_models_files_and_ports() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, note) = (dir.path().join("socket"), dir.path().join("note"));
    std::fs::write(&note, "placed\n").unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let peer = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(b"hello, guest\n").unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        heard
    });
    let script = "
        cat /note /sys/bus/pci/devices/*/device | grep -e placed -e 0x000c -e 0xa85d -e 0xe35d
        for model in heci0 heci1; do
            exec 5<>/dev/virtio-ports/$model
            echo '{\"cmd\":\"state\"}' >&5
            read -r -t 10 answer <&5 && echo \"$answer\" | grep -o '\"ok\":true'
            exec 5<&-
        done
        exec 5<>/dev/virtio-ports/peer
        read -r -t 10 line <&5 && echo \"$line\"
        echo 'hello, host' >&5
        exec 6<>/dev/virtio-ports/qmp
        read -r -t 10 line <&6 && echo \"$line\" | grep -o '{\"QMP\"'
        modprobe aer-inject && lsmod | grep -o aer_inject
    ";
    let options = [
        "--model",
        "",
        "--model",
        "--device-id E35D",
        "--root-port",
        "--stock-module",
        "aer-inject",
        "--file",
        &format!("{}:/note", note.display()),
        "--port",
        &format!("peer={}", socket.display()),
    ];
    let ended = vm(&options, &["sh", "-c", script]);
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let expected =
        "placed\n0x000c\n0x000c\n0xa85d\n0xe35d\n\"ok\":true\n\"ok\":true\nhello, guest\n{\"QMP\"\naer_inject\n";
    assert_eq!(ended.stdout, expected);
    assert_eq!(peer.join().unwrap(), "hello, host\n");
    assert!(!ended.file("model0.trace").is_empty() && !ended.file("model1.trace").is_empty());
}

#[test]
fn the_root_file_system_as_a_guest() {
    let dir = tempfile::tempdir().unwrap();
    let note = dir.path().join("note");
    std::fs::write(&note, "placed\n").unwrap();
    let placement = format!("{}:/opt/a dir/note", note.display());
    let script = "python3 -c 'print(6 * 7)'; cat '/opt/a dir/note'; id -un; touch /usr/written && keyctl --version";
    let ended = vm(
        &["--guest", "rootfs", "--no-model", "--file", &placement],
        &["sh", "-c", script],
    );
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.starts_with("42\nplaced\nroot\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_cannot_start_is_named() {
    let ended = vm(&["--model", "--no-such-option"], &["true"]);
    assert_eq!(ended.status, Some(125), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("device model 0") && ended.stderr.contains("--no-such-option"),
        "{}",
        ended.stderr
    );

    let ended = vm(&["--no-model", "--vfio-user", "/no/such/socket"], &["true"]);
    assert_eq!(ended.status, Some(121), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("QEMU says") && ended.stderr.contains("/no/such/socket"),
        "{}",
        ended.stderr
    );

    let ended = vm(&["--no-model", "--module", "/etc/passwd"], &["true"]);
    assert_eq!(ended.status, Some(125), "{}", ended.stderr);
    assert!(ended.stderr.contains("/etc/passwd"), "{}", ended.stderr);
}
