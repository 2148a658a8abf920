// SPDX-License-Identifier: GPL-2.0
//! Faults of certificate chains. A chain is the same in DIGESTS, CERTIFICATE and CHALLENGE_AUTH of
//! its connection, and good again in the next.

use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use super::{recovers, run, Row};
use crate::crypto::*;
use crate::requester::*;

/// The chain of slot 0 in a connection with the fault: digests and certificate hash agree with it.
fn chain(r: &mut Requester) -> Vec<u8> {
    r.connect(Wish::version(0x13));
    let digests = r.digests();
    let chain = r.chain(0, 500);
    assert_eq!(digests[4..52], digest(SHA384, &chain));
    let request = [r.request(&[0x83, 0, 0]), vec![0; 40]].concat();
    let auth = r.ask(&request);
    assert_eq!(auth[4..52], digest(SHA384, &chain));
    chain
}

/// The same chain without a fault.
fn good(r: &mut Requester) -> Vec<u8> {
    recovers(r);
    r.chains[0].clone()
}

/// Certificates of the faulty chain, whose links must be whole but for those that are `broken`
/// (0 is the root, which signs itself).
fn certificates(r: &mut Requester, broken: &[usize]) -> Vec<Vec<u8>> {
    let chain = chain(r);
    let certificates: Vec<Vec<u8>> = split(&chain[52..]).iter().map(|c| c.to_vec()).collect();
    assert_eq!(chain[4..52], digest(SHA384, &certificates[0]));
    for (number, certificate) in certificates.iter().enumerate() {
        let issuer = &certificates[number.saturating_sub(1)];
        assert_eq!(
            issued(certificate, issuer),
            !broken.contains(&number),
            "{number}"
        );
    }
    let good = good(r);
    assert_ne!(good, chain);
    certificates
}

/// Whether a certificate is an authority, may sign certificates, may sign.
fn rights(certificate: &[u8]) -> [bool; 3] {
    let tbs = parse(certificate).tbs_certificate;
    let (_, constraints) = tbs.get::<BasicConstraints>().unwrap().unwrap();
    let (_, usage) = tbs.get::<KeyUsage>().unwrap().unwrap();
    [
        constraints.ca,
        usage.key_cert_sign(),
        usage.digital_signature(),
    ]
}

const AUTHORITY: [bool; 3] = [true, true, false];
const LEAF: [bool; 3] = [false, false, true];

fn all_rights(certificates: &[Vec<u8>]) -> Vec<[bool; 3]> {
    certificates.iter().map(|c| rights(c)).collect()
}

pub(super) const ROWS: &[Row] = &[
    ("spdm-chain-length", |r| {
        let chain = chain(r);
        let mut good = good(r);
        good[..2].fill(0xff);
        assert_eq!(chain, good);
    }),
    ("spdm-chain-reserved", |r| {
        let chain = chain(r);
        let mut good = good(r);
        good[2..4].fill(0xff);
        assert_eq!(chain, good);
    }),
    ("spdm-chain-root-hash", |r| {
        let chain = chain(r);
        let mut good = good(r);
        good[51] ^= 1;
        assert_eq!(chain, good);
    }),
    ("spdm-chain-broken", |r| {
        let broken = certificates(r, &[1]);
        assert_eq!(all_rights(&broken), [AUTHORITY, AUTHORITY, LEAF]);
    }),
    ("spdm-chain-end-entity", |r| {
        let certificates = certificates(r, &[]);
        let signer = [false, true, false];
        assert_eq!(all_rights(&certificates), [AUTHORITY, signer, LEAF]);
    }),
    ("spdm-chain-no-cert-sign", |r| {
        let certificates = certificates(r, &[]);
        let signer = [true, false, false];
        assert_eq!(all_rights(&certificates), [AUTHORITY, signer, LEAF]);
    }),
    ("spdm-chain-leaf-authority", |r| {
        let certificates = certificates(r, &[]);
        let leaf = [true, false, true];
        assert_eq!(all_rights(&certificates), [AUTHORITY, AUTHORITY, leaf]);
    }),
    ("spdm-chain-leaf-usage", |r| {
        let certificates = certificates(r, &[]);
        assert_eq!(
            all_rights(&certificates),
            [AUTHORITY, AUTHORITY, [false; 3]]
        );
    }),
    ("spdm-chain-sha1", |r| {
        // The helper only knows SHA-2: the link counts as broken.
        let certificates = certificates(r, &[1]);
        let hashes: Vec<_> = certificates.iter().map(|c| certificate_hash(c)).collect();
        assert_eq!(hashes, [Some(SHA384), None, Some(SHA384)]);
        assert!(issued_with_sha1(&certificates[1], &certificates[0]));
    }),
    ("spdm-chain-rsa1024", |r| {
        let certificates = certificates(r, &[]);
        let keys: Vec<u32> = certificates.iter().map(|c| key_algorithm(c)).collect();
        assert_eq!(keys, [P384, 0, P384]);
    }),
    ("spdm-chain-expired", |r| {
        let certificates = certificates(r, &[]);
        let years: Vec<u16> = certificates
            .iter()
            .map(|c| {
                parse(c)
                    .tbs_certificate
                    .validity
                    .not_after
                    .to_date_time()
                    .year()
            })
            .collect();
        assert_eq!(years, [2049, 2049, 2025]);
    }),
    ("spdm-chain-other-root", |r| {
        let other = certificates(r, &[]);
        let good = good(r);
        let good = split(&good[52..]);
        assert_ne!(public_key(&other[0]), public_key(good[0]));
        assert_eq!(
            public_key(&other[2]),
            public_key(good[2]),
            "the same device"
        );
    }),
    ("spdm-chain-other-key", |r| {
        let other = certificates(r, &[]);
        assert_eq!(key_algorithm(&other[2]), P384);
        let good = good(r);
        assert_ne!(public_key(&other[2]), public_key(split(&good[52..])[2]));
    }),
    ("spdm-chain-other-algorithm", |r| {
        let other = certificates(r, &[]);
        assert_eq!(key_algorithm(&other[2]), P256);
    }),
    ("spdm-chain-reversed", |r| {
        let reversed = chain(r);
        let mut reversed: Vec<&[u8]> = split(&reversed[52..]);
        reversed.reverse();
        let good = good(r);
        assert_eq!(reversed, split(&good[52..]));
    }),
    ("spdm-chain-trailing", |r| {
        let chain = chain(r);
        let mut good = good(r);
        good.push(0);
        good[0] += 1;
        assert_eq!(chain, good);
    }),
    ("spdm-chain-cut", |r| {
        let chain = chain(r);
        let mut good = good(r);
        good.pop();
        good[0] -= 1;
        assert_eq!(chain, good);
    }),
    ("spdm-chain-empty", |r| {
        let chain = chain(r);
        let good = good(r);
        assert_eq!(chain, [&[52, 0, 0, 0], &good[4..52]].concat());
    }),
];

#[test]
fn each_does_what_it_says() {
    run(ROWS);
}

#[test]
fn any_link_can_break() {
    for number in 0..3 {
        let mut r = Requester::new();
        r.arm("spdm-chain-broken", Some(number as u64), None);
        certificates(&mut r, &[number]);
    }
}

#[test]
fn an_rsa_root_of_1024_bits_signs_itself() {
    let mut r = Requester::new();
    r.arm("spdm-chain-rsa1024", Some(0), None);
    let certificates = certificates(&mut r, &[]);
    assert_eq!(key_algorithm(&certificates[0]), 0);
}

#[test]
fn the_last_certificate_is_for_responders() {
    let mut r = Requester::new();
    let chain = chain(&mut r);
    let leaf = parse(split(&chain[52..])[2]).tbs_certificate;
    let oids: Vec<ObjectIdentifier> = leaf
        .extensions
        .iter()
        .flatten()
        .map(|e| e.extn_id)
        .collect();
    for oid in ["2.5.29.17", "2.5.29.37", "1.3.6.1.4.1.412.274.6"] {
        assert!(oids.contains(&ObjectIdentifier::new_unwrap(oid)), "{oid}");
    }
}
