// SPDX-License-Identifier: GPL-2.0

//! RustCrypto that remembers what it verified, because the tests verify the same again and again.
//!
//! Once frozen, it takes any other signature for wrong, and looks whether that is so only now and
//! then: what the tests are about is that a changed message leads to another question.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::algorithms::{HashAlgorithm, Scheme};
use crate::crypto::{Hash, Refusal, Verify};
use crate::host::{HashContext, Key, RustCrypto};
use crate::x509::Certificate;

type Question = (Rc<[u8]>, u8, Vec<u8>, Vec<u8>);

/// The crypto layer. Clones share their memory.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    keys: Rc<RefCell<HashMap<Vec<u8>, RememberedKey>>>,
    answers: Rc<RefCell<HashMap<Question, Result<(), Refusal>>>>,
    /// Questions since it was frozen.
    frozen: Rc<Cell<Option<usize>>>,
}

/// Once frozen, one of so many signatures is really verified.
const SAMPLE: usize = 200;

thread_local! {
    static SHARED: Memory = Memory::default();
}

impl Memory {
    /// The memory of this test.
    pub(crate) fn shared() -> Self {
        SHARED.with(Self::clone)
    }

    /// From now on, all that was not yet found right is wrong.
    pub(crate) fn freeze(&self) {
        self.frozen.set(Some(0));
    }
}

/// A key with what it was made of.
#[derive(Clone)]
pub(crate) struct RememberedKey {
    spki: Rc<[u8]>,
    key: Rc<Key>,
}

impl Hash for Memory {
    type Context = HashContext;

    fn start(&self, algorithm: HashAlgorithm) -> Result<HashContext, Refusal> {
        RustCrypto.start(algorithm)
    }
}

impl Verify for Memory {
    type Key = RememberedKey;

    fn key(&self, certificate: &Certificate<'_>) -> Result<RememberedKey, Refusal> {
        if let Some(key) = self.keys.borrow().get(certificate.spki) {
            return Ok(key.clone());
        }
        let key = RememberedKey {
            spki: certificate.spki.into(),
            key: Rc::new(RustCrypto.key(certificate)?),
        };
        self.keys
            .borrow_mut()
            .insert(certificate.spki.to_vec(), key.clone());
        Ok(key)
    }

    fn verify(
        &self,
        key: &RememberedKey,
        scheme: Scheme,
        hash: HashAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let question = (
            key.spki.clone(),
            (scheme as u8) << 4 | hash as u8,
            digest.to_vec(),
            signature.to_vec(),
        );
        if let Some(answer) = self.answers.borrow().get(&question) {
            return *answer;
        }
        if let Some(asked) = self.frozen.get() {
            self.frozen.set(Some(asked + 1));
            if asked % SAMPLE != 0 {
                return Err(Refusal::Wrong);
            }
        }
        let answer = RustCrypto.verify(&key.key, scheme, hash, digest, signature);
        assert!(self.frozen.get().is_none() || answer == Err(Refusal::Wrong));
        self.answers.borrow_mut().insert(question, answer);
        answer
    }
}
