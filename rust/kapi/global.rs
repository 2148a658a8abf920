// SPDX-License-Identifier: GPL-2.0

//! What a module has once, and shares among all of its devices.
//!
//! A driver's `probe` has no way to the data of its module but a `static`. The value in it comes
//! when the module is loaded, and goes when that is unloaded.

use core::ops::Deref;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        ordering,
        Atomic, //
    },
    types::Opaque, //
};

/// [`Global::users`] while there is no value.
const EMPTY: i32 = -1;
/// [`Global::users`] while the value comes or goes.
const CHANGING: i32 = -2;

/// A place for a value.
///
/// # Invariants
///
/// - `users` is [`EMPTY`], [`CHANGING`], or the number of [`Guard`]s, plus one for the
///   [`Registration`].
/// - While `users` is positive, `value` and `released` are initialised.
pub(crate) struct Global<T> {
    users: Atomic<i32>,
    released: Opaque<bindings::completion>,
    value: Opaque<T>,
}

// SAFETY: The value is reached from any thread, by reference and, when it is dropped, by value. The
// C functions that use the completion lock it.
unsafe impl<T: Send + Sync> Sync for Global<T> {}

impl<T: Send + Sync + 'static> Global<T> {
    /// An empty place.
    pub(crate) const fn new() -> Self {
        Self {
            users: Atomic::new(EMPTY),
            released: Opaque::uninit(),
            value: Opaque::uninit(),
        }
    }

    /// Puts the value there, until what this returns is dropped.
    ///
    /// # Errors
    ///
    /// `EBUSY`: there is one.
    pub(crate) fn register(&'static self, value: T) -> Result<Registration<T>> {
        if self.users.cmpxchg(EMPTY, CHANGING, ordering::Full).is_err() {
            return Err(EBUSY);
        }
        // SAFETY: `released` is valid, and in use by nobody while there is no value.
        unsafe { bindings::init_completion(self.released.get()) };
        // SAFETY: `value` is valid for writes, and in use by nobody.
        unsafe { self.value.get().write(value) };
        // INVARIANT: Both were initialised; this is the one for the registration.
        self.users.store(1, ordering::Release);
        Ok(Registration(self))
    }

    /// The value, if there is one. It stays while the guard does.
    pub(crate) fn get(&'static self) -> Option<Guard<T>> {
        let mut users = self.users.load(ordering::Relaxed);

        while users > 0 {
            match self.users.cmpxchg(users, users + 1, ordering::Full) {
                // INVARIANT: It was counted.
                Ok(_) => return Some(Guard(self)),
                Err(current) => users = current,
            }
        }
        None
    }

    /// Gives up one of the users.
    fn put(&self) {
        if self.users.fetch_sub(1, ordering::Full) == 1 {
            // SAFETY: By the type invariant, `released` is initialised: the registration waits for
            // this before it leaves.
            unsafe { bindings::complete(self.released.get()) };
        }
    }
}

/// A user of the value.
///
/// # Invariants
///
/// It is one of the `users`.
pub(crate) struct Guard<T: Send + Sync + 'static>(&'static Global<T>);

impl<T: Send + Sync + 'static> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants, the value is initialised and stays for now.
        unsafe { &*self.0.value.get() }
    }
}

impl<T: Send + Sync + 'static> Drop for Guard<T> {
    fn drop(&mut self) {
        self.0.put();
    }
}

/// Keeps the value in its place. Dropping it waits for all guards, and drops the value. May sleep.
///
/// # Invariants
///
/// It is one of the `users`.
pub(crate) struct Registration<T: Send + Sync + 'static>(&'static Global<T>);

impl<T: Send + Sync + 'static> Drop for Registration<T> {
    fn drop(&mut self) {
        let global = self.0;

        global.put();
        // No new user can come: the number of users does not rise from zero.
        //
        // SAFETY: By the type invariant, `released` is initialised.
        unsafe { bindings::wait_for_completion(global.released.get()) };
        // SAFETY: The value is initialised, and nobody uses it any more.
        unsafe { global.value.get().drop_in_place() };
        global.users.store(EMPTY, ordering::Release);
    }
}
