// SPDX-License-Identifier: GPL-2.0
//! The page in Documentation/ that shows the table.

use std::fmt::Write;

use anyhow::Result;

use crate::matrix::{Matrix, OnC};
use crate::outcome::{Again, Count, Expected, AT_ONCE_MS};

const HEAD: &str = "\
.. SPDX-License-Identifier: GPL-2.0

:orphan:

===========================
issei_rust: what goes wrong
===========================

Made by ``cargo run -p faults -- document`` from tools/testing/faults/matrix, which
has the steps of each row and every line of the kernel log as well. ``make
check-faults`` runs all rows, on issei_rust and on Intel's C driver, and compares every
field.

In each row the driver was just bound, and a bystander, a process with an echo client of
its own, exchanges messages all the time and looks at every byte. The columns of the two
drivers begin with the results of the calls that the row records: ``ok``, an error
number, or ``silence`` for an answer that does not come within 2.5 s. Where nothing else
is said, the link is not reset, the bystander is unharmed, no statistic counts, and a new
program can exchange messages within 1 s after the fault is over. ``*`` is any text, and
``|`` stands between what may happen either way.

";

/// The page.
pub(crate) fn page(matrix: &Matrix) -> Result<String> {
    let mut page = HEAD.to_owned();
    for part in &matrix.parts {
        let title = &part.title;
        writeln!(page, "{title}\n{}\n", "=".repeat(title.chars().count()))?;
        writeln!(page, "{}\n", part.about.trim())?;
        writeln!(page, ".. csv-table::")?;
        writeln!(page, "   :header: Row, Fault, issei_rust, C driver")?;
        writeln!(page, "   :widths: 15, 35, 25, 25\n")?;
        for row in &part.rows {
            let c = match row.c()? {
                OnC::Outcome(expected) => sentence(expected),
                OnC::NotRun(why) => format!("Not run: {why}"),
            };
            let must = sentence(&row.must);
            let name = literal(&row.name);
            let cells = [&name, &row.what, &must, &c].map(|cell| quoted(cell));
            writeln!(page, "   {}", cells.join(", "))?;
        }
        writeln!(page)?;
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    Ok(page)
}

/// What must happen, in words.
fn sentence(expected: &Expected) -> String {
    let mut parts = vec![literal(&expected.calls)];
    if expected.resets != Count::default() {
        parts.push(format!("resets: {}", expected.resets));
    }
    if expected.bystander != "unharmed" {
        parts.push(format!("bystander: {}", literal(&expected.bystander)));
    }
    for (name, count) in &expected.counts {
        parts.push(format!("{}: {count}", literal(name)));
    }
    let splats = expected.splats.iter();
    parts.extend(splats.map(|splat| format!("splat: {}", literal(splat))));
    match expected.again {
        Again::Within(AT_ONCE_MS) => {}
        Again::Within(ms) => parts.push(format!("works again within {} s", ms as f64 / 1000.0)),
        Again::Never(_) => parts.push("never works again".to_owned()),
    }
    parts.join("; ")
}

fn literal(text: &str) -> String {
    format!("``{text}``")
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "../../../Documentation/driver-api/issei_rust-faults.rst";

    #[test]
    fn the_page_is_up_to_date() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
        let there = std::fs::read_to_string(path).unwrap();
        let page = page(&Matrix::read().unwrap()).unwrap();
        assert!(there == page, "cargo run -p faults -- document > {PAGE}");
    }
}
