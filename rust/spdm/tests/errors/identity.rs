// SPDX-License-Identifier: GPL-2.0

//! DIGESTS and CERTIFICATE.

use super::super::support::responder::{Responder, MULTI_KEY};
use super::super::support::wire::{config, error_of, requester, Wire, CHALLENGE};
use super::{refused, refused_of, set, CERTIFICATE, DIGESTS};
use crate::challenge::Challenge;
use crate::transport::Dialogue;

#[test]
fn digests() {
    refused(0x12, DIGESTS, set(3, &[0]), "DIGESTS: SlotMask: missing");
    refused(
        0x13,
        DIGESTS,
        set(2, &[0x01]),
        "DIGESTS: SupportedSlotMask: 0x5 contradicts itself",
    );
    refused(
        0x12,
        DIGESTS,
        set(3, &[7]),
        "DIGESTS: Digest: message of 68 bytes ends before byte 100",
    );
    refused(
        0x12,
        DIGESTS,
        |response| {
            response.truncate(36);
            response[3] = 2;
        },
        "GET_CERTIFICATE: SlotID: missing",
    );
    let mut responder = Responder::new(0x13);
    responder.flags |= MULTI_KEY;
    for (at, byte, expected) in [
        (68, 0, "KeyPairID: 0x0 is not allowed"),
        (70, 4, "CertificateInfo: 0x4 is not allowed"),
    ] {
        let expected = format!("DIGESTS: {expected}");
        refused_of(responder.clone(), DIGESTS, set(at, &[byte]), &expected);
    }
    refused_of(
        responder.clone(),
        DIGESTS,
        |response| response.truncate(70),
        "DIGESTS: CertificateInfo: message of 70 bytes ends before byte 72",
    );
    refused_of(
        responder.clone(),
        CERTIFICATE,
        set(3, &[2]),
        "CERTIFICATE: CertificateInfo: differs from what it has to match",
    );
    responder.usage = !(1 << 1);
    refused_of(
        responder.clone(),
        0,
        |_| {},
        "CHALLENGE: SlotID: the key of the slot is not meant for this",
    );
    responder.usage = !(1 << 2);
    refused_of(
        responder,
        0,
        |_| {},
        "GET_MEASUREMENTS: SlotID: the key of the slot is not meant for this",
    );
}

#[test]
fn certificate() {
    let differs = "differs from what it has to match";
    refused(
        0x12,
        CERTIFICATE,
        set(2, &[1]),
        &format!("CERTIFICATE: SlotID: {differs}"),
    );
    refused(
        0x13,
        CERTIFICATE,
        set(3, &[5]),
        "CERTIFICATE: CertificateInfo: 0x5 is not allowed",
    );
    refused(
        0x14,
        CERTIFICATE,
        set(2, &[0x80]),
        "CERTIFICATE: Param1: 0x80 was not offered",
    );
    refused(
        0x12,
        CERTIFICATE,
        |response| {
            response.truncate(8);
            response[4..6].fill(0);
        },
        "CERTIFICATE: PortionLength: 0x0 is not allowed",
    );
    let mut portions = config();
    portions.portion = 100;
    let error = error_of(portions, Responder::new(0x12), CERTIFICATE, |response| {
        response[4] += 1;
        response.push(0);
    });
    assert_eq!(
        error.to_string(),
        "CERTIFICATE: PortionLength: 101 is above 100"
    );
    let mut count = 0;
    let error = error_of(portions, Responder::new(0x12), CERTIFICATE, |response| {
        count += 1;
        if count == 3 {
            response[6] ^= 1;
        }
    });
    assert_eq!(
        error.to_string(),
        format!("CERTIFICATE: RemainderLength: {differs}")
    );
    let error = error_of(portions, Responder::new(0x12), CERTIFICATE, |response| {
        response[6..8].fill(0xff);
    });
    assert_eq!(
        error.to_string(),
        "CERTIFICATE: CertChain: needs 65635 bytes, there is room for 65535"
    );
    let length = Responder::new(0x12).chain(0).len();
    refused(
        0x12,
        CERTIFICATE,
        set(8 + length - 1, &[0xff]),
        &format!("CERTIFICATE: Digest: {differs}"),
    );
    refused(
        0x12,
        DIGESTS,
        set(4, &[0xff, 0xff]),
        &format!("CERTIFICATE: Digest: {differs}"),
    );
}

#[test]
fn a_refused_chain_spares_the_connection_and_can_be_looked_at() {
    let mut requester = requester(config());
    let mut wire = Wire::new(Responder::new(0x12));
    wire.responder.slots[1].1.truncate(100);
    wire.responder.slots[1].1.insert(0, 0x30);
    wire.responder.slots[1].1[1..4].copy_from_slice(&[0x82, 0, 97]);
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    dialogue.connect().expect("it works");
    dialogue.get_digests().expect("it works");
    dialogue.get_certificate(0).expect("it works");
    let failure = dialogue.get_certificate(2).expect_err("it is no chain");
    let expected = "CERTIFICATE: CertChain: certificate 0: not an X.509 certificate";
    assert!(failure.to_string().starts_with(expected), "{failure}");
    let (slot, chain) = dialogue.requester.chain().expect("it was read");
    assert_eq!(slot, 2);
    assert_eq!(chain.expect("its header is well").der().len(), 101);
    let second = Challenge {
        slot: 2,
        ..CHALLENGE
    };
    assert!(dialogue.requester.challenge(second).is_err());
    dialogue.challenge(CHALLENGE).expect("slot 0 is well");
}
