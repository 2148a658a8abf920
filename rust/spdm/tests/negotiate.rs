// SPDX-License-Identifier: GPL-2.0

//! NEGOTIATE_ALGORITHMS and ALGORITHMS, field by field.

use crate::algorithms::{AsymAlgorithm, HashAlgorithm, MeasurementHash};
use crate::capabilities::Flags;
use crate::code::Code;
use crate::error::{Field, Reason};
use crate::negotiate::{Offer, Selection, Tables};
use crate::version::Version;
use crate::wire::Reader;

const TABLES: Tables = Tables {
    dhe: 0x0102,
    aead: 0x0304,
    req_base_asym: 0x0506,
    key_schedule: 0x0708,
};

/// More than this requester offers.
fn much() -> Offer {
    Offer {
        measurement_specification: 0x05,
        other_params: 0x03,
        base_asym: 0x90,
        base_hash: 0x06,
        mel_specification: 0x03,
        tables: TABLES,
    }
}

#[test]
fn what_each_version_has() {
    for version in Version::ALL {
        let offer = much().in_version(version);
        let expected = Offer {
            tables: if version >= Version::V11 {
                TABLES
            } else {
                Tables::default()
            },
            other_params: if version >= Version::V12 { 3 } else { 0 },
            mel_specification: if version >= Version::V13 { 3 } else { 0 },
            ..much()
        };
        assert_eq!(offer, expected, "{version:?}");
    }
    let everything = Offer::everything();
    assert_eq!((everything.base_asym, everything.base_hash), (0x1ff, 0x3f));
    assert_eq!(
        (
            everything.measurement_specification,
            everything.other_params
        ),
        (1, 2)
    );
}

/// DSP0274 1.3, "NEGOTIATE_ALGORITHMS request message format".
#[test]
fn the_request_byte_for_byte() {
    let write = |offer: &Offer, version, multi_key| {
        let mut buffer = [0xee; 64];
        let length = offer.write(version, multi_key, &mut buffer);
        buffer[..length.expect("there is room")].to_vec()
    };
    let mut expected = vec![0x13, 0xe3, 4, 0, 48, 0, 0x05, 0x13];
    expected.extend([0x90, 0, 0, 0, 0x06, 0, 0, 0]);
    expected.extend([0; 12]);
    expected.extend([0, 0, 0, 3]);
    expected.extend([2, 0x20, 0x02, 0x01, 3, 0x20, 0x04, 0x03]);
    expected.extend([4, 0x20, 0x06, 0x05, 5, 0x20, 0x08, 0x07]);
    assert_eq!(write(&much(), Version::V13, true), expected);
    // Bits that are no formats are not sent.
    let odd = Offer {
        other_params: 0xf3,
        ..much()
    };
    expected[7] = 0x03;
    assert_eq!(write(&odd, Version::V13, false), expected);

    let mut expected = vec![0x10, 0xe3, 0, 0, 32, 0, 0x05, 0];
    expected.extend([0x90, 0, 0, 0, 0x06, 0, 0, 0]);
    expected.extend([0; 16]);
    assert_eq!(write(&much(), Version::V10, false), expected);
}

#[test]
fn the_request_with_what_is_skipped() {
    let mut message = vec![0x13, 0xe3, 1, 0, 0, 0, 0x05, 0x13];
    message.extend([0x90, 0, 0, 0, 0x06, 0, 0, 0]);
    message.extend([0; 12]);
    // One extended signature algorithm, two extended hash algorithms.
    message.extend([1, 2, 0, 3]);
    message.extend([0x5a; 12]);
    // A table of three bytes, with one extended algorithm.
    message.extend([2, 0x31, 0x02, 0x01, 0xff]);
    message.extend([0xa5; 4]);
    message[4] = message.len() as u8;
    let mut reader = Reader::new(Code::NEGOTIATE_ALGORITHMS, &message);
    let (offer, multi_key) = Offer::read(&mut reader, Version::V13).expect("it is well");
    let tables = Tables {
        dhe: 0x0102,
        ..Tables::default()
    };
    assert_eq!(offer, Offer { tables, ..much() });
    assert!(multi_key);
    message[4] -= 1;
    let mut reader = Reader::new(Code::NEGOTIATE_ALGORITHMS, &message);
    let error = Offer::read(&mut reader, Version::V13).expect_err("another length");
    assert_eq!(error.field, Field::Length);
    message[7] = 0x03;
    message[4] += 1;
    let mut reader = Reader::new(Code::NEGOTIATE_ALGORITHMS, &message);
    let (_, multi_key) = Offer::read(&mut reader, Version::V13).expect("it is well");
    assert!(!multi_key);
}

/// ALGORITHMS.
#[derive(Clone)]
struct Response {
    version: Version,
    flags: u32,
    specification: u8,
    other: u8,
    measurement_hash: u32,
    asym: u32,
    hash: u32,
    pqc: u32,
    mel: u8,
    extended: [u8; 2],
    count: u8,
    tables: Vec<u8>,
    /// By how much the length is wrong.
    longer: i8,
    supported: Option<Offer>,
}

impl Response {
    /// One that is right, of an engine that measures and signs.
    fn new(version: Version) -> Self {
        Self {
            version,
            flags: Flags::CERT.0 | Flags::CHAL.0 | Flags::MEAS_SIG.0,
            specification: 1,
            other: 0,
            measurement_hash: 0x4,
            asym: 0x10,
            hash: 0x2,
            pqc: 0,
            mel: 0,
            extended: [0; 2],
            count: 0,
            tables: Vec::new(),
            longer: 0,
            supported: None,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.version.byte(), 0x63, self.count, 0, 0, 0];
        bytes.extend([self.specification, self.other]);
        for word in [self.measurement_hash, self.asym, self.hash, self.pqc] {
            bytes.extend(word.to_le_bytes());
        }
        // Reserved bytes are not looked at.
        bytes.extend([0x5a; 7]);
        bytes.push(self.mel);
        bytes.extend(self.extended);
        bytes.extend([0x5a; 2]);
        bytes.extend(&self.tables);
        bytes[4] = (bytes.len() as u8).wrapping_add_signed(self.longer);
        bytes
    }

    fn read(&self) -> Result<Selection, (Field, Reason)> {
        let bytes = self.bytes();
        let mut reader = Reader::new(Code::ALGORITHMS, &bytes);
        let flags = Flags(self.flags);
        let supported = self.supported.as_ref();
        Selection::read(&mut reader, self.version, flags, &much(), supported)
            .map_err(|error| (error.field, error.reason))
    }
}

fn changed(
    version: Version,
    change: impl FnOnce(&mut Response),
) -> Result<Selection, (Field, Reason)> {
    let mut response = Response::new(version);
    change(&mut response);
    response.read()
}

#[test]
fn a_selection() {
    for version in Version::ALL {
        let selection = Response::new(version).read().expect("it is well");
        let expected = Selection {
            measurements: true,
            opaque: version < Version::V12,
            measurement_hash: Some(MeasurementHash::Hash(HashAlgorithm::Sha384)),
            asym: Some(AsymAlgorithm::EcdsaP256),
            hash: Some(HashAlgorithm::Sha384),
            tables: Tables::default(),
        };
        assert_eq!(selection, expected, "{version:?}");
    }
}

#[test]
fn a_responder_that_neither_measures_nor_signs() {
    let selection = changed(Version::V13, |response| {
        response.flags = 0;
        response.specification = 0;
        response.asym = 0;
        response.hash = 0;
    });
    let nothing = Selection {
        measurements: false,
        opaque: false,
        measurement_hash: None,
        asym: None,
        hash: None,
        tables: Tables::default(),
    };
    assert_eq!(selection, Ok(nothing));
}

#[test]
fn one_where_one_is_needed_and_nothing_that_was_not_offered() {
    type Change = fn(&mut Response, u32);
    let signatures: Change = |response, value| response.asym = value;
    let hashes: Change = |response, value| response.hash = value;
    let specifications: Change = |response, value| response.specification = value as u8;
    for (field, change, fine, several, strange) in [
        (Field::BaseAsymAlgo, signatures, 0x80, 0x90, 0x20),
        (Field::BaseHashAlgo, hashes, 0x4, 0x6, 0x1),
        (
            Field::MeasurementSpecification,
            specifications,
            0x4,
            0x5,
            0x2,
        ),
    ] {
        let read = |value| changed(Version::V13, |response| change(response, value));
        assert!(read(fine).is_ok(), "{field}");
        for value in [0, several] {
            assert_eq!(read(value), Err((field, Reason::NotOne(value))));
        }
        for (value, extra) in [(strange, strange), (fine | strange, strange)] {
            assert_eq!(read(value), Err((field, Reason::NotOffered(extra))));
        }
    }
    for value in [0, 0x6, 0x100] {
        let read = changed(Version::V13, |response| response.measurement_hash = value);
        assert_eq!(
            read,
            Err((Field::MeasurementHashAlgo, Reason::NotOne(value)))
        );
    }
}

#[test]
fn nothing_that_the_responder_said_to_lack() {
    let only = |base_asym, base_hash| Offer {
        base_asym,
        base_hash,
        ..much()
    };
    let read = |supported| {
        changed(Version::V13, |response| {
            response.supported = Some(supported)
        })
    };
    assert!(read(only(u32::MAX, u32::MAX)).is_ok());
    let refused = |field, bit| Err((field, Reason::NotOffered(bit)));
    assert_eq!(read(only(0x80, 0x2)), refused(Field::BaseAsymAlgo, 0x10));
    assert_eq!(read(only(0x10, 0x4)), refused(Field::BaseHashAlgo, 0x2));
    // It cannot make more of the offer than there is.
    let read = changed(Version::V13, |response| {
        response.supported = Some(only(u32::MAX, u32::MAX));
        response.asym = 0x20;
    });
    assert_eq!(read, refused(Field::BaseAsymAlgo, 0x20));
}

#[test]
fn other_parameters() {
    let read = |version, other| changed(version, |response| response.other = other);
    for version in [Version::V10, Version::V11] {
        let selection = read(version, 0xff).expect("it is not looked at");
        assert!(selection.opaque);
    }
    for version in [Version::V12, Version::V13, Version::V14] {
        for (other, opaque) in [
            (0, false),
            (1, true),
            (2, true),
            (0xe2, true),
            (0xe0, false),
        ] {
            let selection = read(version, other).expect("it is well");
            assert_eq!(selection.opaque, opaque, "{other:#x}");
        }
        let refused = |reason| Err((Field::OtherParams, reason));
        assert_eq!(read(version, 3), refused(Reason::NotOne(3)));
        assert_eq!(read(version, 4), refused(Reason::NotOffered(4)));
        assert_eq!(read(version, 0x12), refused(Reason::NotOffered(0x10)));
    }
}

#[test]
fn what_later_versions_have() {
    let mel = |version, mel| changed(version, |response| response.mel = mel);
    let pqc = |version, pqc| changed(version, |response| response.pqc = pqc);
    assert!(mel(Version::V12, 0xff).is_ok());
    assert!(pqc(Version::V13, 1).is_ok());
    for version in [Version::V13, Version::V14] {
        assert!(mel(version, 1).is_ok() && mel(version, 2).is_ok());
        let refused = |reason| Err((Field::MelSpecification, reason));
        assert_eq!(mel(version, 3), refused(Reason::NotOne(3)));
        assert_eq!(mel(version, 4), refused(Reason::NotOffered(4)));
    }
    let refused = Err((Field::PqcAsymAlgo, Reason::NotOffered(5)));
    assert_eq!(pqc(Version::V14, 5), refused);
}

#[test]
fn extended_algorithms_and_lengths() {
    for (extended, count) in [([1, 0], 1), ([0, 2], 2), ([0xff, 0xff], 510)] {
        let read = changed(Version::V13, |response| response.extended = extended);
        assert_eq!(read, Err((Field::ExtAlgorithm, Reason::NotOffered(count))));
    }
    for (longer, actual) in [(1, 37), (-1, 35)] {
        let read = changed(Version::V13, |response| response.longer = longer);
        let reason = Reason::Length {
            expected: 36,
            actual,
        };
        assert_eq!(read, Err((Field::Length, reason)));
    }
}

#[test]
fn tables() {
    let read = |version, tables: &[&[u8]]| {
        changed(version, |response| {
            response.count = tables.len() as u8;
            response.tables = tables.concat();
        })
        .map(|selection| selection.tables)
    };
    let all = [
        &[2, 0x20, 0x02, 0x00][..],
        &[3, 0x20, 0x00, 0x01],
        &[4, 0x20, 0x00, 0x00],
        &[5, 0x20, 0x08, 0x00],
    ];
    let expected = Tables {
        dhe: 0x0002,
        aead: 0x0100,
        req_base_asym: 0,
        key_schedule: 0x0008,
    };
    for version in [Version::V11, Version::V12, Version::V13, Version::V14] {
        assert_eq!(read(version, &all), Ok(expected));
    }
    // Before that the byte is reserved.
    let reserved = changed(Version::V10, |response| response.count = 4);
    assert_eq!(
        reserved.map(|selection| selection.tables),
        Ok(Tables::default())
    );

    let refused = |reason| Err((Field::AlgStruct, reason));
    for (tables, reason) in [
        (&[all[0], all[0]][..], Reason::Twice(2)),
        (&[all[1], all[0]], Reason::Twice(2)),
        (&[&[0, 0x20, 0, 0]], Reason::Twice(0)),
        (&[&[1, 0x20, 0, 0]], Reason::NotOffered(1)),
        (&[&[6, 0x20, 0, 0]], Reason::NotOffered(6)),
        (&[&[2, 0x20, 0x02, 0x01]], Reason::NotOne(0x102)),
        (&[&[2, 0x20, 0x01, 0x00]], Reason::NotOffered(1)),
    ] {
        assert_eq!(read(Version::V13, tables), refused(reason), "{tables:?}");
    }
    // Longer than it needs to be, and extended algorithms, which nobody looks at.
    let long = [2, 0x42, 0x02, 0x00, 9, 9, 1, 1, 1, 1, 2, 2, 2, 2];
    let expected = Tables {
        dhe: 2,
        ..Tables::default()
    };
    assert_eq!(read(Version::V13, &[&long]), Ok(expected));
    // Too short for a value.
    assert_eq!(
        read(Version::V13, &[&[2, 0x10, 0x02]]),
        Ok(Tables::default())
    );
    assert!(read(Version::V13, &[&[2, 0x20, 0x02]]).is_err());
}
