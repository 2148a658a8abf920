// SPDX-License-Identifier: GPL-2.0

//! Debugfs files of a [`ClassDevice`].
//!
//! The file operations of [`kernel::debugfs`] name no owner: a module can be unloaded while one of
//! its files is open, and closing that file then calls into freed memory. These name the module.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)

use super::chardev::{
    CharDevice,
    ClassDevice, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::from_result,
    fmt,
    module::this_module,
    prelude::*,
    sync::aref::ARef,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// The longest text that can be written to a file.
const MAX_WRITE: usize = 64;

/// What a read of a file gives: text or bytes of any length.
pub(crate) struct Output<'a> {
    seq: *mut bindings::seq_file,
    _lifetime: PhantomData<&'a mut bindings::seq_file>,
}

impl Output<'_> {
    /// Adds bytes.
    ///
    /// # Errors
    ///
    /// Never, at present. A full buffer is none: the caller makes a larger one and asks again.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        // SAFETY: `seq` is valid for the lifetime of the instance, which only `show()` makes, and
        // the bytes are valid for their length.
        match unsafe { bindings::seq_write(self.seq, bytes.as_ptr().cast(), bytes.len()) } {
            0 | -1 => Ok(()),
            _ => Err(fmt::Error),
        }
    }
}

impl fmt::Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes())
    }
}

/// Produces what is in a file. May be called again with more room.
pub(crate) type Show<T> = fn(&T, &mut Output<'_>) -> fmt::Result;

/// Takes what was written to a file, at most 64 bytes, including a newline at its end.
pub(crate) type Store<T> = fn(&T, &[u8]) -> Result;

/// One file. The callbacks run in process context and may sleep.
pub(crate) struct File<T> {
    name: &'static CStr,
    mode: u16,
    show: Option<Show<T>>,
    store: Option<Store<T>>,
}

impl<T> File<T> {
    /// A file that only root can read (mode 0400).
    pub(crate) const fn ro(name: &'static CStr, show: Show<T>) -> Self {
        Self {
            name,
            mode: 0o400,
            show: Some(show),
            store: None,
        }
    }

    /// A file that only root can write (mode 0200).
    pub(crate) const fn wo(name: &'static CStr, store: Store<T>) -> Self {
        Self {
            name,
            mode: 0o200,
            show: None,
            store: Some(store),
        }
    }
}

/// The files in a device's directory.
pub(crate) trait Files: CharDevice {
    /// The files.
    const FILES: &'static [File<Self>];
}

/// The directory of a device, named like the device, at the root of debugfs.
///
/// Dropping it removes the directory, and waits for callbacks. May sleep. The module cannot be
/// unloaded while a file in it is open.
///
/// # Invariants
///
/// `dentry` is what `debugfs_create_dir()` gave. Each file in it has the device as its data, and
/// its [`File`] beside it.
pub(crate) struct Directory<T: Files> {
    dentry: *mut bindings::dentry,
    _dev: ARef<ClassDevice<T>>,
}

// SAFETY: The directory may be removed from any thread, and the device is `Send`.
unsafe impl<T: Files> Send for Directory<T> {}

// SAFETY: There is nothing to do with a shared reference.
unsafe impl<T: Files> Sync for Directory<T> {}

impl<T: Files> Directory<T> {
    /// Creates the directory and its files. Failure is silent, as debugfs wants it. May sleep.
    pub(crate) fn new(dev: &ClassDevice<T>) -> Self {
        let name = AsRef::<kernel::device::Device>::as_ref(dev).name();
        // SAFETY: The name is a string, which is copied.
        let dentry =
            unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), core::ptr::null_mut()) };

        for file in T::FILES {
            // SAFETY:
            // - The name is a string, and `dentry` a directory or an error, which is passed on.
            // - The data is valid for as long as there are callbacks, since the instance holds a
            //   reference and its `Drop` waits for them. All else is `'static`.
            unsafe {
                bindings::debugfs_create_file_full(
                    file.name.as_char_ptr(),
                    file.mode,
                    dentry,
                    core::ptr::from_ref(&**dev).cast_mut().cast(),
                    core::ptr::from_ref(file).cast(),
                    &Vtable::<T>::OPERATIONS,
                )
            };
        }
        // INVARIANT: As made above.
        Self {
            dentry,
            _dev: dev.into(),
        }
    }
}

impl<T: Files> Drop for Directory<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; an error is ignored.
        unsafe { bindings::debugfs_remove(self.dentry) };
    }
}

/// Makes one constant for each `T`.
struct Vtable<T>(PhantomData<T>);

impl<T: Files> Vtable<T> {
    const OPERATIONS: bindings::file_operations = bindings::file_operations {
        owner: this_module::<T::OwnerModule>().as_ptr(),
        open: Some(open::<T>),
        read: Some(bindings::seq_read),
        write: Some(write::<T>),
        llseek: Some(bindings::seq_lseek),
        release: Some(bindings::single_release),
        ..pin_init::zeroed()
    };
}

/// Finds the data and the description of an open file.
///
/// # Safety
///
/// `file` must be a file of a [`Directory<T>`] that is not removed during the lifetime `'a`.
unsafe fn parts<'a, T: Files>(file: *mut bindings::file) -> (&'a T, &'a File<T>) {
    // SAFETY: By the type invariant of `Directory`, and since debugfs calls back only while the
    // directory is there.
    unsafe {
        (
            &*(*(*file).f_inode).i_private.cast::<T>(),
            &*bindings::debugfs_get_aux(file).cast::<File<T>>(),
        )
    }
}

/// # Safety
///
/// `file` must be a file of a [`Directory<T>`] that is being opened.
unsafe extern "C" fn open<T: Files>(
    _inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: `file` is being opened, and `show` expects nothing as its data.
    unsafe { bindings::single_open(file, Some(show::<T>), core::ptr::null_mut()) }
}

/// # Safety
///
/// `seq` must belong to a file of a [`Directory<T>`] that is being read.
unsafe extern "C" fn show<T: Files>(seq: *mut bindings::seq_file, _data: *mut c_void) -> c_int {
    // SAFETY: By the requirements of this function; debugfs keeps the directory meanwhile.
    let (data, file) = unsafe { parts::<T>((*seq).file.cast_mut()) };
    let mut output = Output {
        seq,
        _lifetime: PhantomData,
    };

    from_result(|| {
        file.show.ok_or(EINVAL)?(data, &mut output)?;
        Ok(0)
    })
}

/// # Safety
///
/// - `file` must be a file of a [`Directory<T>`] that is being written.
/// - `position` must be valid.
unsafe extern "C" fn write<T: Files>(
    file: *mut bindings::file,
    from: *const c_char,
    length: usize,
    _position: *mut bindings::loff_t,
) -> isize {
    // SAFETY: By the requirements of this function; debugfs keeps the directory meanwhile.
    let (data, file) = unsafe { parts::<T>(file) };
    let user = UserPtr::from_ptr(from.cast_mut().cast());

    from_result(|| {
        let mut text = [0; MAX_WRITE];
        let text = text.get_mut(..length).ok_or(EINVAL)?;
        UserSlice::new(user, length).reader().read_slice(text)?;
        file.store.ok_or(EINVAL)?(data, text)?;
        // CAST: At most `MAX_WRITE`.
        Ok(length as isize)
    })
}
