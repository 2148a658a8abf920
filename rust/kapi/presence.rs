// SPDX-License-Identifier: GPL-2.0

//! What a device has in sysfs while it is registered.
//!
//! Links and objects below a device are kept by the driver, often in the device's own data, and
//! outlive the registration. They hold a [`Presence`], never the device: so there is no circle of
//! references, and none of them touches a directory that is gone.

use super::{
    class::{
        Minor,
        User, //
    },
    kobject::Node, //
};
use core::{
    mem,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// Where a device is in its life; there is no way back.
enum Phase {
    /// Not registered yet.
    New,
    /// In sysfs and `/dev`.
    Registered(Directories),
    /// Unregistered; held by files.
    Removed,
}

/// The directories of a registered device.
///
/// # Invariants
///
/// All are in sysfs.
pub(super) struct Directories {
    /// That of the device.
    pub(super) dev: NonNull<bindings::kobject>,
    /// The one in it that holds its objects. The registration owns a reference to it.
    pub(super) objects: NonNull<bindings::kset>,
    /// The one in it that has more of its attributes.
    pub(super) subdirectory: Option<Node>,
}

// SAFETY: Kobjects may be used from any thread.
unsafe impl Send for Directories {}

struct State {
    phase: Phase,
    minor: Option<Minor>,
}

/// Tells whether a device is registered, and keeps it so for a while.
#[pin_data]
pub(super) struct Presence {
    #[pin]
    state: Mutex<State>,
    /// Keeps the module while anything is left that it would have to release.
    _user: User,
}

impl Presence {
    /// That of a device which is not registered yet.
    pub(super) fn new(user: User, minor: Minor) -> impl PinInit<Self> {
        pin_init!(Self {
            state <- new_mutex!(
                State {
                    phase: Phase::New,
                    minor: Some(minor),
                },
                "Presence::state"
            ),
            _user: user,
        })
    }

    /// Calls `add`, which registers the device. Who asks meanwhile waits.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the device is or was registered.
    /// - What `add` gives; the device can then not be registered any more.
    pub(super) fn register(&self, add: impl FnOnce() -> Result<Directories>) -> Result {
        let mut state = self.state.lock();

        if !matches!(state.phase, Phase::New) {
            return Err(EINVAL);
        }
        // This is what remains if `add` fails.
        state.phase = Phase::Removed;
        state.phase = Phase::Registered(add()?);
        Ok(())
    }

    /// Marks the device as unregistered, then calls `remove`, which does it. Then the minor is
    /// free.
    pub(super) fn unregister(&self, remove: impl FnOnce(Directories)) {
        let phase = mem::replace(&mut self.state.lock().phase, Phase::Removed);

        // Without the lock, because this waits for callbacks of attributes, which may take it.
        if let Phase::Registered(directories) = phase {
            remove(directories);
        }
        let minor = self.state.lock().minor.take();
        drop(minor);
    }

    /// Whether the device is registered at this moment.
    pub(super) fn is_registered(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Registered(_))
    }

    /// Calls `f` with the directories of the device, which stay in sysfs meanwhile.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the device is not registered.
    pub(super) fn with<R>(&self, f: impl FnOnce(&Directories) -> Result<R>) -> Result<R> {
        match &self.state.lock().phase {
            Phase::Registered(directories) => f(directories),
            _ => Err(ENODEV),
        }
    }
}
