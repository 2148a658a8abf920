// SPDX-License-Identifier: GPL-2.0
//! DIGESTS, CERTIFICATE, CHALLENGE_AUTH.

use serde_json::json;

use crate::crypto::digest;
use crate::requester::*;

#[test]
fn a_challenge_is_signed_in_every_version() {
    for version in 0x10..=0x14 {
        let mut r = Requester::connected(
            Wish::version(version),
            json!({"versions": ["1.0", "1.1", "1.2", "1.3", "1.4"]}),
        );
        r.digests();
        r.chain(0, 1000);
        let (auth, right) = r.challenge(0, 0xff);
        assert!(right, "{version:x}");
        assert_eq!(auth[2..4], [0, 3]);
        assert_eq!(auth[4..52], digest(SHA384, &r.chains[0]));
    }
}
