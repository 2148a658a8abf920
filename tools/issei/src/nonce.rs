// SPDX-License-Identifier: GPL-2.0

//! Nonces as the user gives them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::exit::{Exit, Failure};

/// A nonce of SPDM.
pub type Nonce = [u8; 32];

/// More than this is not read.
const LIMIT: u64 = 256;

/// Reads a nonce: 64 hexadecimal digits, `@FILE` or `-` for standard input. A file holds the digits
/// or the 32 bytes themselves.
///
/// # Errors
///
/// It is something else, or the file cannot be read.
pub fn read(text: &str) -> Result<Nonce, Failure> {
    if text == "-" {
        let mut bytes = Vec::new();
        let read = io::stdin().take(LIMIT).read_to_end(&mut bytes);
        read.map_err(|error| Failure::file(Path::new("standard input"), &error))?;
        return parse(&bytes, "standard input");
    }
    match text.strip_prefix('@') {
        Some(path) => {
            let mut bytes = Vec::new();
            File::open(path)
                .and_then(|file| file.take(LIMIT).read_to_end(&mut bytes))
                .map_err(|error| Failure::file(Path::new(path), &error))?;
            parse(&bytes, path)
        }
        None => digits(text.as_bytes()).ok_or_else(|| wrong("--nonce", text.len())),
    }
}

fn parse(bytes: &[u8], source: &str) -> Result<Nonce, Failure> {
    let raw = bytes.try_into().ok();
    raw.or_else(|| digits(bytes.trim_ascii()))
        .ok_or_else(|| wrong(source, bytes.len()))
}

fn digits(text: &[u8]) -> Option<Nonce> {
    let mut nonce = [0; 32];
    hex::decode_to_slice(text, &mut nonce).ok()?;
    Some(nonce)
}

fn wrong(source: &str, length: usize) -> Failure {
    let message = format!("{source}: {length} bytes are not a nonce");
    Failure::new(Exit::Usage, message)
        .advise("a nonce is 32 bytes: 64 hexadecimal digits, @FILE, or - for standard input")
}

/// Draws a nonce.
///
/// # Errors
///
/// The operating system has no randomness.
pub fn draw() -> Result<Nonce, Failure> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|error| {
        Failure::new(
            Exit::NotReady,
            format!("no randomness for a nonce: {error}"),
        )
    })?;
    Ok(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_bytes() {
        let digits = "00112233445566778899aabbccddeeff".repeat(2);
        let nonce = read(&digits).expect("digits");
        assert_eq!(nonce[..4], [0, 0x11, 0x22, 0x33]);
        assert_eq!(read(&digits.to_uppercase()).expect("digits"), nonce);
        assert_eq!(parse(&nonce, "file").expect("bytes"), nonce);
        let line = format!("{digits}\n");
        assert_eq!(parse(line.as_bytes(), "file").expect("a line"), nonce);
    }

    #[test]
    fn what_is_no_nonce() {
        for text in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
            let failure = read(text).expect_err("no nonce");
            assert_eq!(failure.exit, Exit::Usage);
        }
        let failure = read("@/nonexistent").expect_err("no file");
        assert!(failure.message.contains("/nonexistent"), "{failure}");
        assert!(parse(&[0; 33], "file").is_err());
    }
}
