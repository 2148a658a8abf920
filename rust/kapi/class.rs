// SPDX-License-Identifier: GPL-2.0

//! Device classes.
//!
//! A [`Class`] is a directory in `/sys/class`, a range of character device numbers, and the
//! power-management callbacks of its devices.
//!
//! C header: [`include/linux/device/class.h`](srctree/include/linux/device/class.h)

use super::chardev::{
    CharDevice,
    ClassDevice, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::{
        aref::ARef,
        atomic::{
            ordering,
            Atomic, //
        }, //
    },
    types::Opaque, //
};

/// The number of minors of a class: all that a major has.
const MINORS: u32 = 1 << bindings::MINORBITS;

/// [`Numbers::users`] of a class that is not registered.
const UNREGISTERED: i32 = -1;
/// [`Numbers::users`] while the class is being registered.
const REGISTERING: i32 = -2;

/// A class of devices that carry a `T`.
///
/// It lives in a `static`, because a driver's `probe` has no other way to it, and does nothing
/// until it is [registered](Class::register).
///
/// # Invariants
///
/// `raw` is registered while `numbers.users` is not [`UNREGISTERED`] or [`REGISTERING`].
pub(crate) struct Class<T: CharDevice> {
    name: &'static CStr,
    raw: bindings::class,
    numbers: Numbers,
    _devices: PhantomData<ClassDevice<T>>,
}

/// What a class counts.
///
/// # Invariants
///
/// - `users` is [`UNREGISTERED`], [`REGISTERING`], or the number of [`User`]s, plus one for the
///   [`Registration`].
/// - While `users` is not [`UNREGISTERED`] or [`REGISTERING`], `released` and `minors` are
///   initialised, and `devt` is the first of [`MINORS`] device numbers that belong to the class.
struct Numbers {
    users: Atomic<i32>,
    released: Opaque<bindings::completion>,
    minors: Opaque<bindings::ida>,
    devt: Atomic<u32>,
}

// SAFETY: It never changes but for the numbers, which are `Sync`.
unsafe impl<T: CharDevice> Sync for Class<T> {}

// SAFETY: The C functions that use the fields lock them.
unsafe impl Sync for Numbers {}

impl<T: CharDevice> Class<T> {
    /// One pair of callbacks serves sleep and hibernation: what has to be quiet is the same.
    const PM: bindings::dev_pm_ops = bindings::dev_pm_ops {
        suspend: Some(Self::suspend),
        resume: Some(Self::resume),
        freeze: Some(Self::suspend),
        thaw: Some(Self::resume),
        poweroff: Some(Self::suspend),
        restore: Some(Self::resume),
        ..pin_init::zeroed()
    };

    /// Creates a class called `name`.
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            raw: bindings::class {
                name: as_char_ptr_in_const_context(name),
                shutdown_pre: Some(Self::shutdown),
                pm: &Self::PM,
                ..pin_init::zeroed()
            },
            numbers: Numbers {
                users: Atomic::new(UNREGISTERED),
                released: Opaque::zeroed(),
                minors: Opaque::zeroed(),
                devt: Atomic::new(0),
            },
            _devices: PhantomData,
        }
    }

    /// Registers the class and its device numbers. May sleep.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: it is registered already.
    /// - `EEXIST`: the kernel has a class of this name. Nothing was printed.
    /// - Others as given by `class_register()` and `alloc_chrdev_region()`.
    pub(crate) fn register(&'static self) -> Result<Registration<T>> {
        let users = &self.numbers.users;

        if users
            .cmpxchg(UNREGISTERED, REGISTERING, ordering::Full)
            .is_err()
        {
            return Err(EBUSY);
        }

        let result = self.try_register();

        // INVARIANT: On success, `try_register()` made everything that this number promises.
        users.store(
            if result.is_ok() { 1 } else { UNREGISTERED },
            ordering::Release,
        );
        result.map(|()| Registration { class: self })
    }

    /// Does the work of [`Class::register`], whose caller has excluded all others.
    fn try_register(&'static self) -> Result {
        let numbers = &self.numbers;

        if class_exists(self.name) {
            return Err(EEXIST);
        }

        // SAFETY: `released` is valid, and in use by nobody while the class is not registered.
        unsafe { bindings::init_completion(numbers.released.get()) };
        // SAFETY: `minors` is valid, and in use by nobody while the class is not registered.
        // These are the steps and the flags of `ida_init()`.
        unsafe {
            bindings::xa_init_flags(
                &raw mut (*numbers.minors.get()).xa,
                bindings::xa_lock_type_XA_LOCK_IRQ | bindings::XA_FLAGS_ALLOC,
            )
        };

        // SAFETY: `raw` is complete, not registered, and `'static`, as are its name and callbacks.
        to_result(unsafe { bindings::class_register(&self.raw) })?;

        let mut devt = 0;
        // SAFETY: `devt` is valid for writes, and the name is a `'static` string.
        let result = to_result(unsafe {
            bindings::alloc_chrdev_region(&mut devt, 0, MINORS, self.raw.name)
        });
        if result.is_err() {
            // SAFETY: It was registered above, and no device can have been added.
            unsafe { bindings::class_unregister(&self.raw) };
        }

        numbers.devt.store(devt, ordering::Relaxed);
        result
    }

    /// Finds the registered device called `name`. It may become unregistered before this returns,
    /// as with any reference to a device. Process context; may be called at any time.
    pub(crate) fn find(&'static self, name: &CStr) -> Option<ARef<ClassDevice<T>>> {
        // While this is alive, `Registration::drop()` waits: the class stays registered, and so
        // does the module in which the device is released if this finds the last reference.
        let _user = self.user().ok()?;
        // SAFETY:
        // - The class is registered.
        // - The function takes a string.
        let dev = unsafe {
            bindings::class_find_device(
                &self.raw,
                ptr::null(),
                name.as_char_ptr().cast(),
                Some(bindings::device_match_name),
            )
        };

        // SAFETY: All devices of the class are embedded in a `ClassDevice<T>`, as the first field;
        // `class_find_device()` made a reference.
        NonNull::new(dev).map(|dev| unsafe { ARef::from_raw(dev.cast()) })
    }

    /// The class as C knows it.
    pub(super) fn as_raw(&self) -> *const bindings::class {
        &self.raw
    }

    /// The name of the class.
    pub(super) fn name(&self) -> &'static CStr {
        self.name
    }

    /// Announces a device, so that the class stays.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the class is not registered.
    pub(super) fn user(&'static self) -> Result<User> {
        let numbers = &self.numbers;
        let mut users = numbers.users.load(ordering::Relaxed);

        while users > 0 {
            match numbers.users.cmpxchg(users, users + 1, ordering::Full) {
                Ok(_) => return Ok(User { numbers }),
                Err(current) => users = current,
            }
        }
        Err(ENODEV)
    }

    /// # Safety
    ///
    /// `dev` must be a device of this class.
    unsafe extern "C" fn suspend(dev: *mut bindings::device) -> c_int {
        // SAFETY: By the requirements of this function, and the core keeps the device.
        let dev = unsafe { ClassDevice::<T>::from_raw(dev) };

        from_result(|| T::suspend(dev).map(|()| 0))
    }

    /// # Safety
    ///
    /// `dev` must be a device of this class.
    unsafe extern "C" fn resume(dev: *mut bindings::device) -> c_int {
        // SAFETY: By the requirements of this function, and the core keeps the device.
        let dev = unsafe { ClassDevice::<T>::from_raw(dev) };

        from_result(|| T::resume(dev).map(|()| 0))
    }

    /// # Safety
    ///
    /// `dev` must be a device of this class.
    unsafe extern "C" fn shutdown(dev: *mut bindings::device) -> c_int {
        // SAFETY: By the requirements of this function, and the core keeps the device.
        T::shutdown(unsafe { ClassDevice::<T>::from_raw(dev) });
        0
    }
}

/// Whether `/sys/class` has a directory called `name`.
///
/// `class_register()` prints a stack dump when a name is taken, so one looks first. The tree of
/// nodes behind sysfs is asked directly: that needs no mounted file system, and finds a class by
/// its name whoever owns it. (What remains is the instant between looking and registering.)
fn class_exists(name: &CStr) -> bool {
    // SAFETY: `kernel_kobj` is `/sys/kernel`, which exists from boot on, as does the root above
    // it. Neither ever moves, so that the parent may be read without a lock.
    let root = unsafe { (*(*bindings::kernel_kobj).sd).__parent };

    // SAFETY: `root` is a valid directory, and the name is a string.
    let classes =
        unsafe { bindings::kernfs_find_and_get_ns(root, c"class".as_char_ptr(), ptr::null()) };
    if classes.is_null() {
        return false;
    }

    // SAFETY: `classes` is a valid directory, and the name is a string.
    let found =
        unsafe { bindings::kernfs_find_and_get_ns(classes, name.as_char_ptr(), ptr::null()) };
    // SAFETY: This is the reference taken above.
    unsafe { bindings::kernfs_put(classes) };
    // SAFETY: As above; a null pointer is allowed.
    unsafe { bindings::kernfs_put(found) };

    !found.is_null()
}

/// The registration of a [`Class`].
///
/// Dropping it waits until the last device of the class, and all that belonged to one, has been
/// released, so that no callback of theirs runs in a module that is gone; then the device numbers
/// and the class disappear. May sleep. It must be dropped after everything that registers devices.
///
/// # Invariants
///
/// It owns one of the class's `users`.
pub(crate) struct Registration<T: CharDevice> {
    class: &'static Class<T>,
}

impl<T: CharDevice> Drop for Registration<T> {
    fn drop(&mut self) {
        let class = self.class;
        let numbers = &class.numbers;

        drop(User { numbers });
        // SAFETY: By the type invariant of `Numbers`, `released` is initialised.
        unsafe { bindings::wait_for_completion(numbers.released.get()) };

        let devt = numbers.devt.load(ordering::Relaxed);
        // SAFETY: The class owns these numbers, and no device is left that could use one.
        unsafe { bindings::unregister_chrdev_region(devt, MINORS) };
        // SAFETY: The class is registered, and no device is left in it.
        unsafe { bindings::class_unregister(&class.raw) };
        // SAFETY: `minors` is initialised, and no device is left that could use it.
        unsafe { bindings::ida_destroy(numbers.minors.get()) };

        numbers.users.store(UNREGISTERED, ordering::Release);
    }
}

/// Keeps a class registered.
///
/// # Invariants
///
/// It owns one of the `users`.
pub(super) struct User {
    numbers: &'static Numbers,
}

impl User {
    /// Takes the lowest free minor. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: all are in use.
    /// - `ENOMEM`
    pub(super) fn minor(&self) -> Result<Minor> {
        let numbers = self.numbers;
        // SAFETY: By the type invariants, `minors` is initialised.
        let id = unsafe {
            bindings::ida_alloc_range(numbers.minors.get(), 0, MINORS - 1, bindings::GFP_KERNEL)
        };

        to_result(id)?;
        Ok(Minor {
            numbers,
            // CAST: It is not negative.
            id: id as u32,
        })
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if self.numbers.users.fetch_sub(1, ordering::Full) == 1 {
            // SAFETY: By the type invariant of `Numbers`, `released` is initialised.
            unsafe { bindings::complete(self.numbers.released.get()) };
        }
    }
}

/// A minor that belongs to one device. It is free again when this is dropped, which must be before
/// the [`User`] that it comes from.
pub(super) struct Minor {
    numbers: &'static Numbers,
    id: u32,
}

impl Minor {
    /// The number within the class.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// The device number.
    pub(super) fn devt(&self) -> bindings::dev_t {
        self.numbers.devt.load(ordering::Relaxed) + self.id
    }
}

impl Drop for Minor {
    fn drop(&mut self) {
        // SAFETY: The number was allocated there, and its user keeps the class.
        unsafe { bindings::ida_free(self.numbers.minors.get(), self.id) };
    }
}
