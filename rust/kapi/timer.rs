// SPDX-License-Identifier: GPL-2.0

//! Timers that are parts of the object that they act on.
//!
//! [`kernel::time::hrtimer`] ties a running timer to a handle that waits for the callback when it
//! is dropped, so that such a timer cannot be started again under a lock, in an interrupt handler,
//! or by its own callback. This one can.
//!
//! C header: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h)

use super::deferred::{
    Callback,
    Deferred, //
};
use kernel::{
    bindings,
    container_of,
    prelude::*,
    time::Delta,
    types::Opaque, //
};

/// A high-resolution timer with a callback that runs in softirq context.
///
/// Nothing happens before the timer is [enabled](super::deferred::Enabled).
///
/// # Invariants
///
/// `timer` is initialised, and its function is [`Timer::expired`].
#[pin_data]
pub(crate) struct Timer<T: Sync> {
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    #[pin]
    callback: Callback<T>,
}

// SAFETY: A timer may be used from any thread, and its callback gets a `&T` of a `Sync` type.
unsafe impl<T: Sync> Send for Timer<T> {}

// SAFETY: The C functions that use the timer lock it.
unsafe impl<T: Sync> Sync for Timer<T> {}

impl<T: Sync> Timer<T> {
    /// Creates a timer that calls `callback`, in softirq context: it must not sleep.
    pub(crate) fn new(callback: fn(&T)) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `timer` is valid for writes.
            timer <- Opaque::ffi_init(|timer| unsafe {
                bindings::hrtimer_setup(
                    timer,
                    Some(Self::expired),
                    bindings::CLOCK_MONOTONIC as bindings::clockid_t,
                    bindings::hrtimer_mode_HRTIMER_MODE_REL_SOFT,
                )
            }),
            callback <- Callback::new(callback),
        })
    }

    /// Has the callback run once, `after` this moment. A time that was set before does not count
    /// any more; a callback that runs already is not affected.
    ///
    /// Any context, the callback included.
    pub(crate) fn start(&self, after: Delta) {
        self.callback.if_open(|| {
            // SAFETY: By the type invariant, `timer` is initialised. It stays valid for as long as
            // it can be queued, since it has an owner.
            unsafe {
                bindings::hrtimer_start_range_ns(
                    self.timer.get(),
                    after.as_nanos(),
                    0,
                    bindings::hrtimer_mode_HRTIMER_MODE_REL_SOFT,
                )
            }
        });
    }

    /// # Safety
    ///
    /// `timer` must be embedded in a `Timer<T>` that is valid until this returns.
    unsafe extern "C" fn expired(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // SAFETY: By the requirements of this function.
        let this = unsafe { &*container_of!(Opaque::cast_from(timer), Self, timer) };

        this.callback.run();
        bindings::hrtimer_restart::HRTIMER_NORESTART
    }
}

// SAFETY: `start` and `expired` are the only ways, and `hrtimer_cancel()` removes a timer that is
// queued and waits for its function.
unsafe impl<T: Sync> Deferred<T> for Timer<T> {
    fn callback(&self) -> &Callback<T> {
        &self.callback
    }

    fn cancel_sync(&self) {
        // SAFETY: By the type invariant, `timer` is initialised.
        unsafe { bindings::hrtimer_cancel(self.timer.get()) };
    }
}
