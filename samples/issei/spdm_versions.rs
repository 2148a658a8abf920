// SPDX-License-Identifier: GPL-2.0
//! Asks the Silicon Security Engine for the versions of SPDM that it speaks.
//!
//! Usage: `spdm-versions [DEVICE]`, by default `/dev/issei0`.
//!
//! One connection is one file: open the device, connect the file to a firmware client by its UUID,
//! write a message, read the answer, close. A write sends one message and a read takes one.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};

const TIMEOUT_MS: u16 = 5000;

const SPDM_CLIENT: [u8; 16] = [
    0xe8, 0x51, 0x49, 0xdf, 0x94, 0x47, 0x4c, 0x9a, 0x83, 0x67, 0xc4, 0xe3, 0x34, 0x64, 0xf1, 0xb4,
];

/// GET_VERSION in the only version that this request has, SPDM 1.0 (DSP0274).
const GET_VERSION: [u8; 4] = [0x10, 0x84, 0x00, 0x00];

/// `struct issei_connect_client_data`: the UUID goes in, the client's properties come out.
type ConnectData = [u8; 16];

mod ioctl {
    nix::ioctl_readwrite!(
        /// `IOCTL_ISSEI_CONNECT_CLIENT`
        connect_client,
        b'H',
        1,
        super::ConnectData
    );
}

fn main() -> ExitCode {
    let device = env::args_os().nth(1).unwrap_or("/dev/issei0".into());
    let device = PathBuf::from(device);
    match versions(&device) {
        Ok(versions) => println!("{}", versions.join(" ")),
        Err(error) => {
            eprintln!("{}: {error:#}", device.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn versions(device: &Path) -> Result<Vec<String>> {
    let open = OpenOptions::new().read(true).write(true).open(device);
    let mut file = open.map_err(|error| explain(error, open_hint))?;
    connect(&file).map_err(|error| explain(error, connect_hint))?;

    let sent = file.write(&GET_VERSION);
    sent.map_err(|error| explain(error, exchange_hint))?;
    wait_for_answer(&file)?;
    let mut answer = [0; 4096];
    let length = file.read(&mut answer);
    let length = length.map_err(|error| explain(error, exchange_hint))?;
    parse(answer.get(..length).unwrap_or_default())
}

fn connect(file: &File) -> io::Result<()> {
    let mut data = SPDM_CLIENT;
    // SAFETY: The ioctl reads and writes 16 bytes, which `data` has, and keeps no pointer.
    unsafe { ioctl::connect_client(file.as_raw_fd(), &mut data) }?;
    Ok(())
}

fn wait_for_answer(file: &File) -> Result<()> {
    let mut wait = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut wait, PollTimeout::from(TIMEOUT_MS)).context("poll")?;
    ensure!(ready > 0, "no answer within {TIMEOUT_MS} ms");
    Ok(())
}

/// The answer is 6 bytes, the last of them a count, and 16 bits for each version.
fn parse(answer: &[u8]) -> Result<Vec<String>> {
    let entries = match answer {
        [_, 0x04, _, _, _, count, entries @ ..] => entries.get(..2 * usize::from(*count)),
        _ => None,
    };
    let entries = entries.with_context(|| {
        format!(
            "the answer is no SPDM VERSION message ({} bytes)",
            answer.len()
        )
    })?;
    let high_bytes = entries.iter().skip(1).step_by(2);
    Ok(high_bytes
        .map(|version| format!("{}.{}", version >> 4, version & 15))
        .collect())
}

fn explain(error: io::Error, hint: fn(Errno) -> &'static str) -> anyhow::Error {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
    match hint(errno) {
        "" => error.into(),
        hint => anyhow::Error::new(error).context(hint),
    }
}

fn open_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOENT => "there is no such device: is there an engine, and is its driver loaded?",
        Errno::EACCES => "no permission: run as root, or let your group open it (a udev rule)",
        Errno::ENODEV | Errno::ENXIO => "the device does not answer or is gone",
        Errno::EMFILE => "too many files of the device are open",
        _ => "",
    }
}

fn connect_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::EBUSY => "another program is connected to the engine's SPDM client",
        Errno::ENODEV => "the link to the engine is not up: try again in a moment",
        Errno::ENOTTY => "no SPDM client there, or this is not a device of the engine",
        _ => "",
    }
}

fn exchange_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::EBUSY | Errno::ENOTCONN => "the engine was reset meanwhile: try again",
        Errno::ENODEV => "the device is gone",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_printed_as_major_and_minor() {
        let answer = [0x10, 0x04, 0, 0, 0, 2, 0x00, 0x10, 0x01, 0x12];
        assert_eq!(parse(&answer).unwrap(), ["1.0", "1.2"]);
    }

    #[test]
    fn what_is_no_version_message_is_refused() {
        let answer = [0x10, 0x04, 0, 0, 0, 2, 0x00, 0x10, 0x01, 0x12];
        for length in 0..answer.len() {
            assert!(parse(&answer[..length]).is_err(), "{length} bytes");
        }
        assert!(parse(&[0x10, 0x7f, 0x07, 0x84, 0, 0]).is_err());
    }

    #[test]
    fn an_error_names_what_to_do() {
        let error = io::Error::from_raw_os_error(Errno::EBUSY as i32);
        let text = format!("{:#}", explain(error, connect_hint));
        assert!(text.starts_with("another program is connected"), "{text}");
        assert!(text.contains("busy"), "{text}");
    }
}
