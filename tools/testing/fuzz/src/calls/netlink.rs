// SPDX-License-Identifier: GPL-2.0
//! The netlink family `issei-evidence`: requests of which most make no sense.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use super::file::Hands;
use super::shared::Kind;
use crate::device::result;
use crate::random::Random;

const FAMILY: &[u8] = b"issei-evidence\0";
const DEVICE: &[u8] = b"issei0\0";

const CONTROL: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
const ERROR: u16 = 2;
const DONE: u16 = 3;

const READ: u8 = 1;
const TYPE_MASK: u16 = 2;
const FLAGS: u16 = 3;
const DEV_NAME: u16 = 4;
const NONCE: u16 = 5;
const SLOT: u16 = 10;
const ATTRIBUTES: usize = 21;

/// What a request may be refused with.
const REFUSALS: &[Errno] = &[
    Errno::EAGAIN,
    Errno::EBUSY,
    Errno::ECANCELED,
    Errno::EINVAL,
    Errno::EKEYREJECTED,
    Errno::EMSGSIZE,
    Errno::ENODATA,
    Errno::ENODEV,
    Errno::ENOTCONN,
    Errno::ENXIO,
    Errno::EOPNOTSUPP,
    Errno::EPROTO,
    Errno::ERANGE,
    Errno::ETIMEDOUT,
];

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = value.len() as u16 + 4;
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn message(family: u16, flags: u16, command: u8, attributes: &[u8]) -> Vec<u8> {
    let length = attributes.len() as u32 + 20;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(family.to_ne_bytes());
    bytes.extend((REQUEST | flags).to_ne_bytes());
    // Sequence number and port.
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([command, 1, 0, 0]);
    bytes.extend(attributes);
    bytes
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// A socket that does not wait for an answer for ever.
struct Socket(OwnedFd);

impl Socket {
    fn open() -> Result<Self, Errno> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: Numbers only.
        let fd = result(
            unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_GENERIC) } as isize,
        )?;
        // SAFETY: It was opened just now, and nobody else knows of it.
        let socket = Self(unsafe { OwnedFd::from_raw_fd(fd as i32) });
        let limit = libc::timeval {
            tv_sec: 5,
            tv_usec: 0,
        };
        let length = size_of_val(&limit) as libc::socklen_t;
        let at = (&raw const limit).cast();
        // SAFETY: It is one structure of this length.
        let set =
            unsafe { libc::setsockopt(fd as i32, libc::SOL_SOCKET, libc::SO_RCVTIMEO, at, length) };
        result(set as isize)?;
        Ok(socket)
    }

    fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        // SAFETY: The kernel reads what the slice holds.
        result(unsafe { libc::send(self.0.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) })
    }

    fn receive(&self, bytes: &mut [u8]) -> Result<usize, Errno> {
        loop {
            // SAFETY: The kernel writes into the slice.
            let value = unsafe {
                libc::recv(
                    self.0.as_raw_fd(),
                    bytes.as_mut_ptr().cast(),
                    bytes.len(),
                    0,
                )
            };
            match result(value) {
                Err(Errno::EINTR) => {}
                // No answer at all, which is none of the refusals.
                Err(Errno::EAGAIN) => return Err(Errno::ETIME),
                result => return result,
            }
        }
    }

    /// Sends a request and takes what comes up to the end. Returns the attributes of the messages.
    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, Errno> {
        self.send(request)?;
        let mut buffer = vec![0; 1 << 16];
        let mut answers = Vec::new();
        let is_dump = number(request, 6)
            .map(u16::from_ne_bytes)
            .is_some_and(|flags| flags & DUMP == DUMP);
        loop {
            let length = self.receive(&mut buffer)?;
            let mut rest = buffer.get(..length).unwrap_or_default();
            while let (Some(length), Some(kind)) = (
                number(rest, 0).map(u32::from_ne_bytes),
                number(rest, 4).map(u16::from_ne_bytes),
            ) {
                let length = length as usize;
                let code = number(rest, 16).map_or(0, i32::from_ne_bytes);
                match kind {
                    ERROR | DONE if code < 0 => return Err(Errno::from_raw(-code)),
                    ERROR | DONE => return Ok(answers),
                    _ => answers.extend(rest.get(20..length).unwrap_or_default()),
                }
                rest = rest
                    .get(length.next_multiple_of(4).max(16)..)
                    .unwrap_or_default();
            }
            if !is_dump {
                return Ok(answers);
            }
        }
    }

    fn family(&self) -> Result<u16, Errno> {
        let request = message(CONTROL, 0, GET_FAMILY, &attribute(FAMILY_NAME, FAMILY));
        let answer = self.ask(&request)?;
        let mut rest = &answer[..];
        while let (Some(length), Some(kind)) = (
            number(rest, 0).map(u16::from_ne_bytes),
            number(rest, 2).map(u16::from_ne_bytes),
        ) {
            if let (FAMILY_ID, Some(id)) = (kind, number(rest, 4)) {
                return Ok(u16::from_ne_bytes(id));
            }
            rest = rest
                .get(usize::from(length).next_multiple_of(4).max(4)..)
                .unwrap_or_default();
        }
        Err(Errno::ENOENT)
    }
}

/// A request that may make sense, or not. None of them has the engine asked.
fn any_request(family: u16, random: &mut Random) -> Vec<u8> {
    let mut attributes = Vec::new();
    if !random.one_in(8) {
        attributes.extend(attribute(DEV_NAME, DEVICE));
    }
    for _ in 0..random.below(4) {
        attributes.extend(match random.below(5) {
            0 => attribute(TYPE_MASK, &(random.next() as u32).to_ne_bytes()),
            1 => attribute(FLAGS, &(random.below(3) as u32).to_ne_bytes()),
            2 => attribute(SLOT, &(random.below(9) as u32).to_ne_bytes()),
            3 => attribute(DEV_NAME, &random.bytes(40)),
            _ => match random.below(ATTRIBUTES) as u16 {
                // Of the wrong length.
                NONCE => attribute(NONCE, &random.bytes(32)),
                kind => attribute(kind, &random.bytes(50)),
            },
        });
    }
    let command = if random.one_in(8) {
        random.next() as u8
    } else {
        READ
    };
    let flags = if random.one_in(8) { 0 } else { DUMP };
    let mut request = message(family, flags, command, &attributes);
    if random.one_in(6) {
        // After the header, so that it stays a request to this family.
        let at = 16 + random.below(request.len() - 16);
        request[at] ^= 1 << random.below(8);
    }
    request
}

/// Asks for something.
pub(crate) fn request(hands: &mut Hands<'_>) {
    let shared = hands.shared;
    let Ok((socket, family)) = Socket::open().and_then(|socket| {
        let family = socket.family()?;
        Ok((socket, family))
    }) else {
        shared.wrong_result("there is no netlink family");
        return;
    };
    let request = any_request(family, hands.random);
    match shared.call(hands.caller, Kind::Netlink, || socket.ask(&request)) {
        Ok(_) => {}
        Err(error) if REFUSALS.contains(&error) => {}
        Err(error) => shared.wrong_result(&format!("netlink {request:x?}: {error}")),
    }
}

/// Asks for new evidence, which takes a while.
pub(crate) fn evidence(hands: &mut Hands<'_>) {
    let nonce: Vec<u8> = (0..32).map(|_| hands.random.next() as u8).collect();
    let attributes = [attribute(DEV_NAME, DEVICE), attribute(NONCE, &nonce)].concat();
    let shared = hands.shared;
    let asked = shared.call(hands.caller, Kind::Evidence, || {
        let socket = Socket::open()?;
        socket.ask(&message(socket.family()?, DUMP, READ, &attributes))
    });
    match asked {
        Ok(answer) if answer.windows(nonce.len()).any(|part| part == nonce) => {}
        Ok(_) => shared.wrong_message("evidence without the nonce"),
        Err(error) if REFUSALS.contains(&error) => {}
        Err(error) => shared.wrong_result(&format!("evidence: {error}")),
    }
}

/// What a program without privilege may not ask.
pub(crate) fn refused(hands: &mut Hands<'_>) {
    let ask = || {
        let socket = Socket::open()?;
        socket.ask(&message(
            socket.family()?,
            DUMP,
            READ,
            &attribute(DEV_NAME, DEVICE),
        ))
    };
    if ask() != Err(Errno::EPERM) {
        hands
            .shared
            .wrong_result("netlink without privilege is not refused");
    }
}
