// SPDX-License-Identifier: GPL-2.0
//! X.509 certificates, as SPDM wants them (DSP0274, clause "Certificates and certificate chains").

use std::str::FromStr;
use std::time::Duration;

use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::der::asn1::{
    BitString, Ia5StringRef, ObjectIdentifier, OctetString, UintRef, UtcTime, Utf8StringRef,
};
use x509_cert::der::{self, Encode};
use x509_cert::ext::pkix::name::{GeneralName, OtherName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{AsExtension, Extension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::{Time, Validity};

use super::algorithms::Hash;
use super::key::Key;

const ECDSA_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const RSA_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
/// `id-DMTF-device-info`: manufacturer, product and serial number.
const DEVICE_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.412.274.1");
/// `id-DMTF-hardware-identity`
const HARDWARE_IDENTITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.412.274.2");
/// `id-DMTF-eku-responder-auth`
const RESPONDER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.412.274.3");
/// `id-DMTF-mutable-certificate`
const MUTABLE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.412.274.5");
/// `id-DMTF-SPDM-extension`
const SPDM_EXTENSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.412.274.6");
/// A comment, which nobody judges: it makes certificates larger.
const COMMENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113730.1.13");

/// 2024-01-01 to the end of 2049, in seconds since 1970.
const VALIDITY: [u64; 2] = [1_704_067_200, 2_524_607_999];
/// A validity that is over: until 2025-01-01.
const EXPIRED: [u64; 2] = [1_704_067_200, 1_735_689_600];

/// What a certificate says about whom it certifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A certificate authority.
    Authority,
    /// The device itself, if it signs certificates for its firmware.
    Device,
    /// The responder, whose key cannot change.
    Responder,
    /// The responder, with a key that changes with the firmware.
    Alias,
}

/// A certificate to be made; the defects are for faults.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) role: Role,
    pub(super) key: Key,
    pub(super) signer: Key,
    pub(super) hash: Hash,
    /// Bytes of the comment, 0 for none.
    pub(super) comment: usize,
    pub(super) expired: bool,
    /// A certificate authority that says it is none, or the reverse.
    pub(super) wrong_constraints: bool,
    /// The bit that the role needs is missing in the key usage.
    pub(super) wrong_usage: bool,
}

/// An extension that is not one of the library's.
fn extension(oid: ObjectIdentifier, value: &impl Encode) -> der::Result<Extension> {
    Ok(Extension {
        extn_id: oid,
        critical: false,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}

/// The signature of `message` as it stands in a certificate.
fn sign(key: &Key, hash: Hash, message: &[u8]) -> Result<BitString, String> {
    let raw = key.sign(hash, &hash.digest(&[message]), false)?;
    let bytes = match key {
        Key::Rsa(_) => Ok(raw),
        _ => {
            let (r, s) = raw.split_at(raw.len() / 2);
            let pair = UintRef::new(r).and_then(|r| Ok(vec![r, UintRef::new(s)?]));
            pair.and_then(|pair| pair.to_der())
        }
    };
    let bits = bytes.and_then(|bytes| BitString::from_bytes(&bytes));
    bits.map_err(|error| error.to_string())
}

fn algorithm(key: &Key, hash: Hash) -> AlgorithmIdentifierOwned {
    let rsa = matches!(key, Key::Rsa(_));
    let oid = match (rsa, hash.size()) {
        (true, 20) => RSA_SHA1,
        (true, 32) => RSA_SHA256,
        (true, 48) => RSA_SHA384,
        (true, _) => RSA_SHA512,
        (false, 20) => ECDSA_SHA1,
        (false, 32) => ECDSA_SHA256,
        (false, 48) => ECDSA_SHA384,
        (false, _) => ECDSA_SHA512,
    };
    AlgorithmIdentifierOwned {
        oid,
        parameters: rsa.then(|| der::asn1::Null.into()),
    }
}

impl Template {
    /// The certificate in DER. The same template gives the same bytes.
    ///
    /// # Errors
    ///
    /// A text for people: a name or a key that cannot be encoded.
    pub(super) fn certificate(&self) -> Result<Vec<u8>, String> {
        let tbs = self.tbs()?;
        let message = tbs.to_der().map_err(|error| error.to_string())?;
        let certificate = Certificate {
            signature_algorithm: tbs.signature.clone(),
            tbs_certificate: tbs,
            signature: sign(&self.signer, self.hash, &message)?,
        };
        certificate.to_der().map_err(|error| error.to_string())
    }

    fn tbs(&self) -> Result<TbsCertificate, String> {
        let key = self.key.public()?;
        let signer = self.signer.public()?;
        let identifier = |bits: &[u8]| Hash::Sha1.digest(&[bits]);
        let own = identifier(key.subject_public_key.raw_bytes());
        let authority = identifier(signer.subject_public_key.raw_bytes());
        let tbs = || -> der::Result<TbsCertificate> {
            let subject = Name::from_str(&format!("CN={},O=Emulated engine", self.subject))?;
            let mut serial = Hash::Sha256.digest(&[self.subject.as_bytes(), &own]);
            serial.truncate(16);
            if let Some(first) = serial.first_mut() {
                *first = *first & 0x7f | 0x40;
            }
            Ok(TbsCertificate {
                version: Version::V3,
                serial_number: SerialNumber::new(&serial)?,
                signature: algorithm(&self.signer, self.hash),
                issuer: Name::from_str(&format!("CN={},O=Emulated engine", self.issuer))?,
                validity: self.validity()?,
                extensions: Some(self.extensions(&subject, own, authority)?),
                subject,
                subject_public_key_info: key,
                issuer_unique_id: None,
                subject_unique_id: None,
            })
        };
        tbs().map_err(|error| format!("certificate of {}: {error}", self.subject))
    }

    fn validity(&self) -> der::Result<Validity> {
        let [from, to] = if self.expired { EXPIRED } else { VALIDITY };
        let time = |seconds| UtcTime::from_unix_duration(Duration::from_secs(seconds));
        Ok(Validity {
            not_before: Time::UtcTime(time(from)?),
            not_after: Time::UtcTime(time(to)?),
        })
    }

    fn extensions(
        &self,
        subject: &Name,
        own: Vec<u8>,
        authority: Vec<u8>,
    ) -> der::Result<Vec<Extension>> {
        let signs_certificates = matches!(self.role, Role::Authority | Role::Device);
        let constraints = BasicConstraints {
            ca: signs_certificates != self.wrong_constraints,
            path_len_constraint: None,
        };
        let usage = match (signs_certificates, self.wrong_usage) {
            (true, false) => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            (true, true) => KeyUsages::CRLSign.into(),
            (false, false) => KeyUsages::DigitalSignature.into(),
            (false, true) => KeyUsages::KeyAgreement.into(),
        };
        let own = SubjectKeyIdentifier(OctetString::new(own)?);
        let mut all = vec![
            constraints.to_extension(subject, &[])?,
            KeyUsage(usage).to_extension(subject, &[])?,
            own.to_extension(subject, &[])?,
        ];
        if self.subject != self.issuer {
            let authority = AuthorityKeyIdentifier {
                key_identifier: Some(OctetString::new(authority)?),
                ..Default::default()
            };
            all.push(authority.to_extension(subject, &[])?);
        }
        if matches!(self.role, Role::Responder | Role::Alias) {
            let info = Utf8StringRef::new("Emulated:Silicon Security Engine:0001")?;
            let name = OtherName {
                type_id: DEVICE_INFO,
                value: der::Any::encode_from(&info)?,
            };
            let names = SubjectAltName(vec![GeneralName::OtherName(name)]);
            all.push(names.to_extension(subject, &[])?);
            all.push(ExtendedKeyUsage(vec![RESPONDER_AUTH]).to_extension(subject, &[])?);
        }
        let oid = match self.role {
            Role::Authority => None,
            Role::Device | Role::Responder => Some(HARDWARE_IDENTITY),
            Role::Alias => Some(MUTABLE),
        };
        if let Some(oid) = oid {
            all.push(extension(SPDM_EXTENSION, &vec![vec![oid]])?);
        }
        if self.comment > 0 {
            let text = "x".repeat(self.comment);
            all.push(extension(COMMENT, &Ia5StringRef::new(&text)?)?);
        }
        Ok(all)
    }
}
