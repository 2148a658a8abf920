// SPDX-License-Identifier: GPL-2.0

//! Licences and sources of the host crates: the part of `make deny` that needs no cargo-deny. The lists are those of
//! `deny.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{ensure, Context, Result};
use serde::Deserialize;

use crate::env::Env;
use crate::host;
use crate::process;
use crate::tap::Results;

const LISTS: &str = "deny.toml";
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
const TARGET: &str = "x86_64-unknown-linux-gnu";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// None for the project's own.
    source: Option<String>,
}

/// The licences that all crates may have, and those that single ones may have besides.
#[derive(Debug, Default)]
struct Lists {
    allow: BTreeSet<String>,
    exceptions: BTreeMap<String, BTreeSet<String>>,
}

impl Lists {
    /// Reads as much of the file as is needed: the first list `allow`, and each line with a crate and a list of its own.
    fn parse(text: &str) -> Self {
        let quoted = |text: &str| -> Vec<String> {
            text.split('"')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        let mut lists = Self::default();
        if let Some((_, rest)) = text.split_once("\nallow = [") {
            let (list, _) = rest.split_once(']').unwrap_or((rest, ""));
            lists.allow = quoted(list).into_iter().collect();
        }
        let lines = text.lines().map(str::trim_start);
        for line in
            lines.filter(|line| line.starts_with("{ crate = ") && line.contains("allow = ["))
        {
            if let Some((name, licences)) = quoted(line).split_first() {
                let licences = licences.iter().cloned().collect();
                lists.exceptions.insert(name.clone(), licences);
            }
        }
        lists
    }

    /// What is wrong with a package.
    fn judge(&self, package: &Package) -> Option<String> {
        let (name, version) = (&package.name, &package.version);
        let source = package.source.as_deref()?;
        if source != REGISTRY {
            return Some(format!("{name} {version} comes from {source}"));
        }
        let Some(license) = &package.license else {
            return Some(format!("{name} {version} names no licence"));
        };
        let own = self.exceptions.get(name);
        let allowed = |licence: &str| {
            self.allow.contains(licence) || own.is_some_and(|own| own.contains(licence))
        };
        match evaluate(license, &allowed) {
            Some(true) => None,
            Some(false) => Some(format!("{name} {version}: {license} is not in {LISTS}")),
            None => Some(format!("{name} {version}: {license} cannot be read")),
        }
    }
}

/// Whether an SPDX expression can be fulfilled; `None` if it is none. An old form has `/` for `OR`.
fn evaluate(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let value = any(&mut words, allowed)?;
    words.next().is_none().then_some(value)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut value = all(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        value |= all(words, allowed)?;
    }
    Some(value)
}

fn all(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut value = one(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        value &= one(words, allowed)?;
    }
    Some(value)
}

fn one(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    match words.next()? {
        "(" => {
            let value = any(words, allowed)?;
            words.next_if_eq(&")").map(|_| value)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        licence if words.next_if_eq(&"WITH").is_some() => {
            Some(allowed(&format!("{licence} WITH {}", words.next()?)))
        }
        licence => Some(allowed(licence)),
    }
}

/// Looks at all crates for which there is a lock.
pub(crate) fn check(env: &Env) -> Result<Results> {
    let lists =
        fs::read_to_string(env.checkout.join(LISTS)).with_context(|| format!("no {LISTS}"))?;
    let lists = Lists::parse(&lists);
    let mut cargo = host::cargo()?;
    cargo.args(["metadata", "--format-version=1", "--locked"]);
    cargo.args(["--filter-platform", TARGET]);
    let metadata = process::capture(&mut cargo, "cargo metadata")?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("cargo metadata")?;
    ensure!(!metadata.packages.is_empty(), "there are no crates");
    let wrong: Vec<String> = metadata
        .packages
        .iter()
        .filter_map(|package| lists.judge(package))
        .collect();
    Ok(match wrong.is_empty() {
        true => Results::pass(),
        false => Results::fail(format!("licences: {}", wrong.join("; "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[licenses]
allow = [
    "MIT", # comment
    "Unicode-3.0",
]
exceptions = [
    { crate = "odd", allow = ["Apache-2.0"] },
]
skip = [
    { crate = "old@1", reason = "allow" },
]
"#;

    fn judge(name: &str, license: Option<&str>, source: Option<&str>) -> Option<String> {
        Lists::parse(TEXT).judge(&Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: license.map(str::to_owned),
            source: source.map(str::to_owned),
        })
    }

    #[test]
    fn expressions() {
        for (license, fine) in [
            ("MIT", true),
            ("Apache-2.0", false),
            ("Apache-2.0 OR MIT", true),
            ("Apache-2.0/MIT", true),
            ("Apache-2.0 AND MIT", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("MIT OR Apache-2.0 AND GPL-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
            ("MIT WITH LLVM-exception", false),
            ("MIT MIT", false),
            ("(MIT", false),
            ("MIT OR", false),
            ("", false),
        ] {
            let wrong = judge("any", Some(license), Some(REGISTRY));
            assert_eq!(wrong.is_none(), fine, "{license}: {wrong:?}");
        }
    }

    #[test]
    fn crates() {
        assert!(judge("odd", Some("Apache-2.0"), Some(REGISTRY)).is_none());
        assert!(judge("any", None, Some(REGISTRY)).is_some());
        assert!(judge("any", Some("MIT"), Some("git+https://example.org")).is_some());
        assert!(judge("own", None, None).is_none());
        assert!(judge("old@1", Some("allow"), Some(REGISTRY)).is_some());
    }
}
