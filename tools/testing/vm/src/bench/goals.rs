// SPDX-License-Identifier: GPL-2.0

//! What the driver has set out to reach, and whether a run shows it.

use serde_json::{json, Value};

use super::summary::OURS;

/// Whose number is judged.
#[derive(Clone, Copy)]
enum Of {
    /// The driver's own.
    Ours,
    /// The driver's, divided by that of this peer.
    Ratio(&'static str),
}

use Of::{Ours, Ratio};

/// How far a number may go.
#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

use Limit::{AtLeast, AtMost};

/// A goal: of all measurements with this `test` that fit `only`, the worst is judged.
struct Goal {
    test: &'static str,
    only: &'static [(&'static str, u64)],
    metric: &'static str,
    of: Of,
    limit: Limit,
}

const fn goal(
    test: &'static str,
    only: &'static [(&'static str, u64)],
    metric: &'static str,
    of: Of,
    limit: Limit,
) -> Goal {
    Goal {
        test,
        only,
        metric,
        of,
        limit,
    }
}

/// One exchange outstanding, register accesses for nothing.
const FREE: &[(&str, u64)] = &[("mmio_cost_us", 0)];
const SMALL: &[(&str, u64)] = &[("size", 4), ("mmio_cost_us", 0)];
const PAGE: &[(&str, u64)] = &[("size", 4096), ("mmio_cost_us", 0)];
const SIXTEEN: &[(&str, u64)] = &[("programs", 16)];

const GOALS: &[Goal] = &[
    goal(
        "round_trip",
        SMALL,
        "median_us",
        Ratio("issei"),
        AtMost(0.4),
    ),
    goal("round_trip", PAGE, "median_us", Ratio("issei"), AtMost(0.4)),
    goal(
        "round_trip",
        SMALL,
        "median_us",
        Ratio("mei_me"),
        AtMost(0.3),
    ),
    goal(
        "round_trip",
        PAGE,
        "median_us",
        Ratio("mei_me"),
        AtMost(0.3),
    ),
    goal(
        "together",
        SIXTEEN,
        "per_second",
        Ratio("issei"),
        AtLeast(2.5),
    ),
    goal("load", &[], "median_us", Ratio("issei"), AtMost(1.15)),
    goal("load", &[], "mmio", Ratio("issei"), AtMost(1.0)),
    goal("round_trip", FREE, "mmio_reads", Ours, AtMost(0.05)),
    goal("round_trip", FREE, "mmio_writes", Ours, AtMost(2.1)),
    goal("round_trip", FREE, "interrupts", Ours, AtMost(1.05)),
    goal("round_trip", SMALL, "caller_switches", Ours, AtMost(1.05)),
    goal("round_trip", PAGE, "caller_switches", Ours, AtMost(1.05)),
    goal("together", &[], "reads_per_interrupt", Ours, AtMost(1.0)),
    goal("together", SIXTEEN, "slowest_of_mean", Ours, AtLeast(0.5)),
    goal("idle", &[], "interrupts", Ours, AtMost(0.0)),
    goal("idle", &[], "functions", Ours, AtMost(0.0)),
    goal("idle", &[], "mmio", Ours, AtMost(0.0)),
    goal("memory", &[], "open_bytes", Ours, AtMost(1024.0)),
    goal(
        "memory",
        &[],
        "connected_bytes_but_buffer",
        Ours,
        AtMost(1024.0),
    ),
];

/// Judges the results of a summary: one object for each goal that they have numbers for.
pub(crate) fn judge(results: &[Value]) -> Vec<Value> {
    GOALS
        .iter()
        .filter_map(|goal| goal.judge(results))
        .collect()
}

impl Goal {
    fn judge(&self, results: &[Value]) -> Option<Value> {
        let wanted = results.iter().filter(|result| {
            let only = |(key, value): &(&str, u64)| result[*key] == *value;
            result["test"] == self.test && self.only.iter().all(only)
        });
        let values = wanted.filter_map(|result| match self.of {
            Ours => result["drivers"][OURS][self.metric].as_f64(),
            Ratio(peer) => result["ratios"][peer][self.metric].as_f64(),
        });
        let (worst, limit, is_met) = match self.limit {
            AtMost(limit) => {
                let worst = values.reduce(f64::max)?;
                (worst, ("at_most", limit), worst <= limit)
            }
            AtLeast(limit) => {
                let worst = values.reduce(f64::min)?;
                (worst, ("at_least", limit), worst >= limit)
            }
        };
        let mut goal = json!({"test": self.test, "metric": self.metric, "value": worst,
            "met": is_met});
        goal[limit.0] = json!(limit.1);
        if let Ratio(peer) = self.of {
            goal["peer"] = json!(peer);
        }
        for (key, value) in self.only {
            goal[*key] = json!(value);
        }
        Some(goal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts() {
        let idle = |interrupts: u32| json!({"test": "idle", "drivers": {OURS: {"interrupts": interrupts}}});
        let verdicts = judge(&[idle(0), idle(2)]);
        let [verdict] = &verdicts[..] else {
            panic!("{verdicts:?}");
        };
        assert_eq!(verdict["value"], 2.0);
        assert_eq!(verdict["met"], false);
        assert_eq!(judge(&[idle(0)])[0]["met"], true);
        assert!(judge(&[]).is_empty());
    }

    #[test]
    fn a_ratio_is_to_its_peer() {
        let together = json!({"test": "together", "programs": 16,
            "ratios": {"issei": {"per_second": 2.4}, "mei_me": {"per_second": 9.0}}});
        let verdicts = judge(&[together]);
        let [verdict] = &verdicts[..] else {
            panic!("{verdicts:?}");
        };
        assert_eq!(verdict["peer"], "issei");
        assert_eq!(verdict["at_least"], 2.5);
        assert_eq!(verdict["met"], false);
    }
}
