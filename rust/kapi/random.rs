// SPDX-License-Identifier: GPL-2.0

//! Random numbers.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)

use kernel::bindings;

/// Fills `bytes` with random numbers that are fit for keys and nonces. Any context.
pub(crate) fn fill(bytes: &mut [u8]) {
    // SAFETY: The pointer is valid for writes of as many bytes.
    unsafe { bindings::get_random_bytes(bytes.as_mut_ptr().cast(), bytes.len()) };
}
