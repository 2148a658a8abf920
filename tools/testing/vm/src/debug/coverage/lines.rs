// SPDX-License-Identifier: GPL-2.0

//! The lines of the driver that have code, and which of them have run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Result};
use serde_json::{json, Value};

use super::reasons::Line;

/// Where the driver's files are.
const PLACES: &[&str] = &[
    "drivers/misc/issei_rust",
    "rust/ham",
    "rust/spdm",
    "rust/kapi",
];

/// Files, and for each line that has code whether it has run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lines(BTreeMap<PathBuf, BTreeMap<usize, bool>>);

impl Lines {
    /// Adds what `llvm-cov export -format=lcov` says, with the sources below `root`. Tests, and what is not the driver's, are
    /// left out.
    pub(super) fn add(&mut self, lcov: &str, root: &Path) -> Result<()> {
        let mut file = None;
        for line in lcov.lines() {
            if let Some(path) = line.strip_prefix("SF:") {
                let path = ours(Path::new(path), root);
                file = path.map(|path| self.0.entry(path).or_default());
            }
            let (Some(file), Some(data)) = (&mut file, line.strip_prefix("DA:")) else {
                continue;
            };
            let number = |field: Option<&str>| field?.parse().ok();
            let mut fields = data.split(',');
            let (Some(line), Some(count)) = (number(fields.next()), number(fields.next())) else {
                anyhow::bail!("llvm-cov says: {line}");
            };
            *file.entry(line).or_insert(false) |= count > 0;
        }
        Ok(())
    }

    /// The same as lcov has it, for programs that show it.
    pub(super) fn lcov(&self) -> String {
        let mut text = String::new();
        for (file, lines) in &self.0 {
            text += &format!("SF:{}\n", file.display());
            for (line, ran) in lines {
                text += &format!("DA:{line},{}\n", u8::from(*ran));
            }
            text += "end_of_record\n";
        }
        text
    }

    fn counts(&self) -> Vec<(String, usize, usize)> {
        let count = |(file, lines): (&PathBuf, &BTreeMap<usize, bool>)| {
            let ran = lines.values().filter(|ran| **ran).count();
            (file.display().to_string(), lines.len(), ran)
        };
        self.0.iter().map(count).collect()
    }

    /// Lines and lines that have run, in all.
    pub(super) fn sums(&self) -> (usize, usize) {
        let add = |(lines, ran), (_, more, also): &(_, usize, usize)| (lines + more, ran + also);
        self.counts().iter().fold((0, 0), add)
    }

    /// A line for each file, and one for all.
    pub(super) fn table(&self) -> String {
        let mut text = String::from("   lines      ran\n");
        let (lines, ran) = self.sums();
        let mut counts = self.counts();
        counts.push(("in all".to_owned(), lines, ran));
        for (file, lines, ran) in counts {
            let percent = 100.0 * ran as f64 / lines.max(1) as f64;
            text += &format!("{lines:8} {percent:6.1} %  {file}\n");
        }
        text
    }

    /// The same for programs, with how many lines have not run for no reason.
    pub(super) fn json(&self, unnamed: usize) -> Value {
        let (lines, ran) = self.sums();
        let files: Vec<Value> = self
            .counts()
            .into_iter()
            .map(|(file, lines, ran)| json!({"file": file, "lines": lines, "ran": ran}))
            .collect();
        json!({"format": 1, "lines": lines, "ran": ran, "unnamed": unnamed, "files": files})
    }

    /// The lines that have not run.
    pub(super) fn missing(&self, root: &Path) -> Result<Vec<Line>> {
        let mut missing = Vec::new();
        for (file, lines) in &self.0 {
            let mut all = Line::all(root, file)?;
            let last = lines.keys().last().copied().unwrap_or_default();
            ensure!(last <= all.len(), "{} has no line {last}", file.display());
            all.retain(|line| lines.get(&line.number) == Some(&false));
            missing.extend(all);
        }
        Ok(missing)
    }

    /// Refuses to tell of nothing.
    pub(super) fn not_empty(self) -> Result<Self> {
        ensure!(!self.0.is_empty(), "llvm-cov names no file of the driver");
        Ok(self)
    }
}

/// The place in the checkout, if it is a file of the driver and not one of its tests.
fn ours(path: &Path, root: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.strip_prefix(root).unwrap_or(path) {
        if part == ".." {
            plain.pop();
        } else if part != "." {
            plain.push(part);
        }
    }
    let is_test = plain
        .iter()
        .any(|part| part == "tests" || part == "tests.rs");
    let is_ours = PLACES.iter().any(|place| plain.starts_with(place));
    (is_ours && !is_test).then_some(plain)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GUEST: &str = "SF:drivers/misc/issei_rust/../../../rust/ham/wire.rs\nFN:1,f\nDA:1,1\nDA:2,0\nend_of_record\n\
                         SF:/linux/drivers/misc/issei_rust/pci.rs\nDA:7,0\nend_of_record\n\
                         SF:drivers/misc/issei_rust/clients/tests.rs\nDA:1,1\nend_of_record\n\
                         SF:/linux/rust/kernel/str.rs\nDA:1,1\nend_of_record\n";
    const HOST: &str = "SF:/c/rust/ham/wire.rs\nDA:1,0\nDA:2,5\nDA:3,0\nend_of_record\n\
                        SF:/c/rust/ham/tests/wire.rs\nDA:1,1\nend_of_record\n";

    fn lines() -> Lines {
        let mut lines = Lines::default();
        lines.add(GUEST, Path::new("/linux")).unwrap();
        lines.add(HOST, Path::new("/c")).unwrap();
        lines.not_empty().unwrap()
    }

    #[test]
    fn a_line_has_run_if_it_has_run_anywhere() {
        let text = "SF:drivers/misc/issei_rust/pci.rs\nDA:7,0\nend_of_record\n\
                    SF:rust/ham/wire.rs\nDA:1,1\nDA:2,1\nDA:3,0\nend_of_record\n";
        assert_eq!(lines().lcov(), text);
        let table = "   lines      ran\n       1    0.0 %  drivers/misc/issei_rust/pci.rs\n       3   66.7 %  rust/ham/wire.rs\n       4   50.0 %  in all\n";
        assert_eq!(lines().table(), table);
        assert_eq!(lines().json(0)["ran"], 2);
    }

    #[test]
    fn lines_that_have_not_run_are_shown() {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("drivers/misc/issei_rust/pci.rs", "\n".repeat(6) + "  x\n"),
            ("rust/ham/wire.rs", "a\nb\nc\n".to_owned()),
        ] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let missing = lines().missing(root.path()).unwrap();
        let missing: Vec<(usize, &str)> = missing
            .iter()
            .map(|line| (line.number, line.text.as_str()))
            .collect();
        assert_eq!(missing, [(7, "x"), (3, "c")]);
        fs::write(root.path().join("rust/ham/wire.rs"), "a\n").unwrap();
        assert!(lines().missing(root.path()).is_err());
    }

    #[test]
    fn nothing_is_an_error() {
        let mut lines = Lines::default();
        assert!(lines
            .add("SF:/c/rust/ham/wire.rs\nDA:x\n", Path::new("/c"))
            .is_err());
        assert!(Lines::default().not_empty().is_err());
    }
}
