// SPDX-License-Identifier: GPL-2.0

//! DER, element by element (X.690, 8 and 10).

use crate::der::{context, Der, BIT_STRING, BOOLEAN, INTEGER, NULL, OID, SEQUENCE};

/// The contents and the rest, if an element can be read.
fn element(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let mut der = Der::new(bytes);
    let element = der.element()?;
    assert_eq!(element.whole, &bytes[..element.whole.len()]);
    assert!(element.whole.ends_with(element.value));
    let rest = bytes.len() - element.whole.len();
    assert_eq!(der.is_empty(), rest == 0);
    Some((element.tag, element.value.len(), rest))
}

#[test]
fn tags_of_one_byte() {
    for tag in 0..=u8::MAX {
        let expected = (tag & 0x1f != 0x1f).then_some((tag, 1, 0));
        assert_eq!(element(&[tag, 1, 0]), expected, "{tag:#x}");
    }
    assert_eq!([context(0), context(3)], [0xa0, 0xa3]);
    assert_eq!([BOOLEAN, INTEGER, BIT_STRING, NULL, OID], [1, 2, 3, 5, 6]);
    assert_eq!(SEQUENCE, 0x30);
}

#[test]
fn lengths_in_the_least_bytes() {
    let long = vec![0; 0x1_0100];
    let with = |length: &[u8], size: usize| [&[0x04], length, &long[..size]].concat();
    for (length, size) in [
        (&[0][..], 0),
        (&[1], 1),
        (&[0x7f], 0x7f),
        (&[0x81, 0x80], 0x80),
        (&[0x81, 0xff], 0xff),
        (&[0x82, 1, 0], 0x100),
        (&[0x82, 0xff, 0xff], 0xffff),
        (&[0x83, 1, 0, 0xff], 0x1_00ff),
    ] {
        assert_eq!(element(&with(length, size)), Some((4, size, 0)));
        assert_eq!(element(&with(length, size + 1)), Some((4, size, 1)));
        if size > 0 {
            assert_eq!(element(&with(length, size - 1)), None);
        }
    }
    for length in [
        // Until an end that is marked.
        &[0x80][..],
        // More bytes than the length needs.
        &[0x81, 0],
        &[0x81, 0x7f],
        &[0x82, 0, 0x80],
        &[0x82, 0, 0xff],
        &[0x83, 0, 1, 0],
        // More than any certificate has.
        &[0x84, 0, 0, 0, 1],
        &[0x84, 1, 0, 0, 0],
        &[0xff],
    ] {
        assert_eq!(element(&with(length, 0x200)), None, "{length:?}");
    }
    for cut in [&[][..], &[4], &[4, 0x81], &[4, 0x82, 1], &[4, 0xff]] {
        assert_eq!(element(cut), None, "{cut:?}");
    }
}

#[test]
fn elements_one_after_the_other() {
    let bytes = [0x30, 3, 0x02, 1, 5, 0x01, 1, 0xff];
    let mut der = Der::new(&bytes);
    assert_eq!(der.peek(), Some(SEQUENCE));
    assert!(der.end().is_none());
    assert_eq!(der.optional(INTEGER), Some(None));
    let mut inner = der.enter(SEQUENCE).expect("a sequence");
    assert_eq!(inner.unsigned(), Some(&[5][..]));
    assert_eq!((inner.end(), inner.peek()), (Some(()), None));
    assert_eq!(inner.optional(INTEGER), Some(None));
    let element = der.optional(BOOLEAN).flatten().expect("a boolean");
    assert_eq!((element.tag, element.value), (BOOLEAN, &[0xff][..]));
    assert!(der.is_empty() && der.element().is_none());

    assert!(Der::new(&bytes).expect(INTEGER).is_none());
    assert!(Der::new(&bytes).enter(INTEGER).is_none());
    // The tag is the one that is looked for, but what follows is none.
    assert_eq!(Der::new(&[0x02, 2, 5]).optional(INTEGER), None);
}

#[test]
fn integers_that_are_not_negative() {
    for (value, expected) in [
        (&[][..], None),
        (&[0], Some(&[][..])),
        (&[1], Some(&[1])),
        (&[0x7f], Some(&[0x7f])),
        (&[0x80], None),
        (&[0xff, 1], None),
        (&[0, 0x80], Some(&[0x80])),
        (&[0, 0x7f], None),
        (&[0, 0], None),
        (&[0, 0, 0x80], None),
        (&[1, 0], Some(&[1, 0])),
        (&[0x7f, 0xff], Some(&[0x7f, 0xff])),
    ] {
        let bytes = [&[INTEGER, value.len() as u8], value].concat();
        assert_eq!(Der::new(&bytes).unsigned(), expected, "{value:?}");
    }
    assert_eq!(Der::new(&[OID, 1, 1]).unsigned(), None);
}

#[test]
fn bits_and_truth() {
    for (value, expected) in [
        (&[][..], None),
        (&[0], Some(&[][..])),
        (&[0, 5, 6], Some(&[5, 6])),
        (&[1, 4], None),
        (&[8, 4], None),
    ] {
        let bytes = [&[BIT_STRING, value.len() as u8], value].concat();
        assert_eq!(Der::new(&bytes).octets(), expected, "{value:?}");
    }
    assert_eq!(Der::new(&[OID, 2, 0, 5]).octets(), None);
    for (value, expected) in [
        (&[][..], None),
        (&[0], Some(false)),
        (&[0xff], Some(true)),
        (&[1], None),
        (&[0, 0], None),
    ] {
        let bytes = [&[BOOLEAN, value.len() as u8], value].concat();
        assert_eq!(Der::new(&bytes).boolean(), expected, "{value:?}");
    }
    assert_eq!(Der::new(&[OID, 1, 0]).boolean(), None);
}
