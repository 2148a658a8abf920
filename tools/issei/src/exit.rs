// SPDX-License-Identifier: GPL-2.0

//! How a run ends: exit statuses, and errors that say what to do.

use std::io;
use std::path::Path;

/// The exit status of the program. "Failed" and "could not be checked" are never the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked for was done, and what was checked holds.
    Ok = 0,
    /// A check failed.
    Failed = 1,
    /// The command line is wrong, or a file that it names cannot be read or written.
    Usage = 2,
    /// There is no engine, no driver, or no device of this name.
    NoDevice = 3,
    /// Not permitted.
    Permission = 4,
    /// The engine is in use by somebody else.
    Busy = 5,
    /// The engine is not ready, was reset, changed meanwhile, or did not answer in time.
    NotReady = 6,
    /// The engine or the driver broke its protocol.
    Protocol = 7,
    /// The log is corrupt, or its chain is broken.
    Log = 8,
    /// Nothing failed, but there was nothing to compare with: no root, no nonce.
    NothingToCompare = 9,
    /// The engine, the kernel, the driver or this program does not have what it takes.
    Unsupported = 10,
}

/// An error that ends a run.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The exit status.
    pub exit: Exit,
    /// What was wrong.
    pub message: String,
    /// What to do about it.
    pub advice: Option<String>,
}

impl Failure {
    /// An error without advice.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            advice: None,
        }
    }

    /// The same error with advice.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// A file named by the user that cannot be read or written.
    pub fn file(path: &Path, error: &io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::PermissionDenied => Exit::Permission,
            _ => Exit::Usage,
        };
        Self::new(exit, format!("{}: {error}", path.display()))
    }
}
