// SPDX-License-Identifier: GPL-2.0

//! `verify`.

use serde_json::json;

use super::{Context, Given};
use crate::args;
use crate::check::{self, Check, Gap};
use crate::console::{Output, Text};
use crate::evidence::directory::{self, Stored};
use crate::exit::Failure;
use crate::verify::{self, Expected};

/// Checks an evidence directory.
pub(super) fn verify(context: &Context, args: &args::Verify) -> Result<Output, Failure> {
    let given = Given::read(&args.against)?;
    let stored = directory::read(&args.directory)?;
    let expected = Expected {
        nonce: given.nonce,
        roots: &given.roots,
        now: context.now,
    };
    let mut checks = vec![stored.check()];
    checks.extend(check_contents(&stored, &expected));

    let mut text = Text::default();
    text.checks(&checks);
    let json = json!({
        "directory": args.directory.display().to_string(),
        "evidence": stored.description,
        "checks": checks,
    });
    let mut output = Output::new(text, json);
    output.exit = check::exit(check::verdict(&checks));
    Ok(output)
}

fn check_contents(stored: &Stored, expected: &Expected<'_>) -> Vec<Check> {
    match stored.lacks {
        None => verify::verify(&stored.evidence, expected),
        Some(name) => verify::ALL
            .into_iter()
            .map(|check| Check::not_checked(check, Gap::Depends, format!("{name} is missing")))
            .collect(),
    }
}
