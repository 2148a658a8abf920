// SPDX-License-Identifier: GPL-2.0

//! Checks and what came of them.

use serde::Serialize;

use crate::exit::Exit;

/// Why something was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The user gave nothing to compare with.
    NothingToCompare,
    /// An algorithm or a format that is not known here.
    Unsupported,
    /// It needs what another check has found to be wrong.
    Depends,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// Nobody knows.
    NotChecked(Gap),
}

impl Outcome {
    /// As people read it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::NotChecked(_) => "NOT CHECKED",
        }
    }

    /// As programs read it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotChecked(_) => "not_checked",
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What is checked, in one word.
    pub name: &'static str,
    /// What came of it.
    pub result: Outcome,
    /// What was found, or why not.
    pub reason: String,
}

impl Check {
    /// It holds.
    pub fn pass(name: &'static str, reason: impl Into<String>) -> Self {
        Self::new(name, Outcome::Pass, reason)
    }

    /// It does not hold.
    pub fn fail(name: &'static str, reason: impl Into<String>) -> Self {
        Self::new(name, Outcome::Fail, reason)
    }

    /// It was not checked.
    pub fn not_checked(name: &'static str, gap: Gap, reason: impl Into<String>) -> Self {
        Self::new(name, Outcome::NotChecked(gap), reason)
    }

    fn new(name: &'static str, result: Outcome, reason: impl Into<String>) -> Self {
        Self {
            name,
            result,
            reason: reason.into(),
        }
    }
}

/// The sum of some checks: failed if one failed, else not checked if one was not.
pub fn verdict(checks: &[Check]) -> Outcome {
    let mut verdict = Outcome::Pass;
    for check in checks {
        match (check.result, verdict) {
            (Outcome::Fail, _) => return Outcome::Fail,
            (Outcome::NotChecked(Gap::NothingToCompare), Outcome::NotChecked(_)) => {}
            (Outcome::NotChecked(_), _) => verdict = check.result,
            (Outcome::Pass, _) => {}
        }
    }
    verdict
}

/// The exit status for a verdict that had to be reached.
pub fn exit(verdict: Outcome) -> Exit {
    match verdict {
        Outcome::Pass => Exit::Ok,
        Outcome::Fail => Exit::Failed,
        Outcome::NotChecked(Gap::NothingToCompare) => Exit::NothingToCompare,
        Outcome::NotChecked(Gap::Unsupported | Gap::Depends) => Exit::Unsupported,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worse_decides() {
        let pass = Check::pass("a", "");
        let fail = Check::fail("b", "");
        let no_root = Check::not_checked("c", Gap::NothingToCompare, "");
        let unknown = Check::not_checked("d", Gap::Unsupported, "");
        for (checks, expected) in [
            (vec![&pass], Exit::Ok),
            (vec![&pass, &no_root], Exit::NothingToCompare),
            (vec![&no_root, &unknown, &pass], Exit::Unsupported),
            (vec![&unknown, &no_root], Exit::Unsupported),
            (vec![&unknown, &fail, &no_root], Exit::Failed),
        ] {
            let checks: Vec<_> = checks.into_iter().cloned().collect();
            assert_eq!(exit(verdict(&checks)), expected, "{checks:?}");
        }
    }
}
