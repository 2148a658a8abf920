// SPDX-License-Identifier: GPL-2.0

//! Why there are lines of the driver that run in no test: `tools/testing/vm/uncovered.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// A line that has code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) file: PathBuf,
    pub(super) number: usize,
    /// The function that it is in, or that was last before it.
    pub(super) function: String,
    pub(super) text: String,
}

impl Line {
    /// The lines of a file of the checkout.
    pub(super) fn all(root: &Path, file: &Path) -> Result<Vec<Line>> {
        let path = root.join(file);
        let source = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        let is_c = path.extension().is_some_and(|extension| extension == "c");
        let function_of = if is_c { c_function } else { rust_function };
        let mut function = "-";
        let lines = (1..).zip(source.lines()).map(|(number, text)| {
            function = function_of(text).unwrap_or(function);
            Line {
                file: file.to_owned(),
                number,
                function: function.to_owned(),
                text: text.trim().to_owned(),
            }
        });
        Ok(lines.collect())
    }

    /// As `uncovered.toml` names it.
    fn name(&self) -> String {
        format!("{}: {}", self.place(), self.text)
    }

    /// As `uncovered.toml` names the whole function.
    fn place(&self) -> String {
        format!("{} {}", self.file.display(), self.function)
    }
}

fn rust_function(text: &str) -> Option<&str> {
    let (before, after) = text.split_once("fn ")?;
    let is_head = before.split_whitespace().all(|word| {
        ["const", "unsafe", "extern", "\"C\""].contains(&word) || word.starts_with("pub")
    });
    let end = after.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    (is_head && end > 0).then(|| &after[..end])
}

fn c_function(text: &str) -> Option<&str> {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || text.ends_with(';') {
        return None;
    }
    let (before, _) = text.split_once('(')?;
    before.rsplit([' ', '*']).next()
}

/// Lines that run in no test, for one reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    why: String,
    /// `FILE FUNCTION: TEXT` for a line, `FILE FUNCTION` for all lines of a function.
    lines: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reasons {
    reason: Vec<Reason>,
}

impl Reasons {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("could not read {}", path.display()))?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    fn of(&self, line: &Line) -> Option<&str> {
        let names = [line.name(), line.place()];
        let reason = self
            .reason
            .iter()
            .find(|reason| reason.lines.iter().any(|name| names.contains(name)));
        reason.map(|reason| reason.why.as_str())
    }

    /// The lines that have a reason, by that, and those that have none.
    pub(super) fn sort<'a>(
        &'a self,
        lines: &'a [Line],
    ) -> (BTreeMap<&'a str, Vec<&'a Line>>, Vec<&'a Line>) {
        let mut named: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
        let mut unnamed = Vec::new();
        for line in lines {
            match self.of(line) {
                Some(why) => named.entry(why).or_default().push(line),
                None => unnamed.push(line),
            }
        }
        (named, unnamed)
    }
}

/// For people: lines with a reason, then those without.
pub(super) fn text(named: &BTreeMap<&str, Vec<&Line>>, unnamed: &[&Line]) -> String {
    let list = |lines: &[&Line]| -> String {
        let line = |line: &&Line| {
            format!(
                "    {}:{} {}: {}\n",
                line.file.display(),
                line.number,
                line.function,
                line.text
            )
        };
        lines.iter().map(line).collect()
    };
    let mut text = String::new();
    for (why, lines) in named {
        text += &format!("{why}\n{}\n", list(lines));
    }
    if !unnamed.is_empty() {
        text += &format!("Nobody has said why:\n{}", list(unnamed));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const RUST: &str = "fn a() {\n    one();\n}\n\npub(crate) const unsafe extern \"C\" fn b<T>(f: fn(u8)) {\n    one();\n    let x: fn () = two;\n}\n";
    const C: &str = "static int a(int b)\n{\n\treturn f(b);\n}\n\nstruct x *bc(void)\n{\n";

    #[test]
    fn functions_are_found() {
        let functions = |text: &'static str,
                         of: fn(&'static str) -> Option<&'static str>|
         -> Vec<_> { text.lines().filter_map(of).collect() };
        assert_eq!(functions(RUST, rust_function), ["a", "b"]);
        assert_eq!(functions(C, c_function), ["a", "bc"]);
    }

    #[test]
    fn lines_get_their_reasons() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("x.rs"), RUST).unwrap();
        let lines = Line::all(root.path(), Path::new("x.rs")).unwrap();
        assert_eq!(lines[5].name(), "x.rs b: one();");
        let reasons: Reasons = toml::from_str(
            "[[reason]]\nwhy = \"so\"\nlines = [\"x.rs a\"]\n[[reason]]\nwhy = \"because\"\nlines = [\"x.rs b: one();\"]\n",
        )
        .unwrap();
        let lines = [1, 5, 6].map(|at: usize| lines[at].clone());
        let (named, unnamed) = reasons.sort(&lines);
        assert_eq!(named["so"], [&lines[0]]);
        assert_eq!(named["because"], [&lines[1]]);
        assert_eq!(unnamed, [&lines[2]]);
        let text = text(&named, &unnamed);
        assert!(text.contains("because\n    x.rs:6 b: one();\n"));
        assert!(text.ends_with("Nobody has said why:\n    x.rs:7 b: let x: fn () = two;\n"));
    }

    #[test]
    fn every_reason_is_about_a_line() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let reasons = Reasons::read(&root.join(super::super::REASONS)).unwrap();
        let mut seen = BTreeSet::new();
        for name in reasons.reason.iter().flat_map(|reason| &reason.lines) {
            assert!(seen.insert(name), "{name}: twice");
            let (file, _) = name.split_once(' ').unwrap();
            let lines = Line::all(&root, Path::new(file)).unwrap();
            let is_there = lines
                .iter()
                .any(|line| line.name() == *name || line.place() == *name);
            assert!(is_there, "{name}: there is no such line");
        }
    }
}
