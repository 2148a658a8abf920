// SPDX-License-Identifier: GPL-2.0

//! The boot id.
//!
//! The kernel has it for user space only, in `/proc/sys/kernel/random/boot_id`. So it is read
//! there, from a proc file system of our own: what is mounted where, and for whom, does not matter.

use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

/// The size of the file: five groups of digits with a minus sign between, and a newline.
const TEXT_SIZE: usize = 37;

/// A proc file system that nobody else sees.
///
/// # Invariants
///
/// It is mounted.
struct Proc(NonNull<bindings::vfsmount>);

impl Proc {
    fn new() -> Result<Self> {
        // SAFETY: The name is a string.
        let kind = unsafe { bindings::get_fs_type(c"proc".as_char_ptr()) };
        if kind.is_null() {
            return Err(ENODEV);
        }

        // There is no reference on `kind` to give away: proc is never a module.
        //
        // SAFETY: `kind` is a valid file system type.
        let mount = from_err_ptr(unsafe { bindings::kern_mount(kind) })?;

        // INVARIANT: It was just mounted.
        NonNull::new(mount).map(Self).ok_or(ENODEV)
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; this gives the mount away.
        unsafe { bindings::kern_unmount(self.0.as_ptr()) };
    }
}

/// An open file.
///
/// # Invariants
///
/// The instance owns a reference.
struct File(NonNull<bindings::file>);

impl File {
    /// Opens a file for reading.
    fn open(proc: &Proc, name: &CStr) -> Result<Self> {
        let root = bindings::path {
            mnt: proc.0.as_ptr(),
            // SAFETY: By the type invariant of `Proc`.
            dentry: unsafe { proc.0.as_ref() }.mnt_root,
        };

        // SAFETY: `root` is the root of a mount, and the name is a string.
        let file = from_err_ptr(unsafe {
            bindings::file_open_root(&root, name.as_char_ptr(), bindings::O_RDONLY as c_int, 0)
        })?;

        // INVARIANT: It was just opened.
        NonNull::new(file).map(Self).ok_or(ENOENT)
    }

    /// Reads from the beginning, and returns how many bytes there were.
    fn read(&self, bytes: &mut [u8]) -> Result<usize> {
        let mut position = 0;

        // SAFETY: The file is open, and `bytes` is valid for writes of as many bytes.
        let size = unsafe {
            bindings::kernel_read(
                self.0.as_ptr(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                &mut position,
            )
        };

        // CAST: An error number fits.
        usize::try_from(size).map_err(|_| Error::from_errno(size as c_int))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; this gives the reference away.
        unsafe { bindings::fput(self.0.as_ptr()) };
    }
}

/// The random id of this boot of the kernel, as in `/proc/sys/kernel/random/boot_id`.
///
/// Process context, may sleep. Best in a worker: a security module may refuse a program's context.
///
/// # Errors
///
/// - `EBADMSG`: the text is no UUID.
/// - What mounting, opening or reading gives.
pub(crate) fn id() -> Result<[u8; 16]> {
    let mut text = [0; TEXT_SIZE];

    {
        let proc = Proc::new()?;
        let file = File::open(&proc, c"sys/kernel/random/boot_id")?;

        if file.read(&mut text)? != text.len() {
            return Err(EBADMSG);
        }
    }
    parse(&text).ok_or(EBADMSG)
}

/// Reads a UUID in text.
fn parse(text: &[u8; TEXT_SIZE]) -> Option<[u8; 16]> {
    let mut id = [0; 16];
    let mut digits = text
        .iter()
        .filter(|&&byte| byte != b'-' && byte != b'\n')
        .map(|&byte| char::from(byte).to_digit(16));

    for byte in &mut id {
        let (high, low) = (digits.next()??, digits.next()??);

        // CAST: Below 256.
        *byte = (high << 4 | low) as u8;
    }
    digits.next().is_none().then_some(id)
}
