// SPDX-License-Identifier: GPL-2.0

//! Messages of the family `issei-evidence`.

use netlink_packet_core::{
    parse_string, parse_u32, DecodeError, DefaultNla, Emitable, Nla, NlasIterator, Parseable,
    ParseableParametrized,
};
use netlink_packet_generic::{GenlFamily, GenlHeader};

/// The name of the family.
pub(super) const FAMILY: &str = "issei-evidence";

const FAMILY_VERSION: u8 = 1;
const COMMAND_READ: u8 = 1;

pub(super) const TYPE: u16 = 1;
pub(super) const TYPE_MASK: u16 = 2;
pub(super) const DEVICE: u16 = 4;
pub(super) const NONCE: u16 = 5;
pub(super) const GENERATION: u16 = 6;
pub(super) const LENGTH: u16 = 7;
pub(super) const OFFSET: u16 = 8;
pub(super) const VALUE: u16 = 9;
pub(super) const SLOT: u16 = 10;
pub(super) const STATE: u16 = 12;

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) kind: u16,
    value: Vec<u8>,
}

impl Attribute {
    pub(super) fn bytes(kind: u16, value: &[u8]) -> Self {
        Self {
            kind,
            value: value.to_vec(),
        }
    }

    pub(super) fn number(kind: u16, value: u32) -> Self {
        Self::bytes(kind, &value.to_ne_bytes())
    }

    pub(super) fn device(name: &str) -> Self {
        Self::bytes(DEVICE, &[name.as_bytes(), &[0]].concat())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.value
    }

    pub(super) fn as_number(&self) -> Result<u32, DecodeError> {
        parse_u32(&self.value)
    }

    pub(super) fn as_text(&self) -> Result<String, DecodeError> {
        parse_string(&self.value)
    }
}

impl From<&Attribute> for DefaultNla {
    fn from(attribute: &Attribute) -> Self {
        Self::new(attribute.kind, attribute.value.clone())
    }
}

/// A request for evidence, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) attributes: Vec<Attribute>,
}

impl Read {
    fn nlas(&self) -> Vec<DefaultNla> {
        self.attributes.iter().map(DefaultNla::from).collect()
    }
}

impl GenlFamily for Read {
    fn family_name() -> &'static str {
        FAMILY
    }

    fn command(&self) -> u8 {
        COMMAND_READ
    }

    fn version(&self) -> u8 {
        FAMILY_VERSION
    }
}

impl Emitable for Read {
    fn buffer_len(&self) -> usize {
        self.nlas().as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.nlas().as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Read {
    fn parse_with_param(buffer: &[u8], _: GenlHeader) -> Result<Self, DecodeError> {
        Ok(Self {
            attributes: attributes(buffer)?,
        })
    }
}

/// The attributes in some bytes.
pub(super) fn attributes(bytes: &[u8]) -> Result<Vec<Attribute>, DecodeError> {
    let attribute = |nla| {
        let nla = DefaultNla::parse(&nla)?;
        let mut value = vec![0; nla.value_len()];
        nla.emit_value(&mut value);
        Ok(Attribute {
            kind: nla.kind(),
            value,
        })
    };
    NlasIterator::new(bytes)
        .map(|nla| nla.and_then(attribute))
        .collect()
}
