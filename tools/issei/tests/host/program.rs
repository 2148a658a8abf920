// SPDX-License-Identifier: GPL-2.0

//! The program as it is run: output, exit status, manual.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::schema::valid;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_isseictl"))
        .args(arguments)
        .env_remove("NO_COLOR")
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn errors_go_to_standard_error_and_into_the_object() {
    let output = run(&["verify", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).starts_with("isseictl: /nonexistent: "));

    let output = run(&["--json", "verify", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(2));
    let object: Value = serde_json::from_slice(&output.stdout).expect("one object");
    valid(&object);
    assert_eq!(object["exit_code"], 2);

    let output = run(&["frobnicate"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_pipe_that_ends_early_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_isseictl"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn completions_and_manual() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert!(text(&output.stdout).contains("measurements"), "{shell}");
    }
    let page = text(&run(&["man"]).stdout);
    for title in [
        ".SH NAME",
        ".SH \"EXIT STATUS\"",
        ".SH EXAMPLES",
        ".TH isseictl 1",
    ] {
        assert!(page.contains(title), "{title} in\n{page}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path");
    assert!(run(&["man", path]).status.success());
    let count = std::fs::read_dir(path).expect("a directory").count();
    assert_eq!(count, 8);
    let page = std::fs::read_to_string(directory.path().join("isseictl-attest.1"));
    let page = page.expect("a page");
    assert!(page.contains("openssl dgst"), "{page}");
    assert!(page.contains("isseictl\\-attest") || page.contains("isseictl-attest"));
}

#[test]
fn no_colour_in_a_pipe() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("vca.bin"), "x").expect("a file");
    let path = directory.path().to_str().expect("a path");
    let output = run(&["verify", path]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.starts_with("FAIL         files"), "{said}");
    assert!(said.contains("NOT CHECKED  signature"), "{said}");
    let output = run(&["-q", "verify", path]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}

#[test]
fn what_is_installed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path");
    let make = |target: &str| {
        let output = Command::new("make")
            .args(["-C", env!("CARGO_MANIFEST_DIR"), target, "PREFIX=/usr"])
            .arg(format!("DESTDIR={path}"))
            .arg(format!("BIN={}", env!("CARGO_BIN_EXE_isseictl")))
            .output()
            .expect("make is there");
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    make("install");
    for file in [
        "bin/isseictl",
        "share/man/man1/isseictl.1",
        "share/man/man1/isseictl-verify.1",
        "share/bash-completion/completions/isseictl",
        "share/zsh/site-functions/_isseictl",
        "share/fish/vendor_completions.d/isseictl.fish",
        "share/issei/schema/isseictl-1.schema.json",
        "share/issei/schema/issei-evidence-1.schema.json",
    ] {
        let path = directory.path().join("usr").join(file);
        let length = std::fs::metadata(&path).map_or(0, |found| found.len());
        assert!(length > 100, "{file}: {length} bytes");
    }
    make("uninstall");
    let left = walk(directory.path());
    assert!(left.is_empty(), "{left:?}");
}

/// All files below a directory.
fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => walk(&path),
            false => vec![path],
        })
        .collect()
}
