// SPDX-License-Identifier: GPL-2.0

//! Readings of the clock, as numbers for records.
//!
//! [`kernel::time::Instant`] measures spans, but does not give its value away.
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use kernel::bindings;

/// Nanoseconds since 1970, UTC, as far as the kernel knows (`CLOCK_REALTIME`). Any context but NMI.
pub(crate) fn realtime() -> i64 {
    // SAFETY: It has no requirements.
    unsafe { bindings::ktime_get_real() }
}
