// SPDX-License-Identifier: GPL-2.0

//! What a round trip may cost on hardware: what was counted, times what public sources say each costs.
//!
//! The sources stand in Documentation/driver-api/issei_rust-performance.rst.

use serde_json::{json, Map, Value};

/// What something costs a processor of a client machine, in microseconds: at the least, likely, at the most.
struct Cost {
    metric: &'static str,
    /// How many of the metric there are to one of it.
    per: f64,
    us: [f64; 3],
}

const COSTS: [Cost; 4] = [
    // A register of a function on the chip or behind a link, not cached.
    Cost {
        metric: "mmio_reads",
        per: 1.0,
        us: [0.3, 1.0, 2.0],
    },
    Cost {
        metric: "mmio_writes",
        per: 1.0,
        us: [0.05, 0.1, 0.3],
    },
    // From the message to the handler's first instruction, and the way back.
    Cost {
        metric: "interrupts",
        per: 1.0,
        us: [0.7, 1.5, 4.0],
    },
    // A wake-up: to the thread and back to what ran before.
    Cost {
        metric: "system_switches",
        per: 2.0,
        us: [1.0, 2.4, 5.0],
    },
];

/// The two system calls, and what a driver does in them.
const CALLS: [f64; 3] = [0.3, 0.6, 1.5];

/// Estimates the host's part of a round trip of 4 bytes for each driver in the summary's results.
pub(crate) fn estimate(results: &[Value]) -> Value {
    let measured = results.iter().find(|result| {
        result["test"] == "round_trip" && result["size"] == 4 && result["mmio_cost_us"] == 0
    });
    let drivers = measured.and_then(|result| result["drivers"].as_object());
    let estimates = drivers
        .into_iter()
        .flatten()
        .filter_map(|(driver, counts)| {
            let mut us = CALLS;
            for cost in &COSTS {
                let count = counts[cost.metric].as_f64()? / cost.per;
                for (sum, each) in us.iter_mut().zip(cost.us) {
                    *sum += count * each;
                }
            }
            let [least, likely, most] = us.map(|us| (us * 10.0).round() / 10.0);
            let estimate = json!({"least_us": least, "likely_us": likely, "most_us": most});
            Some((driver.clone(), estimate))
        });
    Value::Object(estimates.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_weighed() {
        let counts =
            json!({"mmio_reads": 9, "mmio_writes": 3, "interrupts": 1, "system_switches": 6});
        let result = json!({"test": "round_trip", "size": 4, "mmio_cost_us": 0,
            "drivers": {"issei": counts}});
        let estimate = estimate(&[result]);
        assert_eq!(estimate["issei"]["least_us"], 6.9);
        assert_eq!(estimate["issei"]["likely_us"], 18.6);
        assert_eq!(estimate["issei"]["most_us"], 39.4);
    }

    #[test]
    fn nothing_counted_is_nothing_estimated() {
        let result = json!({"test": "round_trip", "size": 4, "mmio_cost_us": 0,
            "drivers": {"issei": {"mmio_reads": 9}}});
        assert_eq!(estimate(&[result]), json!({}));
        assert_eq!(estimate(&[]), json!({}));
    }
}
