// SPDX-License-Identifier: GPL-2.0

//! The keyring, empty and with a root certificate.

use crate::{
    kapi::keyring::{
        Key,
        Keyring, //
    },
    ktap::Ktap,
    spdm::{
        crypto::{
            self,
            Kernel, //
        },
        protocol::{
            crypto::{
                Hash,
                Verify, //
            },
            der::{
                self,
                Der, //
            },
            x509::Certificate, //
        }, //
    },
};
use kernel::prelude::*;

static ROOT: &[u8] = include_bytes!("vectors/root.der");
static LEAF: &[u8] = include_bytes!("vectors/leaf.der");

pub(crate) fn test_empty(ktap: &mut Ktap, ring: &Keyring) {
    ktap.result(
        fmt!("a new keyring is empty"),
        ring.keys().map(|keys| keys.iter().next().is_none()),
    );
}

/// After root has put `ROOT` into it.
pub(crate) fn test_root(ktap: &mut Ktap, ring: &Keyring) {
    ktap.result(fmt!("the key of the root is found"), found(ring));
    ktap.result(fmt!("the key of the root verifies the leaf"), signed(ring));
}

fn parse(certificate: &'static [u8]) -> Result<Certificate<'static>> {
    Certificate::parse(certificate).map_err(|_| EBADMSG)
}

/// The keyring has the key of `ROOT`, and no other.
fn found(ring: &Keyring) -> Result<bool> {
    let root = parse(ROOT)?;
    let keys = ring.keys()?;
    let is_root = |key: Key<'_>| {
        key.name().to_bytes().starts_with(b"kapi test root: ")
            && key.public_key() == Some(crypto::public_key(&root))
    };

    Ok(keys.iter().count() == 1 && keys.iter().all(is_root))
}

/// `LEAF` names the key as its issuer, and is signed by it.
fn signed(ring: &Keyring) -> Result<bool> {
    let leaf = parse(LEAF)?;
    let keys = ring.keys()?;
    let issuer = Der::new(leaf.issuer)
        .expect(der::SEQUENCE)
        .ok_or(EBADMSG)?
        .value;
    let key = keys
        .iter()
        .find(|key| key.may_certify() && key.subject() == issuer)
        .and_then(|key| key.public_key())
        .ok_or(ENOKEY)?;
    let digest = Kernel.digest(leaf.hash, leaf.tbs).map_err(|_| EIO)?;

    Kernel.key(&leaf).map_err(|_| EKEYREJECTED)?;
    key.verify(crypto::algorithm(leaf.hash), &digest, leaf.signature)
}
