// SPDX-License-Identifier: GPL-2.0
//! Programs on `/dev/issei<N>`: calls in threads of their own, so that one that never returns is
//! seen and ended.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::thread::JoinHandleExt;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use guest::{ioctl, until, Device};
use nix::errno::Errno;
use nix::libc::{SYS_ioctl, SYS_read, SYS_recvfrom, SYS_write};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::pthread::pthread_kill;
use nix::sys::signal::{sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::unistd::{gettid, Pid};

use crate::evidence;
use crate::step::Call;

/// How long a call may take before it counts as silence.
const PATIENCE: Duration = Duration::from_millis(2500);
/// The same for evidence, for which the driver waits for 70 s.
const EVIDENCE_PATIENCE: Duration = Duration::from_secs(75);
/// How long a call may take to end after a signal.
const SIGNAL_LIMIT: Duration = Duration::from_secs(5);

/// What a call gives that has done what it was asked for.
pub(crate) const OK: &str = "ok";
/// What stands for a call that does not return.
pub(crate) const SILENCE: &str = "silence";

/// A program with one file.
pub(crate) struct Program {
    device: Device,
    file: Option<Arc<File>>,
    /// What was written last.
    written: Arc<Mutex<Vec<u8>>>,
    sleeping: Option<Running>,
    seed: u32,
}

/// A call that has begun.
struct Running {
    patience: Duration,
    handle: JoinHandle<String>,
    /// The thread that makes it, for the kernel.
    thread: Arc<OnceLock<Pid>>,
}

impl Program {
    /// A program that has opened nothing.
    pub(crate) fn new(device: Device, seed: u32) -> Self {
        Self {
            device,
            file: None,
            written: Arc::default(),
            sleeping: None,
            seed,
        }
    }

    /// Makes a call: `ok`, the name of an error number, or what came instead.
    pub(crate) fn call(&mut self, call: &Call) -> Result<String> {
        ensure!(
            self.sleeping.is_none(),
            "the program sleeps in another call"
        );
        self.start(call)?.end()
    }

    /// Begins a call and returns when it sleeps.
    pub(crate) fn begin(&mut self, call: &Call) -> Result<()> {
        ensure!(
            self.sleeping.is_none(),
            "the program sleeps in another call"
        );
        let running = self.start(call)?;
        let asleep = until(PATIENCE, || running.is_finished() || running.is_asleep());
        // It may be on its way there through another lock.
        thread::sleep(Duration::from_millis(20));
        ensure!(asleep && !running.is_finished(), "the call does not sleep");
        self.sleeping = Some(running);
        Ok(())
    }

    /// The end of the call that has begun.
    pub(crate) fn end(&mut self) -> Result<String> {
        self.sleeping.take().context("no call has begun")?.end()
    }

    /// Closes the file.
    pub(crate) fn close(&mut self) -> Result<()> {
        if let Some(running) = self.sleeping.take() {
            running.end()?;
        }
        self.file = None;
        Ok(())
    }

    fn start(&mut self, call: &Call) -> Result<Running> {
        if self.file.is_none() {
            match self.device.open() {
                Ok(file) => self.file = Some(Arc::new(file)),
                Err(error) => {
                    let name = name(&error);
                    return Ok(Running::start(PATIENCE, move || name));
                }
            }
        }
        let file = self.file.clone().context("no file")?;
        let written = Arc::clone(&self.written);
        self.seed = self.seed.wrapping_add(1);
        let (device, call, seed) = (self.device, call.clone(), self.seed);
        let patience = match call {
            Call::Evidence => EVIDENCE_PATIENCE,
            _ => PATIENCE,
        };
        let act = move || act(device, &file, &written, &call, seed);
        Ok(Running::start(patience, act))
    }
}

impl Running {
    fn start(patience: Duration, act: impl FnOnce() -> String + Send + 'static) -> Self {
        let thread = Arc::new(OnceLock::new());
        let own = Arc::clone(&thread);
        let handle = thread::spawn(move || {
            own.get_or_init(gettid);
            act()
        });
        Self {
            patience,
            handle,
            thread,
        }
    }

    fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Whether it sleeps in one of the system calls of [`Call`].
    fn is_asleep(&self) -> bool {
        let Some(thread) = self.thread.get() else {
            return false;
        };
        // The number of the call if it sleeps, else the word `running`.
        let state = fs::read_to_string(format!("/proc/self/task/{thread}/syscall"));
        let number = state.ok().and_then(|state| {
            let (number, _) = state.split_once(' ')?;
            number.parse().ok()
        });
        let calls = [SYS_read, SYS_write, SYS_ioctl, SYS_recvfrom];
        number.is_some_and(|number: i64| calls.contains(&number))
    }

    fn end(self) -> Result<String> {
        let handle = self.handle;
        let silent = !until(self.patience, || handle.is_finished());
        if silent {
            let start = Instant::now();
            while !handle.is_finished() {
                pthread_kill(handle.as_pthread_t(), Signal::SIGUSR1)?;
                thread::sleep(Duration::from_millis(5));
                if start.elapsed() > SIGNAL_LIMIT {
                    bail!("a call does not return, not even for a signal");
                }
            }
        }
        match handle.join() {
            Ok(_) if silent => Ok(SILENCE.to_owned()),
            Ok(result) => Ok(result),
            Err(_) => bail!("a program has ended"),
        }
    }
}

/// Lets the signal that ends a call do nothing else.
pub(crate) fn catch_signal() -> Result<()> {
    extern "C" fn nothing(_: i32) {}
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: The handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }?;
    Ok(())
}

/// The name of an error number.
pub(crate) fn name(error: &std::io::Error) -> String {
    let number = error.raw_os_error().unwrap_or(0);
    format!("{:?}", Errno::from_raw(number))
}

fn act(device: Device, file: &File, written: &Mutex<Vec<u8>>, call: &Call, seed: u32) -> String {
    match attempt(device, file, written, call, seed) {
        Ok(result) => result,
        Err(error) => name(&error),
    }
}

fn attempt(
    device: Device,
    file: &File,
    written: &Mutex<Vec<u8>>,
    call: &Call,
    seed: u32,
) -> std::io::Result<String> {
    let write = |length: usize| {
        let message = pattern(length, seed);
        let count = (&*file).write(&message)?;
        if let Ok(mut written) = written.lock() {
            *written = message;
        }
        Ok::<_, std::io::Error>(match count == length {
            true => OK.to_owned(),
            false => format!("{count} bytes were written"),
        })
    };
    let read = || {
        let mut answer = vec![0; 0x1_0000];
        let count = (&*file).read(&mut answer)?;
        let expected = written.lock().map(|w| w.clone()).unwrap_or_default();
        Ok(match answer.get(..count) == Some(&expected) {
            true => OK.to_owned(),
            false => format!("{count} other bytes"),
        })
    };
    match call {
        Call::Open => Ok(OK.to_owned()),
        Call::Connect(client) => ioctl::connect(file, client.uuid()).map(|()| OK.to_owned()),
        Call::Disconnect => ioctl::disconnect(file).map(|()| OK.to_owned()),
        Call::Write(length) => write(*length),
        Call::Read => read(),
        Call::Echo(length) => {
            write(*length)?;
            read()
        }
        Call::Poll => {
            let events = PollFlags::POLLIN | PollFlags::POLLOUT;
            let mut files = [PollFd::new(file.as_fd(), events)];
            poll(&mut files, PollTimeout::ZERO)?;
            let events = files[0].revents().unwrap_or(PollFlags::empty());
            let names = events
                .iter_names()
                .map(|(name, _)| name.replace("POLL", ""));
            Ok(names.collect::<Vec<_>>().join("+"))
        }
        Call::Evidence => {
            let collected = evidence::collect(device);
            Ok(collected.unwrap_or_else(|error| format!("{error:#}")))
        }
    }
}

/// Bytes in which no shift and no other seed looks the same.
pub(crate) fn pattern(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}
