// SPDX-License-Identifier: GPL-2.0
//! Every fault of SPDM changes what its description says, and nothing else.
//!
//! A row is run with its fault armed for one occurrence, and must have used it at the end.

mod any;
mod chains;
mod chunks;
mod fields;
mod signatures;

use std::collections::BTreeSet;

use heci_model::faults::Fault;
use serde_json::json;

use crate::requester::*;

/// A fault, and what must be seen while it is armed.
pub(crate) type Row = (&'static str, fn(&mut Requester));

impl Requester {
    /// How often a fault fired since it was armed.
    pub(crate) fn fired(&mut self, fault: &str) -> u64 {
        let fault = Fault::named(fault).unwrap();
        let armed = json!(self.device().faults().armed(fault));
        armed["fired"].as_u64().unwrap()
    }
}

fn all_rows() -> Vec<&'static str> {
    let rows = [
        any::ROWS,
        chains::ROWS,
        chunks::ROWS,
        fields::ROWS,
        signatures::ROWS,
    ];
    let names = rows.iter().flat_map(|rows| rows.iter().map(|row| row.0));
    let tables = [fields::LISTED, fields::SIGNED];
    let tables = tables.iter().flat_map(|rows| rows.iter().map(|row| row.0));
    names.chain(tables).collect()
}

#[test]
fn every_fault_has_one_row() {
    let rows = all_rows();
    let names: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(names.len(), rows.len());
    let faults = Fault::ALL.iter().map(|fault| fault.info().name);
    let faults: BTreeSet<&str> = faults.filter(|name| name.starts_with("spdm-")).collect();
    assert_eq!(names, faults);
}

#[test]
fn every_fault_stands_in_the_readme() {
    let readme = include_str!("../../../README.md");
    for fault in Fault::ALL {
        let name = fault.info().name;
        let name = name.strip_prefix("spdm-").unwrap_or(name);
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}

/// Runs rows, each with a requester that has not spoken yet. The device stays the same: chains
/// take time.
fn run(rows: &[Row]) {
    let mut r = Requester::new();
    for (name, act) in rows {
        println!("{name}");
        r = r.renew();
        r.wish = Wish::version(0x13);
        r.arm(name, None, None);
        act(&mut r);
        assert_eq!(r.fired(name), 1, "{name}");
    }
}

/// The whole way with a good end: the responder is none the worse.
pub(crate) fn recovers(r: &mut Requester) {
    r.connect(Wish::version(0x13));
    r.digests();
    r.chain(0, 4000);
    assert!(r.challenge(0, 0xff).1);
    r.measurements.clear();
    assert!(r.measure(1, 0xff, 0).1);
}
