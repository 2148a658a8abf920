// SPDX-License-Identifier: GPL-2.0

//! From the raw results of `bench` to numbers for each driver, and ratios between drivers.

use anyhow::{Context, Result};
use serde_json::{json, Map, Value};

use super::{goals, hardware};

/// What tells one measurement from another, besides the driver.
const WHAT: &[&str] = &["test", "size", "mmio_cost_us", "programs", "connected"];

/// The driver that the others are compared with.
pub(super) const OURS: &str = "issei_rust";

/// What is measured of memory, in bytes.
const MEMORY: [&str; 6] = [
    "open_bytes",
    "connected_bytes",
    "device_bytes",
    "shared_bytes",
    "module_bytes",
    "text_bytes",
];

/// Measurements of the same thing with the same driver, of all rounds.
struct Group<'a> {
    what: Map<String, Value>,
    driver: &'a str,
    lines: Vec<&'a Value>,
}

/// The summary of all lines, in the order in which things were first measured.
///
/// # Errors
///
/// A line is not what `bench` prints.
pub(crate) fn summarize(lines: &[Value]) -> Result<Value> {
    let mut groups: Vec<Group> = Vec::new();
    for line in lines {
        let what: Map<String, Value> = WHAT
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), line.get(*key)?.clone())))
            .collect();
        let driver = line["driver"].as_str().context("a result has no driver")?;
        match groups
            .iter_mut()
            .find(|group| group.what == what && group.driver == driver)
        {
            Some(group) => group.lines.push(line),
            None => groups.push(Group {
                what,
                driver,
                lines: vec![line],
            }),
        }
    }
    let mut rows: Vec<(Map<String, Value>, Map<String, Value>)> = Vec::new();
    for group in &groups {
        let numbers = group.numbers()?;
        match rows.iter_mut().find(|(what, _)| *what == group.what) {
            Some((_, drivers)) => {
                drivers.insert(group.driver.to_owned(), numbers);
            }
            None => {
                let drivers = Map::from_iter([(group.driver.to_owned(), numbers)]);
                rows.push((group.what.clone(), drivers));
            }
        }
    }
    let results = rows.into_iter().map(|(mut row, drivers)| {
        row.insert("ratios".to_owned(), ratios(&drivers));
        row.insert("drivers".to_owned(), Value::Object(drivers));
        Value::Object(row)
    });
    let results: Vec<_> = results.collect();
    Ok(json!({"format": 1, "goals": goals::judge(&results),
        "hardware": hardware::estimate(&results), "results": results}))
}

/// Our numbers divided by each peer's, where both are there and the peer's is not zero.
fn ratios(drivers: &Map<String, Value>) -> Value {
    let mut ratios = Map::new();
    let ours = drivers.get(OURS).and_then(Value::as_object);
    for (peer, theirs) in drivers.iter().filter(|(driver, _)| *driver != OURS) {
        let ratio = |(name, own): (&String, &Value)| {
            let theirs = theirs.get(name)?.as_f64().filter(|theirs| *theirs != 0.0)?;
            Some((name.clone(), round(own.as_f64()? / theirs)))
        };
        let of_peer: Map<String, Value> = ours.into_iter().flatten().filter_map(ratio).collect();
        ratios.insert(peer.clone(), Value::Object(of_peer));
    }
    Value::Object(ratios)
}

/// Three digits behind the point are more than any of it is worth.
fn round(number: f64) -> Value {
    json!((number * 1000.0).round() / 1000.0)
}

impl Group<'_> {
    fn numbers(&self) -> Result<Value> {
        let mut numbers = Map::new();
        let mut set = |name: &str, number: f64| {
            numbers.insert(name.to_owned(), round(number));
        };
        match self.what["test"].as_str().unwrap_or_default() {
            "round_trip" | "spdm" => {
                let mut times = self.list("/ns")?;
                times.sort_by(f64::total_cmp);
                set("median_us", quantile(&times, 0.5)? / 1000.0);
                set("p99_us", quantile(&times, 0.99)? / 1000.0);
                set("min_us", quantile(&times, 0.0)? / 1000.0);
                let trips = times.len() as f64;
                set("mmio_reads", self.sum("/counters/mmio_read/total")? / trips);
                set(
                    "mmio_writes",
                    self.sum("/counters/mmio_write/total")? / trips,
                );
                set("config_reads", self.sum("/counters/config_read")? / trips);
                set("interrupts", self.sum("/counters/interrupts")? / trips);
                let switches = self.sum("/used/voluntary")? + self.sum("/used/involuntary")?;
                set("caller_switches", switches / trips);
                set(
                    "system_switches",
                    self.sum("/used/system_switches")? / trips,
                );
                set("cpu_us", self.sum("/used/cpu_us")? / trips);
            }
            "together" => {
                let trips: f64 = self.list("/done")?.iter().sum();
                set("per_second", trips / self.sum("/time_us")? * 1e6);
                let mut slowest = f64::INFINITY;
                for line in &self.lines {
                    let done = list(line, "/done")?;
                    let mean = done.iter().sum::<f64>() / done.len() as f64;
                    let least = done.iter().copied().fold(f64::INFINITY, f64::min);
                    slowest = slowest.min(least / mean);
                }
                set("slowest_of_mean", slowest);
                let reads = self.sum("/counters/mmio_read/total")?;
                let interrupts = self.sum("/counters/interrupts")?;
                set("mmio_reads", reads / trips);
                set(
                    "mmio_writes",
                    self.sum("/counters/mmio_write/total")? / trips,
                );
                set("interrupts", interrupts / trips);
                set("reads_per_interrupt", reads / interrupts);
                let switches = self.sum("/used/system_switches")?;
                set("system_switches", switches / trips);
                set("cpu_us", self.sum("/used/cpu_us")? / trips);
            }
            "load" => {
                let mut times = self.list("/us")?;
                times.sort_by(f64::total_cmp);
                let loads = times.len() as f64;
                set("median_us", quantile(&times, 0.5)?);
                set("min_us", quantile(&times, 0.0)?);
                let reads = self.sum("/counters/mmio_read/total")?;
                let writes = self.sum("/counters/mmio_write/total")?;
                set("mmio", (reads + writes) / loads);
                set("mmio_reads", reads / loads);
                set("mmio_writes", writes / loads);
            }
            "idle" => {
                set("interrupts", self.sum("/counters/interrupts")?);
                set("functions", self.sum("/functions")?);
                let reads = self.sum("/counters/mmio_read/total")?;
                set("mmio", reads + self.sum("/counters/mmio_write/total")?);
            }
            _ => {
                for name in MEMORY {
                    set(name, self.sum(&format!("/{name}"))?);
                }
                // A driver that holds no buffer for a connection has nothing to take it from.
                let more = self.sum("/connected_bytes")? - self.sum("/buffer_bytes")?;
                if more >= 0.0 {
                    set("connected_bytes_but_buffer", more);
                }
            }
        }
        Ok(Value::Object(numbers))
    }

    fn sum(&self, pointer: &str) -> Result<f64> {
        Ok(self.list(pointer)?.iter().sum())
    }

    /// The numbers at `pointer` of all lines, whether single or in arrays.
    fn list(&self, pointer: &str) -> Result<Vec<f64>> {
        let lists: Result<Vec<_>> = self.lines.iter().map(|line| list(line, pointer)).collect();
        Ok(lists?.concat())
    }
}

fn list(line: &Value, pointer: &str) -> Result<Vec<f64>> {
    let value = line.pointer(pointer);
    let numbers = match value {
        Some(Value::Array(values)) => values.iter().map(Value::as_f64).collect(),
        Some(value) => value.as_f64().map(|number| vec![number]),
        None => None,
    };
    numbers.with_context(|| format!("a result has no number {pointer}"))
}

/// The value below which `part` of the sorted values lie.
fn quantile(sorted: &[f64], part: f64) -> Result<f64> {
    let index = (sorted.len() as f64 * part) as usize;
    let last = sorted.len().saturating_sub(1);
    let value = sorted.get(index.min(last));
    value.copied().context("nothing was measured")
}

/// The summary as a table: the goals, what the counts mean on hardware, then what was measured, of
/// each driver, and our ratio to each peer.
pub(crate) fn table(summary: &Value) -> String {
    let mut text = String::new();
    for goal in summary["goals"].as_array().into_iter().flatten() {
        text.push_str(&goal_line(goal));
    }
    text.push('\n');
    for (driver, estimate) in summary["hardware"].as_object().into_iter().flatten() {
        let us = |key: &str| estimate[key].as_f64().unwrap_or_default();
        text.push_str(&format!(
            "estimate for hardware, host's part of a round trip, {driver:<12}{:>6.1} us ({:.1} to {:.1})\n",
            us("likely_us"),
            us("least_us"),
            us("most_us")
        ));
    }
    text.push('\n');
    let mut drivers: Vec<&str> = Vec::new();
    let results = summary["results"].as_array();
    for result in results.into_iter().flatten() {
        for (driver, _) in result["drivers"].as_object().into_iter().flatten() {
            if !drivers.contains(&driver.as_str()) {
                drivers.push(driver);
            }
        }
    }
    drivers.sort_by_key(|driver| (*driver != OURS, *driver));
    let peers: Vec<&str> = drivers.iter().copied().filter(|d| *d != OURS).collect();
    let mut line = |label: &str, cells: Vec<String>| {
        text.push_str(&format!("{label:<52}"));
        for cell in cells {
            text.push_str(&format!("{cell:>13}"));
        }
        text.push('\n');
    };
    let of = |peer: &&str| format!("/ {peer}");
    let names = drivers.iter().map(|driver| (*driver).to_owned());
    line("", peers.iter().map(of).chain(names).collect());
    for result in results.into_iter().flatten() {
        let first = drivers.iter().find_map(|d| result["drivers"].get(*d));
        for (metric, _) in first.and_then(Value::as_object).into_iter().flatten() {
            let cell = |value: &Value| value.as_f64().map_or("-".to_owned(), |v| format!("{v:.2}"));
            let ratio = peers
                .iter()
                .map(|peer| cell(&result["ratios"][*peer][metric]));
            let value = drivers.iter().map(|d| cell(&result["drivers"][*d][metric]));
            line(&label(result, metric), ratio.chain(value).collect());
        }
    }
    text
}

fn goal_line(goal: &Value) -> String {
    let metric = goal["metric"].as_str().unwrap_or_default();
    let mut label = label(goal, metric);
    if let Some(peer) = goal["peer"].as_str() {
        label.push_str(&format!(" / {peer}"));
    }
    let verdict = match goal["met"].as_bool() {
        Some(true) => "met",
        _ => "MISSED",
    };
    let limit = match (goal["at_most"].as_f64(), goal["at_least"].as_f64()) {
        (Some(limit), _) => format!("at most {limit}"),
        (_, limit) => format!("at least {}", limit.unwrap_or_default()),
    };
    let value = goal["value"].as_f64().unwrap_or_default();
    format!("{label:<65}{value:>10.3}  {limit:<14}{verdict}\n")
}

fn label(result: &Value, metric: &str) -> String {
    let mut label = result["test"]
        .as_str()
        .unwrap_or_default()
        .replace('_', " ");
    for (key, unit) in [
        ("size", "B"),
        ("programs", "programs"),
        ("mmio_cost_us", "us/access"),
    ] {
        if let Some(number) = result[key]
            .as_u64()
            .filter(|n| key != "mmio_cost_us" || *n > 0)
        {
            label.push_str(&format!(", {number} {unit}"));
        }
    }
    if let Some(connected) = result["connected"].as_bool() {
        label.push_str(if connected {
            ", connected"
        } else {
            ", not connected"
        });
    }
    format!("{label}: {}", metric.replace('_', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(driver: &str, ns: &[u64]) -> Value {
        json!({"test": "round_trip", "driver": driver, "size": 4, "mmio_cost_us": 0, "ns": ns,
            "counters": {"mmio_read": {"total": 6}, "mmio_write": {"total": 4}, "config_read": 0,
                "interrupts": 2},
            "used": {"voluntary": 2, "involuntary": 0, "system_switches": 8, "cpu_us": 10}})
    }

    #[test]
    fn rounds_are_pooled_and_compared() {
        let lines = [
            round_trip("issei_rust", &[1000, 3000]),
            round_trip("issei", &[4000, 8000]),
            round_trip("issei_rust", &[2000, 9000]),
        ];
        let summary = summarize(&lines).unwrap();
        let result = &summary["results"][0];
        let ours = &result["drivers"]["issei_rust"];
        assert_eq!(ours["median_us"], 3.0);
        assert_eq!(ours["p99_us"], 9.0);
        assert_eq!(ours["min_us"], 1.0);
        assert_eq!(ours["mmio_reads"], 3.0);
        assert_eq!(result["drivers"]["issei"]["mmio_writes"], 2.0);
        assert_eq!(result["ratios"]["issei"]["median_us"], 0.375);
        assert_eq!(
            result["ratios"]["issei"].get("config_reads"),
            None,
            "of zero"
        );
        let table = table(&summary);
        let line = table.lines().rfind(|line| line.contains("median"));
        let words: Vec<&str> = line.unwrap().split_whitespace().collect();
        assert_eq!(
            words,
            ["round", "trip,", "4", "B:", "median", "us", "0.38", "3.00", "8.00"]
        );
    }

    #[test]
    fn the_slowest_program_is_found() {
        let line = json!({"test": "together", "driver": "issei_rust", "size": 4, "programs": 2,
            "time_us": 1_000_000, "done": [10, 30],
            "counters": {"mmio_read": {"total": 20}, "mmio_write": {"total": 80}, "interrupts": 40},
            "used": {"cpu_us": 4000, "system_switches": 80}});
        let summary = summarize(&[line]).unwrap();
        let ours = &summary["results"][0]["drivers"]["issei_rust"];
        assert_eq!(ours["per_second"], 40.0);
        assert_eq!(ours["slowest_of_mean"], 0.5);
        assert_eq!(ours["mmio_writes"], 2.0);
        assert_eq!(ours["reads_per_interrupt"], 0.5);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = summarize(&[json!({"test": "load", "driver": "issei"})]).unwrap_err();
        assert!(error.to_string().contains("/us"), "{error}");
        assert!(summarize(&[json!({"test": "load"})]).is_err());
    }

    #[test]
    fn drivers_of_the_same_test_stand_in_one_row() {
        let line = |driver, open, connected| {
            json!({"test": "memory", "driver": driver, "open_bytes": open,
                "connected_bytes": connected, "buffer_bytes": 100, "device_bytes": 1,
                "shared_bytes": 1, "module_bytes": 30, "text_bytes": 20})
        };
        let lines = [line("issei_rust", 10, 120), line("mei_me", 40, 50)];
        let summary = summarize(&lines).unwrap();
        assert_eq!(summary["results"].as_array().unwrap().len(), 1);
        let result = &summary["results"][0];
        assert_eq!(result["ratios"]["mei_me"]["open_bytes"], 0.25);
        let more = "connected_bytes_but_buffer";
        assert_eq!(result["drivers"]["issei_rust"][more], 20.0);
        assert_eq!(result["drivers"]["mei_me"].get(more), None);
        let goals = table(&summary);
        let line = goals.lines().find(|line| line.contains("but buffer"));
        assert!(
            line.is_some_and(|line| line.ends_with("at most 1024  met")),
            "{goals}"
        );
    }
}
