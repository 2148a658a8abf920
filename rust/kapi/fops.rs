// SPDX-License-Identifier: GPL-2.0

//! The file operations of a [`CharDevice`].
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    chardev::{
        Borrowed,
        CharDevice,
        ClassDevice, //
    },
    poll::PollTable,
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::from_result,
    fs::{
        file::flags::O_NONBLOCK,
        File, //
    },
    module::this_module,
    prelude::*,
    sync::poll,
    types::ForeignOwnable,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// The file operations of `T`, for a character device that is embedded in a [`ClassDevice`].
pub(super) const fn vtable<T: CharDevice>() -> &'static bindings::file_operations {
    &Vtable::<T>::OPERATIONS
}

/// Makes one constant for each `T`.
struct Vtable<T>(PhantomData<T>);

impl<T: CharDevice> Vtable<T> {
    const OPERATIONS: bindings::file_operations = bindings::file_operations {
        owner: this_module::<T::OwnerModule>().as_ptr(),
        open: Some(open::<T>),
        release: Some(release::<T>),
        read: Some(read::<T>),
        write: Some(write::<T>),
        unlocked_ioctl: Some(ioctl::<T>),
        // Not a function pointer to wrap: it is an `Option` that is empty without CONFIG_COMPAT.
        compat_ioctl: bindings::compat_ptr_ioctl,
        poll: Some(poll::<T>),
        ..pin_init::zeroed()
    };
}

/// Borrows the data of a file.
///
/// # Safety
///
/// `file` must have been opened by [`open::<T>`] and not be released during the lifetime `'a`.
unsafe fn borrow<'a, T: CharDevice>(file: *mut bindings::file) -> Borrowed<'a, T> {
    // SAFETY: `open()` set `private_data`, which nothing changes before `release()`.
    unsafe { T::File::borrow((*file).private_data) }
}

/// Looks at the flags of a file.
///
/// # Safety
///
/// `file` must be valid.
unsafe fn nonblock(file: *mut bindings::file) -> bool {
    // SAFETY: `file` is valid, and used here only.
    let file = unsafe { File::from_raw_file(file) };

    file.flags() & O_NONBLOCK != 0
}

/// # Safety
///
/// - `inode` must belong to a character device that is embedded in a `ClassDevice<T>`, and hold a
///   reference to it.
/// - `file` must be a file of that inode that is being opened.
unsafe extern "C" fn open<T: CharDevice>(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: By the requirements of this function. The character device holds a reference to its
    // parent, which is the device, and is itself held by the file from here to after `release()`.
    let dev = unsafe { ClassDevice::<T>::from_cdev((*inode).__bindgen_anon_5.i_cdev) };

    from_result(|| {
        // Through a file that was open before, an unregistered device can still be reached.
        if !dev.presence().is_registered() {
            return Err(ENODEV);
        }
        let data = T::open(dev)?;

        // SAFETY: The file is being opened, so that nobody else uses it.
        unsafe { (*file).private_data = data.into_foreign() };
        // SAFETY: Both are valid. It does not fail.
        Ok(unsafe { bindings::nonseekable_open(inode, file) })
    })
}

/// # Safety
///
/// `file` must have been opened by [`open::<T>`] and have no other user.
unsafe extern "C" fn release<T: CharDevice>(
    _inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: `open()` stored it, and nobody borrows it any more.
    drop(unsafe { T::File::from_foreign((*file).private_data) });
    0
}

/// # Safety
///
/// `file` must have been opened by [`open::<T>`] and stay open until this returns.
unsafe extern "C" fn read<T: CharDevice>(
    file: *mut bindings::file,
    buf: *mut c_char,
    len: usize,
    _offset: *mut bindings::loff_t,
) -> isize {
    // SAFETY: By the requirements of this function.
    let (data, nonblock) = unsafe { (borrow::<T>(file), nonblock(file)) };
    let to = UserSlice::new(UserPtr::from_ptr(buf.cast()), len).writer();

    // CAST: The kernel limits `len`, hence what can be read, to less than `isize::MAX`.
    from_result(|| T::read(data, nonblock, to).map(|len| len as isize))
}

/// # Safety
///
/// `file` must have been opened by [`open::<T>`] and stay open until this returns.
unsafe extern "C" fn write<T: CharDevice>(
    file: *mut bindings::file,
    buf: *const c_char,
    len: usize,
    _offset: *mut bindings::loff_t,
) -> isize {
    // SAFETY: By the requirements of this function.
    let (data, nonblock) = unsafe { (borrow::<T>(file), nonblock(file)) };
    let from = UserSlice::new(UserPtr::from_ptr(buf.cast_mut().cast()), len).reader();

    // CAST: The kernel limits `len`, hence what can be written, to less than `isize::MAX`.
    from_result(|| T::write(data, nonblock, from).map(|len| len as isize))
}

/// # Safety
///
/// `file` must have been opened by [`open::<T>`] and stay open until this returns.
unsafe extern "C" fn ioctl<T: CharDevice>(
    file: *mut bindings::file,
    cmd: c_uint,
    arg: c_ulong,
) -> c_long {
    // SAFETY: By the requirements of this function.
    let (data, nonblock) = unsafe { (borrow::<T>(file), nonblock(file)) };

    from_result(|| T::ioctl(data, nonblock, cmd, arg))
}

/// # Safety
///
/// - `file` must have been opened by [`open::<T>`] and stay open until this returns.
/// - `table` must be null or valid until this returns.
unsafe extern "C" fn poll<T: CharDevice>(
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
) -> bindings::__poll_t {
    // SAFETY: By the requirements of this function.
    let data = unsafe { borrow::<T>(file) };
    // SAFETY: By the requirements of this function.
    let table = unsafe { poll::PollTable::from_raw(table) };
    // SAFETY: The file is valid, and used here only.
    let table = PollTable::new(unsafe { File::from_raw_file(file) }, table);

    T::poll(data, &table).into_raw()
}
