// SPDX-License-Identifier: GPL-2.0

//! Round trips of every message, every truncated prefix, and every small input.

use proptest::collection::vec;
use proptest::prelude::*;

use super::cases;
use super::support::responder::{block, Responder};
use crate::algorithms::{AsymAlgorithm, HashAlgorithm, MeasurementHash};
use crate::blocks::{Block, DeviceMode, Kind, Record};
use crate::capabilities::{Capabilities, Flags, GetCapabilities};
use crate::certificate::{CertificatePortion, GetCertificate};
use crate::challenge::{Challenge, ChallengeAuth, ChallengeLayout, Summary};
use crate::chunk::{Chunk, ChunkGet, ChunkSendAck};
use crate::code::{Code, ErrorCode};
use crate::digests::{get_digests, CertificateModel, Digests};
use crate::error_response::{respond_if_ready, Detail, ErrorResponse};
use crate::measurements::{
    ContentChanged, GetMeasurements, Measurements, MeasurementsLayout, Operation, Signed,
};
use crate::negotiate::{Offer, Selection, Tables};
use crate::signing::{prefix, Purpose};
use crate::version::{get_version, Version, VersionResponse};
use crate::wire::Reader;
use crate::x509::Certificate;

fn versions() -> impl Strategy<Value = Version> {
    prop::sample::select(Version::ALL.to_vec())
}

fn chunk_versions() -> impl Strategy<Value = Version> {
    prop::sample::select(vec![Version::V12, Version::V13, Version::V14])
}

/// Writes, reads all of it, and refuses every prefix.
fn round_trip<T: PartialEq + std::fmt::Debug>(
    code: Code,
    write: impl Fn(&mut [u8]) -> Result<usize, crate::error::Error>,
    read: impl Fn(&mut Reader<'_>) -> Result<T, crate::error::Error>,
) -> T {
    let mut buffer = [0xee; 64];
    let length = write(&mut buffer).expect("there is room");
    for room in 0..length {
        assert!(write(&mut [0; 64][..room]).is_err());
        assert!(read(&mut Reader::new(code, &buffer[..room])).is_err());
    }
    let mut reader = Reader::new(code, &buffer[..length]);
    let message = read(&mut reader).expect("it is well");
    assert_eq!(reader.end(0), Ok(length));
    message
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn capabilities_request(
        version in versions(),
        supported_algorithms: bool,
        ct_exponent: u8,
        flags: u32,
        data_transfer_size: u32,
        max_spdm_msg_size: u32,
    ) {
        let message = GetCapabilities {
            supported_algorithms: supported_algorithms && version >= Version::V13,
            ct_exponent: if version >= Version::V11 { ct_exponent } else { 0 },
            flags: Flags(if version >= Version::V11 { flags & Flags::defined(version).0 } else { 0 }),
            data_transfer_size: if version >= Version::V12 { data_transfer_size } else { 0 },
            max_spdm_msg_size: if version >= Version::V12 { max_spdm_msg_size } else { 0 },
        };
        let read = round_trip(
            Code::GET_CAPABILITIES,
            |buffer| message.write(version, buffer),
            |reader| GetCapabilities::read(reader, version),
        );
        prop_assert_eq!(read, message);
    }

    #[test]
    fn algorithms_request(
        version in versions(),
        (measurement_specification, other_params, mel_specification) in any::<(u8, u8, u8)>(),
        (base_asym, base_hash) in any::<(u32, u32)>(),
        (dhe, aead, req_base_asym, key_schedule) in any::<(u16, u16, u16, u16)>(),
        multi_key: bool,
    ) {
        let offer = Offer {
            measurement_specification,
            other_params: other_params & 0xf,
            base_asym,
            base_hash,
            mel_specification,
            tables: Tables { dhe, aead, req_base_asym, key_schedule },
        };
        let read = round_trip(
            Code::NEGOTIATE_ALGORITHMS,
            |buffer| offer.write(version, multi_key, buffer),
            |reader| Offer::read(reader, version),
        );
        prop_assert_eq!(read, (offer.in_version(version), multi_key));
    }

    #[test]
    fn certificate_request(version in versions(), slot in 0_u8..8, offset: u16, length: u16) {
        let message = GetCertificate { slot, offset, length };
        let read = round_trip(
            Code::GET_CERTIFICATE,
            |buffer| message.write(version, buffer),
            |reader| GetCertificate::read(reader, version),
        );
        prop_assert_eq!(read, message);
    }

    #[test]
    fn challenge_request(
        version in versions(),
        slot in 0_u8..8,
        summary in prop::sample::select(vec![Summary::None, Summary::Tcb, Summary::All]),
        nonce: [u8; 32],
        context: [u8; 8],
    ) {
        let context = if version >= Version::V13 { context } else { [0; 8] };
        let message = Challenge { slot, summary, nonce, context };
        let read = round_trip(
            Code::CHALLENGE,
            |buffer| message.write(version, buffer),
            |reader| Challenge::read(reader, version),
        );
        prop_assert_eq!(read, message);
    }

    #[test]
    fn measurements_request(
        version in versions(),
        operation: u8,
        signed in prop::option::of((any::<[u8; 32]>(), 0_u8..8)),
        raw: bool,
        new: bool,
        context: [u8; 8],
    ) {
        let message = GetMeasurements {
            operation: Operation::from_byte(operation),
            signed: signed.map(|(nonce, slot)| Signed {
                nonce,
                slot: if version >= Version::V11 { slot } else { 0 },
            }),
            raw: raw && version >= Version::V12,
            new: new && version >= Version::V13,
            context: if version >= Version::V13 { context } else { [0; 8] },
        };
        let read = round_trip(
            Code::GET_MEASUREMENTS,
            |buffer| message.write(version, buffer),
            |reader| GetMeasurements::read(reader, version),
        );
        prop_assert_eq!(read, message);
    }

    #[test]
    fn chunks(
        version in chunk_versions(),
        handle: u8,
        number: u16,
        last: bool,
        large_size: u32,
        data in vec(any::<u8>(), 0..40),
    ) {
        let chunk = Chunk {
            handle,
            number: number.into(),
            last,
            large_size: (number == 0).then_some(large_size),
            data: &data,
        };
        let mut buffer = [0; 64];
        let length = chunk.write(version, &mut buffer).expect("there is room");
        let mut reader = Reader::new(Code::CHUNK_SEND, &buffer[..length]);
        prop_assert_eq!(Chunk::read(&mut reader, version), Ok(chunk));
        prop_assert_eq!(reader.end(0), Ok(length));
        let get = ChunkGet { handle, number: number.into() };
        let read = round_trip(
            Code::CHUNK_GET,
            |buffer| get.write(version, buffer),
            |reader| ChunkGet::read(reader, version),
        );
        prop_assert_eq!(read, get);
    }

    #[test]
    fn records(values in vec((any::<u8>(), vec(any::<u8>(), 0..40)), 0..20)) {
        let written: Vec<_> = (1..)
            .zip(&values)
            .map(|(index, (kind, value))| block(index, *kind, value))
            .collect();
        let blocks: Vec<_> = (1..)
            .zip(&values)
            .zip(&written)
            .map(|((index, (kind, value)), whole)| Block {
                index,
                kind: Kind(kind & 0x7f),
                raw: kind & 0x80 != 0,
                value,
                whole,
            })
            .collect();
        let bytes = written.concat();
        let count = blocks.len() as u8;
        let record = Record::new(&bytes, count).expect("it is well");
        prop_assert_eq!(record.blocks().collect::<Vec<_>>(), blocks);
        prop_assert!(Record::new(&bytes, count + 1).is_err());
        for length in 0..bytes.len() {
            prop_assert!(Record::new(&bytes[..length], count).is_err());
        }
    }

    #[test]
    fn digests(version in versions(), mask in 1_u8.., size in prop::sample::select(vec![32_usize, 48, 64])) {
        let count = mask.count_ones() as usize;
        let body: Vec<_> = (0..count * size).map(|at| (at / size) as u8).collect();
        let message = [&[version.byte(), 0x01, 0xff, mask], &body[..]].concat();
        let mut reader = Reader::new(Code::DIGESTS, &message);
        let digests = Digests::read(&mut reader, version, size, false).expect("it is well");
        let mut position = 0;
        for slot in 0..9 {
            let digest = digests.digest(slot);
            if slot < 8 && mask & 1 << slot != 0 {
                let expected = vec![position; size];
                prop_assert_eq!(digest, Some(&expected[..]));
                position += 1;
            } else {
                prop_assert_eq!(digest, None);
            }
            prop_assert_eq!(digests.key(slot), None);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(
        mut bytes in vec(any::<u8>(), 0..200),
        message in 0_usize..12,
        version in versions(),
    ) {
        let code = [0x04, 0x61, 0x63, 0x01, 0x02, 0x03, 0x60, 0x05, 0x06, 0x7f, 0x30, 0x30];
        if let [first, second, ..] = &mut bytes[..] {
            (*first, *second) = (version.byte(), code[message]);
        }
        read_all(version, &bytes);
    }
}

/// Gives the bytes to every reader. What they say is of no interest.
fn read_all(version: Version, bytes: &[u8]) {
    let reader = |code| Reader::new(code, bytes);
    if let Ok(response) = VersionResponse::read(&mut reader(Code::VERSION)) {
        let _ = response.select(Version::V10, Version::V14, Version::V10);
    }
    let _ = Capabilities::read(&mut reader(Code::CAPABILITIES), version, true);
    let offer = Offer {
        tables: Tables {
            dhe: 0xff,
            aead: 0xff,
            req_base_asym: 0xff,
            key_schedule: 0xff,
        },
        ..Offer::everything()
    };
    let flags = Flags(Flags::CERT.0 | Flags::CHAL.0);
    let _ = Selection::read(&mut reader(Code::ALGORITHMS), version, flags, &offer, None);
    for multi_key in [false, true] {
        let mut reader = reader(Code::DIGESTS);
        if let Ok(digests) = Digests::read(&mut reader, version, 32, multi_key) {
            for slot in 0..=u8::MAX {
                let _ = (digests.digest(slot), digests.key(slot));
            }
        }
    }
    let _ = CertificatePortion::read(&mut reader(Code::CERTIFICATE), version);
    for (summary, signature) in [(false, 0), (true, 64)] {
        let layout = ChallengeLayout {
            version,
            digest: 32,
            summary,
            opaque: true,
            signature,
        };
        let _ = ChallengeAuth::read(&mut reader(Code::CHALLENGE_AUTH), &layout);
    }
    for operation in [Operation::Count, Operation::One(1), Operation::All] {
        let layout = MeasurementsLayout {
            version,
            operation,
            opaque: true,
            signature: 0,
        };
        if let Ok(response) = Measurements::read(&mut reader(Code::MEASUREMENTS), &layout) {
            for block in response.record.blocks() {
                let _ = (block.svn(), block.device_mode(), block.kind.name());
            }
        }
    }
    let _ = ChunkSendAck::read(&mut reader(Code::CHUNK_SEND_ACK), version);
    let _ = Chunk::read(&mut reader(Code::CHUNK_RESPONSE), version);
    let _ = ErrorResponse::read(&mut reader(Code::ERROR), version.byte());
    let _ = Certificate::parse(bytes);
}

#[test]
fn every_small_message_is_read_without_panic() {
    let codes = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x60, 0x61, 0x63, 0x7f];
    for version in Version::ALL {
        for code in codes {
            for fill in [0x00, 0x01, 0x20, 0x30, 0x7f, 0x80, 0xff] {
                for length in 0..140 {
                    let mut bytes = vec![fill; length];
                    if let [first, second, ..] = &mut bytes[..] {
                        (*first, *second) = (version.byte(), code);
                    }
                    read_all(version, &bytes);
                }
            }
        }
    }
}

#[test]
fn flags_that_are_not_defined() {
    for version in [Version::V11, Version::V12, Version::V13, Version::V14] {
        let mut message = vec![version.byte(), 0xe1, 0, 0, 0, 0, 0, 0];
        message.extend([0xff; 12]);
        let mut reader = Reader::new(Code::GET_CAPABILITIES, &message);
        let read = GetCapabilities::read(&mut reader, version).expect("it is well");
        assert_eq!(read.flags, Flags::defined(version));
    }
}

#[test]
fn models_of_certificates() {
    let models = [0, 1, 2, 3, 4, 7, 0xfb].map(CertificateModel::from_bits);
    let [none, device, alias, generic] = [
        CertificateModel::None,
        CertificateModel::Device,
        CertificateModel::Alias,
        CertificateModel::Generic,
    ]
    .map(Some);
    let expected = [none, device, alias, generic, None, None, generic];
    assert_eq!(models, expected);
}

#[test]
fn summaries_that_are_not_defined() {
    let mut message = [0x12, 0x83, 0, 0].to_vec();
    message.extend([7; 32]);
    for (summary, defined) in [
        (0, true),
        (1, true),
        (2, false),
        (0xfe, false),
        (0xff, true),
    ] {
        message[3] = summary;
        let mut reader = Reader::new(Code::CHALLENGE, &message);
        let read = Challenge::read(&mut reader, Version::V12);
        let said = read.map_err(|error| error.to_string());
        let expected = format!("CHALLENGE: Param2: {summary:#x} is not allowed");
        assert_eq!(said.err(), (!defined).then_some(expected));
    }
}

#[test]
fn whether_measurements_changed() {
    // The number of blocks, no blocks, a nonce, no opaque data.
    let mut message = [0x11, 0x60, 3, 0, 0, 0, 0, 0].to_vec();
    message.extend([7; 32]);
    message.extend([0, 0]);
    for (version, bits, expected) in [
        (Version::V11, 0x20, Some(ContentChanged::NotDetected)),
        (Version::V11, 0x30, Some(ContentChanged::NotDetected)),
        (Version::V12, 0x00, Some(ContentChanged::NotDetected)),
        (Version::V12, 0x10, Some(ContentChanged::Changed)),
        (Version::V12, 0x20, Some(ContentChanged::Unchanged)),
        (Version::V12, 0x30, None),
    ] {
        let layout = MeasurementsLayout {
            version,
            operation: Operation::Count,
            opaque: true,
            signature: 0,
        };
        message[0] = version.byte();
        message[3] = bits;
        let read = Measurements::read(&mut Reader::new(Code::MEASUREMENTS, &message), &layout);
        assert_eq!(
            read.ok().map(|read| read.changed),
            expected,
            "{version} {bits:#x}"
        );
    }
}

#[test]
fn small_requests() {
    let mut buffer = [0; 4];
    assert_eq!(get_version(&mut buffer), Ok(4));
    assert_eq!(buffer, [0x10, 0x84, 0, 0]);
    assert_eq!(get_digests(Version::V13, &mut buffer), Ok(4));
    assert_eq!(buffer, [0x13, 0x81, 0, 0]);
    let request = Code::GET_MEASUREMENTS;
    assert_eq!(
        respond_if_ready(Version::V12, request, 9, &mut buffer),
        Ok(4)
    );
    assert_eq!(buffer, [0x12, 0xff, 0xe0, 9]);
    for room in 0..4 {
        assert!(get_version(&mut buffer[..room]).is_err());
        assert!(get_digests(Version::V13, &mut buffer[..room]).is_err());
        assert!(respond_if_ready(Version::V12, request, 9, &mut buffer[..room]).is_err());
    }
    let get = ChunkGet {
        handle: 1,
        number: 0x1_0000,
    };
    let error = get
        .write(Version::V13, &mut [0; 8])
        .expect_err("there is no such number");
    assert_eq!(
        error.to_string(),
        "CHUNK_GET: ChunkSeqNo: 65536 is above 65535"
    );
    assert_eq!(get.write(Version::V14, &mut [0; 8]), Ok(8));
    let get = ChunkGet {
        handle: 0x5a,
        number: 0x102,
    };
    let mut buffer = [0; 8];
    assert_eq!(get.write(Version::V13, &mut buffer), Ok(6));
    assert_eq!(buffer, [0x13, 0x86, 0, 0x5a, 2, 1, 0, 0]);
}

#[test]
fn values_of_blocks() {
    let mode: Vec<u8> = [0x3f_u32, 4, 0x1f, 0x11]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let bytes = [
        block(0x10, 0x87, &7_u64.to_le_bytes()),
        block(0xfe, 0x85, &mode),
        block(1, 0x07, &[0; 8]),
        block(2, 0x87, &[0; 7]),
        block(3, 0x85, &mode[1..]),
        block(4, 0x85, &[&mode[..], &[0]].concat()),
        block(5, 0x05, &mode),
        block(6, 0x84, &mode),
    ]
    .concat();
    let record = Record::new(&bytes, 8).expect("it is well");
    let svns: Vec<_> = record
        .blocks()
        .filter_map(|block| Some((block.index, block.svn()?)))
        .collect();
    assert_eq!(svns, [(0x10, 7)]);
    let modes: Vec<_> = record
        .blocks()
        .filter_map(|block| Some((block.index, block.device_mode()?)))
        .collect();
    let mode = DeviceMode {
        operational_capabilities: 0x3f,
        operational_state: 4,
        debug_capabilities: 0x1f,
        debug_state: 0x11,
    };
    assert_eq!(modes, [(0xfe, mode)]);
    assert!((0..=10).all(|kind| Kind(kind).name().is_some()) && Kind(11).name().is_none());
}

#[test]
fn bits_of_algorithms() {
    for (number, hash) in HashAlgorithm::ALL.into_iter().enumerate() {
        assert_eq!(hash.bit(), 1 << number);
        assert_eq!(HashAlgorithm::from_bit(hash.bit()), Some(hash));
        let measurement = MeasurementHash::from_bit(hash.bit() << 1);
        assert_eq!(measurement, Some(MeasurementHash::Hash(hash)));
        assert_eq!(MeasurementHash::Hash(hash).size(), Some(hash.size()));
    }
    for (number, asym) in AsymAlgorithm::ALL.into_iter().enumerate() {
        assert_eq!(asym.bit(), 1 << number);
        assert_eq!(AsymAlgorithm::from_bit(asym.bit()), Some(asym));
    }
    let raw = MeasurementHash::from_bit(1).expect("raw only");
    assert_eq!(
        (raw, raw.size(), raw.name()),
        (MeasurementHash::RawOnly, None, "raw")
    );
    let sm3 = MeasurementHash::from_bit(0x80).expect("SM3");
    assert_eq!(
        (sm3, sm3.size(), sm3.name()),
        (MeasurementHash::Sm3, Some(32), "sm3")
    );
    for bit in [0, 3, 0x100, 0x8000_0000] {
        assert_eq!(MeasurementHash::from_bit(bit), None);
    }
    // What is not known is never offered.
    let offer = Offer {
        base_asym: u32::MAX,
        base_hash: u32::MAX,
        ..Offer::everything()
    };
    assert_eq!(offer.at_least(0, 0), Offer::everything());
}

#[test]
fn prefixes() {
    assert_eq!(prefix(Version::V11, Purpose::Challenge), None);
    let expected = |name: &str, zeros: usize, context: &str| {
        [
            name.repeat(4).as_bytes(),
            &vec![0; zeros],
            context.as_bytes(),
        ]
        .concat()
    };
    let found = prefix(Version::V12, Purpose::Challenge).expect("there is one");
    let text = "responder-challenge_auth signing";
    assert_eq!(found[..], expected("dmtf-spdm-v1.2.*", 4, text));
    let found = prefix(Version::V14, Purpose::Measurements).expect("there is one");
    let text = "responder-measurements signing";
    assert_eq!(found[..], expected("dmtf-spdm-v1.4.*", 6, text));
}

#[test]
fn extended_error_data() {
    let read = |bytes: &[u8]| ErrorResponse::read(&mut Reader::new(Code::ERROR, bytes), 0x12);
    let response = read(&[0x12, 0x7f, 0x0f, 0, 0x5a]).expect("it is well");
    assert_eq!(response.detail, Detail::Handle(0x5a));
    let response = read(&[0x12, 0x7f, 0x42, 0, 20, 0x83, 9, 3]).expect("it is well");
    let Detail::NotReady(not_ready) = response.detail else {
        panic!("{response:?}");
    };
    assert_eq!((not_ready.request, not_ready.token), (Code::CHALLENGE, 9));
    assert_eq!(
        (not_ready.ready_after(), not_ready.dropped_after()),
        (1 << 20, 3 << 20)
    );
    let response = read(&[0x12, 0x7f, 0x0d, 1, 1, 2, 3, 4]).expect("it is well");
    assert_eq!(
        (response.code, response.data),
        (ErrorCode::RESPONSE_TOO_LARGE, 1)
    );
    for (length, good) in [(32, true), (33, false)] {
        let message = [&[0x12, 0x7f, 0x01, 0][..], &vec![0x5a; length]].concat();
        assert_eq!(read(&message).is_ok(), good, "{length} bytes");
    }
    for (exponent, multiplier, good) in [(31, 2, true), (32, 2, false), (31, 1, false)] {
        let message = [0x12, 0x7f, 0x42, 0, exponent, 0x83, 9, multiplier];
        assert_eq!(read(&message).is_ok(), good, "{exponent}, {multiplier}");
    }
}

#[test]
fn every_response_of_a_conversation_is_refused_when_it_is_cut_short() {
    for version in Version::ALL {
        let mut responder = Responder::new(version.byte());
        let byte = version.byte();
        responder.answer(&[0x10, 0x84, 0, 0]);
        let mut capabilities = vec![byte, 0xe1, 0, 0];
        capabilities.resize(if byte >= 0x12 { 20 } else { 12 }, 0xff);
        let response = responder.answer(&capabilities);
        for length in 0..response.len() {
            let mut reader = Reader::new(Code::CAPABILITIES, &response[..length]);
            assert!(Capabilities::read(&mut reader, version, true).is_err());
        }
        let mut algorithms = vec![byte, 0xe3, 0, 0, 32, 0, 1, 2];
        algorithms.resize(32, 0);
        let response = responder.answer(&algorithms);
        for length in 0..response.len() {
            let mut reader = Reader::new(Code::ALGORITHMS, &response[..length]);
            let flags = Flags(responder.flags);
            let offer = Offer::everything();
            assert!(Selection::read(&mut reader, version, flags, &offer, None).is_err());
        }
    }
}
