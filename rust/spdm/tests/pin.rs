// SPDX-License-Identifier: GPL-2.0

//! What of a chain stays the same as long as the device is the same.

use super::chain::chain_of;
use super::support::crypto::Memory;
use super::support::der::{good, tlv, Template, DMTF};
use super::support::responder::{Responder, MULTI_KEY};
use super::support::vectors::{all, replay};
use super::support::wire::{config, requester, Wire};
use crate::capabilities::Flags;
use crate::chain::Chain;
use crate::transport::Dialogue;
use crate::version::Version;

/// Marks a certificate as that of the hardware.
fn mark(template: Template) -> Template {
    let identity = tlv(0x30, &[&tlv(0x30, &[&tlv(0x06, &[DMTF, &[2]])])]);
    template.with_extension(&[DMTF, &[6]].concat(), &identity)
}

/// Root, intermediate and leaf, some of them marked.
fn certificates(marked: [bool; 3]) -> [Vec<u8>; 3] {
    let mut marked = marked.into_iter();
    good().map(|template| match marked.next() {
        Some(true) => mark(template).build(),
        _ => template.build(),
    })
}

#[test]
fn identity() {
    for (marked, alias, stays) in [
        ([false, true, false], true, 2),
        ([false, true, true], true, 2),
        ([true, true, false], true, 1),
        ([false, false, true], true, 3),
        ([false, false, false], true, 3),
        ([false, true, false], false, 3),
    ] {
        let certificates = certificates(marked);
        let bytes = chain_of(&certificates[0], &certificates);
        let chain = Chain::parse(&bytes, Version::V12, 32).expect("it is well");
        let expected = certificates[..stays].concat();
        assert_eq!(chain.identity(alias), expected, "{marked:?} {alias}");
    }
    // What follows one that is no certificate is not looked at.
    let [root, _, leaf] = certificates([false, false, true]);
    let bytes = chain_of(&root, &[root.clone(), vec![0x30, 0], leaf]);
    let chain = Chain::parse(&bytes, Version::V12, 32).expect("its header is well");
    assert_eq!(chain.identity(true), chain.der());
}

#[test]
fn recorded_chains() {
    for vector in all() {
        let lines = &vector.lines;
        let crypto = Memory::default();
        let result = replay(vector.config(), vector.version, lines, lines, &crypto);
        let requester = result.expect("it is accepted");
        let (slot, chain) = requester.chain().expect("it was read");
        let chain = chain.expect("it is well");
        let marked: Vec<_> = chain
            .certificates()
            .map(|certificate| certificate.expect("it is well").is_hardware_identity())
            .collect();
        // The leaf is that of the hardware: there are no alias certificates.
        assert_eq!(marked, [false, false, true], "{}", vector.name);
        assert_eq!(requester.is_alias(slot), Some(false), "{}", vector.name);
        for alias in [false, true] {
            assert_eq!(chain.identity(alias), chain.der(), "{}", vector.name);
        }
    }
}

#[test]
fn alias_certificates() {
    for (flags, expected) in [
        (0, [false, false]),
        (Flags::ALIAS_CERT.0, [true, true]),
        (MULTI_KEY, [false, true]),
        (Flags::ALIAS_CERT.0 | MULTI_KEY, [false, true]),
    ] {
        let mut responder = Responder::new(0x13);
        responder.flags |= flags;
        // With a key pair for each slot, each slot has its model: that of slot 2 is alias.
        let mut wire = Wire::edited(responder, |request, response| match request[1] {
            0x81 if flags & MULTI_KEY != 0 => response[71] = 2,
            0x82 if flags & MULTI_KEY != 0 => response[3] = 2,
            _ => {}
        });
        let mut requester = requester(config());
        let mut dialogue = Dialogue {
            requester: &mut requester,
            transport: &mut wire,
        };
        assert_eq!(dialogue.requester.is_alias(2), None);
        dialogue.connect().expect("it works");
        dialogue.get_digests().expect("it works");
        dialogue.get_certificate(2).expect("it works");
        let slots = [0, 2].map(|slot| dialogue.requester.is_alias(slot));
        assert_eq!(slots, expected.map(Some), "{flags:#x}");
    }
}
