// SPDX-License-Identifier: GPL-2.0
//! What the driver writes to the kernel log.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::Result;
use nix::libc::O_NONBLOCK;

/// The kernel log from one moment on.
pub(crate) struct Log {
    file: File,
    lines: Vec<String>,
}

impl Log {
    /// From now on.
    pub(crate) fn from_now() -> Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open("/dev/kmsg")?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            lines: Vec::new(),
        })
    }

    /// The driver's lines so far, without its name and the device's.
    pub(crate) fn lines(&mut self) -> Result<&[String]> {
        let mut record = [0; 8192];
        loop {
            match self.file.read(&mut record) {
                Ok(length) => {
                    let record = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                    let line = record.lines().next().unwrap_or_default();
                    self.lines.extend(of_driver(line).map(str::to_owned));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(&self.lines),
                // Records were overwritten before they were read: the next read goes on.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The text of a record of the driver.
fn of_driver(record: &str) -> Option<&str> {
    let (_, message) = record.split_once(';')?;
    let (begin, text) = message.split_once(": ")?;
    begin.starts_with("issei").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_driver() {
        let record = "6,1234,5678,-;issei issei0: link lost: a reset was requested";
        assert_eq!(of_driver(record), Some("link lost: a reset was requested"));
        assert_eq!(of_driver("6,1,2,-;usb 1-1: new device"), None);
        assert_eq!(of_driver(" SUBSYSTEM=issei"), None);
    }
}
