// SPDX-License-Identifier: GPL-2.0

//! The functions of `shim.c`, which has what the kernel's Rust bindings lack: inline functions, and
//! types of headers that they do not include. See there for what they do.
//!
//! Bytes given to them may lie anywhere, also on the stack. All may sleep, but for those of SHA-3
//! after [`rust_kapi_sha3_get`].

use kernel::{
    bindings,
    ffi::{
        c_char,
        c_int,
        c_long,
        c_uint,
        c_void, //
    }, //
};

/// A `struct sha3_ctx`. `shim.c` asserts its size and that the alignment suffices.
#[repr(C)]
#[derive(Clone)]
pub(super) struct Sha3Context([u64; 26]);

impl Sha3Context {
    /// A context of no message, to be initialised.
    pub(super) const fn zeroed() -> Self {
        Self([0; 26])
    }
}

/// `struct rust_kapi_sha3`
#[repr(C)]
pub(super) struct Sha3 {
    pub(super) update: unsafe extern "C" fn(*mut Sha3Context, *const u8, usize),
    pub(super) r#final: unsafe extern "C" fn(*mut Sha3Context, *mut u8),
}

/// `struct rust_kapi_public_key`
#[repr(C)]
pub(super) struct PublicKey {
    pub(super) key: *const u8,
    pub(super) key_size: usize,
    pub(super) subject: *const u8,
    pub(super) subject_size: usize,
    pub(super) algorithm: *const c_char,
    pub(super) name: *const c_char,
    pub(super) may_certify: bool,
}

unsafe extern "C" {
    pub(super) fn rust_kapi_sha3_get(sha3: *mut Sha3) -> c_int;
    pub(super) fn rust_kapi_sha3_put(sha3: *const Sha3);
    pub(super) fn rust_kapi_sha3_init(context: *mut Sha3Context, digest_size: usize);

    pub(super) fn rust_kapi_certificate_blacklisted(digest: *const u8) -> c_int;

    pub(super) fn rust_kapi_verify(
        algorithm: *const c_char,
        key: *const c_void,
        key_size: c_uint,
        digest: *const c_void,
        digest_size: c_uint,
        signature: *const c_void,
        size: c_uint,
        verdict: *mut c_int,
    ) -> c_int;
    pub(super) fn rust_kapi_rsa_recover(
        key: *const c_void,
        key_size: c_uint,
        signature: *const c_void,
        encoded: *mut c_void,
        size: c_uint,
        verdict: *mut c_int,
    ) -> c_int;

    pub(super) fn rust_kapi_keyring_new(name: *const c_char) -> *mut bindings::key;
    pub(super) fn rust_kapi_keyring_public_keys(
        keyring: *mut bindings::key,
        keys: *mut *mut *mut bindings::key,
    ) -> c_long;
    pub(super) fn rust_kapi_public_key(key: *const bindings::key, description: *mut PublicKey);

    pub(super) fn rust_kapi_sleep_register(block: *mut bindings::notifier_block) -> c_int;
    pub(super) fn rust_kapi_sleep_unregister(block: *mut bindings::notifier_block);
}
