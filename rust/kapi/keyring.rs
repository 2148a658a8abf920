// SPDX-License-Identifier: GPL-2.0

//! Keyrings with the public keys that an administrator trusts, and the list of what is banned.
//!
//! C headers: [`include/linux/key.h`](srctree/include/linux/key.h),
//! [`include/keys/asymmetric-type.h`](srctree/include/keys/asymmetric-type.h)

use super::{
    hash,
    shim,
    signature::{
        Kind,
        PublicKey, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// A keyring of root's.
///
/// Root finds it by its name in `/proc/keys`, adds certificates to it (`keyctl padd asymmetric ""
/// %:NAME < root.der`), and removes them. Nothing is in it at first, and nothing restricts what may
/// be. Dropping it makes it disappear, unless root has linked it elsewhere.
///
/// # Invariants
///
/// The instance owns a reference to a keyring.
pub(crate) struct Keyring(NonNull<bindings::key>);

// SAFETY: Keyrings may be used and released from any thread.
unsafe impl Send for Keyring {}

// SAFETY: The C functions that use keyrings lock them.
unsafe impl Sync for Keyring {}

impl Keyring {
    /// Creates a keyring. With a dot in front, programs cannot make one of the same name.
    ///
    /// Process context, may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what a security module gives.
    pub(crate) fn new(name: &CStr) -> Result<Self> {
        // SAFETY: The name is a string.
        let keyring = from_err_ptr(unsafe { shim::rust_kapi_keyring_new(name.as_char_ptr()) })?;

        // INVARIANT: The reference is that of the new keyring.
        NonNull::new(keyring).map(Self).ok_or(ENOMEM)
    }

    /// The public keys that are in it now. What else is there, or expired or revoked, is left out.
    ///
    /// Process context, may sleep.
    ///
    /// # Errors
    ///
    /// - `EKEYREVOKED`, `EKEYEXPIRED`: root put an end to the keyring itself.
    /// - `ENOMEM`
    pub(crate) fn keys(&self) -> Result<Keys> {
        let mut keys = ptr::null_mut();

        // SAFETY: By the type invariant it is a keyring, and `keys` is valid for writes.
        let count = unsafe { shim::rust_kapi_keyring_public_keys(self.0.as_ptr(), &mut keys) };
        // CAST: An error number fits.
        let count = usize::try_from(count).map_err(|_| Error::from_errno(count as c_int))?;

        // INVARIANT: As the function returns it.
        Ok(Keys { keys, count })
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; this gives the reference away.
        unsafe { bindings::key_put(self.0.as_ptr()) };
    }
}

/// Public keys that were in a [`Keyring`] at some moment.
///
/// # Invariants
///
/// `keys` is an array from `kvmalloc()` with a reference to each of `count` public keys.
pub(crate) struct Keys {
    keys: *mut *mut bindings::key,
    count: usize,
}

// SAFETY: Keys may be used and released from any thread.
unsafe impl Send for Keys {}

// SAFETY: Public keys do not change.
unsafe impl Sync for Keys {}

impl Keys {
    /// The keys as C knows them.
    fn as_raw(&self) -> &[*mut bindings::key] {
        if self.count == 0 {
            // The array may be `ZERO_SIZE_PTR`.
            return &[];
        }
        // SAFETY: By the type invariant.
        unsafe { slice::from_raw_parts(self.keys, self.count) }
    }

    /// The keys, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Key<'_>> {
        self.as_raw().iter().map(|&key| {
            let mut description = MaybeUninit::uninit();

            // SAFETY: By the type invariant it is a public key, and `description` valid for writes.
            unsafe { shim::rust_kapi_public_key(key, description.as_mut_ptr()) };
            // INVARIANT: The key lives as long as `self`.
            Key {
                // SAFETY: It was just initialised.
                description: unsafe { description.assume_init() },
                _keys: PhantomData,
            }
        })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        for &key in self.as_raw() {
            // SAFETY: By the type invariant; this gives the reference away.
            unsafe { bindings::key_put(key) };
        }
        // SAFETY: By the type invariant; nobody uses the array any more.
        unsafe { bindings::kvfree(self.keys.cast()) };
    }
}

/// A public key that was in a [`Keyring`].
///
/// # Invariants
///
/// The description is that of a public key that lives for `'a`.
pub(crate) struct Key<'a> {
    description: shim::PublicKey,
    _keys: PhantomData<&'a Keys>,
}

impl<'a> Key<'a> {
    /// What `/proc/keys` calls it: without a name given by root, subject and key id.
    pub(crate) fn name(&self) -> &'a CStr {
        // SAFETY: By the type invariant.
        unsafe { CStr::from_char_ptr(self.description.name) }
    }

    /// The key itself, unless it is of a kind that has no place here.
    pub(crate) fn public_key(&self) -> Option<PublicKey<'a>> {
        // SAFETY: By the type invariant.
        let algorithm = unsafe { CStr::from_char_ptr(self.description.algorithm) };

        Some(PublicKey {
            kind: Kind::from_name(algorithm)?,
            // SAFETY: By the type invariant.
            bytes: unsafe { bytes(self.description.key, self.description.key_size) },
        })
    }

    /// The name of the owner: the content of the SEQUENCE that is `subject` in the certificate.
    pub(crate) fn subject(&self) -> &'a [u8] {
        // SAFETY: By the type invariant.
        unsafe { bytes(self.description.subject, self.description.subject_size) }
    }

    /// Whether the certificate said that the key may sign others (`cA`, and `keyCertSign`).
    pub(crate) fn may_certify(&self) -> bool {
        self.description.may_certify
    }
}

/// The bytes at an address, or none if it is null.
///
/// # Safety
///
/// If it is not null, `data` must be valid for reads of `size` bytes that do not change during the
/// lifetime `'a`.
unsafe fn bytes<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: By the requirements of this function.
    unsafe { slice::from_raw_parts(data, size) }
}

/// Whether a certificate is on the list of those not to be used (`.blacklist`), by its signed part.
///
/// Process context, may sleep.
///
/// # Errors
///
/// `ENOMEM`
pub(crate) fn is_blacklisted(tbs: &[u8]) -> Result<bool> {
    let digest = hash::digest(hash::Algorithm::Sha256, &[tbs])?;

    // SAFETY: A digest of SHA-256 is as long as the function expects.
    match to_result(unsafe { shim::rust_kapi_certificate_blacklisted(digest.as_ptr()) }) {
        Ok(()) => Ok(false),
        Err(EKEYREJECTED) => Ok(true),
        Err(error) => Err(error),
    }
}
