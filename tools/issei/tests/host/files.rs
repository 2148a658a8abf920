// SPDX-License-Identifier: GPL-2.0

//! Evidence directories.

use std::fs;
use std::path::Path;

use isseictl::check::Outcome;
use isseictl::evidence::directory::{self, Stored};
use isseictl::evidence::files;
use isseictl::exit::Exit;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{occasion, Engine};

fn written(settings: serde_json::Value) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let evidence = Engine::new(settings).evidence(0);
    directory::prepare(directory.path(), false).expect("it is empty");
    let description = directory::write(directory.path(), &evidence, &occasion());
    description.expect("written").expect("described");
    let stored = directory::read(directory.path()).expect("it can be read");
    assert_eq!(
        stored.check().result,
        Outcome::Pass,
        "{:?}",
        stored.problems
    );
    assert_eq!(stored.evidence, evidence);
    directory
}

fn read(directory: &Path) -> Stored {
    let stored = directory::read(directory).expect("it can be read");
    assert_eq!(stored.check().result, Outcome::Fail);
    stored
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a name");
    let mut names: Vec<_> = entries
        .map(|entry| name(entry.expect("an entry")))
        .collect();
    names.sort();
    names
}

#[test]
fn all_files_are_there() {
    let directory = written(json!({"asym": ["rsassa-2048"]}));
    let expected = [
        "chain.pem",
        "evidence.json",
        "leaf.pem",
        "measurements.bin",
        "nonce",
        "signature.bin",
        "signed.bin",
        "slot0.bin",
        "slot0.der",
        "slot1.bin",
        "slot1.der",
        "transcript.bin",
        "vca.bin",
    ];
    assert_eq!(names(directory.path()), expected);
    let directory = written(json!({}));
    assert!(names(directory.path()).contains(&"signature.der".to_owned()));
}

#[test]
fn every_file_that_is_missing_cut_or_changed_gets_a_sentence() {
    let directory = written(json!({}));
    let path = directory.path();
    for name in names(path) {
        let file = path.join(&name);
        let bytes = fs::read(&file).expect("a file");

        fs::remove_file(&file).expect("removed");
        let stored = read(path);
        let missing = format!("{name} is missing");
        assert!(
            stored.problems[0].contains(&missing),
            "{:?}",
            stored.problems
        );
        let lacks = [files::VCA, files::MEASUREMENTS].contains(&name.as_str());
        assert_eq!(stored.lacks.is_some(), lacks, "{name}");

        for length in [0, 1, bytes.len() - 2] {
            fs::write(&file, &bytes[..length]).expect("a file");
            let stored = read(path);
            let cut = format!("{name} is cut short: {length} of {} bytes", bytes.len());
            let cut = if name == files::DESCRIPTION {
                "EOF"
            } else {
                &cut
            };
            assert!(stored.problems[0].contains(cut), "{:?}", stored.problems);
        }

        if name != files::DESCRIPTION {
            let mut changed = bytes.clone();
            changed[bytes.len() / 2] ^= 1;
            fs::write(&file, changed).expect("a file");
            let stored = read(path);
            let changed = format!("{name} was changed");
            assert!(
                stored.problems[0].contains(&changed),
                "{:?}",
                stored.problems
            );
        }
        let longer = [&bytes[..], b"x"].concat();
        fs::write(&file, longer).expect("a file");
        assert!(read(path).problems[0].contains(&name));

        fs::write(&file, bytes).expect("a file");
    }
    assert_eq!(read_whole(path).problems, Vec::<String>::new());
}

fn read_whole(path: &Path) -> Stored {
    directory::read(path).expect("it can be read")
}

#[test]
fn files_of_other_evidence_do_not_fit() {
    let directory = written(json!({}));
    let other = written(json!({"seed": "0002"}));
    let path = directory.path();
    // Whoever exchanges a file can write its description, too.
    fs::remove_file(path.join(files::DESCRIPTION)).expect("removed");
    for name in [
        files::SIGNATURE,
        files::SIGNATURE_DER,
        files::SIGNED,
        files::LEAF_PEM,
        files::CHAIN_PEM,
        "slot0.der",
    ] {
        let file = path.join(name);
        let own = fs::read(&file).expect("a file");
        fs::copy(other.path().join(name), &file).expect("copied");
        let problems = read(path).problems.join("\n");
        let sentence = format!("{name} does not hold what");
        assert!(problems.contains(&sentence), "{problems}");
        fs::write(&file, own).expect("a file");
    }
}

#[test]
fn a_description_that_names_other_files() {
    let directory = written(json!({}));
    let path = directory.path().join(files::DESCRIPTION);
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(&path, text.replace("\"nonce\",", "\"../nonce\",")).expect("a file");
    let problems = read(directory.path()).problems.join("\n");
    assert!(
        problems.contains("\"../nonce\" is not a file of evidence"),
        "{problems}"
    );
    fs::write(&path, text.replace("issei-evidence/1", "issei-evidence/2")).expect("a file");
    let problems = read(directory.path()).problems.join("\n");
    assert!(
        problems.contains("its form is issei-evidence/2"),
        "{problems}"
    );
}

#[test]
fn what_is_no_evidence() {
    let directory = tempfile::tempdir().expect("a directory");
    let failure = directory::read(directory.path()).expect_err("it is empty");
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.message.contains("holds no evidence"), "{failure}");
    let failure = directory::read(&directory.path().join("x")).expect_err("not there");
    assert_eq!(failure.exit, Exit::Usage);
    let file = directory.path().join("file");
    fs::write(&file, "x").expect("a file");
    let failure = directory::read(&file).expect_err("a file");
    assert!(failure.message.contains("not a directory"), "{failure}");
}

#[test]
fn nothing_is_overwritten_unasked() {
    let directory = written(json!({}));
    let path = directory.path();
    let failure = directory::prepare(path, false).expect_err("it is not empty");
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.message.contains("is not empty"), "{failure}");
    let count = names(path).len();

    let mine = path.join("mine.txt");
    fs::write(&mine, "x").expect("a file");
    let failure = directory::prepare(path, true).expect_err("it holds another file");
    assert!(failure.message.contains("mine.txt"), "{failure}");
    assert_eq!(names(path).len(), count + 1);

    fs::remove_file(&mine).expect("removed");
    directory::prepare(path, true).expect("it is evidence");
    assert_eq!(names(path), Vec::<String>::new());
}

#[test]
fn evidence_that_cannot_be_read_is_kept_but_not_described() {
    let mut evidence = Engine::new(json!({})).evidence(0);
    evidence.vca.truncate(20);
    let directory = tempfile::tempdir().expect("a directory");
    let result = directory::write(directory.path(), &evidence, &occasion());
    let error = result.expect("written").expect_err("not readable");
    assert!(!error.text.is_empty());
    assert!(!names(directory.path()).contains(&files::DESCRIPTION.to_owned()));
    assert_eq!(read(directory.path()).evidence, evidence);
}
