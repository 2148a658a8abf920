// SPDX-License-Identifier: GPL-2.0
//! Hashes, signatures and certificates, by the numbers of DSP0274.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::digest::const_oid::AssociatedOid;
use sha2::digest::{Digest, DynDigest};
use x509_cert::der::{Decode, Encode};
use x509_cert::Certificate;

/// The digest that this bit of BaseHashAlgo stands for.
pub(crate) fn digest(hash: u32, data: &[u8]) -> Vec<u8> {
    match hash {
        0x01 => sha2::Sha256::digest(data).to_vec(),
        0x02 => sha2::Sha384::digest(data).to_vec(),
        0x04 => sha2::Sha512::digest(data).to_vec(),
        0x08 => sha3::Sha3_256::digest(data).to_vec(),
        0x10 => sha3::Sha3_384::digest(data).to_vec(),
        0x20 => sha3::Sha3_512::digest(data).to_vec(),
        _ => panic!("no hash {hash:#x}"),
    }
}

/// Bytes of a signature of this bit of BaseAsymAlgo.
pub(crate) fn signature_size(asym: u32) -> usize {
    match asym {
        0x010 => 64,
        0x080 => 96,
        0x100 => 132,
        0x001 | 0x002 => 256,
        0x004 | 0x008 => 384,
        0x020 | 0x040 => 512,
        _ => panic!("no algorithm {asym:#x}"),
    }
}

fn rsa_with<D>(key: &RsaPublicKey, pss: bool, digest: &[u8], signature: &[u8]) -> bool
where
    D: Digest + DynDigest + AssociatedOid + Send + Sync + 'static,
{
    match pss {
        true => key.verify(Pss::new_with_salt::<D>(digest.len()), digest, signature),
        false => key.verify(Pkcs1v15Sign::new::<D>(), digest, signature),
    }
    .is_ok()
}

fn rsa(key: &RsaPublicKey, hash: u32, pss: bool, digest: &[u8], signature: &[u8]) -> bool {
    match hash {
        0x01 => rsa_with::<sha2::Sha256>(key, pss, digest, signature),
        0x02 => rsa_with::<sha2::Sha384>(key, pss, digest, signature),
        0x04 => rsa_with::<sha2::Sha512>(key, pss, digest, signature),
        0x08 => rsa_with::<sha3::Sha3_256>(key, pss, digest, signature),
        0x10 => rsa_with::<sha3::Sha3_384>(key, pss, digest, signature),
        _ => rsa_with::<sha3::Sha3_512>(key, pss, digest, signature),
    }
}

/// Whether the key in this SubjectPublicKeyInfo (DER) has signed `message`.
pub(crate) fn verify(asym: u32, hash: u32, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let digest = digest(hash, message);
    // A digest shorter than the field is a number with leading zeros.
    let padded =
        |size: usize| [vec![0; size.saturating_sub(digest.len())], digest.clone()].concat();
    if signature.len() != signature_size(asym) {
        return false;
    }
    match asym {
        0x010 => {
            let signature = p256::ecdsa::Signature::from_slice(signature);
            let key = p256::ecdsa::VerifyingKey::from_public_key_der(key);
            matches!((key, signature), (Ok(key), Ok(signature))
                if key.verify_prehash(&padded(32), &signature).is_ok())
        }
        0x080 => {
            let signature = p384::ecdsa::Signature::from_slice(signature);
            let key = p384::ecdsa::VerifyingKey::from_public_key_der(key);
            matches!((key, signature), (Ok(key), Ok(signature))
                if key.verify_prehash(&padded(48), &signature).is_ok())
        }
        0x100 => {
            let signature = p521::ecdsa::Signature::from_slice(signature);
            let key = p521::PublicKey::from_public_key_der(key)
                .map(|key| p521::ecdsa::VerifyingKey::from_affine(*key.as_affine()));
            matches!((key, signature), (Ok(Ok(key)), Ok(signature))
                if key.verify_prehash(&padded(66), &signature).is_ok())
        }
        _ => {
            let Ok(key) = RsaPublicKey::from_public_key_der(key) else {
                return false;
            };
            if key.size() != signature_size(asym) {
                return false;
            }
            let pss = matches!(asym, 0x002 | 0x008 | 0x040);
            rsa(&key, hash, pss, &digest, signature)
        }
    }
}

/// The certificates that follow one another in `bytes`.
pub(crate) fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut certificates = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(
            bytes[..2],
            [0x30, 0x82],
            "a certificate of 256 bytes or more"
        );
        let length = 4 + usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        let (certificate, rest) = bytes.split_at(length);
        certificates.push(certificate);
        bytes = rest;
    }
    certificates
}

pub(crate) fn parse(certificate: &[u8]) -> Certificate {
    Certificate::from_der(certificate).unwrap()
}

/// The SubjectPublicKeyInfo of a certificate.
pub(crate) fn public_key(certificate: &[u8]) -> Vec<u8> {
    let tbs = parse(certificate).tbs_certificate;
    tbs.subject_public_key_info.to_der().unwrap()
}

/// BaseAsymAlgo's bit for the key of a certificate; RSA counts as RSASSA.
pub(crate) fn key_algorithm(certificate: &[u8]) -> u32 {
    let key = public_key(certificate);
    match key.len() {
        91 => 0x010,
        120 => 0x080,
        158 => 0x100,
        162 => 0, // RSA, 1024 bits
        294 => 0x001,
        422 => 0x004,
        550 => 0x020,
        size => panic!("a key of {size} bytes"),
    }
}

/// BaseHashAlgo's bit for the hash that signs a certificate; none for SHA-1.
pub(crate) fn certificate_hash(certificate: &[u8]) -> Option<u32> {
    match parse(certificate)
        .signature_algorithm
        .oid
        .to_string()
        .as_str()
    {
        "1.2.840.10045.4.3.2" | "1.2.840.113549.1.1.11" => Some(0x01),
        "1.2.840.10045.4.3.3" | "1.2.840.113549.1.1.12" => Some(0x02),
        "1.2.840.10045.4.3.4" | "1.2.840.113549.1.1.13" => Some(0x04),
        "1.2.840.10045.4.1" | "1.2.840.113549.1.1.5" => None,
        oid => panic!("signature algorithm {oid}"),
    }
}

/// Whether the key of `issuer` has signed `certificate`, with SHA-2.
pub(crate) fn issued(certificate: &[u8], issuer: &[u8]) -> bool {
    let Some(hash) = certificate_hash(certificate) else {
        return false;
    };
    let parsed = parse(certificate);
    let tbs = parsed.tbs_certificate.to_der().unwrap();
    let der = parsed.signature.raw_bytes();
    let asym = key_algorithm(issuer);
    let raw = match asym {
        0x010 => p256::ecdsa::Signature::from_der(der).map(|s| s.to_vec()),
        0x080 => p384::ecdsa::Signature::from_der(der).map(|s| s.to_vec()),
        0x100 => p521::ecdsa::Signature::from_der(der).map(|s| s.to_vec()),
        0 => {
            let key = RsaPublicKey::from_public_key_der(&public_key(issuer)).unwrap();
            return rsa(&key, hash, false, &digest(hash, &tbs), der);
        }
        _ => Ok(der.to_vec()),
    };
    raw.is_ok_and(|raw| verify(asym, hash, &public_key(issuer), &tbs, &raw))
}

/// Whether the key of `issuer`, on P-384, has signed `certificate` with SHA-1.
pub(crate) fn issued_with_sha1(certificate: &[u8], issuer: &[u8]) -> bool {
    let parsed = parse(certificate);
    let tbs = parsed.tbs_certificate.to_der().unwrap();
    let digest = [vec![0; 28], sha1::Sha1::digest(tbs).to_vec()].concat();
    let key = p384::ecdsa::VerifyingKey::from_public_key_der(&public_key(issuer)).unwrap();
    let signature = p384::ecdsa::Signature::from_der(parsed.signature.raw_bytes()).unwrap();
    key.verify_prehash(&digest, &signature).is_ok()
}
