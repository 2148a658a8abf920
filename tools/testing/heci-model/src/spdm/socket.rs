// SPDX-License-Identifier: GPL-2.0
//! The socket protocol of DMTF's and QEMU's SPDM emulators. A frame is three big-endian `u32`
//! (command, transport type, size) and that many bytes. Transport type 0 is bare SPDM.
//!
//! [`serve`] lets other requesters speak to the model's responder, [`Remote`] lets the guest speak
//! to another responder.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Connection;
use crate::clients::{FirmwareClient, Properties, Reply, SPDM_PROPERTIES};
use crate::hw::Hw;
use crate::server::Shared;
use crate::wire::{status, Header, Message};

/// An SPDM message.
const NORMAL: u32 = 0x0001;
/// The requester closes the connection, the responder waits for the next.
const CONTINUE: u32 = 0xfffd;
/// The responder ends.
const SHUTDOWN: u32 = 0xfffe;
/// Is anybody there?
const TEST: u32 = 0xdead;
/// The answer to any other command.
const UNKNOWN: u32 = 0xffff;
/// Bare SPDM.
const TRANSPORT_NONE: u32 = 0;
/// The answer to [`TEST`], with its final zero.
const HELLO: &[u8] = b"Server Hello!\0";
/// Largest payload that is read, in bytes.
const PAYLOAD_MAX: u32 = 1 << 20;
/// Largest SPDM message of the responder's port in one piece: as large as any.
const MESSAGE_MAX: u32 = 1 << 20;
/// MTU of the SPDM client with another responder behind it: DMTF's emulators send so much in one
/// piece.
const REMOTE_MTU: u32 = 0x1200;
/// How long another responder may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    command: u32,
    transport: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn new(command: u32, payload: &[u8]) -> Self {
        Self {
            command,
            transport: TRANSPORT_NONE,
            payload: payload.to_vec(),
        }
    }

    /// Reads a frame; none if the other side closed the connection before it.
    fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut header = Vec::new();
        stream.by_ref().take(12).read_to_end(&mut header)?;
        if header.is_empty() {
            return Ok(None);
        }
        let mut numbers = header.chunks_exact(4).map(|bytes| {
            let bytes = bytes.try_into().unwrap_or_default();
            u32::from_be_bytes(bytes)
        });
        let (Some(command), Some(transport), Some(size)) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return Err(ErrorKind::UnexpectedEof.into());
        };
        if size > PAYLOAD_MAX {
            let text = format!("a frame of {size} bytes: at most {PAYLOAD_MAX} are taken");
            return Err(Error::new(ErrorKind::InvalidData, text));
        }
        let mut payload = vec![0; size as usize];
        stream.read_exact(&mut payload)?;
        Ok(Some(Self {
            command,
            transport,
            payload,
        }))
    }

    /// Writes the frame at once: some readers take what one read gives for a whole frame.
    fn write(&self, stream: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        for number in [self.command, self.transport, self.payload.len() as u32] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(&self.payload);
        stream.write_all(&bytes)
    }

    /// The SPDM message in the frame.
    fn message(self) -> io::Result<Vec<u8>> {
        let text = match (self.command, self.transport) {
            (NORMAL, TRANSPORT_NONE) => return Ok(self.payload),
            (NORMAL, transport) => {
                format!("transport type {transport}: only 0, bare SPDM, is known")
            }
            (command, _) => format!("command {command:#x} where an SPDM message was due"),
        };
        Err(Error::new(ErrorKind::InvalidData, text))
    }
}

/// Serves requesters for ever, each in a thread with a connection of its own. `end` is called when
/// one of them asks for the end.
///
/// # Errors
///
/// A connection cannot be accepted.
pub fn serve(listener: &TcpListener, shared: &Arc<Shared>, end: fn()) -> io::Result<()> {
    loop {
        let (stream, address) = listener.accept()?;
        let shared = Arc::clone(shared);
        thread::spawn(move || match converse(stream, &shared) {
            Ok(SHUTDOWN) => end(),
            Ok(_) => (),
            Err(error) => log::error!("SPDM requester {address}: {error}"),
        });
    }
}

/// Answers one requester; returns the command that it ended with.
fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<u32> {
    stream.set_nodelay(true)?;
    let mut connection = Connection::new(MESSAGE_MAX);
    while let Some(frame) = Frame::read(&mut stream)? {
        match frame.command {
            NORMAL => {
                let request = frame.message()?;
                let replies =
                    shared.with(|device, now| device.spdm(now, &mut connection, &request));
                for reply in replies {
                    thread::sleep(reply.after);
                    Frame::new(NORMAL, &reply.payload).write(&mut stream)?;
                }
            }
            TEST => Frame::new(TEST, HELLO).write(&mut stream)?,
            command @ (CONTINUE | SHUTDOWN) => {
                Frame::new(command, &[]).write(&mut stream)?;
                return Ok(command);
            }
            _ => Frame::new(UNKNOWN, &[]).write(&mut stream)?,
        }
    }
    Ok(CONTINUE)
}

/// A request on its way to another responder.
struct Request {
    header: Header,
    /// The link that it came by.
    link: u64,
    payload: Vec<u8>,
}

/// The SPDM client with another responder behind it.
pub struct Remote(Sender<Request>);

/// The other end of [`Remote`].
pub struct Line {
    requests: Receiver<Request>,
    address: String,
    stream: Option<TcpStream>,
}

impl Remote {
    /// A client whose requests go to the responder at `address`.
    ///
    /// # Errors
    ///
    /// None can be reached there.
    pub fn connect(address: &str) -> io::Result<(Self, Line)> {
        let (sender, requests) = mpsc::channel();
        let line = Line {
            requests,
            address: address.into(),
            stream: Some(open(address)?),
        };
        Ok((Self(sender), line))
    }
}

impl FirmwareClient for Remote {
    fn properties(&self) -> Properties {
        Properties {
            mtu: REMOTE_MTU,
            ..SPDM_PROPERTIES
        }
    }

    fn message(&mut self, hw: &mut Hw, request: &Message) -> Vec<Reply> {
        let request = Request {
            header: request.header,
            link: hw.link,
            payload: request.payload.clone(),
        };
        if self.0.send(request).is_err() {
            log::error!("SPDM: the line to the other responder has ended");
        }
        Vec::new()
    }
}

fn open(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Line {
    /// Carries requests and answers for ever. What cannot be answered is dropped, and the next
    /// request opens a new connection.
    pub fn run(mut self, shared: &Shared) {
        while let Ok(request) = self.requests.recv() {
            match self.exchange(&request.payload) {
                Ok(answer) => shared.with(|device, now| {
                    let Header { fw_id, host_id, .. } = request.header;
                    if device.link() != request.link {
                        return;
                    }
                    let answer = Message::new(fw_id, host_id, status::SUCCESS, answer);
                    if let Err(error) = device.send(now, answer) {
                        log::error!("SPDM responder {}: {error}", self.address);
                    }
                }),
                Err(error) => {
                    log::error!("SPDM responder {}: {error}", self.address);
                    self.stream = None;
                }
            }
        }
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => open(&self.address)?,
        };
        Frame::new(NORMAL, request).write(&mut stream)?;
        let frame = Frame::read(&mut stream)?.ok_or(ErrorKind::UnexpectedEof)?;
        self.stream = Some(stream);
        frame.message()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_three_big_endian_numbers_and_a_payload() {
        let frame = Frame::new(TEST, b"ab");
        let bytes = b"\0\0\xde\xad\0\0\0\0\0\0\0\x02ab";
        let mut written = Vec::new();
        frame.write(&mut written).unwrap();
        assert_eq!(written, bytes);
        assert_eq!(Frame::read(&mut &bytes[..]).unwrap(), Some(frame));
        assert_eq!(Frame::read(&mut &b""[..]).unwrap(), None);
        for length in 1..bytes.len() {
            assert!(Frame::read(&mut &bytes[..length]).is_err());
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_before_it_is_read() {
        let bytes = b"\0\0\0\x01\0\0\0\0\x7f\xff\xff\xff";
        let error = Frame::read(&mut &bytes[..]).unwrap_err();
        assert!(error.to_string().contains("2147483647"), "{error}");
    }
}
