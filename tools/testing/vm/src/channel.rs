// SPDX-License-Identifier: GPL-2.0

//! What comes out of a guest: the command's output, the kernel log, and the exit status.
//!
//! Each comes over a serial port of its own: unlike virtio's they survive a sleep of the guest. The host's end is a socket that QEMU
//! connects to, read by a thread until QEMU ends. A run's random token marks the end of the output
//! and of the kernel log and stands before the exit status, so that nothing that a command prints can pass for them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use anyhow::{Context, Result};

use crate::splat::Record;

/// What the guest lets the host know.
pub(crate) enum Event {
    /// The agent is about to start the command. The stream is for the answer that lets the guest end.
    Ready(UnixStream),
    /// The command has ended with this status.
    Status(i32),
    /// All of the command's output is here.
    OutputEnd,
    /// All of the kernel log up to the command's end is here.
    LogEnd,
}

/// A listening socket and the thread that serves its only connection.
pub(crate) struct Channel {
    path: PathBuf,
    thread: JoinHandle<Result<()>>,
}

impl Channel {
    fn open(
        path: PathBuf,
        serve: impl FnOnce(UnixStream) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("could not listen on {}", path.display()))?;
        let thread = std::thread::spawn(move || serve(listener.accept()?.0));
        Ok(Self { path, thread })
    }

    /// The channel for the command's output, which goes to `log` and to `sink`.
    pub(crate) fn output(
        path: PathBuf,
        token: &str,
        log: &Path,
        mut sink: Box<dyn Write + Send>,
        events: Sender<Event>,
    ) -> Result<Self> {
        let mut log =
            File::create(log).with_context(|| format!("could not create {}", log.display()))?;
        let mut filter = Filter::new(token);
        Self::open(path, move |mut stream| {
            let mut buffer = [0; 16 * 1024];
            loop {
                let count = stream.read(&mut buffer)?;
                let (text, end) = if count == 0 {
                    (filter.rest(), false)
                } else {
                    filter.push(&buffer[..count])
                };
                log.write_all(&text)?;
                sink.write_all(&text)?;
                sink.flush()?;
                if end {
                    // The receiver is gone only when the run is over.
                    let _ = events.send(Event::OutputEnd);
                }
                if count == 0 {
                    return Ok(());
                }
            }
        })
    }

    /// The channel for records of /dev/kmsg; the log is written as dmesg prints it.
    pub(crate) fn kernel_log(
        path: PathBuf,
        token: &str,
        log: &Path,
        events: Sender<Event>,
    ) -> Result<Self> {
        let mut log =
            File::create(log).with_context(|| format!("could not create {}", log.display()))?;
        let token = token.to_owned();
        Self::open(path, move |stream| {
            let mut next = 0;
            for line in BufReader::new(stream).split(b'\n') {
                let line = line?;
                let line = String::from_utf8_lossy(&line);
                let Some(record) = Record::parse(&line).filter(|record| record.sequence >= next)
                else {
                    continue;
                };
                next = record.sequence + 1;
                if record.text == token {
                    let _ = events.send(Event::LogEnd);
                } else {
                    writeln!(log, "{}", record.line())?;
                }
            }
            Ok(())
        })
    }

    /// The channel for `ready` and for the exit status.
    pub(crate) fn status(path: PathBuf, token: &str, events: Sender<Event>) -> Result<Self> {
        let token = token.to_owned();
        Self::open(path, move |stream| {
            for line in BufReader::new(stream.try_clone()?).split(b'\n') {
                let line = line?;
                let line = String::from_utf8_lossy(&line);
                let event = match line.strip_prefix(&token) {
                    Some(status) => status.trim().parse().ok().map(Event::Status),
                    None if line == "ready" => Some(Event::Ready(stream.try_clone()?)),
                    None => None,
                };
                if let Some(event) = event {
                    let _ = events.send(event);
                }
            }
            Ok(())
        })
    }

    /// Waits until everything is read. QEMU must have ended.
    pub(crate) fn finish(self) -> Result<()> {
        // If QEMU never connected, this lets the thread go on.
        let _ = UnixStream::connect(&self.path);
        match self.thread.join() {
            Ok(result) => result.with_context(|| format!("reading from {}", self.path.display())),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Takes the end mark (NUL, token, newline) out of a stream, whatever the pieces in which it comes.
struct Filter {
    mark: Vec<u8>,
    held: Vec<u8>,
}

impl Filter {
    fn new(token: &str) -> Self {
        Self {
            mark: format!("\0{token}\n").into_bytes(),
            held: Vec::new(),
        }
    }

    /// What may be passed on, and whether the mark was there.
    fn push(&mut self, piece: &[u8]) -> (Vec<u8>, bool) {
        self.held.extend_from_slice(piece);
        let found = self
            .held
            .windows(self.mark.len())
            .position(|window| window == self.mark);
        if let Some(at) = found {
            self.held.drain(at..at + self.mark.len());
        }
        let keep = (0..self.mark.len().min(self.held.len() + 1))
            .rev()
            .find(|length| self.held.ends_with(&self.mark[..*length]))
            .unwrap_or(0);
        let text = self.held.drain(..self.held.len() - keep).collect();
        (text, found.is_some())
    }

    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn the_end_mark_is_found_in_any_pieces() {
        let stream = b"some \0output\n\0abc\nlater\0ab";
        for size in 1..stream.len() {
            let mut filter = Filter::new("abc");
            let (mut text, mut ends) = (Vec::new(), 0);
            for piece in stream.chunks(size) {
                let (part, end) = filter.push(piece);
                text.extend(part);
                ends += usize::from(end);
            }
            text.extend(filter.rest());
            assert_eq!(
                (text.as_slice(), ends),
                (&b"some \0output\nlater\0ab"[..], 1),
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn output_without_the_mark_is_passed_on_at_once() {
        let mut filter = Filter::new("abc");
        assert_eq!(
            filter.push(b"ok 1 test\n"),
            (b"ok 1 test\n".to_vec(), false)
        );
    }

    #[test]
    fn only_the_token_makes_a_status() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status");
        let (sender, events) = channel();
        let channel = Channel::status(path.clone(), "t0ken", sender).unwrap();
        let mut guest = UnixStream::connect(&path).unwrap();
        guest.write_all(b"ready\n0\nother 0\nt0ken 7\n").unwrap();
        drop(guest);
        channel.finish().unwrap();
        let events: Vec<Event> = events.iter().collect();
        assert!(
            matches!(events[..], [Event::Ready(_), Event::Status(7)]),
            "{}",
            events.len()
        );
    }

    #[test]
    fn kernel_log_without_repetitions() {
        let dir = tempfile::tempdir().unwrap();
        let (path, log) = (dir.path().join("kmsg"), dir.path().join("kernel.log"));
        let (sender, events) = channel();
        let channel = Channel::kernel_log(path.clone(), "t0ken", &log, sender).unwrap();
        let mut guest = UnixStream::connect(&path).unwrap();
        guest.write_all(b"6,1,10,-;a\n6,2,20,-;b\n SUBSYSTEM=x\n6,1,10,-;a\n6,2,20,-;b\n6,3,30,-;c\n6,4,40,-;t0ken\n").unwrap();
        drop(guest);
        channel.finish().unwrap();
        assert_eq!(
            std::fs::read_to_string(log).unwrap(),
            "[    0.000010] a\n[    0.000020] b\n[    0.000030] c\n"
        );
        assert_eq!(
            events
                .iter()
                .filter(|event| matches!(event, Event::LogEnd))
                .count(),
            1
        );
    }

    #[test]
    fn a_channel_that_qemu_never_opened_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, _events) = channel();
        Channel::status(dir.path().join("status"), "t", sender)
            .unwrap()
            .finish()
            .unwrap();
    }
}
