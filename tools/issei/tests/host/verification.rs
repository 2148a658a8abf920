// SPDX-License-Identifier: GPL-2.0

//! The checks.

use der::DateTime;
use isseictl::check::{self, Check, Outcome};
use isseictl::evidence::Evidence;
use isseictl::exit::Exit;
use isseictl::nonce::Nonce;
use isseictl::roots::Root;
use isseictl::verify::{verify, Expected};
use serde_json::json;
use spdm::measurements::Operation;

use crate::support::{now, recorded, Engine, NONCE};

fn checks(evidence: &Evidence, nonce: Nonce, root: &Root) -> Vec<Check> {
    let expected = Expected {
        nonce: Some(nonce),
        roots: std::slice::from_ref(root),
        now: now(),
    };
    verify(evidence, &expected)
}

fn passes(evidence: &Evidence, nonce: Nonce, root: &Root, what: &str) {
    let checks = checks(evidence, nonce, root);
    assert_eq!(
        check::exit(check::verdict(&checks)),
        Exit::Ok,
        "{what}: {checks:#?}"
    );
}

/// The check of this name, with its result as a word.
fn result<'a>(checks: &'a [Check], name: &str) -> (&'a str, &'a str) {
    let check = checks.iter().find(|check| check.name == name);
    let check = check.unwrap_or_else(|| panic!("no check {name} in {checks:#?}"));
    (check.result.key(), &check.reason)
}

#[test]
fn every_version_and_algorithm() {
    for version in ["1.0", "1.1", "1.2", "1.3", "1.4"] {
        for asym in [
            "ecdsa-p256",
            "ecdsa-p384",
            "ecdsa-p521",
            "rsassa-2048",
            "rsapss-3072",
        ] {
            let mut engine = Engine::new(json!({"versions": [version], "asym": [asym]}));
            let evidence = engine.evidence(0);
            let root = engine.root(&evidence, 0);
            passes(&evidence, NONCE, &root, &format!("{version} {asym}"));
        }
    }
    for asym in ["rsassa-3072", "rsassa-4096", "rsapss-2048", "rsapss-4096"] {
        let mut engine = Engine::new(json!({"asym": [asym]}));
        let evidence = engine.evidence(0);
        passes(&evidence, NONCE, &engine.root(&evidence, 0), asym);
    }
    for hash in [
        "sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512",
    ] {
        let mut engine = Engine::new(json!({"hash": [hash]}));
        let evidence = engine.evidence(0);
        passes(&evidence, NONCE, &engine.root(&evidence, 0), hash);
    }
}

#[test]
fn recordings_of_an_independent_implementation() {
    for name in [
        "v10-sha256-ecdsa_p256.txt",
        "v11-sha384-ecdsa_p384.txt",
        "v12-sha256-rsassa_2048.txt",
        "v12-sha384-ecdsa_p384.txt",
        "v12-sha384-ecdsa_p384-raw-one_by_one.txt",
        "v13-sha384-ecdsa_p384.txt",
        "v13-sha512-rsassa_3072.txt",
        "v14-sha384-ecdsa_p384.txt",
    ] {
        let (evidence, nonce, root) = recorded(name);
        if evidence.measurements[3] == 0xff {
            passes(&evidence, nonce, &root, name);
            continue;
        }
        // Asked for one by one; ERROR, for those that are not there, makes a transcript begin anew.
        let found = checks(&evidence, nonce, &root);
        let (last, before) = found.split_last().expect("checks");
        assert_eq!(check::verdict(before), Outcome::Pass, "{name}: {found:#?}");
        assert_eq!(last.reason, "only 1 of them were asked for", "{name}");
    }
}

#[test]
fn measurements_one_by_one() {
    let operations = [
        Operation::Count,
        Operation::One(1),
        Operation::One(2),
        Operation::One(0xfe),
    ];
    let mut engine = Engine::new(json!({}));
    let evidence = engine.collect(1, &operations);
    let root = engine.root(&evidence, 1);
    let checks = checks(&evidence, NONCE, &root);
    assert_eq!(result(&checks, "signature").0, "pass");
    let incomplete = ("fail", "there are 11, but 3 were read");
    assert_eq!(result(&checks, "measurements"), incomplete);

    let evidence = engine.collect(1, &operations[1..]);
    let checks = self::checks(&evidence, NONCE, &root);
    let unknown = ("fail", "only 3 of them were asked for");
    assert_eq!(result(&checks, "measurements"), unknown);
    let mut all = vec![Operation::Count];
    all.extend((1..=9).chain([0xfd, 0xfe]).map(Operation::One));
    let evidence = engine.collect(1, &all);
    passes(&evidence, NONCE, &root, "one by one");
    let twice = [Operation::One(2), Operation::One(2)];
    let evidence = engine.collect(1, &twice);
    let checks = self::checks(&evidence, NONCE, &root);
    assert_eq!(
        result(&checks, "measurements"),
        ("fail", "an index occurs twice")
    );
}

#[test]
fn measurements_of_a_later_time() {
    let mut engine = Engine::new(json!({}));
    let evidence = engine.collect_new(0);
    let root = engine.root(&evidence, 0);
    let checks = checks(&evidence, NONCE, &root);
    assert_eq!(result(&checks, "signature").0, "pass");
    let (key, reason) = result(&checks, "measurements");
    assert_eq!(key, "fail");
    assert!(reason.contains("after the next reset"), "{reason}");
}

/// Every byte changed, one at a time, has to be noticed.
fn notices(bytes: &[u8], spare: &[usize], mut exit: impl FnMut(Vec<u8>) -> Exit) {
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 0x01;
        let exit = exit(changed);
        assert_eq!(exit == Exit::Ok, spare.contains(&at), "byte {at}: {exit:?}");
    }
}

#[test]
fn any_change_is_noticed() {
    let settings = json!({"asym": ["ecdsa-p256"], "hash": ["sha256"], "versions": ["1.2"]});
    let mut engine = Engine::new(settings);
    let evidence = engine.evidence(0);
    let root = engine.root(&evidence, 0);
    let exit = |evidence: Evidence| {
        let checks = checks(&evidence, NONCE, &root);
        check::exit(check::verdict(&checks))
    };
    assert_eq!(exit(evidence.clone()), Exit::Ok);
    notices(&evidence.vca, &[], |vca| {
        exit(Evidence {
            vca,
            ..evidence.clone()
        })
    });
    notices(&evidence.measurements, &[], |measurements| {
        exit(Evidence {
            measurements,
            ..evidence.clone()
        })
    });
    // Two bytes of the header are reserved, and nothing covers them.
    notices(&evidence.chains[&0], &[2, 3], |chain| {
        let mut evidence = evidence.clone();
        evidence.chains.insert(0, chain);
        exit(evidence)
    });
    // Nor does anything cover the chain of a slot that did not sign.
    let mut other = evidence.clone();
    other.chains.insert(1, vec![0; 8]);
    assert_eq!(exit(other), Exit::Ok);
}

#[test]
fn any_cut_is_noticed() {
    let mut engine = Engine::new(json!({"asym": ["ecdsa-p256"], "hash": ["sha256"]}));
    let evidence = engine.evidence(0);
    let root = engine.root(&evidence, 0);
    let fails = |evidence: &Evidence, what: String| {
        let checks = checks(evidence, NONCE, &root);
        let verdict = check::verdict(&checks);
        assert_eq!(verdict, Outcome::Fail, "{what}: {checks:#?}");
    };
    for length in 0..evidence.vca.len() {
        let mut cut = evidence.clone();
        cut.vca.truncate(length);
        fails(&cut, format!("negotiation of {length} bytes"));
    }
    for length in 0..evidence.measurements.len() {
        let mut cut = evidence.clone();
        cut.measurements.truncate(length);
        fails(&cut, format!("measurements of {length} bytes"));
    }
    for length in 0..evidence.chains[&0].len() {
        let mut cut = evidence.clone();
        cut.chains.get_mut(&0).expect("a chain").truncate(length);
        fails(&cut, format!("chain of {length} bytes"));
    }
    let mut longer = evidence.clone();
    longer.vca.push(0);
    fails(&longer, "a longer negotiation".into());
    let mut without = evidence.clone();
    without.chains.remove(&0);
    fails(&without, "no chain".into());
    let checks = checks(&without, NONCE, &root);
    assert_eq!(
        result(&checks, "chain"),
        ("fail", "the chain of slot 0 is missing")
    );
    assert_eq!(result(&checks, "signature").0, "not_checked");
}

#[test]
fn failed_is_not_the_same_as_not_checked() {
    let mut engine = Engine::new(json!({}));
    let evidence = engine.evidence(0);
    let nothing = Expected {
        nonce: None,
        roots: &[],
        now: now(),
    };
    let found = verify(&evidence, &nothing);
    assert_eq!(check::exit(check::verdict(&found)), Exit::NothingToCompare);
    assert_eq!(result(&found, "nonce").0, "not_checked");
    assert_eq!(result(&found, "anchored").0, "not_checked");
    assert_eq!(result(&found, "signature").0, "pass");

    let root = engine.root(&evidence, 0);
    let found = checks(&evidence, [0; 32], &root);
    assert_eq!(result(&found, "nonce").0, "fail");
    assert!(result(&found, "nonce").1.contains(&hex::encode(NONCE)));
    assert_eq!(result(&found, "signature").0, "pass");

    let other = engine.root(&evidence, 1);
    let found = checks(&evidence, NONCE, &other);
    let reason = "it ends in none of the roots given";
    assert_eq!(result(&found, "anchored"), ("fail", reason));
    assert_eq!(check::exit(check::verdict(&found)), Exit::Failed);
}

#[test]
fn a_root_that_is_not_in_the_chain() {
    let mut engine = Engine::new(json!({}));
    let with = engine.evidence(0);
    let root = engine.root(&with, 0);
    let mut engine = Engine::new(json!({"omit_root": true}));
    let evidence = engine.evidence(0);
    passes(&evidence, NONCE, &root, "its issuer is given");

    // The same name, but not the same key.
    let stranger = Engine::new(json!({"asym": ["ecdsa-p256"]}));
    let mut stranger = stranger;
    let other = stranger.evidence(0);
    let other = stranger.root(&other, 0);
    let found = checks(&evidence, NONCE, &other);
    assert_eq!(result(&found, "anchored").0, "fail", "{found:#?}");
}

#[test]
fn chains_that_do_not_hold_together() {
    for (fault, reason) in [
        ("spdm-chain-broken", "signature"),
        ("spdm-chain-end-entity", "no certificate authority"),
        ("spdm-chain-sha1", "too weak"),
        ("spdm-chain-rsa1024", "too short"),
        ("spdm-chain-root-hash", "RootHash"),
        ("spdm-chain-leaf-usage", "digitalSignature"),
    ] {
        let mut evidence = Engine::new(json!({})).evidence(0);
        evidence.chains = Engine::new(json!({})).arm(fault).chains();
        let expected = Expected {
            nonce: Some(NONCE),
            roots: &[],
            now: now(),
        };
        let found = verify(&evidence, &expected);
        let (key, text) = result(&found, "chain");
        assert_eq!(key, "fail", "{fault}: {found:#?}");
        assert!(text.contains(reason), "{fault}: {text}");
        assert_eq!(check::exit(check::verdict(&found)), Exit::Failed);
    }
}

#[test]
fn certificates_that_are_not_valid_now() {
    let mut engine = Engine::new(json!({})).arm("spdm-chain-expired");
    let evidence = engine.evidence(0);
    let root = engine.root(&evidence, 0);
    let found = checks(&evidence, NONCE, &root);
    let (key, reason) = result(&found, "dates");
    assert_eq!(key, "fail");
    assert!(reason.contains("was valid until"), "{reason}");
    assert_eq!(result(&found, "signature").0, "pass");

    let mut engine = Engine::new(json!({}));
    let evidence = engine.evidence(0);
    let expected = Expected {
        nonce: Some(NONCE),
        roots: &[],
        now: DateTime::new(1970, 1, 1, 0, 0, 0).expect("a date"),
    };
    let found = verify(&evidence, &expected);
    let (key, reason) = result(&found, "dates");
    assert_eq!(key, "fail");
    assert!(reason.contains("is valid from"), "{reason}");
}
