// SPDX-License-Identifier: GPL-2.0

//! Commands that show and check evidence and certificates.

use std::fs;
use std::path::Path;

use isseictl::args::Command;
use isseictl::commands::{attest, measurements};
use isseictl::console::{object, Output};
use isseictl::evidence::description;
use isseictl::evidence::files::{split, to_pem};
use isseictl::evidence::Evidence;
use isseictl::exit::Exit;
use isseictl::netlink::Objects;
use isseictl::roots::Root;
use isseictl::verify::Expected;
use serde_json::{json, Value};

use crate::info::run;
use crate::machine::Machine;
use crate::schema::{valid, valid_description};
use crate::support::{now, Engine, NONCE};

/// What `attest` does when it has got this evidence.
fn keep(directory: &Path, evidence: Evidence, roots: &[Root]) -> Output {
    let objects = Objects {
        generation: 5,
        evidence,
    };
    let target = attest::Target {
        directory,
        nonce: NONCE,
        drawn: true,
        roots,
        device: description::Device {
            name: "issei0".into(),
            pci_id: Some("8086:a85d".into()),
            firmware_version: Some("1.2.3.4".into()),
        },
    };
    let output = attest::keep(&Machine::new().context(None), &objects, &target);
    let output = output.expect("it is written");
    said("attest", output)
}

/// What is said has to be of the schema.
fn said(command: &str, output: Output) -> Output {
    valid(&object(command, Ok(&output)));
    output
}

#[test]
fn evidence_is_kept_and_checked_again_elsewhere() {
    let mut engine = Engine::new(json!({}));
    let evidence = engine.evidence(0);
    let root = engine.root(&evidence, 0);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("evidence");
    fs::create_dir(&path).expect("a directory");
    // Who gives no root leaves it to the verifier.
    let output = keep(&path, evidence, &[]);
    assert_eq!(output.exit, Exit::Ok, "{}", output.text.as_str());
    assert!(output.text.as_str().contains("(drawn here)"));
    let description = fs::read(path.join("evidence.json")).expect("a file");
    let description: Value = serde_json::from_slice(&description).expect("JSON");
    valid_description(&description);
    assert_eq!(output.json["evidence"], description);

    let root_file = directory.path().join("root.pem");
    fs::write(&root_file, to_pem(&root.der)).expect("a file");
    let nonce_file = directory.path().join("nonce");
    fs::write(&nonce_file, hex::encode(NONCE)).expect("a file");
    let (path, root, nonce) = (path.display(), root_file.display(), nonce_file.display());
    let machine = Machine::new();
    for (line, exit) in [
        (format!("verify {path}"), Exit::NothingToCompare),
        (
            format!("verify {path} --nonce @{nonce}"),
            Exit::NothingToCompare,
        ),
        (
            format!("verify {path} --root {root}"),
            Exit::NothingToCompare,
        ),
        (
            format!("verify {path} --root {root} --nonce @{nonce}"),
            Exit::Ok,
        ),
        (
            format!("verify {path} --root {root} --nonce {}", "00".repeat(32)),
            Exit::Failed,
        ),
        (
            format!("verify {path} --root {path}/leaf.pem --nonce @{nonce}"),
            Exit::Failed,
        ),
    ] {
        let output = run(&machine, &line).expect("it can be checked");
        assert_eq!(output.exit, exit, "{line}\n{}", output.text.as_str());
    }
    for (line, exit) in [
        (format!("verify {path}/x"), Exit::Usage),
        (format!("verify {path} --nonce 00"), Exit::Usage),
        (format!("verify {path} --root {path}/x"), Exit::Usage),
        (format!("verify {path} --root {path}/vca.bin"), Exit::Usage),
        (
            format!("verify {path} --root {path}/evidence.json"),
            Exit::Usage,
        ),
    ] {
        let failure = run(&machine, &line).expect_err("it cannot be checked");
        assert_eq!(failure.exit, exit, "{line}: {failure}");
    }
    fs::remove_file(format!("{path}/vca.bin")).expect("removed");
    let output = run(&machine, &format!("verify {path}")).expect("it is evidence");
    assert_eq!(output.exit, Exit::Failed);
    assert!(
        output.text.as_str().contains("vca.bin is missing"),
        "{}",
        output.text.as_str()
    );
}

#[test]
fn evidence_that_is_wrong_is_kept_and_fails() {
    let mut engine = Engine::new(json!({}));
    let evidence = engine.evidence(0);
    let other = engine.root(&evidence, 1);
    let directory = tempfile::tempdir().expect("a directory");
    let output = keep(directory.path(), evidence.clone(), &[other]);
    assert_eq!(output.exit, Exit::Failed, "{}", output.text.as_str());

    let mut broken = evidence;
    broken.vca.truncate(30);
    let directory = tempfile::tempdir().expect("a directory");
    let output = keep(directory.path(), broken, &[]);
    assert_eq!(output.exit, Exit::Failed);
    let text = output.text.as_str();
    assert!(text.contains("evidence.json was not written"), "{text}");
}

#[test]
fn a_directory_that_is_not_empty_is_refused_before_anything_is_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("x"), "x").expect("a file");
    let line = format!("attest -o {}", directory.path().display());
    let failure = run(&Machine::new(), &line).expect_err("it is not empty");
    assert_eq!(failure.exit, Exit::Usage, "{failure}");
    let line = format!("attest -o {} --nonce 12", directory.path().display());
    let failure = run(&Machine::new(), &line).expect_err("no nonce");
    assert!(failure.message.contains("not a nonce"), "{failure}");
}

#[test]
fn a_table_of_measurements() {
    let mut engine = Engine::new(json!({}));
    let evidence = engine.evidence(0);
    let expected = Expected {
        nonce: Some(NONCE),
        roots: &[],
        now: now(),
    };
    let output = said(
        "measurements",
        measurements::show("issei0", &evidence, &expected),
    );
    assert_eq!(output.exit, Exit::Ok, "{}", output.text.as_str());
    let text = output.text.as_str();
    for line in [
        "1      immutable ROM",
        "6      security version number",
        "254    device mode",
        "253    freeform manifest",
        "measurements hashed with sha384",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let all = output.json["measurements"].as_array().expect("a list");
    assert_eq!(all.len(), 11);
    assert!(all.iter().any(|one| one["svn"].is_u64()), "{all:#?}");
    assert!(all.iter().any(|one| one["device_mode"].is_object()));

    let mut broken = evidence;
    broken.measurements.truncate(50);
    let output = said(
        "measurements",
        measurements::show("issei0", &broken, &expected),
    );
    assert_eq!(output.exit, Exit::Failed);
    assert_eq!(output.json["measurements"], Value::Null);
}

#[test]
fn certificates_of_all_slots() {
    let machine = Machine::with_agent();
    let output = run(&machine, "certs").expect("none yet");
    assert!(output.text.as_str().contains("no certificates were read"));

    let chain = Engine::new(json!({})).chains()[&0][4 + 48..].to_vec();
    machine.spdm("certificates/slot0", &chain);
    machine.spdm("certificates/slot1", "");
    machine.spdm("certificates/slot2", "garbage");
    let output = run(&machine, "certs").expect("certificates");
    let text = output.text.as_str();
    for line in [
        "slot 0: 3 certificates, root first",
        "ECDSA P-384",
        "ECDSA with SHA-384",
        "end entity",
        "certificate authority",
        "of the hardware",
        "slot 1: not provisioned",
        "slot 2: 7 bytes that are no DER",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let certificates = &output.json["slots"][0]["certificates"];
    assert_eq!(certificates.as_array().map(Vec::len), Some(3));
    assert!(
        certificates[2]["device_info"].is_string(),
        "{certificates:#}"
    );

    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("chain");
    let line = format!("certs --slot 0 --der -o {}", file.display());
    run(&machine, &line).expect("written");
    assert_eq!(fs::read(&file).expect("a file"), chain);
    let line = format!("certs --slot 0 --pem -o {}", file.display());
    run(&machine, &line).expect("written");
    let pem: String = split(&chain).into_iter().map(to_pem).collect();
    assert_eq!(fs::read_to_string(&file).expect("a file"), pem);
    for line in ["certs --slot 1", "certs --slot 5 --der"] {
        let failure = run(&machine, line).expect_err("nothing there");
        assert_eq!(failure.exit, Exit::Unsupported, "{failure}");
    }
}

#[test]
fn names_of_commands_are_those_of_the_command_line() {
    use clap::CommandFactory;
    let command = isseictl::args::Cli::command();
    let names: Vec<_> = command
        .get_subcommands()
        .map(|one| one.get_name())
        .collect();
    let expected = [
        "info",
        "clients",
        "attest",
        "measurements",
        "certs",
        "log",
        "verify",
        "man",
        "completions",
    ];
    assert_eq!(names, expected);
    assert_eq!(Command::Info.name(), "info");
}
