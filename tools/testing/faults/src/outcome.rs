// SPDX-License-Identifier: GPL-2.0
//! What happened, what must happen, and whether the two agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::driver::Driver;

/// What must happen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    /// What the recorded calls return, one after the other; a pattern.
    pub(crate) calls: String,
    /// How the bystander fares; a pattern.
    #[serde(default = "unharmed")]
    pub(crate) bystander: String,
    /// Resets of the link by the host.
    #[serde(default)]
    pub(crate) resets: Count,
    /// How soon it works again.
    #[serde(default)]
    pub(crate) again: Again,
    /// Lines of the driver in the kernel log, all of them; patterns.
    #[serde(default)]
    pub(crate) log: Vec<String>,
    /// Whether these may also come in the opposite order.
    #[serde(skip)]
    pub(crate) log_also_turned: bool,
    /// By how much the statistics in debugfs change; those that are not named do not.
    #[serde(default)]
    pub(crate) counts: BTreeMap<String, Count>,
    /// Parts of the splats in the kernel log, with Intel's driver.
    #[serde(default)]
    pub(crate) splats: Vec<String>,
}

/// How often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Numbers")]
pub(crate) struct Count {
    least: u64,
    most: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    One(u64),
    Range([u64; 2]),
}

impl From<u64> for Count {
    fn from(number: u64) -> Self {
        Numbers::One(number).into()
    }
}

impl From<Numbers> for Count {
    fn from(numbers: Numbers) -> Self {
        let [least, most] = match numbers {
            Numbers::One(number) => [number; 2],
            Numbers::Range(range) => range,
        };
        Self { least, most }
    }
}

/// How soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Again {
    /// Within so many milliseconds.
    Within(u64),
    /// Not as long as anybody waited.
    Never(Never),
}

/// The word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Never {
    /// Never.
    Never,
}

/// What is meant by "at once", in milliseconds: an emulated machine that others use as well.
pub(crate) const AT_ONCE_MS: u64 = 1000;

impl Default for Again {
    fn default() -> Self {
        Self::Within(AT_ONCE_MS)
    }
}

fn unharmed() -> String {
    "unharmed".to_owned()
}

/// What has happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    pub(crate) calls: Vec<String>,
    pub(crate) bystander: String,
    pub(crate) resets: u64,
    /// Milliseconds until it worked again.
    pub(crate) again: Option<u64>,
    pub(crate) log: Vec<String>,
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Expected {
    /// What is otherwise than it must be. Log and statistics are those of the driver of this
    /// project.
    pub(crate) fn differences(&self, driver: Driver, observed: &Observed) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |agree: bool, what: &str, found: &dyn Display, expected: &dyn Display| {
            if !agree {
                differences.push(format!("{what}: {found} instead of {expected}"));
            }
        };
        let calls = observed.calls.join(", ");
        compare(matches(&self.calls, &calls), "calls", &calls, &self.calls);
        let bystander = &observed.bystander;
        let agree = matches(&self.bystander, bystander);
        compare(agree, "bystander", bystander, &self.bystander);
        let resets = observed.resets;
        compare(self.resets.holds(resets), "resets", &resets, &self.resets);
        let agree = match (self.again, observed.again) {
            (Again::Within(limit), Some(ms)) => ms <= limit,
            (Again::Never(_), None) => true,
            _ => false,
        };
        let again = observed
            .again
            .map_or("never".to_owned(), |ms| format!("after {ms} ms"));
        compare(agree, "works again", &again, &self.again);
        if driver == Driver::IsseiC {
            return differences;
        }
        let [found, expected] = [&observed.log, &self.log].map(|log| log.join("\n"));
        compare(self.has_logged(&observed.log), "log", &found, &expected);
        let names = self.counts.keys().chain(observed.counts.keys());
        for name in names.collect::<BTreeSet<_>>() {
            let expected = self.counts.get(name).copied().unwrap_or_default();
            match observed.counts.get(name) {
                Some(found) => compare(expected.holds(*found), name, found, &expected),
                None => compare(false, name, &"nothing", &expected),
            }
        }
        differences
    }

    /// Whether the log is complete, line by line. A line may be missing whose pattern stands in
    /// brackets, and stand there any number of times if it is in braces.
    pub(crate) fn has_logged(&self, lines: &[String]) -> bool {
        fn are(patterns: &[String], lines: &[String]) -> bool {
            let Some((pattern, rest)) = patterns.split_first() else {
                return lines.is_empty();
            };
            let within = |open, close| pattern.strip_prefix(open)?.strip_suffix(close);
            let (optional, repeated) = (within('[', ']'), within('{', '}'));
            let after = if repeated.is_some() { patterns } else { rest };
            let text = optional.or(repeated).unwrap_or(pattern);
            let is_next = lines
                .split_first()
                .is_some_and(|(line, lines)| matches(text, line) && are(after, lines));
            let may_miss = optional.or(repeated).is_some();
            is_next || may_miss && are(rest, lines)
        }
        let turned: Vec<String> = lines.iter().rev().cloned().collect();
        are(&self.log, lines) || self.log_also_turned && are(&self.log, &turned)
    }

    /// The same with one field wrong, for each field: none of them may agree with what happened.
    pub(crate) fn mutants(&self) -> Vec<(&'static str, Self)> {
        let mutant = |change: &dyn Fn(&mut Self)| {
            let mut mutant = self.clone();
            change(&mut mutant);
            mutant
        };
        vec![
            (
                "calls",
                mutant(&|m| m.calls = format!("{}, ok", first(&m.calls))),
            ),
            (
                "bystander",
                mutant(&|m| m.bystander = "no such end".to_owned()),
            ),
            ("resets", mutant(&|m| m.resets = m.resets.beyond())),
            (
                "works again",
                mutant(&|m| {
                    m.again = match m.again {
                        Again::Within(_) => Again::Never(Never::Never),
                        Again::Never(_) => Again::default(),
                    }
                }),
            ),
            ("log", mutant(&|m| m.log.push("no such line".to_owned()))),
            (
                "counts",
                mutant(&|m| {
                    let stale = m.counts.entry("stale".to_owned()).or_default();
                    *stale = stale.beyond();
                }),
            ),
        ]
    }
}

impl Count {
    fn holds(self, number: u64) -> bool {
        (self.least..=self.most).contains(&number)
    }

    fn beyond(self) -> Self {
        let [least, most] = [self.most + 1; 2];
        Self { least, most }
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.least == self.most {
            true => write!(f, "{}", self.least),
            false => write!(f, "{} to {}", self.least, self.most),
        }
    }
}

impl Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(ms) => write!(f, "within {ms} ms"),
            Self::Never(_) => f.write_str("never"),
        }
    }
}

/// As the column of the C driver has it, with bounds that such a machine keeps.
impl Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ calls = {:?}", self.calls.join(", "))?;
        if self.bystander != unharmed() {
            write!(f, ", bystander = {:?}", self.bystander)?;
        }
        if self.resets > 0 {
            write!(f, ", resets = {}", self.resets)?;
        }
        match self.again {
            None => f.write_str(", again = \"never\"")?,
            Some(ms) if ms <= AT_ONCE_MS => {}
            Some(ms) => write!(f, ", again = {}", (ms * 2).div_ceil(1000) * 1000)?,
        }
        f.write_str(" }")
    }
}

/// Whether a text is one of these patterns, which ` | ` stands between; `*` is any text.
pub(crate) fn matches(patterns: &str, text: &str) -> bool {
    patterns.split(" | ").any(|pattern| is_like(pattern, text))
}

/// The first of the patterns.
fn first(patterns: &str) -> &str {
    patterns.split(" | ").next().unwrap_or_default()
}

fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begin, rest)) => text.strip_prefix(begin).is_some_and(|text| {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| is_like(rest, &text[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;

    const RUST: Driver = Driver::IsseiRust;

    /// What must happen, as if it had.
    fn fulfilled(expected: &Expected) -> Observed {
        let text = |patterns: &str| first(patterns).replace('*', "x");
        let counts = expected.counts.iter();
        let mut counts: BTreeMap<String, u64> = counts
            .map(|(name, count)| (name.clone(), count.most))
            .collect();
        counts.entry("stale".to_owned()).or_default();
        Observed {
            calls: vec![text(&expected.calls)],
            bystander: text(&expected.bystander),
            resets: expected.resets.most,
            again: match expected.again {
                Again::Within(ms) => Some(ms),
                Again::Never(_) => None,
            },
            log: expected
                .log
                .iter()
                .filter(|line| !line.starts_with(['[', '{']))
                .map(|line| text(line))
                .collect(),
            counts,
        }
    }

    #[test]
    fn every_row_can_pass() {
        for row in Matrix::read().unwrap().rows() {
            let differences = row.must.differences(RUST, &fulfilled(&row.must));
            assert_eq!(differences, [""; 0], "{}", row.name);
        }
    }

    #[test]
    fn every_field_of_every_row_can_fail() {
        for row in Matrix::read().unwrap().rows() {
            for (field, mutant) in row.must.mutants() {
                let differences = mutant.differences(RUST, &fulfilled(&row.must));
                assert_eq!(
                    differences.len(),
                    1,
                    "{}: {field}: {differences:?}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn lateness_and_other_statistics_are_seen() {
        let expected: Expected = toml::from_str("calls = 'ok'").unwrap();
        let good = fulfilled(&expected);
        assert_eq!(expected.differences(RUST, &good), [""; 0]);
        let late = Observed {
            again: Some(AT_ONCE_MS + 1),
            ..good.clone()
        };
        assert_eq!(expected.differences(RUST, &late).len(), 1);
        let counted = Observed {
            counts: BTreeMap::from([("stale".to_owned(), 1)]),
            ..good
        };
        let differences = expected.differences(RUST, &counted);
        assert_eq!(differences, ["stale: 1 instead of 0"]);
    }

    #[test]
    fn lines_that_may_be_missing_or_repeated() {
        let expected: Expected = toml::from_str("calls = ''\nlog = ['[a]', '{b*}', 'c']").unwrap();
        let logged = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            expected.has_logged(&lines)
        };
        assert!(logged(&["c"]) && logged(&["a", "c"]) && logged(&["a", "b1", "b2", "c"]));
        assert!(!logged(&[]) && !logged(&["a", "a", "c"]) && !logged(&["b", "a", "c"]));
        assert!(!logged(&["b", "d", "c"]) && !logged(&["b", "c", "c"]));

        let mut either: Expected = toml::from_str("calls = ''\nlog = ['a', 'b']").unwrap();
        let lines = |lines: [&str; 2]| lines.map(str::to_owned);
        assert!(!either.has_logged(&lines(["b", "a"])));
        either.log_also_turned = true;
        assert!(either.has_logged(&lines(["b", "a"])) && either.has_logged(&lines(["a", "b"])));
        assert!(!either.has_logged(&lines(["a", "a"])) && !either.has_logged(&lines(["b", "b"])));
    }

    #[test]
    fn patterns() {
        assert!(matches("a*c", "abc") && matches("a*c", "ac") && matches("*", ""));
        assert!(matches("x | a*b*", "aXbY") && !matches("x | y", "x | y"));
        assert!(!matches("a*c", "acd") && !matches("", "x") && !matches("a", "ab"));
    }
}
