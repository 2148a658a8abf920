// SPDX-License-Identifier: GPL-2.0
//! MEASUREMENTS.

use serde_json::json;

use crate::requester::*;

#[test]
fn measurements_are_signed_in_every_version() {
    for version in 0x10..=0x14 {
        let mut r = Requester::connected(
            Wish::version(version),
            json!({"versions": ["1.0", "1.1", "1.2", "1.3", "1.4"]}),
        );
        r.chain(0, 4000);
        let (response, right) = r.measure(1, 0xff, 0);
        assert!(right, "{version:x}");
        assert_eq!(response[4], 11);
    }
}
