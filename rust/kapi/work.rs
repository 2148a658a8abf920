// SPDX-License-Identifier: GPL-2.0

//! Work items that are parts of the object that they act on.
//!
//! [`kernel::workqueue`] gives a work item its own reference to the object, and has no way to
//! cancel one: it may run, and release the object, long after the device is gone.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::deferred::{
    Callback,
    Deferred, //
};
use kernel::{
    bindings,
    container_of,
    prelude::*,
    sync::LockClassKey,
    types::Opaque, //
};

/// A work item with a callback that may take long.
///
/// Nothing happens before the item is [enabled](super::deferred::Enabled).
///
/// # Invariants
///
/// `work` is initialised, and its function is [`Work::run`].
#[pin_data]
pub(crate) struct Work<T: Sync> {
    #[pin]
    work: Opaque<bindings::work_struct>,
    #[pin]
    callback: Callback<T>,
}

// SAFETY: A work item may be used from any thread, and its callback gets a `&T` of a `Sync` type.
unsafe impl<T: Sync> Send for Work<T> {}

// SAFETY: The C functions that use the work item lock it.
unsafe impl<T: Sync> Sync for Work<T> {}

impl<T: Sync> Work<T> {
    /// Creates a work item that calls `callback`, in process context: it may sleep.
    ///
    /// `name` and `key` are for lockdep: `key` is a
    /// [`static_lock_class!()`](kernel::static_lock_class) of the caller.
    pub(crate) fn new(
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
        callback: fn(&T),
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `work` is valid for writes, and the name and the key are `'static`.
            work <- Opaque::ffi_init(|work| unsafe {
                bindings::init_work_with_key(
                    work,
                    Some(Self::run),
                    false,
                    name.as_char_ptr(),
                    key.as_ptr(),
                )
            }),
            callback <- Callback::new(callback),
        })
    }

    /// Has the callback run soon, unless it is going to already. If it runs now, it will once more.
    ///
    /// Any context, the callback included.
    pub(crate) fn schedule(&self) {
        self.callback.if_open(|| {
            // SAFETY:
            // - By the type invariant, `work` is initialised. It stays valid for as long as it can
            //   be queued, since it has an owner.
            // - The workqueue exists from boot on.
            unsafe {
                bindings::queue_work_on(
                    bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                    bindings::system_dfl_long_wq,
                    self.work.get(),
                )
            };
        });
    }

    /// # Safety
    ///
    /// `work` must be embedded in a `Work<T>` that is valid until this returns.
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // SAFETY: By the requirements of this function.
        let this = unsafe { &*container_of!(Opaque::cast_from(work), Self, work) };

        this.callback.run();
    }
}

// SAFETY: `schedule` and `run` are the only ways, and `cancel_work_sync()` removes an item that is
// queued and waits for its function.
unsafe impl<T: Sync> Deferred<T> for Work<T> {
    fn callback(&self) -> &Callback<T> {
        &self.callback
    }

    fn cancel_sync(&self) {
        // SAFETY: By the type invariant, `work` is initialised.
        unsafe { bindings::cancel_work_sync(self.work.get()) };
    }
}
