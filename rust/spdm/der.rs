// SPDX-License-Identifier: GPL-2.0

//! Reading DER: elements with one-byte tags and definite lengths in their shortest form.

#![forbid(unsafe_code)]

/// BOOLEAN
pub const BOOLEAN: u8 = 0x01;
/// INTEGER
pub const INTEGER: u8 = 0x02;
/// BIT STRING
pub const BIT_STRING: u8 = 0x03;
/// OCTET STRING
pub const OCTET_STRING: u8 = 0x04;
/// NULL
pub const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER
pub const OID: u8 = 0x06;
/// SEQUENCE
pub const SEQUENCE: u8 = 0x30;

/// `[n]`, constructed.
pub const fn context(n: u8) -> u8 {
    0xa0 | n
}

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The tag.
    pub tag: u8,
    /// The contents.
    pub value: &'a [u8],
    /// Tag, length and contents.
    pub whole: &'a [u8],
}

/// Elements that follow one another. Every method is `None` when the bytes are not what was asked
/// for.
#[derive(Clone, Copy, Debug)]
pub struct Der<'a> {
    rest: &'a [u8],
}

impl<'a> Der<'a> {
    /// The elements in these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether there is none left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next element.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element.
    pub fn element(&mut self) -> Option<Element<'a>> {
        let all = self.rest;
        let (&tag, rest) = all.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = length(rest)?;
        let (value, rest) = rest.split_at_checked(length)?;
        let whole = all.get(..all.len().checked_sub(rest.len())?)?;
        self.rest = rest;
        Some(Element { tag, value, whole })
    }

    /// The next element, which has this tag.
    pub fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.element().filter(|element| element.tag == tag)
    }

    /// The contents of the next element, which has this tag.
    pub fn enter(&mut self, tag: u8) -> Option<Self> {
        self.expect(tag).map(|element| Self::new(element.value))
    }

    /// The next element, if it has this tag.
    pub fn optional(&mut self, tag: u8) -> Option<Option<Element<'a>>> {
        match self.peek() {
            Some(next) if next == tag => self.element().map(Some),
            _ => Some(None),
        }
    }

    /// The next element is an INTEGER that is not negative: its bytes without a leading zero.
    pub fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.expect(INTEGER)?.value {
            [] => None,
            [0] => Some(&[]),
            [0, rest @ ..] if rest.first()? & 0x80 != 0 => Some(rest),
            [first, ..] if *first == 0 || first & 0x80 != 0 => None,
            value => Some(value),
        }
    }

    /// The next element is a BIT STRING of whole bytes.
    pub fn octets(&mut self) -> Option<&'a [u8]> {
        match self.expect(BIT_STRING)?.value {
            [0, octets @ ..] => Some(octets),
            _ => None,
        }
    }

    /// The next element is a BOOLEAN.
    pub fn boolean(&mut self) -> Option<bool> {
        match self.expect(BOOLEAN)?.value {
            [0] => Some(false),
            [0xff] => Some(true),
            _ => None,
        }
    }

    /// There is nothing left.
    pub fn end(&self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((first.into(), rest));
    }
    let (digits, rest) = rest.split_at_checked((first & 0x7f).into())?;
    if !(1..=3).contains(&digits.len()) || digits.first() == Some(&0) {
        return None;
    }
    let length = digits
        .iter()
        .fold(0_usize, |length, digit| (length << 8) | usize::from(*digit));
    (length >= 0x80).then_some((length, rest))
}
