// SPDX-License-Identifier: GPL-2.0

//! Hash functions.
//!
//! SHA-2 is part of the kernel. SHA-3 may be a module, and may be absent.
//!
//! C headers: [`include/crypto/sha2.h`](srctree/include/crypto/sha2.h),
//! [`include/crypto/sha3.h`](srctree/include/crypto/sha3.h)

use super::shim;
use core::{
    mem::MaybeUninit,
    ops::Deref, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::Arc, //
};

/// The longest digest, in bytes.
const DIGEST_MAX: usize = 64;

/// A hash function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

impl Algorithm {
    /// The size of a digest, in bytes.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    /// The name, as the kernel has it (`hash_algo_name[]`).
    pub(crate) const fn name(self) -> &'static CStr {
        match self {
            Self::Sha256 => c"sha256",
            Self::Sha384 => c"sha384",
            Self::Sha512 => c"sha512",
            Self::Sha3_256 => c"sha3-256",
            Self::Sha3_384 => c"sha3-384",
            Self::Sha3_512 => c"sha3-512",
        }
    }
}

/// A digest: as many bytes as its algorithm says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest {
    bytes: [u8; DIGEST_MAX],
    size: usize,
}

impl Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.size]
    }
}

/// The functions of libsha3, kept from being unloaded.
///
/// # Invariants
///
/// Both stay while this exists.
struct Sha3Library(shim::Sha3);

impl Sha3Library {
    /// Loads the library.
    ///
    /// # Errors
    ///
    /// `ENOENT`: the kernel does not have it.
    fn new() -> Result<Self> {
        let mut functions = MaybeUninit::uninit();

        // SAFETY: The pointer is valid for writes.
        to_result(unsafe { shim::rust_kapi_sha3_get(functions.as_mut_ptr()) })?;
        // INVARIANT: That is what success means.
        // SAFETY: As above, and then they are initialised.
        Ok(Self(unsafe { functions.assume_init() }))
    }
}

impl Drop for Sha3Library {
    fn drop(&mut self) {
        // SAFETY: They were taken in `new`, and are not used any more.
        unsafe { shim::rust_kapi_sha3_put(&self.0) };
    }
}

/// Where a message has come to.
///
/// # Invariants
///
/// The C structure is initialised. It is plain data: it may be moved and copied.
#[derive(Clone)]
enum State {
    Sha256(bindings::sha256_ctx),
    Sha384(bindings::sha384_ctx),
    Sha512(bindings::sha512_ctx),
    Sha3(Arc<Sha3Library>, shim::Sha3Context),
}

/// A running hash. A clone goes on from the same point.
#[derive(Clone)]
pub(crate) struct Hash {
    algorithm: Algorithm,
    state: State,
}

impl Hash {
    /// Begins a message. May sleep with SHA-3, which may have to be loaded.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: the kernel does not have this SHA-3. SHA-2 is always there.
    /// - `ENOMEM`
    pub(crate) fn new(algorithm: Algorithm) -> Result<Self> {
        let state = match algorithm {
            Algorithm::Sha256 => {
                let mut context = MaybeUninit::uninit();

                // SAFETY: The pointer is valid for writes.
                unsafe { bindings::sha256_init(context.as_mut_ptr()) };
                // SAFETY: It was just initialised.
                State::Sha256(unsafe { context.assume_init() })
            }
            Algorithm::Sha384 => {
                let mut context = MaybeUninit::uninit();

                // SAFETY: The pointer is valid for writes.
                unsafe { bindings::sha384_init(context.as_mut_ptr()) };
                // SAFETY: It was just initialised.
                State::Sha384(unsafe { context.assume_init() })
            }
            Algorithm::Sha512 => {
                let mut context = MaybeUninit::uninit();

                // SAFETY: The pointer is valid for writes.
                unsafe { bindings::sha512_init(context.as_mut_ptr()) };
                // SAFETY: It was just initialised.
                State::Sha512(unsafe { context.assume_init() })
            }
            Algorithm::Sha3_256 | Algorithm::Sha3_384 | Algorithm::Sha3_512 => {
                let library = Arc::new(Sha3Library::new()?, GFP_KERNEL)?;
                let mut context = shim::Sha3Context::zeroed();

                // SAFETY: The pointer is valid for writes.
                unsafe { shim::rust_kapi_sha3_init(&mut context, algorithm.size()) };
                State::Sha3(library, context)
            }
        };

        Ok(Self { algorithm, state })
    }

    /// Appends bytes to the message. Any context.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let (data, size) = (bytes.as_ptr(), bytes.len());

        match &mut self.state {
            // SAFETY: The context is initialised, and `data` valid for `size` bytes.
            State::Sha256(context) => unsafe {
                bindings::__sha256_update(&mut context.ctx, data, size)
            },
            // SAFETY: As above.
            State::Sha384(context) => unsafe {
                bindings::__sha512_update(&mut context.ctx, data, size)
            },
            // SAFETY: As above.
            State::Sha512(context) => unsafe {
                bindings::__sha512_update(&mut context.ctx, data, size)
            },
            // SAFETY: As above, and the library is there.
            State::Sha3(library, context) => unsafe { (library.0.update)(context, data, size) },
        }
    }

    /// The digest of the message. Any context.
    pub(crate) fn finish(mut self) -> Digest {
        let mut bytes = [0; DIGEST_MAX];
        let digest = bytes.as_mut_ptr();

        match &mut self.state {
            // SAFETY: The context is initialised, and no digest is longer than `digest` is.
            State::Sha256(context) => unsafe { bindings::sha256_final(context, digest) },
            // SAFETY: As above.
            State::Sha384(context) => unsafe { bindings::sha384_final(context, digest) },
            // SAFETY: As above.
            State::Sha512(context) => unsafe { bindings::sha512_final(context, digest) },
            // SAFETY: As above, and the library is there.
            State::Sha3(library, context) => unsafe { (library.0.r#final)(context, digest) },
        }

        Digest {
            bytes,
            size: self.algorithm.size(),
        }
    }
}

/// The digest of the parts, one after the other.
///
/// # Errors
///
/// As [`Hash::new`].
pub(crate) fn digest(algorithm: Algorithm, parts: &[&[u8]]) -> Result<Digest> {
    let mut hash = Hash::new(algorithm)?;

    for part in parts {
        hash.update(part);
    }
    Ok(hash.finish())
}
