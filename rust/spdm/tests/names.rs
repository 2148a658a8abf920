// SPDX-License-Identifier: GPL-2.0

//! What people read.

use crate::algorithms::{AsymAlgorithm, HashAlgorithm};
use crate::crypto::Digest;
use crate::version::Version;

#[test]
fn names_of_algorithms() {
    let hashes = HashAlgorithm::ALL.map(|hash| hash.to_string());
    let expected = [
        "sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512",
    ];
    assert_eq!(hashes, expected);
    for (asym, expected) in [
        (AsymAlgorithm::RsaSsa2048, "RSASSA_2048"),
        (AsymAlgorithm::RsaPss4096, "RSAPSS_4096"),
        (AsymAlgorithm::EcdsaP384, "ECDSA_ECC_NIST_P384"),
    ] {
        assert_eq!(asym.to_string(), expected);
    }
}

#[test]
fn digests_are_shown_in_hexadecimal() {
    let mut digest = Digest::zeroed(3);
    digest.bytes_mut().copy_from_slice(&[0, 0x5a, 0xff]);
    assert_eq!(format!("{digest:?}"), "005aff");
}

#[test]
fn versions_are_shown_as_people_write_them() {
    let shown = Version::ALL.map(|version| version.to_string());
    assert_eq!(shown, ["1.0", "1.1", "1.2", "1.3", "1.4"]);
}
