// SPDX-License-Identifier: GPL-2.0

//! Waiting for a condition, with an end.
//!
//! [`kernel::sync::CondVar`] has a time limit only for waits that any signal ends. This is for waits
//! that nothing but time and a fatal signal may end.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use core::ptr;
use kernel::{
    bindings,
    prelude::*,
    sync::{
        lock::spinlock::SpinLockIrqGuard,
        LockClassKey,
        SpinLockIrq, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    },
    types::Opaque, //
};

/// Threads that wait for a condition.
///
/// # Invariants
///
/// `head` is initialised.
#[pin_data]
pub(crate) struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
}

// SAFETY: A wait queue may be used from any thread.
unsafe impl Send for WaitQueue {}

// SAFETY: The C functions that use the wait queue lock it.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// Creates one. `name` and `key` are for lockdep: `key` is a
    /// [`static_lock_class!()`](kernel::static_lock_class) of the caller.
    pub(crate) fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `head` is valid for writes, and the name and the key are `'static`.
            head <- Opaque::ffi_init(|head| unsafe {
                bindings::__init_waitqueue_head(head, name.as_char_ptr(), key.as_ptr())
            }),
        })
    }

    /// Has all who wait look at their condition again. Any context, also with the lock held.
    pub(crate) fn wake_all(&self) {
        // SAFETY: By the type invariant, `head` is initialised.
        unsafe { bindings::__wake_up(self.head.get(), bindings::TASK_NORMAL, 0, ptr::null_mut()) };
    }

    /// Waits until `condition`, which is called with `lock` held, returns something. For system
    /// calls. A system cannot suspend before such a wait is over.
    ///
    /// Process context, may sleep; the caller must not hold `lock`.
    ///
    /// # Errors
    ///
    /// - `ETIMEDOUT`: that did not happen within `limit`, which does not count time asleep.
    /// - `EINTR`: the process is being killed.
    pub(crate) fn wait_killable<T: ?Sized, R>(
        &self,
        lock: &SpinLockIrq<T>,
        limit: Delta,
        mut condition: impl FnMut(&mut SpinLockIrqGuard<'_, T>) -> Option<R>,
    ) -> Result<R> {
        let start = Instant::<Monotonic>::now();
        let entry = Opaque::<bindings::wait_queue_entry>::uninit();

        // SAFETY: `entry` is valid for writes, and stays where it is until it has been removed.
        unsafe { bindings::init_wait_entry(entry.get(), 0) };

        let result = loop {
            // From here on, whoever makes the condition true wakes this thread.
            //
            // SAFETY: Both are initialised.
            // CAST: It is a bit mask.
            let pending = unsafe {
                bindings::prepare_to_wait_event(
                    self.head.get(),
                    entry.get(),
                    bindings::TASK_KILLABLE as c_int,
                )
            };

            if let Some(result) = condition(&mut lock.lock()) {
                break Ok(result);
            }
            if pending != 0 {
                break Err(EINTR);
            }

            let left = limit - start.elapsed();

            if left.is_zero() || left.is_negative() {
                break Err(ETIMEDOUT);
            }
            // SAFETY: It has no requirements; the state was set above.
            unsafe { bindings::schedule_timeout(to_jiffies(left)) };
        };

        // SAFETY: Both are initialised; after this, the queue does not know `entry` any more.
        unsafe { bindings::finish_wait(self.head.get(), entry.get()) };
        result
    }
}

/// At least that many ticks.
fn to_jiffies(delta: Delta) -> c_long {
    let milliseconds = u32::try_from(delta.as_millis_ceil()).unwrap_or(u32::MAX);

    kernel::time::msecs_to_jiffies(milliseconds)
        .try_into()
        .unwrap_or(c_long::MAX)
}
