// SPDX-License-Identifier: GPL-2.0

//! Puts the objects of a dump together.

use std::collections::BTreeMap;

use super::message::{self, Attribute};
use super::refusal::Refusal;
use crate::evidence::Evidence;

pub(super) const TYPE_VCA: u32 = 8;
pub(super) const TYPE_MEASUREMENTS: u32 = 9;

/// Longest object, in bytes.
const LONGEST: u32 = 16 << 20;

/// What a dump holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objects {
    /// The generation of the driver's results.
    pub generation: u32,
    /// The objects.
    pub evidence: Evidence,
}

/// An object, as far as it has come.
#[derive(Debug, Default)]
struct Object {
    length: u32,
    bytes: Vec<u8>,
}

/// The objects, as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    objects: BTreeMap<u32, Object>,
    generation: Option<u32>,
    reason: Option<String>,
}

/// One message of a dump.
#[derive(Debug, Default)]
struct Part<'a> {
    kind: Option<u32>,
    generation: Option<u32>,
    length: Option<u32>,
    offset: Option<u32>,
    value: Option<&'a [u8]>,
    state: Option<String>,
}

impl<'a> Part<'a> {
    fn new(attributes: &'a [Attribute]) -> Result<Self, Refusal> {
        let mut part = Self::default();
        for attribute in attributes {
            let number = || {
                let wrong = |error: netlink_packet_core::DecodeError| error.to_string();
                attribute.as_number().map(Some).map_err(wrong)
            };
            let result = match attribute.kind {
                message::TYPE => number().map(|number| part.kind = number),
                message::GENERATION => number().map(|number| part.generation = number),
                message::LENGTH => number().map(|number| part.length = number),
                message::OFFSET => number().map(|number| part.offset = number),
                message::VALUE => {
                    part.value = Some(attribute.as_bytes());
                    Ok(())
                }
                message::STATE => {
                    part.state = attribute.as_text().ok();
                    Ok(())
                }
                // Of later drivers.
                _ => Ok(()),
            };
            result.map_err(Refusal::protocol)?;
        }
        Ok(part)
    }
}

impl Assembly {
    /// Adds a message.
    ///
    /// # Errors
    ///
    /// It does not continue what was there.
    pub(super) fn add(&mut self, attributes: &[Attribute]) -> Result<(), Refusal> {
        let part = Part::new(attributes)?;
        let Some(kind) = part.kind else {
            // The first message has the state and the generation, the last one of a dump that
            // fails the reason alone.
            match part.generation {
                Some(generation) => self.generation = Some(generation),
                None => self.reason = part.state,
            }
            return Ok(());
        };
        let (Some(length), Some(offset), Some(value)) = (part.length, part.offset, part.value)
        else {
            return Err(Refusal::protocol(format!(
                "a part of object {kind} lacks its place"
            )));
        };
        if length > LONGEST {
            return Err(Refusal::protocol(format!(
                "object {kind} of {length} bytes is too long"
            )));
        }
        // The first message told the result that was there before.
        self.generation = part.generation.or(self.generation);
        let object = self.objects.entry(kind).or_insert_with(|| Object {
            length,
            bytes: Vec::new(),
        });
        object.bytes.extend(value);
        let end = u64::from(offset).saturating_add(value.len() as u64);
        if object.length != length
            || object.bytes.len() as u64 != end
            || end > length.into()
            || value.is_empty()
        {
            return Err(Refusal::protocol(format!(
                "the parts of object {kind} do not fit together"
            )));
        }
        Ok(())
    }

    /// The reason why the dump fails, if it was told.
    pub(super) fn reason(&self) -> Option<String> {
        self.reason.clone()
    }

    /// The objects, which have to be complete.
    ///
    /// # Errors
    ///
    /// They are not.
    pub(super) fn finish(self) -> Result<Objects, Refusal> {
        let mut evidence = Evidence::default();
        for (kind, object) in self.objects {
            if object.bytes.len() as u64 != u64::from(object.length) {
                let length = object.bytes.len();
                let expected = object.length;
                return Err(Refusal::protocol(format!(
                    "object {kind} ends after {length} of {expected} bytes"
                )));
            }
            match kind {
                TYPE_VCA => evidence.vca = object.bytes,
                TYPE_MEASUREMENTS => evidence.measurements = object.bytes,
                _ => {
                    // Objects of later drivers are left out.
                    if let Ok(slot @ 0..=7) = u8::try_from(kind) {
                        evidence.chains.insert(slot, object.bytes);
                    }
                }
            }
        }
        Ok(Objects {
            generation: self.generation.unwrap_or_default(),
            evidence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: u32, length: u32, offset: u32, value: &[u8]) -> Vec<Attribute> {
        vec![
            Attribute::device("issei0"),
            Attribute::number(message::TYPE, kind),
            Attribute::number(message::GENERATION, 7),
            Attribute::number(message::LENGTH, length),
            Attribute::number(message::OFFSET, offset),
            Attribute::bytes(message::VALUE, value),
        ]
    }

    fn first() -> Vec<Attribute> {
        vec![
            Attribute::device("issei0"),
            Attribute::number(message::GENERATION, 6),
            Attribute::bytes(message::STATE, b"authenticated\0"),
        ]
    }

    #[test]
    fn parts_become_objects() {
        let mut assembly = Assembly::default();
        for message in [
            first(),
            part(1, 3, 0, b"abc"),
            part(8, 4, 0, b"defg"),
            part(9, 6, 0, b"hij"),
            part(9, 6, 3, b"klm"),
            part(12, 1, 0, b"x"),
        ] {
            assembly.add(&message).expect("it fits");
        }
        let objects = assembly.finish().expect("complete");
        assert_eq!(objects.generation, 7);
        let evidence = Evidence {
            vca: b"defg".to_vec(),
            measurements: b"hijklm".to_vec(),
            chains: [(1, b"abc".to_vec())].into(),
        };
        assert_eq!(objects.evidence, evidence);
    }

    #[test]
    fn parts_that_do_not_fit() {
        for parts in [
            vec![part(8, 4, 1, b"abc")],
            vec![part(8, 4, 0, b"ab"), part(8, 4, 0, b"ab")],
            vec![part(8, 4, 0, b"ab"), part(8, 5, 2, b"cd")],
            vec![part(8, 2, 0, b"abc")],
            vec![part(8, 2, 0, b"")],
            vec![part(8, u32::MAX, 0, b"a")],
            vec![part(8, 1, u32::MAX, b"a")],
            vec![part(8, 1, 0, b"a")
                .split_off(1)
                .into_iter()
                .take(2)
                .collect()],
            vec![vec![Attribute::bytes(message::TYPE, b"abc")]],
        ] {
            let mut assembly = Assembly::default();
            let result: Result<Vec<()>, _> = parts.iter().map(|part| assembly.add(part)).collect();
            assert!(matches!(result, Err(Refusal::Protocol(_))), "{parts:?}");
        }
    }

    #[test]
    fn objects_that_end_early() {
        let mut assembly = Assembly::default();
        assembly.add(&part(8, 4, 0, b"ab")).expect("it fits");
        let expected = Refusal::protocol("object 8 ends after 2 of 4 bytes");
        assert_eq!(assembly.finish(), Err(expected));
    }

    #[test]
    fn the_reason_of_a_dump_that_fails() {
        let mut assembly = Assembly::default();
        assembly.add(&first()).expect("it fits");
        assert_eq!(assembly.reason(), None);
        let reason = Attribute::bytes(message::STATE, b"busy\0");
        assembly.add(&[reason]).expect("it fits");
        assert_eq!(assembly.reason().as_deref(), Some("busy"));
    }
}
