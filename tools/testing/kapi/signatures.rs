// SPDX-License-Identifier: GPL-2.0

//! Signatures that are right, wrong and not to be checked, through the driver's adapter for `rust/spdm`.

use crate::{
    hashes::pattern,
    kapi::{
        hash,
        signature::{
            Kind,
            PublicKey, //
        }, //
    },
    ktap::Ktap,
    spdm::{
        crypto::{
            self,
            Kernel,
            Key, //
        },
        protocol::{
            algorithms::{
                HashAlgorithm,
                Scheme, //
            },
            crypto::{
                Refusal,
                Verify, //
            }, //
        }, //
    },
};
use kernel::prelude::*;

/// The size of the message, as in `vectors/generate.py`.
const MESSAGE_SIZE: usize = 200;

/// Signatures by one key, with all of [`HashAlgorithm::ALL`].
struct Vector {
    name: &'static str,
    key: PublicKey<'static>,
    scheme: Scheme,
    signatures: &'static [u8],
}

macro_rules! vector {
    ($kind:ident, $key:literal, $scheme:ident, $signatures:literal) => {
        Vector {
            name: concat!($key, ".", $signatures),
            key: PublicKey {
                kind: Kind::$kind,
                bytes: include_bytes!(concat!("vectors/", $key, ".key")),
            },
            scheme: Scheme::$scheme,
            signatures: include_bytes!(concat!("vectors/", $key, ".", $signatures)),
        }
    };
}

static VECTORS: [Vector; 9] = [
    vector!(Rsa, "rsa2048", Pkcs1, "pkcs1"),
    vector!(Rsa, "rsa3072", Pkcs1, "pkcs1"),
    vector!(Rsa, "rsa4096", Pkcs1, "pkcs1"),
    vector!(Rsa, "rsa2048", Pss, "pss"),
    vector!(Rsa, "rsa3072", Pss, "pss"),
    vector!(Rsa, "rsa4096", Pss, "pss"),
    vector!(P256, "p256", Ecdsa, "ecdsa"),
    vector!(P384, "p384", Ecdsa, "ecdsa"),
    vector!(P521, "p521", Ecdsa, "ecdsa"),
];

pub(crate) fn test(ktap: &mut Ktap) {
    for vector in &VECTORS {
        let size = vector.signatures.len() / HashAlgorithm::ALL.len();
        let signatures = vector.signatures.chunks_exact(size);

        for (hash, signature) in HashAlgorithm::ALL.into_iter().zip(signatures) {
            ktap.result(
                fmt!("{} {}", vector.name, crypto::algorithm(hash).name()),
                verdicts(vector, hash, signature),
            );
        }
        ktap.result(
            fmt!("{} with unusable keys", vector.name),
            unusable(vector, &vector.signatures[..size]),
        );
    }
    ktap.result(
        fmt!("RSA with a key of ECDSA"),
        Ok(VECTORS[6].key.recover(&[0; 256], &mut [0; 256]) == Err(EINVAL)),
    );
}

/// One right signature and wrong ones.
fn verdicts(vector: &Vector, hash: HashAlgorithm, signature: &[u8]) -> Result<bool> {
    let key = Key::new(vector.key)?;
    let digest = hash::digest(crypto::algorithm(hash), &[&pattern(MESSAGE_SIZE)?])?;
    let verify = |digest: &[u8], signature: &[u8]| {
        Kernel.verify(&key, vector.scheme, hash, digest, signature)
    };
    let mut right = verify(&digest, signature) == Ok(());

    let mut wrong = KVec::new();
    wrong.extend_from_slice(signature, GFP_KERNEL)?;
    for index in [0, signature.len() / 2, signature.len() - 1] {
        wrong[index] ^= 1;
        right &= verify(&digest, &wrong) == Err(Refusal::Wrong);
        wrong[index] ^= 1;
    }
    right &= verify(&digest, &wrong[1..]) == Err(Refusal::Wrong);
    right &= verify(&digest, &[]) == Err(Refusal::Wrong);
    wrong.fill(0);
    right &= verify(&digest, &wrong) == Err(Refusal::Wrong);

    let mut other = KVec::new();
    other.extend_from_slice(&digest, GFP_KERNEL)?;
    other[0] ^= 1;
    right &= verify(&other, signature) == Err(Refusal::Wrong);
    Ok(right)
}

/// A signature that cannot be checked is not a wrong one.
fn unusable(vector: &Vector, signature: &[u8]) -> Result<bool> {
    let bytes = vector.key.bytes;
    let mut right = true;

    for bytes in [&[], &bytes[..bytes.len() - 1], &[0; 300]] {
        let key = Key::new(PublicKey {
            bytes,
            ..vector.key
        })?;

        right &= Kernel.verify(
            &key,
            vector.scheme,
            HashAlgorithm::Sha256,
            &[0; 32],
            signature,
        ) == Err(Refusal::Unsupported);
    }
    Ok(right)
}
