// SPDX-License-Identifier: GPL-2.0
//! The control port of a device model: one JSON object per line in, one per line out.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use nix::poll::{poll, PollFd, PollFlags};
use serde_json::{json, Value};

use crate::system::retry;

/// How long it may take until the model answers, on a machine with much else to do.
const LIMIT: Duration = Duration::from_secs(60);
/// Milliseconds until a port to which nothing can be written is opened again.
const WRITABLE_MS: u16 = 1000;

/// The control port of one model.
#[derive(Debug)]
pub struct Model(BufReader<File>);

impl Model {
    /// Opens the port of the model with this number, from 0 on, when the model answers there; an
    /// error if it does not within a minute. Nobody else may have it open.
    pub fn open(number: u32) -> Result<Self> {
        let path = format!("/dev/virtio-ports/heci{number}");
        retry(LIMIT, || Self::attempt(&path)).with_context(|| format!("cannot use {path}"))
    }

    /// A port that has just come back may not notice that its other end is there, until it is
    /// opened again.
    fn attempt(path: &str) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
        poll(&mut fds, WRITABLE_MS)?;
        let [fd] = fds;
        let writable = fd.revents() == Some(PollFlags::POLLOUT);
        ensure!(writable, "nobody is at the other end");
        let mut model = Self(BufReader::new(file));
        model.command(&json!({"cmd": "state"}))?;
        Ok(model)
    }

    /// Runs a command, which must succeed; returns the answer, an object.
    pub fn command(&mut self, command: &Value) -> Result<Value> {
        self.send(command)?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).context("the model's answer")?;
        ensure!(
            answer["ok"] == true,
            "the model refused {command}: {answer}"
        );
        Ok(answer)
    }

    /// Ends the model, a surprise removal of its function. Nobody is left to answer.
    pub fn quit(mut self) -> Result<()> {
        self.send(&json!({"cmd": "quit"}))
    }

    fn send(&mut self, command: &Value) -> Result<()> {
        let line = format!("{command}\n");
        Ok(self.0.get_mut().write_all(line.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn commands_are_answered_or_refused() {
        let (port, mut other_end) = UnixStream::pair().unwrap();
        let mut model = Model(BufReader::new(File::from(OwnedFd::from(port))));
        let answers = "{\"ok\":true,\"link\":\"up\"}\n{\"ok\":false,\"error\":\"why\"}\n";
        other_end.write_all(answers.as_bytes()).unwrap();
        let answer = model.command(&json!({"cmd": "state"})).unwrap();
        assert_eq!(answer["link"], "up");
        let refused = model.command(&json!({"cmd": "no"})).unwrap_err();
        assert!(refused.to_string().contains("why"), "{refused}");
        model.quit().unwrap();
        let commands: Vec<_> = BufReader::new(other_end)
            .lines()
            .map(Result::unwrap)
            .collect();
        let expected = [r#"{"cmd":"state"}"#, r#"{"cmd":"no"}"#, r#"{"cmd":"quit"}"#];
        assert_eq!(commands, expected);
    }

    #[test]
    fn a_port_that_nobody_answers_is_no_model() {
        assert!(Model::attempt("/dev/null").is_err());
        assert!(Model::attempt("/no/such/port").is_err());
    }
}
