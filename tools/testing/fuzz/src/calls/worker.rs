// SPDX-License-Identifier: GPL-2.0
//! A worker: a process that has some files open and does one thing after the other.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use guest::{ioctl, Client};
use nix::errno::Errno;
use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::{kill, sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, setgid, setuid, ForkResult, Gid, Uid};

use super::file::{File, Hands};
use super::memory::{Flaw, Memory};
use super::netlink;
use super::shared::{Kind, Shared};
use super::system;
use crate::device::{result, BULK_MTU};
use crate::random::Random;

/// Files that a worker has open.
const FILES: usize = 6;
const NOBODY: u32 = 65534;

/// A worker.
pub(crate) struct Worker {
    shared: &'static Shared,
    /// Where its callers begin.
    caller: usize,
    /// The client that is its own.
    own: Client,
    random: Random,
    memory: Memory,
    files: Vec<File>,
    /// Whether it may open the device.
    privileged: bool,
}

extern "C" fn nothing(_: i32) {}

/// Has signals interrupt calls.
fn handle_signals() -> Result<()> {
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    for signal in [Signal::SIGALRM, Signal::SIGUSR1] {
        // SAFETY: The handler does nothing.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

/// Has a signal come again and again.
fn set_timer(every: Duration) {
    let every = libc::timeval {
        tv_sec: 0,
        tv_usec: every.as_micros() as libc::suseconds_t,
    };
    let timer = libc::itimerval {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: It is one structure, and nothing is asked back.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
}

impl Worker {
    /// Works until told to stop.
    pub(crate) fn run(shared: &'static Shared, number: u16, seed: u64) -> Result<()> {
        handle_signals()?;
        let mut worker = Self {
            shared,
            caller: 3 * usize::from(number),
            own: Client::More(number + 1),
            random: Random(seed),
            memory: Memory::new()?,
            files: Vec::new(),
            privileged: true,
        };
        while !shared.stop.load(SeqCst) {
            set_timer(Duration::from_millis(10 + worker.random.below(100) as u64));
            worker.act()?;
        }
        for file in std::mem::take(&mut worker.files) {
            file.close(&worker.hands());
        }
        Ok(())
    }

    fn hands(&mut self) -> Hands<'_> {
        Hands {
            shared: self.shared,
            caller: self.caller,
            random: &mut self.random,
            memory: &mut self.memory,
        }
    }

    /// One thing. What makes the system another for a while is rare.
    fn act(&mut self) -> Result<()> {
        match self.random.below(10_000) {
            0 | 1 => self.with(system::reset),
            2 | 3 => self.with(system::policy),
            4 if self.caller == 0 => self.with(system::rebind),
            5..=40 => self.with(system::write_attribute),
            41..=300 => self.with(system::read_attribute),
            301..=420 => self.with(system::read_debugfs),
            421..=640 => self.with(netlink::request),
            641..=650 => self.child(|worker| netlink::evidence(&mut worker.hands()))?,
            651..=850 => self.race(),
            851..=930 => self.child(Self::do_a_few)?,
            931..=945 => self.child(Self::without_privilege)?,
            _ => self.act_on_file(),
        }
        Ok(())
    }

    fn with(&mut self, action: fn(&mut Hands<'_>)) {
        action(&mut self.hands());
    }

    fn any_client(&mut self) -> Client {
        match self.random.below(20) {
            0 => Client::Spdm,
            1 => Client::Late,
            2 => Client::Unasked,
            3 => Client::Nobody(u128::from(self.random.next())),
            4..=6 if self.random.one_in(2) => Client::EchoB,
            4..=6 => Client::EchoA,
            7 => Client::More(self.random.below(6) as u16 + 1),
            _ => self.own,
        }
    }

    fn length(&mut self, mtu: usize) -> usize {
        match self.random.below(8) {
            0 => self.random.below(3),
            1 => mtu - self.random.below(2),
            2 => mtu + 1 + self.random.below(100),
            3 => 4096 + self.random.below(3) - 1,
            4 => self.random.below(BULK_MTU + 100),
            _ => self.random.below(300),
        }
    }

    /// Takes a file out, does something with it, and puts it back if it is still there.
    fn act_on_file(&mut self) {
        if self.files.is_empty() && !self.privileged {
            return;
        }
        let more = self.files.len() < FILES && self.random.one_in(20);
        if self.files.is_empty() || more && self.privileged {
            let opened = File::open(&mut self.hands());
            self.files.extend(opened);
            return;
        }
        let at = self.random.below(self.files.len());
        let mut file = self.files.swap_remove(at);
        let client = self.any_client();
        let length = self.length(client.mtu());
        let flaw = Flaw::any(&mut self.random);
        let choice = match self.random.below(100) {
            _ if file.is_gone(self.shared) && self.random.one_in(3) => 0,
            choice => choice,
        };
        let hands = &mut self.hands();
        match choice {
            0..=2 => return file.close(hands),
            3..=22 => file.connect(hands, client),
            23..=25 => file.disconnect(hands),
            26..=28 => file.status(hands),
            29..=31 => file.other_ioctl(hands),
            32..=43 => file.write(hands, length, flaw),
            44..=58 => drop(file.read(hands, length, flaw)),
            59..=66 => file.poll(hands),
            67..=68 => file.toggle(hands),
            69..=70 => file.nonsense(hands),
            _ => file.exchange(hands, length),
        }
        self.files.push(file);
    }

    /// Two threads with one file: one is in a call, the other takes the ground from under it.
    fn race(&mut self) {
        if self.files.is_empty() {
            return;
        }
        let at = self.random.below(self.files.len());
        let mut file = self.files.swap_remove(at);
        file.share();
        let (shared, caller, fd) = (self.shared, self.caller + 1, file.fd.as_raw_fd());
        let (call, pause) = (self.random.below(4), self.random.below(3000) as u64);
        let mut uuid = self.any_client().uuid();
        let message = file.message(5000);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let (sender, thread) = std::sync::mpsc::channel();
            let done = &done;
            scope.spawn(move || {
                // Nobody but this scope waits for it.
                let _ = sender.send(pthread_self());
                let mut buffer = message;
                let length = buffer.len();
                let at: *mut libc::c_void = buffer.as_mut_ptr().cast();
                let mut poll = libc::pollfd {
                    fd,
                    events: libc::POLLIN,
                    revents: 0,
                };
                let kind = [Kind::Read, Kind::Write, Kind::Poll, Kind::Connect][call];
                let result = shared.call(caller, kind, || {
                    let uuid = uuid.as_mut_ptr();
                    // SAFETY: The kernel reads and writes what the pointers point to.
                    result(unsafe {
                        match kind {
                            Kind::Read => libc::read(fd, at, length),
                            Kind::Write => libc::write(fd, at, length),
                            Kind::Poll => libc::poll(&mut poll, 1, 2000) as isize,
                            _ => libc::ioctl(fd, ioctl::CONNECT, uuid) as isize,
                        }
                    })
                });
                if result == Err(Errno::ENOMEM) || result == Err(Errno::EFAULT) {
                    shared.wrong_result(&format!("call {call} in a race: {result:?}"));
                }
                done.store(true, SeqCst);
            });
            let thread = thread.recv();
            thread::sleep(Duration::from_micros(pause));
            let choice = self.random.below(40);
            let client = self.any_client();
            let hands = &mut self.hands();
            match choice {
                0..=15 => file.close(hands),
                16..=23 => {
                    file.disconnect(hands);
                    self.files.push(file);
                }
                24..=31 => {
                    file.write(hands, 100, Flaw::None);
                    self.files.push(file);
                }
                32..=38 => {
                    file.connect(hands, client);
                    self.files.push(file);
                }
                _ => {
                    system::reset(hands);
                    self.files.push(file);
                }
            }
            while !done.load(SeqCst) {
                thread::sleep(Duration::from_millis(2));
                if let Ok(thread) = thread {
                    // It may have ended just now.
                    let _ = pthread_kill(thread, Signal::SIGUSR1);
                }
            }
        });
    }

    /// Does something in a child, which has all files as well and may be killed in the middle.
    fn child(&mut self, action: impl FnOnce(&mut Self)) -> Result<()> {
        self.files.iter_mut().for_each(File::share);
        let (shared, caller) = (self.shared, self.caller + 2);
        let seed = self.random.next();
        let killed = self.random.one_in(2).then(|| self.random.below(300) as u64);
        // SAFETY: This process has one thread, whatever it had before.
        let child = match unsafe { fork() }? {
            ForkResult::Child => {
                (self.caller, self.random) = (caller, Random(seed));
                set_timer(Duration::from_millis(50));
                action(self);
                // SAFETY: Ends without a destructor: files and locks are the parent's as well.
                unsafe { libc::_exit(0) }
            }
            ForkResult::Parent { child } => child,
        };
        if let Some(after) = killed {
            thread::sleep(Duration::from_millis(after));
            kill(child, Signal::SIGKILL)?;
        }
        let ended = shared.call(self.caller, Kind::Child, || loop {
            match waitpid(child, None) {
                Err(Errno::EINTR) => {}
                ended => return ended,
            }
        });
        shared.forget(caller);
        match ended {
            Ok(WaitStatus::Exited(_, 0)) => {}
            Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)) if killed.is_some() => {}
            ended => shared.wrong_result(&format!("a child: {ended:?}")),
        }
        Ok(())
    }

    fn do_a_few(&mut self) {
        for _ in 0..self.random.below(30) {
            self.act_on_file();
        }
    }

    /// A program without privilege: what it may not do, and that it can use what it was given.
    fn without_privilege(&mut self) {
        if setgid(Gid::from_raw(NOBODY)).is_err() || setuid(Uid::from_raw(NOBODY)).is_err() {
            self.shared.wrong_result("privilege cannot be dropped");
            return;
        }
        system::refused(&mut self.hands());
        netlink::refused(&mut self.hands());
        self.privileged = false;
        self.do_a_few();
    }
}
