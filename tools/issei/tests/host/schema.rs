// SPDX-License-Identifier: GPL-2.0

//! The committed schemas.

use std::sync::LazyLock;

use jsonschema::{Registry, Validator};
use serde_json::{json, Value};

const OUTPUT: &str = include_str!("../../schema/isseictl-1.schema.json");
const EVIDENCE: &str = include_str!("../../schema/issei-evidence-1.schema.json");

fn schema(text: &str) -> Value {
    serde_json::from_str(text).expect("a schema is JSON")
}

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let evidence = schema(EVIDENCE);
    let id = evidence["$id"].as_str().expect("an id").to_owned();
    let registry = Registry::new().add(id, evidence).expect("a resource");
    let registry = registry.prepare().expect("a registry");
    let options = jsonschema::options().with_registry(&registry);
    options.build(&schema(OUTPUT)).expect("a schema")
});

/// What is wrong with an object.
fn faults(object: &Value) -> Vec<String> {
    let errors = VALIDATOR.iter_errors(object);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// An object is of the schema.
pub(crate) fn valid(object: &Value) {
    let faults = faults(object);
    assert!(faults.is_empty(), "{faults:#?} in {object:#}");
}

/// A description of evidence is of its schema.
pub(crate) fn valid_description(object: &Value) {
    let validator = jsonschema::validator_for(&schema(EVIDENCE)).expect("a schema");
    let errors = validator.iter_errors(object).map(|error| error.to_string());
    let errors: Vec<_> = errors.collect();
    assert!(errors.is_empty(), "{errors:#?} in {object:#}");
}

#[test]
fn the_schemas_are_strict() {
    let good = json!({"schema": "isseictl/1", "command": "verify", "exit_code": 9,
        "directory": "x", "evidence": null,
        "checks": [{"name": "nonce", "result": "not_checked", "reason": "none"}]});
    valid(&good);
    for (pointer, value) in [
        ("/schema", json!("isseictl/2")),
        ("/command", json!("other")),
        ("/exit_code", json!(11)),
        ("/checks/0/result", json!("maybe")),
        ("/checks/0/name", json!("else")),
        ("/evidence", json!({})),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect("a place") = value;
        assert!(!faults(&bad).is_empty(), "{pointer}");
    }
    for member in ["schema", "command", "exit_code", "checks", "evidence"] {
        let mut bad = good.clone();
        bad.as_object_mut().expect("an object").remove(member);
        assert!(!faults(&bad).is_empty(), "{member}");
    }
    let success = json!({"schema": "isseictl/1", "command": "info", "exit_code": 0,
        "error": {"message": "x", "advice": null}});
    assert!(!faults(&success).is_empty());
}
