// SPDX-License-Identifier: GPL-2.0

//! Sentences for users.

use core::fmt;
use kernel::prelude::*;

mod tests;

/// Longest sentence, in bytes.
const LONGEST: usize = 111;

/// A text of at most 111 bytes. What is longer is cut off.
#[derive(Clone, Copy)]
pub(crate) struct Sentence {
    /// Ends with at least one zero, and has none before.
    bytes: [u8; LONGEST + 1],
    length: u8,
}

impl Sentence {
    /// No text.
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; LONGEST + 1],
        length: 0,
    };

    /// The text of something.
    pub(crate) fn of(text: impl fmt::Display) -> Self {
        let mut sentence = Self::EMPTY;
        // It is cut off, but that is no error.
        let _ = fmt::write(&mut sentence, format_args!("{text}"));
        sentence
    }

    /// The text as Rust knows it.
    pub(crate) fn as_str(&self) -> &str {
        let bytes = self
            .bytes
            .get(..usize::from(self.length))
            .unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The text as C knows it.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

impl fmt::Write for Sentence {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let room = self.bytes.get_mut(..LONGEST).unwrap_or_default();
            if let Some(place) = room.get_mut(usize::from(self.length)) {
                // What firmware or a user names may be anything.
                *place = if matches!(byte, b' '..=b'~') {
                    byte
                } else {
                    b'?'
                };
                self.length += 1;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
