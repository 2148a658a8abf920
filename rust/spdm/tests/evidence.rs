// SPDX-License-Identifier: GPL-2.0

//! Transcripts that were kept are read again, and their signatures checked, by nothing but what is
//! in them.

use super::support::responder::Responder;
use super::support::wire::{config, run, Wire, MEASURE};
use crate::algorithms::MeasurementHash;
use crate::code::Code;
use crate::crypto::{Hash, Verify};
use crate::evidence::{read_vca, Exchanges};
use crate::host::RustCrypto;
use crate::signing::{signed_digest, Purpose};
use crate::version::Version;

#[test]
fn what_was_kept_can_be_checked() {
    for version in Version::ALL {
        let mut config = config();
        config.supported_algorithms = true;
        let (mut requester, _, result) = run(config, Wire::new(Responder::new(version.byte())));
        result.expect("it works");
        let signature = requester
            .measurements()
            .expect("they were read")
            .signature
            .to_vec();
        let vca = requester.vca().to_vec();
        let connection = *requester.connection().expect("connected");
        let transcript = requester.sink().measurements.clone();
        let (_, chain) = requester.chain().expect("it was read");
        let leaf = chain.expect("it is well").certificates().last();

        let (found, length) = read_vca(&vca).expect("it is well");
        assert_eq!((found, length), (connection, vca.len()));
        let start = if version >= Version::V12 { length } else { 0 };
        let exchanges: Result<Vec<_>, _> = Exchanges::new(&found, &transcript[start..]).collect();
        let exchanges = exchanges.expect("they are well");
        assert_eq!(exchanges.len(), 1);
        assert_eq!(exchanges[0].0.signed, MEASURE.signed);
        assert_eq!(exchanges[0].1.record.count(), 4);

        let certificate = leaf.expect("a leaf").expect("it is well");
        let key = RustCrypto.key(&certificate).expect("a key");
        let hash = found.selection.hash.expect("a hash");
        let digest = RustCrypto.digest(hash, &transcript).expect("a digest");
        let purpose = Purpose::Measurements;
        let digest = signed_digest(&RustCrypto, hash, found.version, purpose, digest);
        let scheme = found.selection.asym.expect("an algorithm").scheme();
        let digest = digest.expect("a digest");
        let verified = RustCrypto.verify(&key, scheme, hash, &digest, &signature);
        assert_eq!(verified, Ok(()));

        // Cut short anywhere, it is refused.
        for length in 0..vca.len() {
            assert!(read_vca(&vca[..length]).is_err());
        }
        for length in start + 1..transcript.len() {
            let exchanges = Exchanges::new(&found, &transcript[start..length]);
            let result: Result<Vec<_>, _> = exchanges.collect();
            assert!(result.is_err());
        }
        let longer = [&transcript[start..], &[0]].concat();
        assert!(Exchanges::new(&found, &longer).any(|exchange| exchange.is_err()));
    }
}

#[test]
fn answers_to_another_request() {
    let (mut requester, _, result) = run(config(), Wire::new(Responder::new(0x13)));
    result.expect("it works");
    let connection = *requester.connection().expect("connected");
    let start = requester.vca().len();
    let transcript = requester.sink().measurements.clone();
    // The request has 45 bytes: the slot before its context, the context at its end.
    let slot = start + 36;
    let context = start + 37;
    let block = start + 45 + 8;
    for (at, value, expected) in [
        (slot, 2, "SlotID: differs from what it has to match"),
        (
            context,
            0,
            "RequesterContext: differs from what it has to match",
        ),
        (block + 5, 0x1f, "MeasurementBlock: 32 bytes instead of 31"),
    ] {
        let mut changed = transcript.clone();
        changed[at] = value;
        let result: Result<Vec<_>, _> = Exchanges::new(&connection, &changed[start..]).collect();
        let text = result.expect_err("it differs").to_string();
        assert_eq!(text, format!("MEASUREMENTS: {expected}"));
    }
    let mut other = connection;
    other.selection.measurement_hash = MeasurementHash::from_bit(4);
    let result: Result<Vec<_>, _> = Exchanges::new(&other, &transcript[start..]).collect();
    assert_eq!(
        result.expect_err("another hash").to_string(),
        "MEASUREMENTS: MeasurementBlock: 32 bytes instead of 48"
    );
}

#[test]
fn a_version_that_the_responder_did_not_speak() {
    let (requester, _, result) = run(config(), Wire::new(Responder::new(0x12)));
    result.expect("it works");
    let mut vca = requester.vca().to_vec();
    vca[14] = 0x13;
    let error = read_vca(&vca).expect_err("it was not spoken");
    assert_eq!(error.message, Code::GET_CAPABILITIES);
    assert_eq!(
        error.to_string(),
        "GET_CAPABILITIES: SPDMVersion: 0x13 is not allowed"
    );
}
