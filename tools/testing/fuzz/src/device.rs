// SPDX-License-Identifier: GPL-2.0
//! The device as programs see it.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;

use crate::message::{contents, Tag};

/// The device node.
pub(crate) const NODE: &str = "/dev/issei0";
/// Its directory in sysfs.
pub(crate) const SYSFS: &str = "/sys/class/issei/issei0";
/// Its directory in debugfs.
pub(crate) const DEBUGFS: &str = "/sys/kernel/debug/issei0";

/// Longest message of the bulk echo clients.
pub(crate) const BULK_MTU: usize = 65516;

pub(crate) const CONNECT: u64 = 0xc010_4801;
pub(crate) const DISCONNECT: u64 = 0x4802;
pub(crate) const STATUS: u64 = 0x8004_4803;

/// A firmware client of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// One of those that `--more-echo` adds, from 1 on.
    Own(u16),
    /// One of the two that echo and are always there.
    Echo(bool),
    /// Echoes late.
    Late,
    /// Speaks unasked.
    Unasked,
    /// The SPDM responder.
    Spdm,
    /// None.
    Nobody(u128),
}

impl Client {
    pub(crate) fn uuid(self) -> [u8; 16] {
        let number = match self {
            Self::Own(number) => 0x62756c6b_6563_686f_8001_000000000000 + u128::from(number),
            Self::Echo(false) => 0x44444444_4444_4444_4444_444444444444,
            Self::Echo(true) => 0x11111111_1111_1111_1111_111111111111,
            Self::Late => 0x6c617465_6563_686f_8000_000000000002,
            Self::Unasked => 0x756e6173_6b65_6421_8000_000000000003,
            Self::Spdm => 0xe85149df_9447_4c9a_8367_c4e33464f1b4,
            Self::Nobody(number) => number,
        };
        number.to_be_bytes()
    }

    /// Longest message.
    pub(crate) fn mtu(self) -> usize {
        match self {
            Self::Own(_) => BULK_MTU,
            Self::Echo(_) | Self::Late => 5120,
            Self::Unasked | Self::Spdm | Self::Nobody(_) => 4096,
        }
    }

    /// Whether it answers each message with the same.
    pub(crate) fn echoes(self) -> bool {
        matches!(self, Self::Own(_) | Self::Echo(_) | Self::Late)
    }

    /// Its id: the model counts in the order of its list.
    pub(crate) fn id(self) -> u16 {
        match self {
            Self::Spdm => 1,
            Self::Echo(other) => 2 + u16::from(other),
            Self::Late => 5,
            Self::Unasked => 6,
            Self::Own(number) => 6 + number,
            Self::Nobody(_) => 0,
        }
    }
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
    let mut uuid = client.uuid();
    // SAFETY: The kernel reads and writes 16 bytes, which is what the pointer points to.
    let value = unsafe { libc::ioctl(file.as_raw_fd(), CONNECT, uuid.as_mut_ptr()) };
    result(value as isize).map(drop)
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

/// A file in sysfs, without the end of its line.
pub(crate) fn attribute(name: &str) -> Result<String> {
    let text = fs::read_to_string(format!("{SYSFS}/{name}")).with_context(|| name.to_owned())?;
    Ok(text.trim_end().to_owned())
}

/// Writes a file in sysfs.
pub(crate) fn set_attribute(name: &str, value: &str) -> Result<()> {
    fs::write(format!("{SYSFS}/{name}"), value).with_context(|| format!("{value} to {name}"))
}

/// A number in a file of debugfs.
pub(crate) fn counted(file: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("{DEBUGFS}/{file}")).context(file.to_owned())?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line
        .with_context(|| format!("{file} has no {name}"))?
        .parse()?)
}

/// Waits until the link is up, at most so long. Returns how long it took.
pub(crate) fn wait_up(limit: Duration) -> Result<Duration> {
    let start = Instant::now();
    loop {
        let state = attribute("link_state");
        match &state {
            Ok(state) if state == "up" => return Ok(start.elapsed()),
            _ if start.elapsed() < limit => thread::sleep(Duration::from_millis(5)),
            state => bail!("the link is not up after {limit:?}: {state:?}"),
        }
    }
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
