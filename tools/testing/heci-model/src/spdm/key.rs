// SPDX-License-Identifier: GPL-2.0
//! Private keys: derived from a secret, test keys of the project, or given in a file.

use p256::elliptic_curve::rand_core::OsRng;
use rsa::pkcs8::DecodePrivateKey;
use rsa::signature::hazmat::PrehashSigner;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, Pss, RsaPrivateKey, RsaPublicKey};
use sha2::digest::const_oid::AssociatedOid;
use sha2::digest::{Digest, DynDigest};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::algorithms::{Asym, Hash};

/// Keys that everybody knows: generating RSA keys at start would take too long.
const TEST_RSA_1024: &str = include_str!("keys/test-rsa-1024.pem");
const TEST_RSA_2048: &str = include_str!("keys/test-rsa-2048.pem");
const TEST_RSA_3072: &str = include_str!("keys/test-rsa-3072.pem");
const TEST_RSA_4096: &str = include_str!("keys/test-rsa-4096.pem");
const TEST_RSA_2048_OTHER: &str = include_str!("keys/test-rsa-2048-other.pem");
const TEST_RSA_4096_OTHER: &str = include_str!("keys/test-rsa-4096-other.pem");
const TEST_RSA_ROOT: &str = include_str!("keys/test-rsa-root.pem");
const TEST_RSA_AUTHORITY: &str = include_str!("keys/test-rsa-authority.pem");

/// A private key.
#[derive(Clone, Debug)]
pub enum Key {
    /// On P-256.
    P256(p256::ecdsa::SigningKey),
    /// On P-384.
    P384(p384::ecdsa::SigningKey),
    /// On P-521.
    P521(p521::SecretKey),
    /// Of any number of bits.
    Rsa(Box<RsaPrivateKey>),
}

/// An RSA key that is not derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestKey {
    /// Too short for anything.
    Rsa1024,
    /// Of a root.
    Root,
    /// Of a certificate authority below the root.
    Authority,
}

impl Key {
    /// The responder's key for `asym`. Elliptic curve keys are derived from `secret`, RSA keys are
    /// test keys of the project.
    ///
    /// # Errors
    ///
    /// A text for people: the key is broken.
    pub fn derive(asym: Asym, secret: &[&[u8]]) -> Result<Self, String> {
        match asym {
            Asym::EcdsaP256 => {
                let key = |bytes: &[u8]| p256::ecdsa::SigningKey::from_slice(bytes).ok();
                scalar(secret, 32, 0xff, key).map(Self::P256)
            }
            Asym::EcdsaP384 => {
                let key = |bytes: &[u8]| p384::ecdsa::SigningKey::from_slice(bytes).ok();
                scalar(secret, 48, 0xff, key).map(Self::P384)
            }
            Asym::EcdsaP521 => {
                let key = |bytes: &[u8]| p521::SecretKey::from_slice(bytes).ok();
                scalar(secret, 66, 0x01, key).map(Self::P521)
            }
            Asym::Rsassa2048 | Asym::Rsapss2048 => Self::from_pem(TEST_RSA_2048),
            Asym::Rsassa3072 | Asym::Rsapss3072 => Self::from_pem(TEST_RSA_3072),
            Asym::Rsassa4096 | Asym::Rsapss4096 => Self::from_pem(TEST_RSA_4096),
        }
    }

    /// A key for `asym` that is not the responder's.
    ///
    /// # Errors
    ///
    /// A text for people: the key is broken.
    pub fn other(asym: Asym) -> Result<Self, String> {
        match asym {
            Asym::Rsassa2048 | Asym::Rsapss2048 => Self::from_pem(TEST_RSA_2048_OTHER),
            Asym::Rsassa3072 | Asym::Rsapss3072 => Self::test(TestKey::Authority),
            Asym::Rsassa4096 | Asym::Rsapss4096 => Self::from_pem(TEST_RSA_4096_OTHER),
            _ => Self::derive(asym, &[b"another key"]),
        }
    }

    /// A test key of the project.
    ///
    /// # Errors
    ///
    /// A text for people: the key is broken.
    pub fn test(key: TestKey) -> Result<Self, String> {
        Self::from_pem(match key {
            TestKey::Rsa1024 => TEST_RSA_1024,
            TestKey::Root => TEST_RSA_ROOT,
            TestKey::Authority => TEST_RSA_AUTHORITY,
        })
    }

    /// A key in PKCS #8, PEM.
    ///
    /// # Errors
    ///
    /// A text for people: none of the algorithms takes it.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_pem(pem) {
            return Ok(Self::P256(key));
        }
        if let Ok(key) = p384::ecdsa::SigningKey::from_pkcs8_pem(pem) {
            return Ok(Self::P384(key));
        }
        if let Ok(key) = p521::SecretKey::from_pkcs8_pem(pem) {
            return Ok(Self::P521(key));
        }
        match RsaPrivateKey::from_pkcs8_pem(pem) {
            Ok(key) => Ok(Self::Rsa(Box::new(key))),
            Err(error) => Err(format!(
                "neither RSA nor P-256, P-384 or P-521 in unencrypted PKCS #8 \
                 (openssl pkcs8 -topk8 -nocrypt makes that): {error}"
            )),
        }
    }

    /// Whether signatures of `asym` can be made with it.
    pub fn serves(&self, asym: Asym) -> bool {
        match self {
            Self::P256(_) => asym == Asym::EcdsaP256,
            Self::P384(_) => asym == Asym::EcdsaP384,
            Self::P521(_) => asym == Asym::EcdsaP521,
            Self::Rsa(key) => key.size() == asym.signature_size(),
        }
    }

    /// Its public key.
    ///
    /// # Errors
    ///
    /// A text for people: it cannot be encoded.
    pub fn public(&self) -> Result<SubjectPublicKeyInfoOwned, String> {
        match self {
            Self::P256(key) => SubjectPublicKeyInfoOwned::from_key(*key.verifying_key()),
            Self::P384(key) => SubjectPublicKeyInfoOwned::from_key(*key.verifying_key()),
            Self::P521(key) => SubjectPublicKeyInfoOwned::from_key(key.public_key()),
            Self::Rsa(key) => SubjectPublicKeyInfoOwned::from_key(RsaPublicKey::from(&**key)),
        }
        .map_err(|error| format!("public key: {error}"))
    }

    /// Signs a digest of `hash`: r and s, each as long as the field, or the RSA signature, all big
    /// endian. `pss` chooses the padding of RSA; its salt is as long as the digest.
    ///
    /// # Errors
    ///
    /// A text for people: the key is too short for the digest.
    pub fn sign(&self, hash: Hash, digest: &[u8], pss: bool) -> Result<Vec<u8>, String> {
        // Shorter digests are numbers with leading zeros.
        let field = |size: usize| [vec![0; size.saturating_sub(digest.len())], digest.into()];
        let text = |error: rsa::signature::Error| format!("signature: {error}");
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature =
                    key.sign_prehash(&field(32).concat()).map_err(text)?;
                Ok(signature.to_vec())
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature =
                    key.sign_prehash(&field(48).concat()).map_err(text)?;
                Ok(signature.to_vec())
            }
            Self::P521(key) => {
                let key = p521::ecdsa::SigningKey::from_slice(&key.to_bytes()).map_err(text)?;
                let signature: p521::ecdsa::Signature =
                    key.sign_prehash(&field(66).concat()).map_err(text)?;
                Ok(signature.to_vec())
            }
            Self::Rsa(key) => match hash {
                Hash::Sha1 => rsa::<sha1::Sha1>(key, pss, digest),
                Hash::Sha256 => rsa::<sha2::Sha256>(key, pss, digest),
                Hash::Sha384 => rsa::<sha2::Sha384>(key, pss, digest),
                Hash::Sha512 => rsa::<sha2::Sha512>(key, pss, digest),
                Hash::Sha3_256 => rsa::<sha3::Sha3_256>(key, pss, digest),
                Hash::Sha3_384 => rsa::<sha3::Sha3_384>(key, pss, digest),
                Hash::Sha3_512 => rsa::<sha3::Sha3_512>(key, pss, digest),
            },
        }
    }
}

fn rsa<D>(key: &RsaPrivateKey, pss: bool, digest: &[u8]) -> Result<Vec<u8>, String>
where
    D: Digest + DynDigest + AssociatedOid + Send + Sync + 'static,
{
    let signature = match pss {
        true => key.sign_with_rng(&mut OsRng, Pss::new::<D>(), digest),
        false => key.sign(Pkcs1v15Sign::new::<D>(), digest),
    };
    signature.map_err(|error| format!("signature: {error}"))
}

/// The first key that `key` accepts of the numbers of `size` bytes which follow from `secret`,
/// the first byte masked with `top`.
fn scalar<T>(
    secret: &[&[u8]],
    size: usize,
    top: u8,
    key: impl Fn(&[u8]) -> Option<T>,
) -> Result<T, String> {
    for round in 0..=u8::MAX {
        let half = |number: u8| Hash::Sha512.digest(&[&secret.concat(), &[round, number]]);
        let mut bytes = [half(0), half(1)].concat();
        bytes.truncate(size);
        if let Some(first) = bytes.first_mut() {
            *first &= top;
        }
        if let Some(key) = key(&bytes) {
            return Ok(key);
        }
    }
    Err("no key follows from this secret".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_algorithm_signs_every_digest_with_the_right_size() {
        for asym in Asym::value_variants() {
            let key = Key::derive(*asym, &[b"secret"]).unwrap();
            let other = Key::other(*asym).unwrap();
            assert!(key.serves(*asym) && other.serves(*asym));
            assert_ne!(key.public(), other.public());
            for hash in Hash::value_variants() {
                let digest = hash.digest(&[b"message"]);
                let signature = key.sign(*hash, &digest, asym.is_pss()).unwrap();
                assert_eq!(signature.len(), asym.signature_size(), "{asym:?} {hash:?}");
            }
        }
    }

    #[test]
    fn keys_follow_from_the_secret() {
        let public = |secret: &[u8]| {
            let key = Key::derive(Asym::EcdsaP521, &[secret]).unwrap();
            key.public().unwrap()
        };
        assert_eq!(public(b"one"), public(b"one"));
        assert_ne!(public(b"one"), public(b"two"));
    }

    #[test]
    fn a_file_without_a_key_is_refused() {
        let error = Key::from_pem("-----BEGIN NOTHING-----").unwrap_err();
        assert!(error.contains("PKCS #8"), "{error}");
    }
}
