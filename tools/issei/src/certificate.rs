// SPDX-License-Identifier: GPL-2.0

//! Certificates, for people and programs. What is not known is shown as it is.

use der::asn1::{AnyRef, ObjectIdentifier, Utf8StringRef};
use der::{Decode, Encode};
use serde::Serialize;
use sha2::{Digest, Sha256};
use spdm::x509::{self, Curve, PublicKey};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::SubjectAltName;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// SHA-256 of the DER, in hexadecimal.
    pub fingerprint: String,
    /// Its length, in bytes.
    pub bytes: usize,
    /// The name of the subject, as in RFC 4514.
    pub subject: Option<String>,
    /// The name of the issuer.
    pub issuer: Option<String>,
    /// The serial number, in hexadecimal.
    pub serial: Option<String>,
    /// From when on it is valid, as in RFC 3339.
    pub not_before: Option<String>,
    /// Until when.
    pub not_after: Option<String>,
    /// The kind of the key: `ECDSA P-384`, `RSA 3072`, or an OID.
    pub key: Option<String>,
    /// How it is signed, an OID or its name.
    pub signature_algorithm: Option<String>,
    /// Whether it says that it is a certificate authority.
    pub authority: Option<bool>,
    /// What the vendor says of the device: `manufacturer:product:serial`.
    pub device_info: Option<String>,
    /// Whether it says that it is of the hardware itself, and not of its firmware.
    pub hardware_identity: Option<bool>,
    /// Why the rest is missing.
    pub undecoded: Option<String>,
}

/// 1.3.6.1.4.1.412.274.1: the name of a device. Source: DSP0274, "Device information".
const DEVICE_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.412.274.1");

/// Names of signature algorithms.
const SIGNATURES: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.5", "RSA with SHA-1"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.2.840.113549.1.1.11", "RSA with SHA-256"),
    ("1.2.840.113549.1.1.12", "RSA with SHA-384"),
    ("1.2.840.113549.1.1.13", "RSA with SHA-512"),
    ("1.2.840.10045.4.3.2", "ECDSA with SHA-256"),
    ("1.2.840.10045.4.3.3", "ECDSA with SHA-384"),
    ("1.2.840.10045.4.3.4", "ECDSA with SHA-512"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
];

impl Description {
    /// Describes a certificate in DER.
    pub fn new(der: &[u8]) -> Self {
        let mut description = Self {
            fingerprint: hex::encode(Sha256::digest(der)),
            bytes: der.len(),
            subject: None,
            issuer: None,
            serial: None,
            not_before: None,
            not_after: None,
            key: None,
            signature_algorithm: None,
            authority: None,
            device_info: None,
            hardware_identity: None,
            undecoded: None,
        };
        match CertificateInner::<Raw>::from_der(der) {
            Ok(certificate) => description.fill(&certificate),
            Err(error) => description.undecoded = Some(error.to_string()),
        }
        let checked = x509::Certificate::parse(der);
        if let Ok(certificate) = checked {
            description.authority = Some(certificate.ca);
            description.hardware_identity = Some(certificate.is_hardware_identity());
            description.key = Some(key(&certificate.key));
        }
        description
    }

    fn fill(&mut self, certificate: &CertificateInner<Raw>) {
        let tbs = &certificate.tbs_certificate;
        self.subject = Some(tbs.subject.to_string());
        self.issuer = Some(tbs.issuer.to_string());
        self.serial = Some(hex::encode(tbs.serial_number.as_bytes()));
        self.not_before = Some(tbs.validity.not_before.to_string());
        self.not_after = Some(tbs.validity.not_after.to_string());
        self.key = Some(tbs.subject_public_key_info.algorithm.oid.to_string());
        let oid = certificate.signature_algorithm.oid.to_string();
        let known = SIGNATURES.iter().find(|(known, _)| *known == oid);
        self.signature_algorithm = Some(known.map_or(oid, |(_, name)| (*name).to_owned()));
        if let Ok(Some((_, names))) = tbs.get::<SubjectAltName>() {
            self.device_info = names.0.iter().find_map(device_info);
        }
    }

    /// In some lines, for people.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        let mut line = |name, value: Option<String>| {
            lines.extend(value.map(|value| (name, value)));
        };
        line("subject", self.subject.clone());
        line("issuer", self.issuer.clone());
        line("serial", self.serial.clone());
        let dates = self.not_before.as_ref().zip(self.not_after.as_ref());
        line("valid", dates.map(|(from, to)| format!("{from} to {to}")));
        line("key", self.key.clone());
        line("signed with", self.signature_algorithm.clone());
        let authority = self.authority.map(|authority| match authority {
            true => "certificate authority".to_owned(),
            false => "end entity".to_owned(),
        });
        line("kind", authority);
        line("device", self.device_info.clone());
        let hardware = self.hardware_identity.filter(|is_it| *is_it);
        line("identity", hardware.map(|_| "of the hardware".to_owned()));
        let undecoded = self.undecoded.as_ref();
        line(
            "not decoded",
            undecoded.map(|why| format!("{why}; {} bytes", self.bytes)),
        );
        line("SHA-256", Some(self.fingerprint.clone()));
        lines
    }
}

fn key(key: &PublicKey<'_>) -> String {
    match key {
        PublicKey::Rsa { modulus, .. } => format!("RSA {}", modulus.len() * 8),
        PublicKey::Ec { curve, .. } => match curve {
            Curve::P256 => "ECDSA P-256".into(),
            Curve::P384 => "ECDSA P-384".into(),
            Curve::P521 => "ECDSA P-521".into(),
        },
    }
}

fn device_info(name: &GeneralName) -> Option<String> {
    let GeneralName::OtherName(other) = name else {
        return None;
    };
    if other.type_id != DEVICE_INFO {
        return None;
    }
    let bytes = other.value.to_der().ok()?;
    let value = AnyRef::from_der(&bytes).ok()?;
    let text = value.decode_as::<Utf8StringRef<'_>>().ok()?;
    Some(text.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_described_too() {
        let description = Description::new(b"\x30\x03\x02\x01\x00");
        assert!(description.undecoded.is_some());
        assert_eq!(description.bytes, 5);
        let lines = description.lines();
        assert_eq!(lines.first().map(|(name, _)| *name), Some("not decoded"));
        assert_eq!(lines.last().map(|(name, _)| *name), Some("SHA-256"));
    }
}
