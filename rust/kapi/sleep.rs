// SPDX-License-Identifier: GPL-2.0

//! Early news of system sleep.
//!
//! Power-management callbacks of devices come after all programs have been frozen. A program that
//! waits in the kernel, and cannot be frozen there, must be let go before; this is the time.
//!
//! C header: [`include/linux/suspend.h`](srctree/include/linux/suspend.h)

use super::shim;
use core::ptr;
use kernel::{
    bindings,
    container_of,
    error::to_result,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::Opaque, //
};

/// What an object does about system sleep, in process context. Both may sleep.
pub(crate) trait Sleeper: AlwaysRefCounted + Send + Sync {
    /// Programs are about to be frozen, for sleep or hibernation. Nobody must wait for long from
    /// here on, until [`Sleeper::awake`].
    fn prepare(&self);

    /// Programs run again, or still.
    fn awake(&self);
}

/// What C knows, and whom to tell.
struct Listener<T: Sleeper> {
    block: Opaque<bindings::notifier_block>,
    sleeper: ARef<T>,
}

impl<T: Sleeper> Listener<T> {
    /// # Safety
    ///
    /// `block` must be embedded in a `Listener<T>` that is valid until this returns.
    unsafe extern "C" fn notify(
        block: *mut bindings::notifier_block,
        event: c_ulong,
        _data: *mut c_void,
    ) -> c_int {
        // SAFETY: By the requirements of this function.
        let this = unsafe { &*container_of!(Opaque::cast_from(block), Self, block) };

        // CAST: They are small.
        match event as u32 {
            bindings::PM_SUSPEND_PREPARE
            | bindings::PM_HIBERNATION_PREPARE
            | bindings::PM_RESTORE_PREPARE => this.sleeper.prepare(),
            bindings::PM_POST_SUSPEND
            | bindings::PM_POST_HIBERNATION
            | bindings::PM_POST_RESTORE => this.sleeper.awake(),
            _ => {}
        }
        // CAST: Zero.
        bindings::NOTIFY_DONE as c_int
    }
}

/// Has a [`Sleeper`] told of system sleep.
///
/// Dropping it ends that, and waits for a callback that runs. May sleep; must not happen in a
/// callback, nor with a lock held that one takes.
///
/// # Invariants
///
/// The listener is registered.
pub(crate) struct Registration<T: Sleeper>(Pin<KBox<Listener<T>>>);

// SAFETY: A listener may be unregistered from any thread, and owns nothing but an `ARef<T>`, which
// is `Send`.
unsafe impl<T: Sleeper> Send for Registration<T> {}

// SAFETY: Nothing can be done with a reference to it.
unsafe impl<T: Sleeper> Sync for Registration<T> {}

impl<T: Sleeper> Registration<T> {
    /// Begins to tell `sleeper`. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn new(sleeper: ARef<T>) -> Result<Self> {
        let listener = KBox::pin(
            Listener {
                block: Opaque::new(bindings::notifier_block {
                    notifier_call: Some(Listener::<T>::notify),
                    next: ptr::null_mut(),
                    priority: 0,
                }),
                sleeper,
            },
            GFP_KERNEL,
        )?;

        // SAFETY: The block is complete, and stays where it is until it has been unregistered.
        to_result(unsafe { shim::rust_kapi_sleep_register(listener.block.get()) })?;
        // INVARIANT: It was just registered.
        Ok(Self(listener))
    }
}

impl<T: Sleeper> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. After this, no callback runs.
        unsafe { shim::rust_kapi_sleep_unregister(self.0.block.get()) };
    }
}
