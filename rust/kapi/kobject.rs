// SPDX-License-Identifier: GPL-2.0

//! Directories and symbolic links below a device in sysfs.
//!
//! C header: [`include/linux/kobject.h`](srctree/include/linux/kobject.h)

use super::{
    attribute::{
        Attributes,
        Directory,
        Table, //
    },
    chardev::{
        CharDevice,
        ClassDevice, //
    },
    presence::{
        Directories,
        Presence, //
    },
};
use core::{
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    error::to_result,
    fmt,
    prelude::*,
    str::CString,
    sync::Arc,
    types::Opaque, //
};

/// What C knows as a kobject, and what comes with it.
///
/// # Invariants
///
/// `kobj` is initialised, and its release callback frees the allocation.
#[repr(C)]
struct Inner<D> {
    kobj: Opaque<bindings::kobject>,
    data: D,
    /// Keeps the module: see [`super::class::Registration`].
    _presence: Arc<Presence>,
}

impl<D: Attributes + Send + Sync> Inner<D> {
    const KTYPE: bindings::kobj_type = bindings::kobj_type {
        release: Some(Self::release),
        sysfs_ops: Table::<Self>::SYSFS_OPS,
        default_groups: Table::<Self>::GROUPS.as_ptr().cast_mut(),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `kobj` must be embedded in an `Inner<D>` that nobody uses any more.
    unsafe extern "C" fn release(kobj: *mut bindings::kobject) {
        // SAFETY: `kobj` is the first field of an allocation that was leaked from a box, and nobody
        // uses it any more.
        drop(unsafe { KBox::from_raw(kobj.cast::<Self>()) });
    }
}

// SAFETY: `data` returns the data next to the kobject.
unsafe impl<D: Attributes + Send + Sync> Directory for Inner<D> {
    type Data = D;

    unsafe fn data<'a>(kobj: *mut bindings::kobject) -> &'a D {
        // SAFETY: By the requirements of this function; `kobj` is the first field.
        unsafe { &(*kobj.cast::<Self>()).data }
    }
}

/// A directory among the [objects](CharDevice::OBJECTS) of a device, with the attributes of its
/// data.
///
/// Dropping it removes the directory, which waits for callbacks of attributes, and says so to user
/// space (`KOBJ_REMOVE`). May sleep; must not happen in a callback of one of its attributes.
///
/// # Invariants
///
/// `inner` is valid, and the instance owns a reference to its kobject.
pub(crate) struct Object<D: Attributes + Send + Sync> {
    inner: NonNull<Inner<D>>,
}

// SAFETY: A kobject may be used and released from any thread, and so may `D`.
unsafe impl<D: Attributes + Send + Sync> Send for Object<D> {}

// SAFETY: The C functions that use the kobject lock it, and `D` is `Sync`.
unsafe impl<D: Attributes + Send + Sync> Sync for Object<D> {}

impl<D: Attributes + Send + Sync> Object<D> {
    /// Creates the directory `name` among the objects of `dev`, and says so to user space when it
    /// is complete (`KOBJ_ADD`). May sleep.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: the name is taken.
    /// - `ENODEV`: the device is not registered.
    /// - `ENOMEM`
    pub(crate) fn new<T: CharDevice>(
        dev: &ClassDevice<T>,
        name: fmt::Arguments<'_>,
        data: D,
    ) -> Result<Self> {
        let name = CString::try_from_fmt(name)?;
        let presence = dev.presence();

        presence
            .with(|Directories { objects, .. }| Self::add(objects, &name, data, presence.clone()))
    }

    /// Does the work of [`Object::new`], while `set` is in sysfs and nobody else adds to it.
    fn add(
        set: NonNull<bindings::kset>,
        name: &CStr,
        data: D,
        presence: Arc<Presence>,
    ) -> Result<Self> {
        // SAFETY: `set` is a valid kset, and `name` a string.
        let found = unsafe { bindings::kset_find_obj(set.as_ptr(), name.as_char_ptr()) };
        // SAFETY: This is the reference taken above; a null pointer is allowed.
        unsafe { bindings::kobject_put(found) };
        // The kernel would print a stack dump.
        if !found.is_null() {
            return Err(EEXIST);
        }

        let inner = KBox::new(
            Inner {
                kobj: Opaque::zeroed(),
                data,
                _presence: presence,
            },
            GFP_KERNEL,
        )?;
        let inner = NonNull::from(KBox::leak(inner));
        // SAFETY: The allocation is valid.
        let kobj = unsafe { inner.as_ref() }.kobj.get();

        // SAFETY: `kobj` is valid, and not shared yet. When it joins the set, that takes a reference.
        unsafe { (*kobj).kset = set.as_ptr() };
        // SAFETY:
        // - `kobj` is valid and zeroed but for the kset.
        // - The type is `'static`, and fits the allocation.
        // - The format matches the type of the argument.
        let result = to_result(unsafe {
            bindings::kobject_init_and_add(
                kobj,
                &Inner::<D>::KTYPE,
                ptr::null_mut(),
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        });

        if result.is_err() {
            // SAFETY: This gives away the reference that `kobject_init_and_add()` made nevertheless.
            unsafe { bindings::kobject_put(kobj) };
        }
        result?;

        // Nobody is told of a failure here, as in the kernel: the directory is there.
        //
        // SAFETY: `kobj` is in sysfs.
        unsafe { bindings::kobject_uevent(kobj, bindings::kobject_action_KOBJ_ADD) };
        // INVARIANT: `kobject_init_and_add()` made the reference.
        Ok(Self { inner })
    }

    /// The kobject as C knows it.
    fn as_raw(&self) -> *mut bindings::kobject {
        // SAFETY: By the type invariant, `inner` is valid.
        unsafe { self.inner.as_ref() }.kobj.get()
    }
}

impl<D: Attributes + Send + Sync> Deref for Object<D> {
    type Target = D;

    fn deref(&self) -> &D {
        // SAFETY: By the type invariant, `inner` is valid.
        unsafe { &self.inner.as_ref().data }
    }
}

impl<D: Attributes + Send + Sync> Drop for Object<D> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. It was added, and may have been removed with the set.
        unsafe { bindings::kobject_del(self.as_raw()) };
        // SAFETY: By the type invariant; this gives the reference away.
        unsafe { bindings::kobject_put(self.as_raw()) };
    }
}

/// A symbolic link in the directory of a device. It disappears when this is dropped. May sleep.
///
/// # Invariants
///
/// `name` is a link that the instance owns, unless the device has been unregistered.
pub(crate) struct Link {
    presence: Arc<Presence>,
    name: CString,
}

impl Link {
    /// Creates a link to `target` called `name` in the directory of `dev`. May sleep.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: the name is taken.
    /// - `ENODEV`: the device is not registered.
    /// - `ENOENT`: the target is not in sysfs any more.
    /// - `ENOMEM`
    pub(crate) fn new<T: CharDevice, D: Attributes + Send + Sync>(
        dev: &ClassDevice<T>,
        name: fmt::Arguments<'_>,
        target: &Object<D>,
    ) -> Result<Self> {
        let presence = dev.presence().clone();
        let name = CString::try_from_fmt(name)?;

        presence.with(|Directories { dev, .. }| {
            // SAFETY: `dev` is in sysfs, `target` is a valid kobject, and `name` is a string.
            to_result(unsafe {
                bindings::sysfs_create_link_nowarn(
                    dev.as_ptr(),
                    target.as_raw(),
                    name.as_char_ptr(),
                )
            })
        })?;
        // INVARIANT: It was just created.
        Ok(Self { presence, name })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // An unregistered device has no links any more.
        let _ = self.presence.with(|Directories { dev, .. }| {
            // SAFETY: `dev` is in sysfs, and `name` is a string.
            unsafe { bindings::sysfs_remove_link(dev.as_ptr(), self.name.as_char_ptr()) };
            Ok(())
        });
    }
}
