// SPDX-License-Identifier: GPL-2.0
//! The device as programs see it.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use guest::{Client, Device};
use nix::errno::Errno;

use crate::message::{contents, Tag};

/// The device.
pub(crate) const DEVICE: Device = Device(0);
/// Its node.
pub(crate) const NODE: &str = "/dev/issei0";
/// Its directory in sysfs.
pub(crate) const SYSFS: &str = "/sys/class/issei/issei0";
/// Its directory in debugfs.
pub(crate) const DEBUGFS: &str = "/sys/kernel/debug/issei0";

/// Longest message of the bulk echo clients.
pub(crate) const BULK_MTU: usize = Client::Bulk.mtu();

/// Whether a client answers each message with the same.
pub(crate) fn echoes(client: Client) -> bool {
    !matches!(client, Client::Spdm | Client::Unasked | Client::Nobody(_))
}

/// The error number of a call.
pub(crate) fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// The result of a system call that tells of errors by -1.
pub(crate) fn result(value: isize) -> Result<usize, Errno> {
    usize::try_from(value).map_err(|_| Errno::last())
}

/// Opens the device node.
pub(crate) fn open(flags: i32) -> Result<OwnedFd, Errno> {
    let path = CString::new(NODE).map_err(|_| Errno::EINVAL)?;
    // SAFETY: The path is a string that ends.
    let fd = result(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) } as isize)?;
    // SAFETY: It was opened just now, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Connects to a client.
pub(crate) fn connect(file: &OwnedFd, client: Client) -> Result<(), Errno> {
    guest::ioctl::connect(file, client.uuid()).map_err(|error| errno(&error))
}

/// Writes a message.
pub(crate) fn write(file: &OwnedFd, message: &[u8]) -> Result<usize, Errno> {
    // SAFETY: The kernel reads what the slice holds.
    result(unsafe { libc::write(file.as_raw_fd(), message.as_ptr().cast(), message.len()) })
}

/// Reads a message.
pub(crate) fn read(file: &OwnedFd, message: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: The kernel writes into the slice.
    result(unsafe { libc::read(file.as_raw_fd(), message.as_mut_ptr().cast(), message.len()) })
}

/// Waits until a message can be read, or something is wrong. False if nothing happened.
pub(crate) fn wait_readable(file: &OwnedFd, limit: Duration) -> Result<bool, Errno> {
    let mut poll = libc::pollfd {
        fd: file.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: It is one structure.
    result(unsafe { libc::poll(&mut poll, 1, limit) } as isize).map(|ready| ready > 0)
}

/// A number in a file of debugfs.
pub(crate) fn counted(file: &str, name: &str) -> Result<u64> {
    let counts = DEVICE.counts(file).with_context(|| file.to_owned())?;
    let count = counts.get(name).copied();
    count.with_context(|| format!("{file} has no {name}"))
}

/// A round trip with a client.
pub(crate) fn echo(client: Client, length: u32) -> Result<()> {
    let file = open(libc::O_RDWR)?;
    connect(&file, client).with_context(|| format!("connect to {client:?}"))?;
    let message = contents(Tag {
        file: u64::MAX,
        number: u32::from(client.id()),
        length,
    });
    ensure!(
        write(&file, &message)? == message.len(),
        "not all was written"
    );
    ensure!(
        wait_readable(&file, Duration::from_secs(5))?,
        "{client:?} does not answer"
    );
    let mut answer = vec![0; BULK_MTU];
    let length = read(&file, &mut answer)?;
    ensure!(
        answer[..length] == message,
        "{client:?} answers with something else"
    );
    Ok(())
}
