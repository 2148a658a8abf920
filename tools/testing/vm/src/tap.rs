// SPDX-License-Identifier: GPL-2.0

//! Test results: the Test Anything Protocol of kselftests, and what cargo prints.

use std::fmt;
use std::ops::AddAssign;

/// How many tests ended how, and the names of those that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Results {
    pub(crate) passed: usize,
    pub(crate) skipped: usize,
    pub(crate) failed: Vec<String>,
}

impl Results {
    /// One test that passed.
    pub(crate) fn pass() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    /// One test that failed, and why.
    pub(crate) fn fail(why: impl Into<String>) -> Self {
        Self {
            failed: vec![why.into()],
            ..Self::default()
        }
    }

    /// Whether there is a result at all.
    fn is_empty(&self) -> bool {
        self.passed + self.skipped + self.failed.len() == 0
    }
}

impl AddAssign for Results {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.skipped += other.skipped;
        self.failed.extend(other.failed);
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed.len(),
            self.skipped
        )
    }
}

/// The results of the programs that the guest's script ran: `## begin NAME`, its TAP, `## end NAME STATUS`.
///
/// A program of `expected` without an end has failed, and so has one whose results do not make up its plan.
pub(crate) fn of_programs(output: &str, expected: &[String]) -> Results {
    let mut results = Results::default();
    for program in expected {
        let begin = format!("## begin {program}");
        let end = format!("## end {program} ");
        let mut lines = output.lines().skip_while(|line| *line != begin).skip(1);
        let mut tap = Vec::new();
        let status = lines.by_ref().find_map(|line| {
            let status = line.strip_prefix(&end);
            if status.is_none() {
                tap.push(line);
            }
            status
        });
        results += of_tap(program, &tap, status);
    }
    results
}

/// The results of one program; `status` is what it ended with, if it ended.
fn of_tap(program: &str, lines: &[&str], status: Option<&str>) -> Results {
    let mut results = Results::default();
    let mut plan = None;
    let mut skipped_whole = false;
    for line in lines {
        if let Some(count) = line.strip_prefix("1..") {
            let (count, rest) = count.split_once(' ').unwrap_or((count, ""));
            plan = count.parse::<usize>().ok();
            skipped_whole = plan == Some(0) && rest.contains("SKIP");
        } else if let Some(test) = line.strip_prefix("not ok ") {
            results.failed.push(format!("{program}: {test}"));
        } else if let Some(test) = line.strip_prefix("ok ") {
            // An expected failure is no pass either.
            if test.contains("# SKIP") || test.contains("# XFAIL") {
                results.skipped += 1;
            } else {
                results.passed += 1;
            }
        }
    }
    let count = results.passed + results.skipped + results.failed.len();
    let known_failures = !results.failed.is_empty();
    match (status, plan) {
        (None, _) => results += Results::fail(format!("{program}: did not end")),
        (Some(_), None) => results += Results::fail(format!("{program}: printed no plan")),
        (Some(_), Some(plan)) if plan != count => {
            results += Results::fail(format!("{program}: {count} results of {plan} planned"));
        }
        // kselftest ends with 4 when everything was skipped.
        (Some("0" | "4"), _) => {}
        (Some(_), _) if known_failures => {}
        (Some(status), _) => {
            results += Results::fail(format!("{program}: ended with status {status}"));
        }
    }
    if skipped_whole && results.is_empty() {
        results.skipped = 1;
    } else if results.is_empty() {
        results += Results::fail(format!("{program}: has no tests"));
    }
    results
}

/// The results of a `cargo test` that ended with or without success.
pub(crate) fn of_cargo(output: &str, success: bool) -> Results {
    let mut results = Results::default();
    for line in output.lines() {
        if let Some(line) = line.strip_prefix("test result: ") {
            let number = |what: &str| {
                line.split([';', '.'])
                    .find_map(|part| part.trim().strip_suffix(what)?.trim().parse::<usize>().ok())
                    .unwrap_or(0)
            };
            results.passed += number("passed");
            results.skipped += number("ignored");
        } else if let Some(test) = line.strip_prefix("test ") {
            if let Some(name) = test.strip_suffix(" ... FAILED") {
                results.failed.push(name.to_owned());
            }
        }
    }
    if !success && results.failed.is_empty() {
        results += Results::fail("cargo test failed");
    } else if results.is_empty() {
        results += Results::fail("cargo test ran no test");
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(passed: usize, skipped: usize, failed: &[&str]) -> Results {
        Results {
            passed,
            skipped,
            failed: failed.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn programs(output: &str) -> Results {
        of_programs(output, &["a".to_owned(), "b".to_owned()])
    }

    #[test]
    fn programs_are_summed() {
        let output =
            "## begin a\nTAP version 13\n1..3\n#  RUN           global.x ...\nok 1 global.x\n\
                      ok 2 global.y # SKIP no device\nok 3 global.z\n## end a 0\n\
                      ## begin b\nTAP version 13\n1..2\nok 1 m\nnot ok 2 n\n## end b 1\n";
        assert_eq!(programs(output), results(3, 1, &["b: 2 n"]));
    }

    #[test]
    fn a_program_without_a_result_has_failed() {
        let whole = "## begin a\n1..1\nok 1 x\n## end a 0\n";
        assert_eq!(programs(whole), results(1, 0, &["b: did not end"]));
        let cut = format!("{whole}## begin b\n1..2\nok 1 m\n");
        assert_eq!(programs(&cut), results(2, 0, &["b: did not end"]));
        let no_plan = format!("{whole}## begin b\nok 1 m\n## end b 0\n");
        assert_eq!(programs(&no_plan), results(2, 0, &["b: printed no plan"]));
        let short = format!("{whole}## begin b\n1..2\nok 1 m\n## end b 0\n");
        assert_eq!(
            programs(&short),
            results(2, 0, &["b: 1 results of 2 planned"])
        );
        let empty = format!("{whole}## begin b\n1..0\n## end b 0\n");
        assert_eq!(programs(&empty), results(1, 0, &["b: has no tests"]));
        let crashed = format!("{whole}## begin b\n1..1\nok 1 m\n## end b 139\n");
        assert_eq!(
            programs(&crashed),
            results(2, 0, &["b: ended with status 139"])
        );
    }

    #[test]
    fn skips_and_expected_failures_are_not_passes() {
        let output = "## begin a\n1..0 # SKIP no device\n## end a 4\n\
                      ## begin b\n1..2\nok 1 m # SKIP why\nok 2 n # XFAIL known\n## end b 0\n";
        assert_eq!(programs(output), results(0, 3, &[]));
    }

    #[test]
    fn cargo_results_are_summed() {
        let output = "test a ... ok\ntest b::c ... FAILED\ntest d ... ignored\n\n\
                      test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                      test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s\n";
        assert_eq!(of_cargo(output, false), results(6, 1, &["b::c"]));
    }

    #[test]
    fn cargo_without_results_has_failed() {
        assert_eq!(
            of_cargo("error: could not compile", false),
            results(0, 0, &["cargo test failed"])
        );
        assert_eq!(
            of_cargo("", true),
            results(0, 0, &["cargo test ran no test"])
        );
    }

    #[test]
    fn the_last_line() {
        assert_eq!(
            results(3, 2, &["x"]).to_string(),
            "3 passed, 1 failed, 2 skipped"
        );
    }
}
