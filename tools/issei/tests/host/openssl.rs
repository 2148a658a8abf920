// SPDX-License-Identifier: GPL-2.0

//! The commands that the manual gives, run as they stand there with the `openssl` of the host.

use std::fs;
use std::path::Path;
use std::process::Command;

use isseictl::evidence::description::Description;
use isseictl::evidence::directory;
use isseictl::evidence::files::to_pem;
use serde_json::json;

use crate::support::{occasion, Engine, NONCE};

const MANUAL: &str = include_str!("../../help/openssl.txt");

/// The commands of the manual for this evidence.
fn commands(description: &Description) -> Vec<String> {
    let signature = &description.signature;
    let mut scheme = None;
    let mut commands = Vec::new();
    for line in MANUAL.lines() {
        let Some(command) = line.strip_prefix("    ") else {
            let condition = ["ecdsa", "rsassa-pkcs1-v1_5", "rsassa-pss"]
                .into_iter()
                .find(|scheme| line.ends_with(&format!(" is {scheme}:")));
            scheme = condition;
            continue;
        };
        if scheme.is_some_and(|scheme| scheme != signature.scheme) {
            continue;
        }
        if command.contains("dmtf-spdm-v") && signature.context.is_none() {
            commands.push("cmp transcript.bin signed.bin".into());
            continue;
        }
        commands.push(
            command
                .replace("DIGEST", &signature.digest)
                .replace("VERSION", &description.spdm.version)
                .replace("NONCE_OFFSET", &description.nonce_offset.to_string()),
        );
    }
    assert_eq!(commands.len(), 5, "{commands:#?}");
    commands
}

/// Runs a command and returns whether it succeeded, and what it said.
fn shell(directory: &Path, command: &str) -> (bool, String) {
    let output = Command::new("sh")
        .args(["-e", "-c", command])
        .current_dir(directory)
        .output()
        .expect("sh is there");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(
        output.status.code() != Some(127),
        "a program is not installed: {text}"
    );
    (output.status.success(), text)
}

fn write(engine: &mut Engine, directory: &Path) -> Description {
    let evidence = engine.evidence(0);
    directory::prepare(directory, false).expect("an empty directory");
    let written = directory::write(directory, &evidence, &occasion());
    let description = written.expect("written").expect("described");
    let root = engine.root(&evidence, 0);
    fs::write(directory.join("root.pem"), to_pem(&root.der)).expect("a root");
    fs::write(directory.join("nonce"), NONCE).expect("a nonce");
    description
}

#[test]
fn the_manual_verifies_every_kind_of_signature() {
    for (version, asym, hash) in [
        ("1.2", "ecdsa-p256", "sha256"),
        ("1.2", "ecdsa-p384", "sha384"),
        ("1.3", "ecdsa-p521", "sha512"),
        ("1.2", "rsassa-2048", "sha256"),
        ("1.3", "rsassa-3072", "sha384"),
        ("1.2", "rsapss-2048", "sha256"),
        ("1.3", "rsapss-4096", "sha512"),
        ("1.0", "ecdsa-p384", "sha384"),
        ("1.1", "rsassa-2048", "sha384"),
        ("1.1", "rsapss-3072", "sha256"),
        ("1.4", "ecdsa-p384", "sha3-384"),
    ] {
        let settings = json!({"versions": [version], "asym": [asym], "hash": [hash]});
        let mut engine = Engine::new(settings);
        let directory = tempfile::tempdir().expect("a directory");
        let description = write(&mut engine, directory.path());
        for command in commands(&description) {
            let (success, text) = shell(directory.path(), &command);
            assert!(success, "{version} {asym}: {command}\n{text}");
        }
    }
}

#[test]
fn the_manual_notices_changes() {
    let mut engine = Engine::new(json!({"versions": ["1.2"]}));
    for (file, fails) in [
        ("signature.der", 2),
        ("transcript.bin", 3),
        ("nonce", 4),
        ("signed.bin", 2),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let description = write(&mut engine, directory.path());
        let path = directory.path().join(file);
        let mut bytes = fs::read(&path).expect("a file");
        *bytes.last_mut().expect("a byte") ^= 1;
        fs::write(&path, bytes).expect("a file");
        for (number, command) in commands(&description).iter().enumerate() {
            let (success, text) = shell(directory.path(), command);
            assert!(success || number >= fails, "{file}: {command}\n{text}");
            assert!(!success || number != fails, "{file}: {command}\n{text}");
        }
    }
    let directory = tempfile::tempdir().expect("a directory");
    let description = write(&mut engine, directory.path());
    let other = engine.evidence(0);
    let other = engine.root(&other, 1);
    fs::write(directory.path().join("root.pem"), to_pem(&other.der)).expect("a root");
    let (success, text) = shell(directory.path(), &commands(&description)[0]);
    assert!(!success, "{text}");
}
