// SPDX-License-Identifier: GPL-2.0

//! `build/trust.json`: what the long tests have found, in one file.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{json, Map, Value};

use crate::env;
use crate::process;

/// A test that leaves its numbers in a file below `build`.
struct Part {
    name: &'static str,
    file: &'static str,
    /// What makes the file.
    command: &'static str,
}

const PARTS: &[Part] = &[
    Part {
        name: "faults",
        file: "faults.json",
        command: "make check-faults",
    },
    Part {
        name: "coverage",
        file: "coverage.json",
        command: "make check-debug",
    },
    Part {
        name: "fuzz",
        file: "fuzz.json",
        command: "make fuzz",
    },
    Part {
        name: "soak",
        file: "soak.json",
        command: "make soak",
    },
];

/// Puts the files together that there are. Returns a line for each part; and whether all are there.
pub(crate) fn trust() -> Result<(String, bool)> {
    let checkout = env::checkout()?;
    let build = checkout.join("build");
    let (parts, lines) = collect(&build)?;
    let complete = parts.values().all(|part| !part["result"].is_null());
    let sum = json!({
        "format": 1,
        "commit": commit(&checkout)?,
        "complete": complete,
        "parts": parts,
    });
    let file = build.join("trust.json");
    fs::write(&file, format!("{sum:#}\n"))
        .with_context(|| format!("could not write {}", file.display()))?;
    Ok((lines, complete))
}

fn collect(build: &Path) -> Result<(Map<String, Value>, String)> {
    let mut parts = Map::new();
    let mut lines = String::new();
    for Part {
        name,
        file,
        command,
    } in PARTS
    {
        let path = build.join(file);
        let result = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is no JSON", path.display()))?,
            Err(_) => Value::Null,
        };
        lines += &match result.is_null() {
            true => format!("{name:<9} missing: {command}\n"),
            false => format!("{name:<9} build/{file}\n"),
        };
        let part = json!({"command": command, "file": file, "result": result});
        parts.insert((*name).to_owned(), part);
    }
    Ok((parts, lines))
}

/// The commit of the checkout, with `-dirty` behind it if anything was changed since.
fn commit(checkout: &Path) -> Result<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(checkout);
    git.args([
        "describe",
        "--always",
        "--abbrev=40",
        "--dirty",
        "--exclude=*",
    ]);
    Ok(process::capture(&mut git, "git describe")?
        .trim()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_there_and_parts_that_are_not() {
        let build = tempfile::tempdir().unwrap();
        fs::write(build.path().join("soak.json"), r#"{"format":1}"#).unwrap();
        let (parts, lines) = collect(build.path()).unwrap();
        assert_eq!(parts.len(), PARTS.len());
        assert_eq!(parts["soak"]["result"]["format"], 1);
        assert!(parts["fuzz"]["result"].is_null());
        assert!(lines.contains("soak      build/soak.json\n"));
        assert!(lines.contains("fuzz      missing: make fuzz\n"));

        fs::write(build.path().join("fuzz.json"), "half of i").unwrap();
        assert!(collect(build.path()).is_err());
    }
}
