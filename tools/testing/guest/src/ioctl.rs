// SPDX-License-Identifier: GPL-2.0
//! The ioctls of `/dev/issei<N>`.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// `IOCTL_ISSEI_CONNECT_CLIENT`, which is `IOCTL_MEI_CONNECT_CLIENT` as well: takes a UUID, gives
/// properties.
pub const CONNECT: u64 = nix::request_code_readwrite!(b'H', 1, size_of::<[u8; 16]>());
/// `IOCTL_ISSEI_DISCONNECT_CLIENT`: has no argument.
pub const DISCONNECT: u64 = nix::request_code_none!(b'H', 2);
/// `IOCTL_ISSEI_DRIVER_STATUS`: gives a number of 32 bits.
pub const STATUS: u64 = nix::request_code_read!(b'H', 3, size_of::<u32>());

mod raw {
    nix::ioctl_readwrite_bad!(
        /// See [`super::CONNECT`].
        connect,
        super::CONNECT,
        [u8; 16]
    );
    nix::ioctl_none_bad!(
        /// See [`super::DISCONNECT`].
        disconnect,
        super::DISCONNECT
    );
}

/// Connects a file to the firmware client with this UUID, which is in the order in which it is
/// printed. Errors are those of the call.
pub fn connect(file: impl AsFd, mut uuid: [u8; 16]) -> io::Result<()> {
    // SAFETY: The call wants a pointer to as many bytes as its number says, which may be read and
    // written until it returns: these are 16 bytes, borrowed for as long. Files that do not know
    // the number do not look at them.
    unsafe { raw::connect(file.as_fd().as_raw_fd(), &mut uuid) }?;
    Ok(())
}

/// Ends the connection of a file. Errors are those of the call.
pub fn disconnect(file: impl AsFd) -> io::Result<()> {
    // SAFETY: The number says that there is no argument, so there is no memory that the call touches.
    unsafe { raw::disconnect(file.as_fd().as_raw_fd()) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernel() {
        assert_eq!(CONNECT, 0xc010_4801);
        assert_eq!(DISCONNECT, 0x4802);
        assert_eq!(STATUS, 0x8004_4803);
    }

    #[test]
    fn other_files_refuse() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let refused = |error: io::Error| error.raw_os_error() == Some(nix::libc::ENOTTY);
        assert!(connect(&file, [0; 16]).is_err_and(refused));
        assert!(disconnect(&file).is_err_and(refused));
    }
}
