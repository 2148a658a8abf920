// SPDX-License-Identifier: GPL-2.0

//! Whether a chain begins at a key that the administrator has put into the keyring `.issei`.

use super::{
    crypto::{
        public_key,
        Kernel, //
        Key as OwnKey,
    },
    evidence::Evidence,
    policy::{
        Finding,
        Verdict, //
    },
    protocol::{
        chain::{
            verify_signature,
            Chain, //
        },
        crypto::Refusal,
        der::{
            self,
            Der, //
        },
        x509::{
            Certificate,
            CertificateFault,
            Curve, //
        }, //
    },
};
use crate::kapi::{
    global::{
        Global,
        Registration, //
    },
    keyring::{
        Key,
        Keyring, //
    },
    signature::Kind, //
};
use kernel::prelude::*;

static KEYRING: Global<Keyring> = Global::new();

/// Creates the keyring, which exists until what this returns is dropped.
///
/// # Errors
///
/// - `ENOMEM`, and what a security module gives.
pub(crate) fn create() -> Result<Registration<Keyring>> {
    KEYRING.register(Keyring::new(c".issei")?)
}

/// Whether the chain of the slot that signed is anchored. May sleep.
pub(super) fn anchored(evidence: &Evidence) -> Finding {
    let keys = match KEYRING.get().ok_or(ENOKEY).and_then(|ring| ring.keys()) {
        Ok(keys) => keys,
        Err(EKEYREVOKED) => return not_checked("the keyring .issei was revoked"),
        Err(EKEYEXPIRED) => return not_checked("the keyring .issei has expired"),
        Err(_) => return not_checked("the keyring .issei cannot be read"),
    };
    if keys.iter().next().is_none() {
        return not_checked("no key in the keyring .issei");
    }
    let Some(first) = first_certificate(evidence) else {
        return not_checked("no certificate chain");
    };
    let mut unchecked = false;
    for key in keys.iter() {
        match is_anchor(&key, &first) {
            Ok(true) => {
                let name = key.name().to_str().unwrap_or("a key");
                return Finding::new(Verdict::Yes, format_args!("{name}"));
            }
            Ok(false) => {}
            Err(_) => unchecked = true,
        }
    }
    match unchecked {
        true => not_checked("a signature by a key in the keyring .issei cannot be checked"),
        false => Finding::new(
            Verdict::No,
            "no key in the keyring .issei is or signed the first certificate",
        ),
    }
}

fn not_checked(why: &'static str) -> Finding {
    Finding::new(Verdict::NotChecked, why)
}

fn first_certificate(evidence: &Evidence) -> Option<Certificate<'_>> {
    let chain = evidence.object(evidence.slot.into())?;
    let digest = evidence.hash().size();
    let chain = Chain::parse(chain, evidence.connection.version, digest).ok()?;
    let first = chain.certificates().next()?;
    first.ok()
}

/// Whether the key is that of the certificate, or signed it as an authority.
fn is_anchor(key: &Key<'_>, first: &Certificate<'_>) -> Result<bool> {
    let Some(anchor) = key.public_key() else {
        return Ok(false);
    };
    if anchor == public_key(first) {
        return Ok(true);
    }
    let issuer = Der::new(first.issuer).expect(der::SEQUENCE);
    if issuer.map(|issuer| issuer.value) != Some(key.subject()) || !key.may_certify() {
        return Ok(false);
    }
    let curve = match anchor.kind {
        Kind::Rsa => None,
        Kind::P256 => Some(Curve::P256),
        Kind::P384 => Some(Curve::P384),
        Kind::P521 => Some(Curve::P521),
    };
    match verify_signature(&Kernel, curve, &OwnKey::new(anchor)?, first) {
        Ok(()) => Ok(true),
        Err(CertificateFault::Signature(Refusal::Wrong)) => Ok(false),
        Err(_) => Err(ENOPKG),
    }
}
