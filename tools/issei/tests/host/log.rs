// SPDX-License-Identifier: GPL-2.0

//! The log of the driver.

use isseictl::evidence::{Negotiated, SignedMeasurements, Transcript};
use isseictl::exit::Exit;
use isseictl::log::{Entry, EPOCH};
use serde_json::json;
use spdm::signing::{prefix, Purpose};

use crate::info::run;
use crate::machine::{remove, Machine};
use crate::support::{Engine, NONCE};

/// An entry for measurements that an engine has signed.
fn measured(settings: serde_json::Value) -> Entry {
    let evidence = Engine::new(settings).evidence(0);
    let negotiated = Negotiated::read(&evidence.vca).expect("the negotiation");
    let measurements = SignedMeasurements::read(&evidence.measurements, &negotiated);
    let measurements = measurements.expect("measurements");
    let transcript = Transcript::new(&evidence.vca, &measurements, &negotiated);
    let purpose = Purpose::Measurements;
    Entry {
        kind: purpose.context().into(),
        hash_algorithm: negotiated.hash.name().into(),
        prefix: prefix(negotiated.version(), purpose).map_or(Vec::new(), |prefix| prefix.into()),
        transcript: transcript.expect("a transcript").transcript,
        signature: measurements.signature.to_vec(),
        certificate_chain: evidence.chains[&0][4 + negotiated.hash.size()..].to_vec(),
        requester_nonce: NONCE.to_vec(),
        responder_nonce: measurements.exchanges[0].1.nonce.to_vec(),
        ..Entry::default()
    }
}

fn epoch() -> Entry {
    Entry {
        kind: EPOCH.into(),
        transcript: vec![7; 48],
        ..Entry::default()
    }
}

/// Gives entries numbers and heads.
fn chained(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut before = [0; 32];
    for (number, entry) in (0..).zip(&mut entries) {
        entry.number = number;
        entry.head = entry.head_after(&before);
        before = entry.head;
    }
    entries
}

fn entries() -> Vec<Entry> {
    let versions = ["1.0", "1.2", "1.3"].map(|version| measured(json!({"versions": [version]})));
    chained([vec![epoch()], versions.to_vec()].concat())
}

/// The exit status of `log` with these arguments.
fn exit(machine: &Machine, line: &str) -> Exit {
    match run(machine, line) {
        Ok(output) => output.exit,
        Err(failure) => failure.exit,
    }
}

#[test]
fn the_head_is_that_of_the_kernel() {
    // Computed with python3's hashlib from the description of the format.
    let entry = Entry {
        number: 1,
        kind: "responder-measurements signing".into(),
        hash_algorithm: "sha384".into(),
        prefix: vec![1; 100],
        transcript: b"transcript".to_vec(),
        signature: vec![2; 96],
        certificate_chain: b"chain".to_vec(),
        requester_nonce: vec![3; 32],
        responder_nonce: vec![4; 32],
        head: [0; 32],
    };
    let head = "13497d92a8fe42d4c23c28856621bc7b8b807c40f10d5fad7235f2a7ea1abadc";
    assert_eq!(hex::encode(entry.head_after(&[9; 32])), head);
}

#[test]
fn a_log_that_is_whole() {
    let machine = Machine::with_agent();
    let entries = entries();
    machine.log(&entries, 0);
    let output = run(&machine, "log").expect("a log");
    assert!(
        output.text.as_str().contains(EPOCH),
        "{}",
        output.text.as_str()
    );
    let last = format!("head 3:{}", hex::encode(entries[3].head));
    assert_eq!(output.text.as_str().lines().last(), Some(last.as_str()));

    let output = run(&machine, "log --verify").expect("a log");
    assert_eq!(output.exit, Exit::Ok, "{}", output.text.as_str());
    let output = run(&machine, "log 2").expect("a log");
    assert!(output
        .text
        .as_str()
        .contains(&hex::encode(&entries[2].signature)));
    assert_eq!(output.json["entries"].as_array().map(Vec::len), Some(1));
    assert_eq!(exit(&machine, "log 4"), Exit::Usage);
}

#[test]
fn every_kind_of_key() {
    for (asym, hash) in [
        ("ecdsa-p256", "sha256"),
        ("ecdsa-p521", "sha3-384"),
        ("rsassa-2048", "sha384"),
        ("rsapss-3072", "sha512"),
    ] {
        let machine = Machine::with_agent();
        let entry = measured(json!({"asym": [asym], "hash": [hash]}));
        machine.log(&chained(vec![epoch(), entry]), 0);
        let output = run(&machine, "log --verify").expect("a log");
        let text = output.text.as_str();
        assert_eq!(output.exit, Exit::Ok, "{asym} {hash}\n{text}");
    }
}

#[test]
fn any_change_breaks_the_chain() {
    let entries = entries();
    let changes: [fn(&mut Entry); 9] = [
        |entry| entry.kind.push('x'),
        |entry| entry.hash_algorithm = "sha256".into(),
        |entry| entry.prefix[0] ^= 1,
        |entry| entry.transcript[5] ^= 1,
        |entry| entry.signature[5] ^= 1,
        |entry| entry.certificate_chain[5] ^= 1,
        |entry| entry.requester_nonce[0] ^= 1,
        |entry| entry.responder_nonce[0] ^= 1,
        |entry| entry.head[0] ^= 1,
    ];
    for (number, change) in changes.iter().enumerate() {
        let machine = Machine::with_agent();
        let mut changed = entries.clone();
        change(&mut changed[2]);
        machine.log(&changed, 0);
        assert_eq!(exit(&machine, "log --verify"), Exit::Log, "change {number}");
    }
    // Two that were exchanged, and one that was left out.
    let machine = Machine::with_agent();
    let mut exchanged = entries.clone();
    exchanged.swap(1, 2);
    exchanged[1].number = 1;
    exchanged[2].number = 2;
    machine.log(&exchanged, 0);
    assert_eq!(exit(&machine, "log --verify"), Exit::Log);
    let machine = Machine::with_agent();
    machine.log(&entries, 0);
    machine.spdm("log_head", format!("{}\n", "0".repeat(64)));
    assert_eq!(exit(&machine, "log --verify"), Exit::Log);
}

#[test]
fn a_signature_that_is_wrong_is_not_a_broken_chain() {
    let mut wrong = measured(json!({}));
    wrong.signature[10] ^= 1;
    let mut bad_chain = measured(json!({}));
    bad_chain.certificate_chain.truncate(100);
    let mut no_chain = measured(json!({}));
    no_chain.certificate_chain.clear();
    let mut other_nonce = measured(json!({}));
    other_nonce.requester_nonce = vec![9; 32];
    let mut other_prefix = measured(json!({}));
    other_prefix.prefix = vec![0; 100];
    for (entry, reason) in [
        (wrong, "wrong signature"),
        (bad_chain, "certificate 0"),
        (no_chain, "CertChain"),
        (other_nonce, "the nonce of the driver"),
        (other_prefix, "the prefix is none of SPDM"),
    ] {
        let machine = Machine::with_agent();
        machine.log(&chained(vec![epoch(), entry]), 0);
        let output = run(&machine, "log --verify").expect("a log");
        assert_eq!(output.exit, Exit::Failed, "{}", output.text.as_str());
        assert!(
            output.text.as_str().contains(reason),
            "{}",
            output.text.as_str()
        );
    }
    let mut unknown = measured(json!({}));
    unknown.kind = "responder-endpoint_info signing".into();
    let mut sm3 = measured(json!({}));
    sm3.hash_algorithm = "sm3".into();
    for entry in [unknown, sm3] {
        let machine = Machine::with_agent();
        machine.log(&chained(vec![epoch(), entry]), 0);
        assert_eq!(exit(&machine, "log --verify"), Exit::Unsupported);
    }
}

#[test]
fn entries_that_were_dropped() {
    let machine = Machine::with_agent();
    let entries = entries();
    machine.log(&entries, 2);
    let output = run(&machine, "log --verify").expect("a log");
    assert_eq!(
        output.exit,
        Exit::NothingToCompare,
        "{}",
        output.text.as_str()
    );
    assert!(output.text.as_str().contains("the first 2 were dropped"));
    assert_eq!(
        output.json["entry_checks"][0]["checks"][0]["result"],
        "not_checked"
    );
    assert_eq!(
        output.json["entry_checks"][1]["checks"][0]["result"],
        "pass"
    );

    let seen = |number: usize, head: &[u8]| format!("log --seen {number}:{}", hex::encode(head));
    assert_eq!(exit(&machine, &seen(1, &entries[1].head)), Exit::Ok);
    assert_eq!(exit(&machine, &seen(2, &entries[2].head)), Exit::Ok);
    let mut changed = entries.clone();
    changed[3].signature[0] ^= 1;
    machine.log(&changed, 2);
    assert_eq!(exit(&machine, &seen(2, &entries[2].head)), Exit::Log);
    machine.log(&entries, 2);
    assert_eq!(
        exit(&machine, &seen(0, &entries[0].head)),
        Exit::NothingToCompare
    );
    // Other heads than those that were seen.
    assert_eq!(exit(&machine, &seen(1, &[1; 32])), Exit::Log);
    assert_eq!(exit(&machine, &seen(3, &[1; 32])), Exit::Log);
    assert_eq!(exit(&machine, &seen(4, &entries[3].head)), Exit::Log);

    let machine = Machine::with_agent();
    machine.log(&entries, 0);
    assert_eq!(exit(&machine, &seen(0, &entries[0].head)), Exit::Ok);
    assert_eq!(exit(&machine, &seen(3, &entries[3].head)), Exit::Ok);
}

#[test]
fn a_log_that_is_not_all_there() {
    let machine = Machine::with_agent();
    machine.log(&entries(), 0);
    remove(&machine.path("class/issei/issei0/spdm/signatures/2_signature"));
    let failure = run(&machine, "log").expect_err("a file is missing");
    assert_eq!(failure.exit, Exit::Log, "{failure}");
    let machine = Machine::with_agent();
    machine.log(&entries(), 0);
    machine.spdm("signatures/1_head", "nothing\n");
    let failure = run(&machine, "log").expect_err("a head is none");
    assert_eq!(failure.exit, Exit::Log, "{failure}");
}
