// SPDX-License-Identifier: GPL-2.0

//! Files of bytes in sysfs, and directories for them.
//!
//! C header: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h)

use super::{
    attribute::{
        Attribute,
        Attributes, //
    },
    chardev::{
        CharDevice,
        ClassDevice, //
    },
    kobject::{
        exists,
        Inner,
        Node, //
    },
    presence::{
        Directories,
        Presence, //
    },
};
use core::{
    ptr,
    slice, //
};
use kernel::{
    bindings,
    error::to_result,
    fmt,
    prelude::*,
    str::CString,
    sync::Arc, //
};

impl Attributes for () {
    const ATTRIBUTES: &'static [Attribute<Self>] = &[];
}

/// A directory in the [subdirectory](CharDevice::SUBDIRECTORY) of a device, for [`Blob`]s.
///
/// It is removed when all clones of this are dropped, and the files in it. May sleep. No event says
/// that it comes or goes.
#[derive(Clone)]
pub(crate) struct Directory {
    node: Arc<Node>,
    presence: Arc<Presence>,
}

impl Directory {
    /// Creates the directory `name`. May sleep.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: the name is taken.
    /// - `ENODEV`: the device is not registered.
    /// - `ENOENT`: it has no subdirectory.
    /// - `ENOMEM`
    pub(crate) fn new<T: CharDevice>(dev: &ClassDevice<T>, name: &CStr) -> Result<Self> {
        let presence = dev.presence();
        let node = presence.with(|Directories { subdirectory, .. }| {
            let parent = subdirectory.as_ref().ok_or(ENOENT)?.as_raw();

            // SAFETY: It is in sysfs, and who else adds to it waits.
            unsafe { Inner::add(parent, ptr::null_mut(), name, (), presence.clone()) }
        })?;

        Ok(Self {
            node: Arc::new(node, GFP_KERNEL)?,
            presence: presence.clone(),
        })
    }
}

/// What a [`Blob`] gives. The bytes never change.
pub(crate) trait Content: Send + Sync + 'static {
    /// The bytes.
    fn bytes(&self) -> &[u8];
}

/// What C knows as a binary attribute, and what comes with it.
///
/// # Invariants
///
/// `raw` is the first field, hence a pointer to it is one to the whole.
#[repr(C)]
struct File<C> {
    raw: bindings::bin_attribute,
    content: C,
    /// Behind `raw.attr.name`.
    name: CString,
}

/// A file of bytes in a [`Directory`] that only root can read (mode 0400), from anywhere. Its size
/// is that of the content.
///
/// Dropping it removes the file, which waits for readers in the middle of a read. Who has it open
/// then reads `ENODEV`. May sleep.
///
/// # Invariants
///
/// `file` is valid and was taken out of a box. The file was added to the directory of `directory`.
pub(crate) struct Blob<C: Content> {
    file: *mut File<C>,
    directory: Directory,
}

// SAFETY: The file may be removed from any thread, and `C` is `Send`.
unsafe impl<C: Content> Send for Blob<C> {}

// SAFETY: There is nothing to do with a shared reference.
unsafe impl<C: Content> Sync for Blob<C> {}

impl<C: Content> Blob<C> {
    /// Creates the file `name` with `content`. May sleep.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: the name is taken. Nothing was printed.
    /// - `ENODEV`: the device is not registered.
    /// - `ENOMEM`
    pub(crate) fn new(directory: &Directory, name: fmt::Arguments<'_>, content: C) -> Result<Self> {
        let name = CString::try_from_fmt(name)?;
        let mut raw = bindings::bin_attribute {
            size: content.bytes().len(),
            read: Some(read::<C>),
            ..pin_init::zeroed()
        };

        raw.attr.name = name.as_char_ptr();
        raw.attr.mode = 0o400;
        #[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
        {
            // Not one in the allocation, which lockdep would take for granted.
            raw.attr.key = kernel::static_lock_class!().as_ptr();
        }

        let file = File { raw, content, name };
        let file = KBox::into_raw(KBox::new(file, GFP_KERNEL)?);
        let result = directory.presence.with(|_| {
            let kobj = directory.node.as_raw();
            // SAFETY: It is valid, and nobody writes to it.
            let File { raw, name, .. } = unsafe { &*file };

            // The kernel would print a stack dump.
            //
            // SAFETY: `kobj` was added to sysfs, and `directory` keeps it.
            if unsafe { exists(kobj, name) } {
                return Err(EEXIST);
            }
            // SAFETY:
            // - `kobj` is in sysfs, since the device is registered.
            // - The attribute stays where it is until `drop()` has removed the file.
            to_result(unsafe { bindings::sysfs_create_bin_file(kobj.as_ptr(), raw) })
        });

        if result.is_err() {
            // SAFETY: It was taken out of a box above, and nobody else knows it.
            drop(unsafe { KBox::from_raw(file) });
        }
        result?;
        // INVARIANT: It was just added.
        Ok(Self {
            file,
            directory: directory.clone(),
        })
    }
}

impl<C: Content> Drop for Blob<C> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. If the device is being unregistered, the file may be gone,
        // which means that nobody reads it, or be waited for, which this does, too.
        unsafe {
            bindings::sysfs_remove_bin_file(
                self.directory.node.as_raw().as_ptr(),
                &raw const (*self.file).raw,
            )
        };
        // SAFETY: By the type invariants; there are no readers any more.
        drop(unsafe { KBox::from_raw(self.file) });
    }
}

/// Reads a part of a file.
///
/// # Safety
///
/// - `attribute` must be that of a [`File<C>`] in sysfs.
/// - `buffer` must be valid for writes of `size` bytes, and nobody else use it.
unsafe extern "C" fn read<C: Content>(
    _file: *mut bindings::file,
    _kobj: *mut bindings::kobject,
    attribute: *const bindings::bin_attribute,
    buffer: *mut c_char,
    position: bindings::loff_t,
    size: usize,
) -> isize {
    // SAFETY: By the requirements of this function and the type invariant; `drop()` waits.
    let content = unsafe { &(*attribute.cast::<File<C>>()).content }.bytes();
    // SAFETY: By the requirements of this function.
    let buffer = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), size) };
    let rest = usize::try_from(position)
        .ok()
        .and_then(|position| content.get(position..))
        .unwrap_or_default();
    let size = rest.len().min(buffer.len());

    buffer[..size].copy_from_slice(&rest[..size]);
    // CAST: A slice is no longer than that.
    size as isize
}
