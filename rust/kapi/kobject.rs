// SPDX-License-Identifier: GPL-2.0

//! Directories and symbolic links below a device in sysfs.
//!
//! C header: [`include/linux/kobject.h`](srctree/include/linux/kobject.h)

use super::{
    attribute::{
        Attribute,
        Attributes,
        Carrier,
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
    marker::PhantomData,
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
pub(super) struct Inner<D> {
    kobj: Opaque<bindings::kobject>,
    data: D,
    /// Keeps the module: see [`super::class::Registration`].
    _presence: Arc<Presence>,
}

impl<D: Send + Sync> Inner<D>
where
    Self: Carrier,
{
    const KTYPE: bindings::kobj_type = bindings::kobj_type {
        release: Some(Self::release),
        sysfs_ops: Table::<Self>::SYSFS_OPS,
        default_groups: Table::<Self>::GROUPS.as_ptr().cast_mut(),
        ..pin_init::zeroed()
    };

    /// Creates the directory `name` in that of `parent`, as one of `set` if that is not null.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: the name is taken. Nothing was printed.
    /// - `ENOMEM`
    ///
    /// # Safety
    ///
    /// Both must be in sysfs until this returns, and nobody else adds to `parent` meanwhile.
    pub(super) unsafe fn add(
        parent: NonNull<bindings::kobject>,
        set: *mut bindings::kset,
        name: &CStr,
        data: D,
        presence: Arc<Presence>,
    ) -> Result<Node> {
        // The kernel would print a stack dump.
        //
        // SAFETY: `parent` is in sysfs.
        if unsafe { exists(parent, name) } {
            return Err(EEXIST);
        }

        let inner = KBox::new(
            Self {
                kobj: Opaque::zeroed(),
                data,
                _presence: presence,
            },
            GFP_KERNEL,
        )?;
        let inner = NonNull::from(KBox::leak(inner));
        // SAFETY: The allocation is valid.
        let kobj = unsafe { inner.as_ref() }.kobj.get();

        // SAFETY: `kobj` is valid, and not shared yet. When it joins a set, that takes a reference.
        unsafe { (*kobj).kset = set };
        // SAFETY:
        // - `kobj` is valid and zeroed but for the set.
        // - The type is `'static`, and fits the allocation.
        // - `parent` is in sysfs.
        // - The format matches the type of the argument.
        let result = to_result(unsafe {
            bindings::kobject_init_and_add(
                kobj,
                &Self::KTYPE,
                parent.as_ptr(),
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        });

        if result.is_err() {
            // SAFETY: This gives away the reference that `kobject_init_and_add()` made nevertheless.
            unsafe { bindings::kobject_put(kobj) };
        }
        result?;
        // INVARIANT: `kobject_init_and_add()` made the reference. `kobj` is the first field.
        Ok(Node(inner.cast()))
    }

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
unsafe impl<D: Attributes + Send + Sync> Carrier for Inner<D> {
    type Data = D;

    const ATTRIBUTES: &'static [Attribute<D>] = D::ATTRIBUTES;

    unsafe fn data<'a>(kobj: *mut bindings::kobject) -> &'a D {
        // SAFETY: By the requirements of this function; `kobj` is the first field.
        unsafe { &(*kobj.cast::<Self>()).data }
    }
}

/// Whether the directory of `kobj` has an entry called `name`.
///
/// # Safety
///
/// `kobj` must have been added to sysfs, and not be deleted until this returns.
pub(super) unsafe fn exists(kobj: NonNull<bindings::kobject>, name: &CStr) -> bool {
    // SAFETY: By the requirements of this function.
    let directory = unsafe { (*kobj.as_ptr()).sd };
    // SAFETY: `directory` is that of `kobj`, which keeps it, and the name is a string.
    let found =
        unsafe { bindings::kernfs_find_and_get_ns(directory, name.as_char_ptr(), ptr::null()) };

    // SAFETY: This is the reference taken above; a null pointer is allowed.
    unsafe { bindings::kernfs_put(found) };
    !found.is_null()
}

/// A kobject with its directory, which goes with this.
///
/// # Invariants
///
/// The kobject is embedded in an [`Inner`]. It was added to sysfs, and nobody else deletes it. The
/// instance owns a reference to it.
pub(super) struct Node(NonNull<bindings::kobject>);

// SAFETY: A kobject may be used and released from any thread, and so may the data of an `Inner`.
unsafe impl Send for Node {}

// SAFETY: The C functions that use the kobject lock it, and the data of an `Inner` is `Sync`.
unsafe impl Sync for Node {}

impl Node {
    /// The kobject as C knows it. Its `sd` is valid, also after that of its parent was removed.
    pub(super) fn as_raw(&self) -> NonNull<bindings::kobject> {
        self.0
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. The directory may have been removed with its parent.
        unsafe { bindings::kobject_del(self.0.as_ptr()) };
        // SAFETY: By the type invariant; this gives the reference away.
        unsafe { bindings::kobject_put(self.0.as_ptr()) };
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
/// The kobject of `node` is embedded in an `Inner<D>`.
pub(crate) struct Object<D: Attributes + Send + Sync> {
    node: Node,
    _data: PhantomData<D>,
}

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
        let node = presence.with(|Directories { objects, .. }| {
            let set = objects.as_ptr();
            // SAFETY: `set` is valid.
            let parent = NonNull::new(unsafe { &raw mut (*set).kobj }).ok_or(EINVAL)?;
            // SAFETY: They are in sysfs, and who else adds to them waits.
            let node = unsafe { Inner::add(parent, set, &name, data, presence.clone()) }?;

            // Nobody is told of a failure here, as in the kernel: the directory is there.
            //
            // SAFETY: The kobject is in sysfs.
            unsafe {
                bindings::kobject_uevent(node.as_raw().as_ptr(), bindings::kobject_action_KOBJ_ADD)
            };
            Ok(node)
        })?;

        // INVARIANT: `Inner::<D>::add()` made it.
        Ok(Self {
            node,
            _data: PhantomData,
        })
    }
}

/// A directory in that of a device, with more attributes of the device. It is there as long as
/// the device is registered, and may hold [directories](super::blob::Directory).
pub(crate) struct Subdirectory<T: 'static> {
    name: &'static CStr,
    attributes: &'static [Attribute<T>],
}

impl<T> Subdirectory<T> {
    /// The directory `name` with at most 31 attributes.
    pub(crate) const fn new(name: &'static CStr, attributes: &'static [Attribute<T>]) -> Self {
        Self { name, attributes }
    }

    /// Creates the directory in that of a device. May sleep.
    ///
    /// # Errors
    ///
    /// As those of [`Inner::add`].
    ///
    /// # Safety
    ///
    /// `dev` must be the kobject of a `ClassDevice<T>`, and be in sysfs until this returns, and
    /// nobody else adds to it meanwhile.
    pub(super) unsafe fn add(
        &self,
        dev: NonNull<bindings::kobject>,
        presence: Arc<Presence>,
    ) -> Result<Node>
    where
        T: CharDevice,
    {
        let below = Below::<T>(PhantomData);

        // SAFETY: By the requirements of this function.
        unsafe { Inner::add(dev, ptr::null_mut(), self.name, below, presence) }
    }
}

/// Marks the kobject of a [`Subdirectory`].
struct Below<T>(PhantomData<fn(&T)>);

// SAFETY: `data` returns that of the device, which is the parent of the kobject, whose reference to
// it is given away only when it is not in sysfs any more. Only `Subdirectory::add()` makes one.
unsafe impl<T: CharDevice> Carrier for Inner<Below<T>> {
    type Data = T;

    const ATTRIBUTES: &'static [Attribute<T>] = match &T::SUBDIRECTORY {
        Some(subdirectory) => subdirectory.attributes,
        None => &[],
    };

    unsafe fn data<'a>(kobj: *mut bindings::kobject) -> &'a T {
        // SAFETY: By the requirements of this function, and as said above.
        unsafe { ClassDevice::<T>::data((*kobj).parent) }
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
                    target.node.as_raw().as_ptr(),
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
