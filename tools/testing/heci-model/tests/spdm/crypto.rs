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

fn rsa<D>(key: &RsaPublicKey, pss: bool, digest: &[u8], signature: &[u8]) -> bool
where
    D: Digest + DynDigest + AssociatedOid + Send + Sync + 'static,
{
    match pss {
        true => key.verify(Pss::new_with_salt::<D>(digest.len()), digest, signature),
        false => key.verify(Pkcs1v15Sign::new::<D>(), digest, signature),
    }
    .is_ok()
}

/// Whether the key in this SubjectPublicKeyInfo (DER) has signed `message`.
pub(crate) fn verify(asym: u32, hash: u32, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let digest = digest(hash, message);
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
            match hash {
                0x01 => rsa::<sha2::Sha256>(&key, pss, &digest, signature),
                0x02 => rsa::<sha2::Sha384>(&key, pss, &digest, signature),
                0x04 => rsa::<sha2::Sha512>(&key, pss, &digest, signature),
                0x08 => rsa::<sha3::Sha3_256>(&key, pss, &digest, signature),
                0x10 => rsa::<sha3::Sha3_384>(&key, pss, &digest, signature),
                _ => rsa::<sha3::Sha3_512>(&key, pss, &digest, signature),
            }
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
