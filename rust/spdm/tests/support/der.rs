// SPDX-License-Identifier: GPL-2.0

//! Certificates made for the tests: right ones, and wrong ones of every kind.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};

/// One element.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let mut element = vec![tag];
    match value.len() {
        length @ 0..=0x7f => element.push(length as u8),
        length @ 0x80..=0xff => element.extend([0x81, length as u8]),
        length @ 0x100..=0xffff => element.extend([0x82, (length >> 8) as u8, length as u8]),
        length => element.extend([
            0x83,
            (length >> 16) as u8,
            (length >> 8) as u8,
            length as u8,
        ]),
    }
    element.extend(value);
    element
}

const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// What DMTF's OIDs begin with.
pub(crate) const DMTF: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0x1c, 0x82, 0x12];

/// A key that depends on its number alone.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).expect("the number makes a key")
}

/// A certificate to be.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) version: Vec<u8>,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) algorithm: Vec<u8>,
    pub(crate) inner_algorithm: Option<Vec<u8>>,
    pub(crate) signer: u8,
    pub(crate) key: u8,
    pub(crate) spki: Option<Vec<u8>>,
    /// Contents of BasicConstraints, without its SEQUENCE.
    pub(crate) constraints: Option<Vec<u8>>,
    /// keyUsage, bit n of the extension in bit n.
    pub(crate) usage: Option<u8>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

pub(crate) const CA_TRUE: &[u8] = &[0x01, 0x01, 0xff];
pub(crate) const DIGITAL_SIGNATURE: u8 = 1 << 0;
pub(crate) const KEY_CERT_SIGN: u8 = 1 << 5;

impl Template {
    /// A certificate authority.
    pub(crate) fn authority(issuer: (&str, u8), subject: (&str, u8)) -> Self {
        Self {
            version: vec![2],
            issuer: issuer.0.into(),
            subject: subject.0.into(),
            algorithm: tlv(0x06, &[ECDSA_SHA256]),
            inner_algorithm: None,
            signer: issuer.1,
            key: subject.1,
            spki: None,
            constraints: Some(CA_TRUE.into()),
            usage: Some(KEY_CERT_SIGN),
            extensions: Vec::new(),
        }
    }

    /// A leaf.
    pub(crate) fn leaf(issuer: (&str, u8), subject: (&str, u8)) -> Self {
        Self {
            constraints: Some(Vec::new()),
            usage: Some(DIGITAL_SIGNATURE),
            ..Self::authority(issuer, subject)
        }
    }

    /// An extension with these contents.
    pub(crate) fn with_extension(mut self, id: &[u8], value: &[u8]) -> Self {
        let critical = tlv(0x01, &[&[0xff]]);
        let value = tlv(0x04, &[value]);
        self.extensions
            .push(tlv(0x30, &[&tlv(0x06, &[id]), &critical, &value]));
        self
    }

    /// The certificate, in DER.
    pub(crate) fn build(&self) -> Vec<u8> {
        let algorithm = tlv(0x30, &[&self.algorithm]);
        let inner = self
            .inner_algorithm
            .as_ref()
            .map_or(algorithm.clone(), |inner| tlv(0x30, &[inner]));
        let date = tlv(0x17, &[b"260101000000Z"]);
        let mut extensions = self.extensions.clone();
        if let Some(constraints) = &self.constraints {
            let value = tlv(0x04, &[&tlv(0x30, &[constraints])]);
            let id = tlv(0x06, &[&[0x55, 0x1d, 0x13]]);
            extensions.push(tlv(0x30, &[&id, &value]));
        }
        if let Some(usage) = self.usage {
            let value = tlv(0x04, &[&tlv(0x03, &[&[0, usage.reverse_bits()]])]);
            let id = tlv(0x06, &[&[0x55, 0x1d, 0x0f]]);
            extensions.push(tlv(0x30, &[&id, &value]));
        }
        let tbs = tlv(
            0x30,
            &[
                &tlv(0xa0, &[&tlv(0x02, &[&self.version])]),
                &tlv(0x02, &[&[self.key]]),
                &inner,
                &name(&self.issuer),
                &tlv(0x30, &[&date, &date]),
                &name(&self.subject),
                &self.spki.clone().unwrap_or_else(|| spki(self.key)),
                &tlv(0xa3, &[&tlv(0x30, &[&extensions.concat()])]),
            ],
        );
        let signature: DerSignature = key(self.signer).sign(&tbs);
        let signature = tlv(0x03, &[&[0], signature.as_bytes()]);
        tlv(0x30, &[&tbs, &algorithm, &signature])
    }
}

fn name(name: &str) -> Vec<u8> {
    let id = tlv(0x06, &[&[0x55, 0x04, 0x03]]);
    let attribute = tlv(0x30, &[&id, &tlv(0x0c, &[name.as_bytes()])]);
    tlv(0x30, &[&tlv(0x31, &[&attribute])])
}

/// SubjectPublicKeyInfo of a key.
pub(crate) fn spki(number: u8) -> Vec<u8> {
    let point = key(number).verifying_key().to_encoded_point(false);
    let algorithm = tlv(0x30, &[&tlv(0x06, &[EC_PUBLIC_KEY]), &tlv(0x06, &[P256])]);
    tlv(0x30, &[&algorithm, &tlv(0x03, &[&[0], point.as_bytes()])])
}

/// Root, intermediate and leaf. The leaf has key 3.
pub(crate) fn good() -> [Template; 3] {
    [
        Template::authority(("root", 1), ("root", 1)),
        Template::authority(("root", 1), ("middle", 2)),
        Template::leaf(("middle", 2), ("leaf", 3)),
    ]
}
