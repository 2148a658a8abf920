// SPDX-License-Identifier: GPL-2.0

//! Whole conversations, in every version and over transports of every kind.

use super::support::der::{good, tlv, Template};
use super::support::responder::{Responder, FLAGS, MULTI_KEY};
use super::support::wire::{config, requester, run, whole, Wire, CHALLENGE, MEASURE};
use crate::algorithms::HashAlgorithm;
use crate::capabilities::Flags;
use crate::chain::RootHash;
use crate::challenge::Challenge;
use crate::config::Floor;
use crate::digests::CertificateModel;
use crate::measurements::{GetMeasurements, Operation, Signed};
use crate::negotiate::Tables;
use crate::transport::Dialogue;
use crate::version::Version;

/// Runs all of it, checks what is known afterwards, and returns the number of exchanges.
fn succeeds(config: crate::config::Config, responder: Responder) -> usize {
    let version = responder.version;
    let chain = responder.chain(2);
    let (mut requester, wire, result) = run(config, Wire::new(responder.clone()));
    if let Err(failure) = result {
        panic!("{version:#x}: {failure}");
    }
    let connection = requester.connection().expect("connected");
    assert_eq!(connection.version.byte(), version);
    assert_eq!(requester.root_hash(0), Some(RootHash::First));
    let (slot, read) = requester.chain().expect("a chain was read");
    assert_eq!((slot, read.expect("it is well").bytes()), (2, &chain[..]));
    let measurements = requester.measurements().expect("measurements were read");
    let record = responder.blocks.concat();
    assert_eq!(measurements.record.bytes(), record);
    assert_eq!(measurements.signature.len(), 64);

    let vca = requester.vca().to_vec();
    let kept = requester.sink();
    assert!(kept.challenge.starts_with(&vca));
    assert_eq!(kept.measurements.starts_with(&vca), version >= 0x12);
    wire.log.len()
}

#[test]
fn nothing_is_known_before() {
    let requester = requester(config());
    assert!(requester.connection().is_none());
    assert!(requester.chain().is_none());
    assert!(requester.challenge_auth().is_none());
    assert!(requester.measurements().is_none());
}

#[test]
fn every_version() {
    for version in Version::ALL {
        let exchanges = succeeds(config(), Responder::new(version.byte()));
        assert_eq!(exchanges, 8, "{version}: not one more than needed");
    }
}

#[test]
fn every_hash() {
    for hash in HashAlgorithm::ALL {
        let mut responder = Responder::new(0x12);
        responder.hash = hash;
        responder.blocks.truncate(2);
        for block in &mut responder.blocks {
            let value = vec![7; hash.size()];
            *block = super::support::responder::block(block[0], block[4], &value);
        }
        succeeds(config(), responder);
    }
}

#[test]
fn every_portion_of_a_chain() {
    for portion in [1, 2, 3, 7, 64, 255, 511, 1024, u16::MAX] {
        let mut config = config();
        config.portion = portion;
        succeeds(config, Responder::new(0x11));
    }
}

#[test]
fn chunks_both_ways_of_every_size() {
    for version in [0x12, 0x13, 0x14] {
        for size in 42..160 {
            let mut config = config();
            config.data_transfer_size = size;
            config.supported_algorithms = true;
            // More tables than a session would need make a long request.
            config.offer.tables = Tables {
                dhe: 0x1b,
                aead: 6,
                req_base_asym: 0xf,
                key_schedule: 1,
            };
            let mut responder = Responder::new(version);
            responder.data_transfer_size = size;
            let exchanges = succeeds(config, responder);
            assert!(exchanges > 8);
        }
    }
}

#[test]
fn chunks_shorter_than_they_could_be() {
    for size in [42, 43, 100, 1000] {
        let mut responder = Responder::new(0x12);
        responder.transmit_size = size;
        succeeds(config(), responder);
    }
}

/// A responder whose chains have 65,535 bytes, header and all.
fn with_longest_chain(version: u8) -> Responder {
    let mut size: usize = 0xf000;
    // Signatures differ in length, so this takes some turns.
    for turn in 0..=u8::MAX {
        let [root, middle, leaf] = good();
        let value = tlv(0x04, &[&vec![turn; size]]);
        let leaf = leaf.with_extension(&[0x2a, 0x03], &value);
        let chain = [root, middle, leaf]
            .map(|template| template.build())
            .concat();
        let mut responder = Responder::new(version);
        responder.slots = vec![(0, chain.clone(), 3), (2, chain, 3)];
        match responder.slots[0].1.len() + 4 + 32 {
            0xffff => return responder,
            length => size = size + 0xffff - length,
        }
    }
    panic!("no chain has this length");
}

#[test]
fn a_chain_of_64_kib() {
    for (version, transfer) in [(0x10, 0x1000), (0x12, 0x1000), (0x14, 42)] {
        let responder = with_longest_chain(version);
        assert_eq!(responder.chain(0).len(), 0xffff);
        let mut config = config();
        config.data_transfer_size = transfer;
        succeeds(config, responder);
    }
}

#[test]
fn a_key_pair_for_each_slot() {
    for version in [0x13, 0x14] {
        let mut responder = Responder::new(version);
        responder.flags |= MULTI_KEY;
        let (requester, _, result) = run(config(), Wire::new(responder));
        result.expect("it works");
        let info = requester.key_info(2).expect("it is told");
        assert_eq!((info.key_pair, info.usage), (3, 0x0f));
        assert_eq!(info.model, CertificateModel::Device);
        assert!(requester.connection().expect("connected").multi_key);
    }
}

#[test]
fn algorithms_beforehand() {
    let mut config = config();
    config.supported_algorithms = true;
    let (requester, ..) = run(config, Wire::new(Responder::new(0x13)));
    let connection = requester.connection().expect("connected");
    let supported = connection.capabilities.supported.expect("they are told");
    assert_eq!(supported.base_asym, 0x10);
    assert_eq!(supported.tables.dhe, 0x1b);
}

#[test]
fn measurements_one_by_one() {
    for version in Version::ALL {
        let mut requester = requester(config());
        let mut wire = Wire::new(Responder::new(version.byte()));
        let mut dialogue = Dialogue {
            requester: &mut requester,
            transport: &mut wire,
        };
        whole(&mut dialogue).expect("it works");
        let unsigned = GetMeasurements {
            signed: None,
            ..MEASURE
        };
        let one = |index, request: GetMeasurements| GetMeasurements {
            operation: Operation::One(index),
            ..request
        };
        let count = GetMeasurements {
            operation: Operation::Count,
            ..unsigned
        };
        dialogue.get_measurements(count).expect("it works");
        let response = dialogue.requester.measurements().expect("it was read");
        assert_eq!(response.total, Some(4));
        dialogue
            .get_measurements(one(1, unsigned))
            .expect("it works");
        dialogue
            .get_measurements(one(2, unsigned))
            .expect("it works");
        dialogue
            .get_measurements(one(0xfd, MEASURE))
            .expect("it is signed");
        let lines = dialogue.transport.log.len();
        let exchanged = dialogue.transport.log[lines - 4..]
            .iter()
            .flat_map(|line| [&line.request[..], &line.response[..]].concat())
            .collect::<Vec<_>>();
        let mut transcript = dialogue.requester.sink().measurements.clone();
        if version >= Version::V12 {
            transcript.drain(..dialogue.requester.vca().len());
        }
        assert_eq!(transcript, exchanged[..exchanged.len() - 64]);

        // One that is not there begins the transcript anew, and nothing is lost.
        dialogue
            .get_measurements(one(1, unsigned))
            .expect("it works");
        let failure = dialogue.get_measurements(one(3, unsigned));
        assert!(failure.is_err());
        dialogue
            .get_measurements(one(2, MEASURE))
            .expect("it is signed");
        let response = dialogue.requester.measurements().expect("it was read");
        assert_eq!(response.record.count(), 1);
    }
}

#[test]
fn keys_are_kept_over_a_new_connection() {
    let mut requester = requester(config());
    let mut wire = Wire::new(Responder::new(0x12));
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    whole(&mut dialogue).expect("it works");
    dialogue.connect().expect("it works");
    dialogue.challenge(CHALLENGE).expect("the key is known");
    dialogue.connect().expect("it works");
    dialogue
        .get_measurements(MEASURE)
        .expect("the key is known");
    dialogue.connect().expect("it works");
    dialogue.get_digests().expect("it works");
    dialogue
        .challenge(CHALLENGE)
        .expect("the digest is the same");
    dialogue.requester.forget();
    assert!(dialogue.challenge(CHALLENGE).is_err());

    // With other algorithms they are not.
    dialogue.get_digests().expect("it works");
    dialogue.get_certificate(0).expect("it works");
    dialogue.transport.responder.hash = HashAlgorithm::Sha512;
    dialogue.connect().expect("it works");
    assert!(dialogue.requester.digest(0).is_none());
    assert!(dialogue.challenge(CHALLENGE).is_err());
}

#[test]
fn nothing_below_the_floor() {
    let (requester, ..) = run(config(), Wire::new(Responder::new(0x12)));
    let floor = Floor::of(requester.connection().expect("connected"));
    assert_eq!(
        (floor.version, floor.asym, floor.hash),
        (Version::V12, 128, 128)
    );
    let mut pinned = config();
    pinned.floor = floor;
    succeeds(pinned, Responder::new(0x12));
    succeeds(pinned, Responder::new(0x13));
    let (_, _, result) = run(pinned, Wire::new(Responder::new(0x11)));
    let text = result.expect_err("it is below").to_string();
    assert_eq!(
        text,
        "VERSION: VersionNumberEntry: 0x11 is weaker than what is pinned"
    );
    pinned.floor.asym = 129;
    let (_, wire, result) = run(pinned, Wire::new(Responder::new(0x12)));
    assert!(result.is_err());
    let offer = wire.log[2].request[8..12].try_into().expect("the offer");
    assert_eq!(
        u32::from_le_bytes(offer),
        0x1e0,
        "only stronger ones are offered"
    );
    pinned.floor.asym = 0;
    pinned.floor.measurement_hash = 129;
    let text = run(pinned, Wire::new(Responder::new(0x12)))
        .2
        .expect_err("it is below");
    assert_eq!(
        text.to_string(),
        "ALGORITHMS: MeasurementHashAlgo: 0x80 is weaker than what is pinned"
    );

    // None at all is weaker than any.
    pinned.floor = floor;
    let mut responder = Responder::new(0x12);
    responder.flags = Flags::MEAS_NO_SIG.0 | Flags::CHUNK.0;
    for (at, pinned_strength, field) in [
        (12, floor.asym, "BaseAsymAlgo"),
        (16, floor.hash, "BaseHashAlgo"),
    ] {
        assert_eq!(pinned_strength, 128);
        let wire = Wire::edited(responder.clone(), |request, response| {
            if request[1] == 0xe3 {
                response[at..at + 4].fill(0);
            }
        });
        let failure = run(pinned, wire).2.expect_err("it is below");
        let expected = format!("ALGORITHMS: {field}: 0x0 is weaker than what is pinned");
        assert_eq!(failure.to_string(), expected);
    }
    responder.flags = FLAGS & !(3 << 3);
    let failure = run(pinned, Wire::new(responder)).2;
    assert_eq!(
        failure.expect_err("it is below").to_string(),
        "ALGORITHMS: MeasurementHashAlgo: 0x0 is weaker than what is pinned"
    );
}

#[test]
fn every_slot() {
    for version in Version::ALL {
        for multi_key in [false, true] {
            if multi_key && version < Version::V13 {
                continue;
            }
            let mut responder = Responder::new(version.byte());
            responder.supported_slots = u8::MAX;
            if multi_key {
                responder.flags |= MULTI_KEY;
            }
            // Each has its own leaf.
            responder.slots = (0..8)
                .map(|slot| {
                    let number = 10 + slot;
                    let [root, middle, _] = good();
                    let leaf = Template::leaf(("middle", 2), ("leaf", number));
                    let chain = [root, middle, leaf].map(|template| template.build());
                    (slot, chain.concat(), number)
                })
                .collect();
            let mut requester = requester(config());
            let mut wire = Wire::new(responder.clone());
            let mut dialogue = Dialogue {
                requester: &mut requester,
                transport: &mut wire,
            };
            dialogue.connect().expect("it works");
            dialogue.get_digests().expect("it works");
            assert_eq!(dialogue.requester.slot_masks(), Some((0xff, 0xff)));
            for slot in 0..8 {
                dialogue.get_certificate(slot).expect("it works");
                let (read, chain) = dialogue.requester.chain().expect("it was read");
                let chain = chain.expect("it is well").bytes();
                assert_eq!((read, chain), (slot, &responder.chain(slot)[..]));
            }
            for slot in (0..8).rev() {
                let challenge = Challenge { slot, ..CHALLENGE };
                dialogue.challenge(challenge).expect("its key signs");
                let answer = dialogue.requester.challenge_auth().expect("it was read");
                assert_eq!((answer.slot, answer.slot_mask), (slot, 0xff));
                let nonce = [slot; 32];
                let request = GetMeasurements {
                    signed: Some(Signed { nonce, slot }),
                    ..MEASURE
                };
                let result = dialogue.get_measurements(request);
                if version == Version::V10 && slot > 0 {
                    let text = format!("GET_MEASUREMENTS: SlotID: {slot:#x} is not allowed");
                    assert_eq!(result.expect_err("slot 0 signs").to_string(), text);
                } else {
                    result.expect("its key signs");
                }
            }
        }
    }
}

#[test]
fn a_transport_that_pads() {
    let mut padded = config();
    padded.padding = 3;
    for version in Version::ALL {
        let wire = Wire::edited(Responder::new(version.byte()), |_, response| {
            response.resize(response.len().next_multiple_of(4), 0xee);
        });
        run(padded, wire)
            .2
            .expect("padding is not part of a message");
    }
}

#[test]
fn a_responder_without_measurements_or_without_challenge() {
    let mut responder = Responder::new(0x12);
    responder.flags &= !(3 << 3);
    let (requester, _, result) = run(config(), Wire::new(responder));
    let error = result.expect_err("there are none").to_string();
    assert_eq!(
        error,
        "CHALLENGE: MeasurementSummaryHash: the responder has no such capability"
    );
    let flags = requester
        .connection()
        .expect("still connected")
        .capabilities
        .flags;
    assert!(!flags.has_measurements() && flags.has(Flags::CHAL));
}

#[test]
fn measurements_between_digests_and_challenge() {
    let mut requester = requester(config());
    let mut wire = Wire::new(Responder::new(0x12));
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    dialogue.connect().expect("it works");
    dialogue.get_digests().expect("it works");
    dialogue.get_certificate(0).expect("it works");
    dialogue.get_measurements(MEASURE).expect("it works");
    let failure = dialogue
        .challenge(CHALLENGE)
        .expect_err("nobody knows what is signed");
    let expected = "CHALLENGE: Digest: another operation has to come first";
    assert_eq!(failure.to_string(), expected);
    dialogue.get_digests().expect("it works");
    dialogue.challenge(CHALLENGE).expect("it is clear again");
    dialogue.get_measurements(MEASURE).expect("it works");
    dialogue
        .challenge(CHALLENGE)
        .expect("nothing was read in between");
}
