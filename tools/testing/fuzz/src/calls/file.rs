// SPDX-License-Identifier: GPL-2.0
//! Calls on an open file, and what each may return in which state.
//!
//! What is known of a file is certain only while nobody else has it and nothing has ended
//! connections; then there is just one right result for most calls.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use guest::ioctl::{CONNECT, DISCONNECT, STATUS};
use guest::Client;
use nix::errno::Errno;

use super::memory::{Flaw, Memory};
use super::shared::{Kind, Shared};
use crate::device::{self, echoes, result};
use crate::message::{check, contents, Tag};
use crate::random::Random;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(8);

/// What a caller has at hand.
pub(crate) struct Hands<'a> {
    pub(crate) shared: &'static Shared,
    pub(crate) caller: usize,
    pub(crate) random: &'a mut Random,
    pub(crate) memory: &'a mut Memory,
}

/// A connection, as far as it is known.
struct Connection {
    client: Client,
    /// [`Shared::quiet`] before it was made.
    since: Option<u64>,
    /// The firmware may have ended it, or say what nobody asked for.
    weak: bool,
    /// Messages that were sent and not answered.
    pending: VecDeque<Tag>,
}

/// An open file.
pub(crate) struct File {
    pub(crate) fd: OwnedFd,
    number: u64,
    messages: u32,
    nonblock: bool,
    flags: i32,
    /// Others have it, or had.
    shared: bool,
    /// [`Shared::unbound`] when it was opened.
    unbound: u64,
    connection: Option<Connection>,
}

/// What the result of a call is compared with.
struct Before {
    quiet: Option<u64>,
    what: String,
}

impl File {
    pub(crate) fn open(hands: &mut Hands<'_>) -> Option<Self> {
        let access = *hands.random.pick(&[
            libc::O_RDWR,
            libc::O_RDWR,
            libc::O_RDWR,
            libc::O_RDONLY,
            libc::O_WRONLY,
        ]);
        let nonblock = hands.random.one_in(3);
        let flags = access | if nonblock { libc::O_NONBLOCK } else { 0 };
        let shared = hands.shared;
        let (quiet, unbound) = (shared.quiet(), shared.unbound.load(SeqCst));
        match shared.call(hands.caller, Kind::Open, || device::open(flags)) {
            Ok(fd) => Some(Self {
                fd,
                number: shared.unique(),
                messages: 0,
                nonblock,
                flags: access,
                shared: false,
                // Which device it is of is not known if it was taken away meanwhile.
                unbound: if shared.undisturbed(quiet) {
                    unbound
                } else {
                    u64::MAX
                },
                connection: None,
            }),
            Err(Errno::ENODEV | Errno::ENOENT | Errno::ENXIO) if shared.may_be_down() => None,
            Err(error) => {
                shared.wrong_result(&format!("open: {error}"));
                None
            }
        }
    }

    /// A message of this length that no other call writes.
    pub(crate) fn message(&mut self, length: u32) -> Vec<u8> {
        self.messages += 1;
        contents(Tag {
            file: self.number,
            number: self.messages,
            length,
        })
    }

    /// From now on nothing is certain about it.
    pub(crate) fn share(&mut self) {
        self.shared = true;
    }

    /// Whether its device was taken from the driver, or may have been.
    pub(crate) fn is_gone(&self, shared: &Shared) -> bool {
        self.unbound != shared.unbound.load(SeqCst)
    }

    /// Whether it is known to be connected.
    fn is_sure(&self, shared: &Shared) -> bool {
        let sure = |c: &Connection| !c.weak && shared.undisturbed(c.since);
        !self.shared && self.connection.as_ref().is_some_and(sure)
    }

    fn before(&self, shared: &Shared, what: String) -> Before {
        Before {
            quiet: shared.quiet(),
            what,
        }
    }

    /// Judges an error: those that any call may return, then those that this one may.
    fn judge(&self, hands: &Hands<'_>, before: &Before, error: Errno, allowed: bool) {
        let shared = hands.shared;
        let gone = self.is_gone(shared);
        let down = shared.may_be_down() || !shared.undisturbed(before.quiet);
        let excused = match error {
            Errno::ENODEV => gone || down,
            Errno::EBUSY => down,
            _ => false,
        };
        if !allowed && !excused {
            let state = self
                .connection
                .as_ref()
                .map(|c| (c.client, c.weak, &c.pending));
            let sure = self.is_sure(shared);
            shared.wrong_result(&format!(
                "{}: {error}; {state:?}, shared {}, sure {sure}, nonblock {}",
                before.what, self.shared, self.nonblock
            ));
        }
    }

    pub(crate) fn connect(&mut self, hands: &mut Hands<'_>, client: Client) {
        let flaw = Flaw::any(hands.random);
        let at = hands.memory.place(flaw, 16, &client.uuid(), hands.random);
        let before = self.before(hands.shared, format!("connect to {client:?}, {flaw:?}"));
        let was_sure = self.is_sure(hands.shared);
        let fd = self.fd.as_raw_fd();
        // SAFETY: The kernel checks the address, which is memory of nobody else.
        let call = || result(unsafe { libc::ioctl(fd, CONNECT, at) } as isize);
        match hands.shared.call(hands.caller, Kind::Connect, call) {
            Ok(_) => {
                let possible =
                    flaw == Flaw::None && !was_sure && !matches!(client, Client::Nobody(_));
                if !possible {
                    hands
                        .shared
                        .wrong_result(&format!("{}: connected", before.what));
                }
                self.connection = Some(Connection {
                    client,
                    since: before.quiet,
                    weak: !echoes(client),
                    pending: VecDeque::new(),
                });
            }
            Err(error) => {
                let known = self.connection.is_some() || self.shared;
                let allowed = match error {
                    Errno::EISCONN => known,
                    // The UUID is read before anything else is looked at.
                    Errno::EFAULT => !flaw.is_readable() || flaw != Flaw::None && !was_sure,
                    Errno::ENOTTY => {
                        flaw.is_readable() && matches!(client, Client::Nobody(_)) && !was_sure
                    }
                    Errno::EBUSY => {
                        flaw.is_readable() && !matches!(client, Client::Nobody(_)) && !was_sure
                    }
                    Errno::EKEYREJECTED => hands.shared.enforced.load(SeqCst),
                    _ => false,
                };
                self.judge(hands, &before, error, allowed);
            }
        }
    }

    pub(crate) fn disconnect(&mut self, hands: &mut Hands<'_>) {
        let before = self.before(hands.shared, "disconnect".into());
        let was_sure = self.is_sure(hands.shared);
        let fd = self.fd.as_raw_fd();
        // SAFETY: There is no argument.
        let call = || result(unsafe { libc::ioctl(fd, DISCONNECT, 0) } as isize);
        match hands.shared.call(hands.caller, Kind::Disconnect, call) {
            Ok(_) if self.connection.is_none() && !self.shared => {
                hands
                    .shared
                    .wrong_result("disconnect: there was no connection");
            }
            Ok(_) => self.connection = None,
            Err(error) => {
                let sure = was_sure && self.is_sure(hands.shared);
                self.judge(hands, &before, error, error == Errno::ENOTCONN && !sure);
            }
        }
    }

    pub(crate) fn status(&mut self, hands: &mut Hands<'_>) {
        let flaw = Flaw::any(hands.random);
        let at = hands.memory.place(flaw, 4, &[0xff; 4], hands.random);
        let before = self.before(hands.shared, format!("status, {flaw:?}"));
        let fd = self.fd.as_raw_fd();
        // SAFETY: As in `connect`.
        let call = || result(unsafe { libc::ioctl(fd, STATUS, at) } as isize);
        match hands.shared.call(hands.caller, Kind::Status, call) {
            Ok(_) => {
                let bytes = hands.memory.look(at, 4);
                let right = matches!(bytes[..], [0 | 1, _, 0, 0]);
                if flaw != Flaw::None || !right {
                    hands
                        .shared
                        .wrong_result(&format!("{}: {bytes:x?}", before.what));
                }
            }
            Err(error) => self.judge(
                hands,
                &before,
                error,
                error == Errno::EFAULT && flaw != Flaw::None,
            ),
        }
    }

    pub(crate) fn other_ioctl(&mut self, hands: &mut Hands<'_>) {
        let known = [CONNECT, DISCONNECT, STATUS];
        let command = match hands.random.below(3) {
            0 => hands.random.next() & 0xffff_ffff,
            1 => hands.random.pick(&known) ^ 1 << hands.random.below(32),
            _ => 0x4800 | hands.random.next() & 0xff,
        };
        // What the kernel itself knows for every file.
        let of_kernel = [0x5421, 0x5450, 0x5451, 0x5452, 0x2, 0x1, 0x660b].contains(&command);
        let of_file_systems = matches!(command >> 8 & 0xff, 0x54 | 0x66 | 0x58 | 0x94 | 0x15);
        if known.contains(&command) || of_kernel || of_file_systems {
            return;
        }
        let argument = hands.random.next();
        let before = self.before(hands.shared, format!("ioctl {command:#x}"));
        let fd = self.fd.as_raw_fd();
        // SAFETY: The driver knows no such command.
        let call = || result(unsafe { libc::ioctl(fd, command, argument) } as isize);
        match hands.shared.call(hands.caller, Kind::OtherIoctl, call) {
            Ok(value) => hands
                .shared
                .wrong_result(&format!("{}: {value}", before.what)),
            Err(error) => self.judge(hands, &before, error, error == Errno::ENOTTY),
        }
    }

    /// Writes a message of this length.
    pub(crate) fn write(&mut self, hands: &mut Hands<'_>, length: usize, flaw: Flaw) {
        self.messages += 1;
        let tag = Tag {
            file: self.number,
            number: self.messages,
            length: length as u32,
        };
        let at = hands
            .memory
            .place(flaw, length, &contents(tag), hands.random);
        if let Some(connection) = &mut self.connection {
            // The second answer may come before the first is read, even before this call returns.
            connection.weak |= !connection.pending.is_empty();
        }
        let before = self.before(hands.shared, format!("write {length}, {flaw:?}"));
        let was_sure = self.is_sure(hands.shared);
        let fd = self.fd.as_raw_fd();
        // SAFETY: As in `connect`.
        let call = || result(unsafe { libc::write(fd, at.cast(), length) });
        let wrote = hands.shared.call(hands.caller, Kind::Write, call);
        let mtu = self.connection.as_ref().map(|c| c.client.mtu());
        match wrote {
            Ok(0) if length == 0 && self.flags != libc::O_RDONLY => {}
            Ok(wrote) => {
                let fits = self.shared || mtu.is_some_and(|mtu| length <= mtu);
                let possible = flaw.is_readable() && self.flags != libc::O_RDONLY && fits;
                if wrote != length || length == 0 || !possible {
                    hands
                        .shared
                        .wrong_result(&format!("{}: {wrote}", before.what));
                }
                if let Some(connection) = &mut self.connection {
                    connection.pending.push_back(tag);
                }
            }
            Err(error) => {
                let sure = was_sure && self.is_sure(hands.shared);
                let allowed = match error {
                    Errno::EBADF => self.flags == libc::O_RDONLY,
                    // The kernel looks at the address first, and not at the file's state.
                    Errno::EFAULT => !flaw.is_readable(),
                    Errno::EFBIG => self.shared || mtu.is_some_and(|mtu| length > mtu),
                    Errno::ENOTCONN => !sure,
                    Errno::EAGAIN => self.nonblock || self.shared,
                    Errno::EINTR => !self.nonblock || self.shared,
                    _ => false,
                };
                let early = matches!(error, Errno::EBADF | Errno::EFAULT);
                self.judge(hands, &before, error, allowed && (length > 0 || early));
            }
        }
    }

    /// Reads into room for so many bytes. Whether a message came.
    pub(crate) fn read(&mut self, hands: &mut Hands<'_>, room: usize, flaw: Flaw) -> bool {
        let at = hands.memory.place(flaw, room, &[], hands.random);
        let before = self.before(hands.shared, format!("read {room}, {flaw:?}"));
        let was_sure = self.is_sure(hands.shared);
        let fd = self.fd.as_raw_fd();
        // SAFETY: As in `connect`.
        let call = || result(unsafe { libc::read(fd, at.cast(), room) });
        let next = self
            .connection
            .as_ref()
            .and_then(|c| c.pending.front().copied());
        match hands.shared.call(hands.caller, Kind::Read, call) {
            Ok(0) if room == 0 && self.flags != libc::O_WRONLY => false,
            Ok(length) => {
                // It may have fitted before the cut.
                let message = match flaw {
                    Flaw::None | Flaw::Cut => hands.memory.look(at, length),
                    Flaw::ReadOnly | Flaw::Unmapped => Vec::new(),
                };
                let possible = message.len() == length && length <= room;
                if !possible || self.flags == libc::O_WRONLY {
                    hands
                        .shared
                        .wrong_result(&format!("{}: {length}", before.what));
                } else {
                    self.take(hands, &message);
                }
                true
            }
            Err(error) => {
                let sure = was_sure && self.is_sure(hands.shared);
                let allowed = match error {
                    Errno::EBADF => self.flags == libc::O_WRONLY,
                    Errno::EFAULT => flaw != Flaw::None,
                    Errno::EFBIG => !sure || next.is_some_and(|next| next.length as usize > room),
                    Errno::ENOTCONN => !sure,
                    Errno::EAGAIN => self.nonblock || self.shared,
                    Errno::EINTR => !self.nonblock || self.shared,
                    _ => false,
                };
                let early = matches!(error, Errno::EBADF | Errno::EFAULT);
                self.judge(hands, &before, error, allowed && (room > 0 || early));
                false
            }
        }
    }

    /// Compares a message with what was sent.
    fn take(&mut self, hands: &Hands<'_>, message: &[u8]) {
        let shared = hands.shared;
        let wrong = |what: &str| {
            let head = &message[..message.len().min(40)];
            let text = format!("{what}, {} bytes: {head:02x?}", message.len());
            shared.wrong_message(&text);
        };
        let Some(connection) = &mut self.connection else {
            if !self.shared {
                wrong("without a connection");
            }
            return;
        };
        if !echoes(connection.client) {
            connection.pending.pop_front();
            return;
        }
        match check(message) {
            Err(()) => wrong("not as it was written"),
            Ok(Some(tag)) if tag.file != self.number => wrong("of another file"),
            Ok(_) if self.shared => {}
            // Answers come in the order of their requests, and each once.
            Ok(_) => match connection.pending.pop_front() {
                Some(tag) if contents(tag) == message => {}
                expected => wrong(&format!("not {expected:?}")),
            },
        }
    }

    /// A round trip, which cannot fail while the connection is sure.
    pub(crate) fn exchange(&mut self, hands: &mut Hands<'_>, length: usize) {
        let is_idle = |c: &Connection| c.pending.is_empty() && echoes(c.client);
        if !self.connection.as_ref().is_some_and(is_idle) || self.flags != libc::O_RDWR {
            return;
        }
        self.write(hands, length.max(1), Flaw::None);
        if self
            .connection
            .as_ref()
            .is_some_and(|c| c.pending.is_empty())
        {
            return;
        }
        let start = Instant::now();
        while !self.read(hands, device::BULK_MTU, Flaw::None) {
            if !self.is_sure(hands.shared) {
                return;
            }
            if start.elapsed() > ANSWER {
                hands
                    .shared
                    .wrong_message(&format!("no answer to {length} bytes"));
                return;
            }
            if self.nonblock {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    pub(crate) fn poll(&mut self, hands: &mut Hands<'_>) {
        let events = hands.random.next() as i16;
        let timeout = hands.random.below(30) as i32;
        let mut poll = libc::pollfd {
            fd: self.fd.as_raw_fd(),
            events,
            revents: 0,
        };
        let before = self.before(hands.shared, format!("poll for {events:#x}"));
        let was_sure = self.is_sure(hands.shared);
        // SAFETY: It is one structure.
        let call = || result(unsafe { libc::poll(&mut poll, 1, timeout) } as isize);
        let result = hands.shared.call(hands.caller, Kind::Poll, call);
        let sure = was_sure && self.is_sure(hands.shared);
        let all = libc::POLLIN
            | libc::POLLOUT
            | libc::POLLERR
            | libc::POLLHUP
            | libc::POLLRDNORM
            | libc::POLLWRNORM;
        let right = match result {
            Ok(0) => poll.revents == 0,
            Ok(_) => {
                let wrong = sure && poll.revents & (libc::POLLERR | libc::POLLHUP) != 0;
                poll.revents & !all == 0 && poll.revents != 0 && !wrong
            }
            Err(error) => error == Errno::EINTR,
        };
        if !right {
            hands.shared.wrong_result(&format!(
                "{}: {result:?}, {:#x}, sure {sure}",
                before.what, poll.revents
            ));
        }
    }

    /// Sets or clears `O_NONBLOCK`.
    pub(crate) fn toggle(&mut self, hands: &mut Hands<'_>) {
        let nonblock = !self.nonblock;
        let flags = self.flags | if nonblock { libc::O_NONBLOCK } else { 0 };
        let fd = self.fd.as_raw_fd();
        // SAFETY: The argument is a number.
        let call = || result(unsafe { libc::fcntl(fd, libc::F_SETFL, flags) } as isize);
        match hands.shared.call(hands.caller, Kind::Other, call) {
            Ok(_) => self.nonblock = nonblock,
            Err(error) => hands.shared.wrong_result(&format!("fcntl: {error}")),
        }
    }

    /// Calls that make no sense for this file.
    pub(crate) fn nonsense(&mut self, hands: &mut Hands<'_>) {
        let fd = self.fd.as_raw_fd();
        let mut at = [0_u8; 64];
        let buffer = at.as_mut_ptr().cast();
        let which = hands.random.below(6);
        // SAFETY: The kernel reads and writes 64 bytes, which are there; a mapping is of no memory
        // that there is.
        let call = || unsafe {
            match which {
                0 => result(libc::lseek(fd, 1, libc::SEEK_SET) as isize),
                1 => result(libc::pread(fd, buffer, 64, 1)),
                2 => result(libc::pwrite(fd, buffer, 64, 1)),
                3 => result(libc::ftruncate(fd, 1) as isize),
                4 => result(libc::fsync(fd) as isize),
                _ => {
                    let memory = libc::mmap(
                        std::ptr::null_mut(),
                        4096,
                        libc::PROT_READ,
                        libc::MAP_SHARED,
                        fd,
                        0,
                    );
                    result(memory as isize)
                }
            }
        };
        let result = hands.shared.call(hands.caller, Kind::Other, call);
        let expected = [
            Errno::ESPIPE,
            Errno::EINVAL,
            Errno::ENODEV,
            Errno::EBADF,
            Errno::EACCES,
        ];
        if !result.is_err_and(|error| expected.contains(&error)) {
            hands
                .shared
                .wrong_result(&format!("nonsense {which}: {result:?}"));
        }
    }

    /// Closes it.
    pub(crate) fn close(self, hands: &Hands<'_>) {
        let fd = self.fd.into_raw_fd();
        // SAFETY: It was open, and nobody uses it any more.
        let call = || result(unsafe { libc::close(fd) } as isize);
        if let Err(error) = hands.shared.call(hands.caller, Kind::Close, call) {
            hands.shared.wrong_result(&format!("close: {error}"));
        }
    }
}
