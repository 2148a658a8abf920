// SPDX-License-Identifier: GPL-2.0

//! The driver's numbers of the netlink family against those of the header, which is generated from the specification.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

const HEADER: &str = "include/uapi/linux/issei_evidence.h";
const DRIVER: &str = "drivers/misc/issei_rust/spdm/netlink/uapi.rs";

fn read(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    fs::read_to_string(root.join(file)).unwrap()
}

/// Macros and enumerators with a number, by their names without the prefix.
fn of_header(text: &str) -> HashMap<String, u32> {
    let mut next = 0;
    let mut numbers = HashMap::new();
    for line in text.lines().map(str::trim) {
        let line = line.strip_prefix("#define ").unwrap_or(line);
        if line.starts_with("enum") {
            next = 0;
        }
        let Some(rest) = line.strip_prefix("ISSEI_EVIDENCE_") else {
            continue;
        };
        let words: Vec<&str> = rest
            .split([' ', '\t', ',', '='])
            .filter(|word| !word.is_empty())
            .collect();
        let number = match words[1..] {
            [] => next,
            [number] => match number.parse() {
                Ok(number) => number,
                Err(_) => continue,
            },
            _ => continue,
        };
        numbers.insert(words[0].to_owned(), number);
        next = number + 1;
    }
    numbers
}

/// `pub(super) const NAME: TYPE = NUMBER;`
fn of_driver(text: &str) -> Vec<(String, u32)> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("pub(super) const ")?.split_once(": ")?;
            let (_, number) = rest.strip_suffix(';')?.split_once(" = ")?;
            Some((name.to_owned(), number.parse().unwrap()))
        })
        .collect()
}

#[test]
fn the_driver_has_the_numbers_of_the_header() {
    let header = of_header(&read(HEADER));
    let driver = of_driver(&read(DRIVER));
    // Every attribute, and the others that are used.
    let attributes = |name: &&String| name.starts_with("A_");
    let (ours, theirs) = (
        driver
            .iter()
            .map(|(name, _)| name)
            .filter(attributes)
            .count(),
        header.keys().filter(attributes).count(),
    );
    assert_eq!((ours, theirs), (19, 19));
    for (name, number) in driver {
        assert_eq!(header.get(&name), Some(&number), "{name}");
    }
}

#[test]
fn numbers_are_found() {
    let header = "#define ISSEI_EVIDENCE_FAMILY_VERSION\t1\nenum x {\n\tISSEI_EVIDENCE_B,\n\tISSEI_EVIDENCE_C = 20,\n\tISSEI_EVIDENCE_D,\n};\n\
                  enum {\n\tISSEI_EVIDENCE_A_E = 1,\n\n\t__ISSEI_EVIDENCE_A_MAX,\n\tISSEI_EVIDENCE_A_MAX = (__ISSEI_EVIDENCE_A_MAX - 1)\n};\n";
    let mut found: Vec<_> = of_header(header).into_iter().collect();
    found.sort();
    let expected = [
        ("A_E", 1),
        ("B", 0),
        ("C", 20),
        ("D", 21),
        ("FAMILY_VERSION", 1),
    ];
    assert_eq!(
        found,
        expected.map(|(name, number)| (name.to_owned(), number))
    );
    assert_eq!(
        of_driver("pub(super) const A_E: u16 = 1;\n"),
        [("A_E".to_owned(), 1)]
    );
}
