// SPDX-License-Identifier: GPL-2.0

//! Responses, one target each: whatever is read stays within the message and keeps its own rules.

use spdm::algorithms::{HashAlgorithm, MeasurementHash};
use spdm::capabilities::{Capabilities, Flags, CT_EXPONENT_MAX, DATA_TRANSFER_SIZE_MIN};
use spdm::certificate::{CertificatePortion, CERTIFICATE_FIXED};
use spdm::challenge::{ChallengeAuth, ChallengeLayout};
use spdm::chunk::{Chunk, ChunkSendAck};
use spdm::code::Code;
use spdm::crypto::Hash;
use spdm::digests::{Digests, SLOTS};
use spdm::error::Error;
use spdm::error_response::{Detail, ErrorResponse};
use spdm::host::RustCrypto;
use spdm::measurements::{Measurements, MeasurementsLayout, Operation};
use spdm::negotiate::{Offer, Selection, Tables, MEASUREMENT_SPEC_DMTF};
use spdm::version::{Version, VersionResponse};
use spdm::wire::{Reader, CONTEXT_SIZE, NONCE_SIZE, OPAQUE_MAX};

use crate::message::Message;

/// Reads a message. What was read lies within it.
fn parse<'a, T>(
    code: Code,
    bytes: &'a [u8],
    read: impl Fn(&mut Reader<'a>) -> Result<T, Error>,
) -> Option<(T, usize)> {
    let mut reader = Reader::new(code, bytes);
    let result = read(&mut reader);
    let length = reader.offset();
    assert!(length <= bytes.len());
    match result {
        Ok(response) => Some((response, length)),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

/// The same, of a message that is refused when it is one byte shorter.
fn read<'a, T>(
    message: &Message<'a>,
    code: Code,
    read: impl Fn(&mut Reader<'a>) -> Result<T, Error>,
) -> Option<(T, usize)> {
    let (response, length) = parse(code, message.bytes, &read)?;
    let short = message.bytes.get(..length.saturating_sub(1));
    assert!(parse(code, short.unwrap_or_default(), &read).is_none());
    Some((response, length))
}

pub(crate) fn version(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let Some((response, length)) = read(&message, Code::VERSION, VersionResponse::read) else {
        return;
    };
    let count = response.entries().count();
    assert!(count > 0 && length == 6 + 2 * count);
    let lowest = Version::V10;
    let highest = message.version;
    let floor = Version::ALL[usize::from(message.layout) % Version::ALL.len()];
    if let Ok(selected) = response.select(lowest, highest, floor) {
        assert!(selected >= floor && selected <= highest);
        let entry = u16::from(selected.byte()) << 8;
        assert!(response.entries().any(|other| other & 0xff0f == entry));
    }
}

pub(crate) fn capabilities(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let version = message.version;
    let asked = message.bit(0);
    let response = read(&message, Code::CAPABILITIES, |reader| {
        Capabilities::read(reader, version, asked)
    });
    let Some((response, _)) = response else {
        return;
    };
    assert!(response.ct_exponent <= CT_EXPONENT_MAX && response.flags.agree());
    assert!(response.data_transfer_size >= DATA_TRANSFER_SIZE_MIN);
    assert!(response.max_spdm_msg_size >= response.data_transfer_size);
    assert!(response.supported.is_none() || asked && version >= Version::V13);
    let reserved = !Flags::defined(version).0;
    assert_eq!(response.flags.0 & reserved, 0);
}

/// What the requester offers in this target.
fn offer(layout: u8) -> Offer {
    let mut offer = Offer::everything();
    if layout & 1 != 0 {
        offer.tables = Tables {
            dhe: u16::MAX,
            aead: u16::MAX,
            req_base_asym: u16::MAX,
            key_schedule: u16::MAX,
        };
    }
    if layout & 2 != 0 {
        offer = offer.at_least(128, 192);
    }
    offer
}

pub(crate) fn algorithms(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let flags = match message.layout >> 2 & 3 {
        0 => Flags(Flags::CERT.0 | Flags::CHAL.0 | Flags::MEAS_SIG.0),
        1 => Flags(Flags::CERT.0),
        2 => Flags::MEAS_NO_SIG,
        _ => Flags(0),
    };
    let offer = offer(message.layout);
    let supported = message.bit(4).then(|| offer.at_least(140, 0));
    let response = read(&message, Code::ALGORITHMS, |reader| {
        Selection::read(reader, message.version, flags, &offer, supported.as_ref())
    });
    let Some((selection, _)) = response else {
        return;
    };
    let allowed = supported.unwrap_or(offer);
    for (bit, offered) in [
        (selection.asym.map(|one| one.bit()), allowed.base_asym),
        (selection.hash.map(|one| one.bit()), allowed.base_hash),
    ] {
        assert!(bit.is_some() || !flags.signs());
        assert_eq!(bit.unwrap_or(0) & !offered, 0);
    }
    assert_eq!(
        selection.measurement_hash.is_some(),
        flags.has_measurements()
    );
    assert!(selection.measurements || !flags.has_measurements());
    assert_eq!(offer.measurement_specification, MEASUREMENT_SPEC_DMTF);
    for (selected, offered) in [
        (selection.tables.dhe, offer.tables.dhe),
        (selection.tables.aead, offer.tables.aead),
        (selection.tables.req_base_asym, offer.tables.req_base_asym),
        (selection.tables.key_schedule, offer.tables.key_schedule),
    ] {
        assert!(selected.count_ones() <= 1 && selected & !offered == 0);
    }
}

pub(crate) fn digests(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let (size, multi_key) = (message.digest(), message.bit(2));
    let response = read(&message, Code::DIGESTS, |reader| {
        Digests::read(reader, message.version, size, multi_key)
    });
    let Some((response, length)) = response else {
        return;
    };
    assert_eq!(response.provisioned & !response.supported, 0);
    let mut expected = 4;
    for slot in 0..=u8::MAX {
        let is_there = usize::from(slot) < SLOTS && response.provisioned >> slot & 1 != 0;
        let digest = response.digest(slot);
        assert_eq!(digest.is_some(), is_there);
        assert!(digest.is_none_or(|digest| digest.len() == size));
        let key = response.key(slot);
        assert_eq!(key.is_some(), is_there && multi_key);
        assert!(key.is_none_or(|key| key.key_pair > 0));
        if is_there {
            expected += size + if multi_key { 4 } else { 0 };
        }
    }
    assert_eq!(length, expected);
}

pub(crate) fn certificate(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let response = read(&message, Code::CERTIFICATE, |reader| {
        CertificatePortion::read(reader, message.version)
    });
    if let Some((response, length)) = response {
        assert_eq!(response.portion, &message.bytes[8..length]);
        assert_eq!(CERTIFICATE_FIXED, 8);
        assert!(response.slot <= 0xf);
    }
}

pub(crate) fn challenge_auth(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let layout = ChallengeLayout {
        version: message.version,
        digest: message.digest(),
        summary: message.bit(2),
        opaque: message.bit(3),
        signature: message.signature(),
    };
    let response = read(&message, Code::CHALLENGE_AUTH, |reader| {
        ChallengeAuth::read(reader, &layout)
    });
    let Some((response, length)) = response else {
        return;
    };
    let parts = [
        &message.bytes[..4],
        response.chain_hash,
        response.nonce,
        response.summary,
        &(response.opaque.len() as u16).to_le_bytes(),
        response.opaque,
        response.context,
    ];
    assert_eq!(parts.concat(), &message.bytes[..response.signed_length]);
    assert_eq!(
        response.signature,
        &message.bytes[response.signed_length..length]
    );
    assert_eq!(response.summary.is_empty(), !layout.summary);
    assert!(response.opaque.is_empty() || layout.opaque);
    assert!(response.opaque.len() <= usize::from(OPAQUE_MAX));
    assert_eq!(response.nonce.len(), NONCE_SIZE);
}

/// Which measurements are asked for, from bits 1:0. One is the one that a message begins with.
fn operation(message: &Message<'_>) -> Operation {
    match message.layout & 3 {
        0 => Operation::Count,
        1 => Operation::One(message.bytes.get(8).copied().unwrap_or(1).clamp(1, 0xfe)),
        _ => Operation::All,
    }
}

pub(crate) fn measurements(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let layout = MeasurementsLayout {
        version: message.version,
        operation: operation(&message),
        opaque: message.bit(3),
        signature: message.signature(),
    };
    let response = read(&message, Code::MEASUREMENTS, |reader| {
        Measurements::read(reader, &layout)
    });
    let Some((response, length)) = response else {
        return;
    };
    let record = response.record.bytes();
    let parts = [
        &message.bytes[..5],
        &(record.len() as u32).to_le_bytes()[..3],
        record,
        response.nonce,
        &(response.opaque.len() as u16).to_le_bytes(),
        response.opaque,
        response.context,
    ];
    assert_eq!(parts.concat(), &message.bytes[..response.signed_length]);
    assert_eq!(
        response.signature,
        &message.bytes[response.signed_length..length]
    );
    let contexts = if message.version >= Version::V13 {
        CONTEXT_SIZE
    } else {
        0
    };
    assert_eq!(response.context.len(), contexts);
    assert_eq!(
        response.total.is_some(),
        layout.operation == Operation::Count
    );

    let blocks: Vec<_> = response.record.blocks().collect();
    assert_eq!(blocks.len(), usize::from(response.record.count()));
    let wholes: Vec<_> = blocks.iter().map(|block| block.whole).collect();
    assert_eq!(wholes.concat(), record);
    match layout.operation {
        Operation::Count => assert!(blocks.is_empty()),
        Operation::One(index) => assert!(blocks.len() == 1 && blocks[0].index == index),
        Operation::All => assert!(!blocks.is_empty()),
    }
    for block in &blocks {
        assert!(block.whole.ends_with(block.value) && (1..0xff).contains(&block.index));
        assert!(block.svn().is_none() || block.raw);
        assert!(block.device_mode().is_none() || block.raw);
    }
    for hash in (0..32).filter_map(|bit| MeasurementHash::from_bit(1 << bit)) {
        if response.record.check_digests(hash).is_ok() {
            let size = hash.size().unwrap_or(0);
            assert!(blocks
                .iter()
                .all(|block| block.raw || block.value.len() == size));
        }
    }

    let mut sorted = blocks;
    sorted.sort_by_key(|block| block.index);
    assert!(sorted.windows(2).all(|pair| pair[0].index < pair[1].index));
    let wholes: Vec<_> = sorted.iter().map(|block| block.whole).collect();
    let hash = HashAlgorithm::Sha256;
    let context = RustCrypto.start(hash).expect("a hash context");
    let digest = RustCrypto.digest(hash, &wholes.concat());
    assert_eq!(Ok(response.record.summary(context)), digest);
}

pub(crate) fn error(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let response = parse(Code::ERROR, message.bytes, |reader| {
        ErrorResponse::read(reader, message.version.byte())
    });
    let Some((response, length)) = response else {
        return;
    };
    match response.detail {
        Detail::NotReady(wait) => {
            assert_eq!(length, 8);
            assert!(wait.ready_after() < wait.dropped_after());
            assert!(wait.dropped_after() <= u64::from(u8::MAX) << 31);
        }
        Detail::Handle(handle) => assert_eq!(message.bytes[4..length], [handle]),
        Detail::None => assert!(length <= 36),
    }
    assert!(!(response.code.is_transient() && response.code.ends_connection()));
}

pub(crate) fn chunk_send_ack(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let mut reader = Reader::new(Code::CHUNK_SEND_ACK, message.bytes);
    if let Ok(response) = ChunkSendAck::read(&mut reader, message.version) {
        assert!(message.bytes.ends_with(response.response));
        assert_eq!(reader.offset(), message.bytes.len());
    }
}

pub(crate) fn chunk_response(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let response = read(&message, Code::CHUNK_RESPONSE, |reader| {
        Chunk::read(reader, message.version)
    });
    if let Some((response, length)) = response {
        assert_eq!(response.large_size.is_some(), response.number == 0);
        assert!(message.bytes[..length].ends_with(response.data));
    }
}
