// SPDX-License-Identifier: GPL-2.0

//! Devices of a class with a character device.
//!
//! A [`ClassDevice`] is reference counted and outlives its [`Registration`]: open files hold it,
//! and with it the driver's data, while the hardware behind may be long gone.
//!
//! C headers: [`include/linux/device.h`](srctree/include/linux/device.h),
//! [`include/linux/cdev.h`](srctree/include/linux/cdev.h)

use super::{
    attribute::{
        Attribute,
        Attributes,
        Carrier,
        Table, //
    },
    class::Class,
    fops,
    kobject::Subdirectory,
    poll::{
        PollEvents,
        PollTable, //
    },
    presence::{
        Directories,
        Presence, //
    },
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    device,
    error::to_result,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        Arc, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    },
    uaccess::{
        UserSliceReader,
        UserSliceWriter, //
    }, //
};

/// What the operations of a file get: [`CharDevice::File`], borrowed.
pub(crate) type Borrowed<'a, T> = <<T as CharDevice>::File as ForeignOwnable>::Borrowed<'a>;

/// The data of a [`ClassDevice`], and what its character device does.
///
/// All functions run in process context and may sleep. File operations run concurrently, also
/// on one file, and also after the device has been unregistered; a driver must have its own mark
/// for that. The module cannot be unloaded while a file is open.
#[vtable]
pub(crate) trait CharDevice: Attributes + Send + Sync {
    /// The data of an open file. It is dropped when the last user of the file has closed it.
    type File: ForeignOwnable + Send + Sync;

    /// The directory in that of the device which holds [its objects](super::kobject::Object).
    const OBJECTS: &'static CStr;

    /// A directory in that of the device with more of its attributes.
    const SUBDIRECTORY: Option<Subdirectory<Self>> = None;

    /// A file is being opened. It cannot seek.
    ///
    /// Not called for a device that is not registered any more: that is `ENODEV`. The device may
    /// become unregistered before this returns.
    fn open(dev: &ClassDevice<Self>) -> Result<Self::File>;

    /// Reads up to `to.len()` bytes, which may be none, and returns how many there were.
    fn read(file: Borrowed<'_, Self>, nonblock: bool, to: UserSliceWriter) -> Result<usize>;

    /// Writes up to `from.len()` bytes, which may be none, and returns how many were taken.
    fn write(file: Borrowed<'_, Self>, nonblock: bool, from: UserSliceReader) -> Result<usize>;

    /// Handles an ioctl of a 64-bit program, or one of a 32-bit program with a pointer as `arg`.
    ///
    /// # Errors
    ///
    /// `ENOTTY`, by convention: there is no such command.
    fn ioctl(file: Borrowed<'_, Self>, nonblock: bool, cmd: u32, arg: usize) -> Result<isize>;

    /// Says what the file is ready for, and has the caller woken when that changes.
    fn poll(file: Borrowed<'_, Self>, table: &PollTable<'_>) -> PollEvents;

    /// The system is about to sleep or to hibernate, or to have its memory saved.
    ///
    /// Called for registered devices only, before the parent device is suspended. The device may
    /// be in the middle of being unregistered.
    ///
    /// # Errors
    ///
    /// An error ends the transition.
    fn suspend(&self) -> Result;

    /// Undoes [`CharDevice::suspend`], when the parent device is up again.
    fn resume(&self) -> Result;

    /// The system is about to power off or to reboot. Called once, before the parent device is
    /// shut down. The device stays registered.
    fn shutdown(&self);
}

/// A device of a class, with a character device and the driver's data.
///
/// # Invariants
///
/// - `dev` is initialised, and its release callback frees the allocation.
/// - `cdev` is initialised, and has the file operations of `T`.
#[pin_data]
#[repr(C)]
pub(crate) struct ClassDevice<T: CharDevice> {
    dev: Opaque<bindings::device>,
    cdev: Opaque<bindings::cdev>,
    presence: Arc<Presence>,
    #[pin]
    data: T,
}

// SAFETY: `dev` and `cdev` may be used and released from any thread, and `T` is `Send`.
unsafe impl<T: CharDevice> Send for ClassDevice<T> {}

// SAFETY: The C functions that use `dev` and `cdev` lock them, and `T` is `Sync`.
unsafe impl<T: CharDevice> Sync for ClassDevice<T> {}

impl<T: CharDevice> ClassDevice<T> {
    /// Creates a device that nobody sees yet. It is called like its class, with the lowest free
    /// number after it, from now until it is unregistered. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the class is not registered.
    /// - `ENOSPC`: the class is full.
    /// - `ENOMEM`, and what `data` gives.
    pub(crate) fn new(
        class: &'static Class<T>,
        data: impl PinInit<T, Error>,
    ) -> Result<ARef<Self>> {
        let user = class.user()?;
        let minor = user.minor()?;
        let (id, devt) = (minor.id(), minor.devt());
        let presence = Arc::pin_init(Presence::new(user, minor), GFP_KERNEL)?;
        let this = KBox::try_pin_init(
            try_pin_init!(Self {
                dev: Opaque::zeroed(),
                cdev: Opaque::zeroed(),
                presence,
                data <- data,
            }? Error),
            GFP_KERNEL,
        )?;

        // SAFETY: The value is never moved: the release callback drops it in place.
        let this = NonNull::from(KBox::leak(unsafe { Pin::into_inner_unchecked(this) }));
        // SAFETY: The allocation is valid.
        let (dev, cdev) = unsafe { (this.as_ref().dev.get(), this.as_ref().cdev.get()) };

        // SAFETY: `dev` is valid and zeroed.
        unsafe { bindings::device_initialize(dev) };
        // INVARIANT: `release` frees the allocation.
        // SAFETY: `dev` is valid, and not shared yet.
        unsafe {
            (*dev).class = class.as_raw();
            (*dev).devt = devt;
            (*dev).groups = Table::<Self>::GROUPS.as_ptr().cast_mut();
            (*dev).release = Some(Self::release);
        };
        // INVARIANT: The operations are those of `T`.
        // SAFETY: `cdev` is valid, and the operations are `'static`.
        unsafe { bindings::cdev_init(cdev, fops::vtable::<T>()) };
        // SAFETY: `cdev` is valid, and not shared yet.
        unsafe { (*cdev).owner = (*(*cdev).ops).owner };

        // SAFETY: `device_initialize()` made the reference that is taken over here.
        let this: ARef<Self> = unsafe { ARef::from_raw(this) };
        let name = class.name().as_char_ptr();

        // SAFETY:
        // - `dev` is initialised, and not in sysfs yet.
        // - The format matches the types of the arguments.
        to_result(unsafe { bindings::dev_set_name(dev, c"%s%u".as_char_ptr(), name, id) })?;
        Ok(this)
    }

    /// Tells user space that the device changed (`KOBJ_CHANGE`), with a `variable` of the form
    /// `NAME=value`. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the device is not registered.
    /// - `ENOMEM`
    pub(crate) fn changed(&self, variable: &CStr) -> Result {
        let mut variables = [variable.as_char_ptr().cast_mut(), ptr::null_mut()];

        self.presence.with(|Directories { dev, .. }| {
            // SAFETY:
            // - `dev` is in sysfs.
            // - The variables are strings that are only read, and end with a null pointer.
            to_result(unsafe {
                bindings::kobject_uevent_env(
                    dev.as_ptr(),
                    bindings::kobject_action_KOBJ_CHANGE,
                    variables.as_mut_ptr(),
                )
            })
        })
    }

    /// What the device has in sysfs.
    pub(super) fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }

    /// Finds the device of a C device.
    ///
    /// # Safety
    ///
    /// `dev` must be embedded in a `ClassDevice<T>`, and be valid for the lifetime `'a`.
    pub(super) unsafe fn from_raw<'a>(dev: *mut bindings::device) -> &'a Self {
        // SAFETY: By the requirements of this function; `dev` is the first field.
        unsafe { &*dev.cast() }
    }

    /// Finds the device of a C character device.
    ///
    /// # Safety
    ///
    /// `cdev` must be embedded in a `ClassDevice<T>`, and be valid for the lifetime `'a`.
    pub(super) unsafe fn from_cdev<'a>(cdev: *mut bindings::cdev) -> &'a Self {
        // SAFETY: By the requirements of this function.
        unsafe { &*kernel::container_of!(Opaque::cast_from(cdev), Self, cdev) }
    }

    /// Frees the device after its last reference is gone.
    ///
    /// # Safety
    ///
    /// `dev` must be embedded in a `ClassDevice<T>` that nobody uses any more.
    unsafe extern "C" fn release(dev: *mut bindings::device) {
        // SAFETY: `dev` is the first field of an allocation that was leaked from a box, and nobody
        // uses it any more.
        let this = unsafe { KBox::from_raw(dev.cast::<Self>()) };
        let presence = this.presence.clone();

        drop(this);
        drop(presence);
    }
}

impl<T: CharDevice> Deref for ClassDevice<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: CharDevice> AsRef<device::Device> for ClassDevice<T> {
    fn as_ref(&self) -> &device::Device {
        // SAFETY: By the type invariant, `dev` is initialised; it has the lifetime of `self`.
        unsafe { device::Device::from_raw(self.dev.get()) }
    }
}

// SAFETY: The reference count of `dev` keeps the allocation, and each instance has one, since they
// are made by `ClassDevice::new` only.
unsafe impl<T: CharDevice> AlwaysRefCounted for ClassDevice<T> {
    fn inc_ref(&self) {
        // SAFETY: `dev` is initialised, and the caller has a reference.
        unsafe { bindings::get_device(self.dev.get()) };
    }

    unsafe fn dec_ref(this: NonNull<Self>) {
        // SAFETY: `dev` is the first field, and the caller gives its reference away.
        unsafe { bindings::put_device(this.as_ptr().cast()) };
    }
}

// SAFETY: `data` returns the data of the device, which lives as long as the device.
unsafe impl<T: CharDevice> Carrier for ClassDevice<T> {
    type Data = T;

    const ATTRIBUTES: &'static [Attribute<T>] = T::ATTRIBUTES;

    unsafe fn data<'a>(kobj: *mut bindings::kobject) -> &'a T {
        // SAFETY: By the requirements of this function `kobj` belongs to such a device; it is the
        // first field of `struct device`, and that is the first of the device.
        unsafe { Self::from_raw(kobj.cast()) }
    }
}

/// The registration of a [`ClassDevice`]: while it exists, users see the device.
///
/// Dropping it removes the device from sysfs and from `/dev`, waits for callbacks of attributes,
/// and makes its number free. Open files stay. May sleep; must not happen in a callback of one of
/// the device's attributes.
pub(crate) struct Registration<'a, T: CharDevice> {
    dev: ARef<ClassDevice<T>>,
    _parent: PhantomData<&'a device::Device<device::Bound>>,
}

impl<'a, T: CharDevice> Registration<'a, T> {
    /// Makes `dev` visible below `parent`, with its attributes. May sleep.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the device is or was registered.
    /// - `ENOMEM`, and others as given by `cdev_device_add()`.
    pub(crate) fn new(
        parent: &'a device::Device<device::Bound>,
        dev: ARef<ClassDevice<T>>,
    ) -> Result<Self> {
        let (raw, cdev) = (dev.dev.get(), dev.cdev.get());

        dev.presence.register(|| {
            // SAFETY:
            // - `raw` is initialised, and in use by nobody else, since it is registered only once.
            // - `device::Device` is a transparent wrapper of the C type.
            unsafe { (*raw).parent = ptr::from_ref(parent).cast_mut().cast() };
            // SAFETY: By the type invariant both are initialised, and they are added only once.
            to_result(unsafe { bindings::cdev_device_add(cdev, raw) })?;

            // SAFETY: It was just added.
            unsafe { Self::add_directories(&dev) }.inspect_err(|_| {
                // SAFETY: They were added together above.
                unsafe { bindings::cdev_device_del(cdev, raw) };
            })
        })?;
        Ok(Self {
            dev,
            _parent: PhantomData,
        })
    }

    /// Creates the directories in that of `dev`. May sleep.
    ///
    /// # Safety
    ///
    /// `dev` must be in sysfs, and nobody else registers it, or adds to its directory.
    unsafe fn add_directories(dev: &ClassDevice<T>) -> Result<Directories> {
        // SAFETY: `dev` is valid.
        let kobj = NonNull::new(unsafe { &raw mut (*dev.dev.get()).kobj }).ok_or(EINVAL)?;
        let subdirectory = match &T::SUBDIRECTORY {
            // SAFETY: By the requirements of this function.
            Some(subdirectory) => Some(unsafe { subdirectory.add(kobj, dev.presence.clone()) }?),
            None => None,
        };
        let name = T::OBJECTS.as_char_ptr();
        // SAFETY: `name` is a string, and `kobj` is in sysfs.
        let objects = unsafe { bindings::kset_create_and_add(name, ptr::null(), kobj.as_ptr()) };

        // INVARIANT: The device was added by the caller, all else above.
        Ok(Directories {
            dev: kobj,
            objects: NonNull::new(objects).ok_or(ENOMEM)?,
            subdirectory,
        })
    }
}

impl<T: CharDevice> Drop for Registration<'_, T> {
    fn drop(&mut self) {
        self.dev.presence.unregister(|directories| {
            // SAFETY: The registration owned a reference, which is given away.
            unsafe { bindings::kset_unregister(directories.objects.as_ptr()) };
            drop(directories.subdirectory);
            // SAFETY: They were added together.
            unsafe { bindings::cdev_device_del(self.dev.cdev.get(), self.dev.dev.get()) };
        });
    }
}
