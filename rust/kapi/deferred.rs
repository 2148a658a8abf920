// SPDX-License-Identifier: GPL-2.0

//! Callbacks that come later: what timers and work items share.
//!
//! A timer or a work item is a field of the very object that its callback uses. So the object must
//! stay while a callback is due or runs, and no callback may become due once the object is about
//! to go. That is the job of [`Enabled`]: without one, [`start`](super::timer::Timer::start) and
//! [`schedule`](super::work::Work::schedule) do nothing.

use core::ptr::NonNull;
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        SpinLockIrq, //
    }, //
};

/// A pointer to the object whose callback it is.
struct Target<T>(NonNull<T>);

impl<T> Clone for Target<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Target<T> {}

// SAFETY: It gives nothing but `&T`, and `T` is `Sync`.
unsafe impl<T: Sync> Send for Target<T> {}

/// The object whose callback it is, and the callback.
///
/// # Invariants
///
/// A pointer in `target` is valid until [`Callback::close`] was called and all callbacks that were
/// started before have ended.
#[pin_data]
pub(crate) struct Callback<T: Sync> {
    #[pin]
    target: SpinLockIrq<Option<Target<T>>>,
    function: fn(&T),
}

impl<T: Sync> Callback<T> {
    /// Creates a closed one.
    pub(super) fn new(function: fn(&T)) -> impl PinInit<Self> {
        pin_init!(Self {
            target <- new_spinlock_irq!(None, "Callback::target"),
            function,
        })
    }

    /// Calls `arm`, unless closed. No [`Callback::close`] comes between.
    ///
    /// Any context.
    pub(super) fn if_open(&self, arm: impl FnOnce()) {
        if self.target.lock().is_some() {
            arm();
        }
    }

    /// Runs the callback, unless closed.
    ///
    /// Any context that the callback can stand.
    pub(super) fn run(&self) {
        let target = *self.target.lock();

        if let Some(Target(target)) = target {
            // SAFETY: By the type invariant, it is valid until this callback has ended.
            (self.function)(unsafe { target.as_ref() });
        }
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// `EBUSY`: it is open.
    ///
    /// # Safety
    ///
    /// `target` must be valid until [`Callback::close`] was called and all callbacks that were
    /// started before have ended.
    unsafe fn open(&self, target: NonNull<T>) -> Result {
        let mut current = self.target.lock();

        if current.is_some() {
            return Err(EBUSY);
        }
        // INVARIANT: By the requirements of this function.
        *current = Some(Target(target));
        Ok(())
    }

    /// Closes it. Callbacks may be due or run; none becomes due from here on.
    fn close(&self) {
        *self.target.lock() = None;
    }
}

/// A timer or a work item whose callback gets a `T`.
///
/// # Safety
///
/// - Callbacks must become due only in [`Callback::if_open`], and run only in [`Callback::run`], of
///   the one [`Callback`] that `callback` returns.
/// - After `cancel_sync` none is due or runs, but for those that became due since it was called.
pub(crate) unsafe trait Deferred<T: Sync> {
    /// The callback.
    fn callback(&self) -> &Callback<T>;

    /// Prevents a callback that is due, and waits for one that runs.
    ///
    /// May sleep; must not happen in the callback.
    fn cancel_sync(&self);
}

/// Permission for the callback of a timer or a work item in a `T` to come.
///
/// Dropping it takes the permission away, and waits for a callback that runs. May sleep; must not
/// happen in the callback, nor with a lock held that the callback takes.
///
/// # Invariants
///
/// `item` is part of what `_owner` refers to, and its callback is open with that as the target.
pub(crate) struct Enabled<T: AlwaysRefCounted + Send + Sync, D: Deferred<T>> {
    /// What `item` is a part of.
    _owner: ARef<T>,
    item: NonNull<D>,
}

// SAFETY: It owns an `ARef<T>`, which is `Send`, and uses `item` as a part of that only.
unsafe impl<T: AlwaysRefCounted + Send + Sync, D: Deferred<T>> Send for Enabled<T, D> {}

// SAFETY: Nothing can be done with a reference to it.
unsafe impl<T: AlwaysRefCounted + Send + Sync, D: Deferred<T>> Sync for Enabled<T, D> {}

impl<T: AlwaysRefCounted + Send + Sync, D: Deferred<T>> Enabled<T, D> {
    /// Enables the item that `field` finds in `owner`.
    ///
    /// # Errors
    ///
    /// `EBUSY`: it is enabled already.
    pub(crate) fn new(owner: ARef<T>, field: for<'a> fn(&'a T) -> &'a D) -> Result<Self> {
        let item = field(&owner);

        // SAFETY: The new instance keeps the owner until it is dropped, and its `Drop` closes the
        // callback and waits before that. If it never is, the owner stays for ever.
        unsafe { item.callback().open(NonNull::from(&*owner)) }?;

        // INVARIANT: `field` works for any lifetime, so that what it returns is part of the owner
        // or lives for ever. It was opened above.
        let item = NonNull::from(item);
        Ok(Self {
            _owner: owner,
            item,
        })
    }
}

impl<T: AlwaysRefCounted + Send + Sync, D: Deferred<T>> Drop for Enabled<T, D> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is part of the owner, which is dropped after this.
        let item = unsafe { self.item.as_ref() };

        item.callback().close();
        item.cancel_sync();
    }
}
