// SPDX-License-Identifier: GPL-2.0

//! RustCrypto that remembers what it verified: the certificates are the same in each conversation.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use spdm::algorithms::{HashAlgorithm, Scheme};
use spdm::crypto::{Hash, Refusal, Verify};
use spdm::host::{self, HashContext, RustCrypto};
use spdm::x509::Certificate;

/// Answers to remember.
const MOST: usize = 1_000;

/// Algorithms, digest, signature and key, and whether it is right.
type Answers = HashMap<[Vec<u8>; 4], Result<(), Refusal>>;

/// The crypto layer. Clones share their memory.
#[derive(Clone, Default)]
pub(super) struct Memory(Rc<RefCell<Answers>>);

/// A key, and what it was made of.
#[derive(Clone)]
pub(super) struct Key(host::Key, Vec<u8>);

impl Hash for Memory {
    type Context = HashContext;

    fn start(&self, algorithm: HashAlgorithm) -> Result<HashContext, Refusal> {
        RustCrypto.start(algorithm)
    }
}

impl Verify for Memory {
    type Key = Key;

    fn key(&self, certificate: &Certificate<'_>) -> Result<Key, Refusal> {
        Ok(Key(RustCrypto.key(certificate)?, certificate.spki.to_vec()))
    }

    fn verify(
        &self,
        Key(key, spki): &Key,
        scheme: Scheme,
        hash: HashAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let algorithms = [scheme as u8, hash as u8];
        let question = [&algorithms, digest, signature, spki].map(<[u8]>::to_vec);
        let mut answers = self.0.borrow_mut();
        if answers.len() >= MOST {
            answers.clear();
        }
        let answer = || RustCrypto.verify(key, scheme, hash, digest, signature);
        *answers.entry(question).or_insert_with(answer)
    }
}
