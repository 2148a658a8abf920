// SPDX-License-Identifier: GPL-2.0

//! Random numbers.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)

use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

/// Fills `bytes` with random numbers that are fit for keys and nonces. Early at boot it waits until
/// the kernel has such numbers; without that, they could be guessed. May sleep.
///
/// # Errors
///
/// `EINTR`, or one that has the system call restarted: a signal came while it waited. A worker gets
/// no signals.
pub(crate) fn fill(bytes: &mut [u8]) -> Result {
    // SAFETY: It has no requirements.
    to_result(unsafe { bindings::wait_for_random_bytes() })?;
    // SAFETY: The pointer is valid for writes of as many bytes.
    unsafe { bindings::get_random_bytes(bytes.as_mut_ptr().cast(), bytes.len()) };
    Ok(())
}
