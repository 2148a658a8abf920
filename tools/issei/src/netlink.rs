// SPDX-License-Identifier: GPL-2.0

//! Evidence from the driver, over generic netlink. Source:
//! Documentation/netlink/specs/issei-evidence.yaml.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use netlink_packet_core::{
    NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST,
};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::GenlMessage;
use netlink_sys::{protocols::NETLINK_GENERIC, Socket, SocketAddr};
use nix::errno::Errno;
use tracing::{debug, info};

use crate::exit::{Exit, Failure};
use crate::nonce::Nonce;

mod assembly;
mod message;
mod refusal;

use assembly::Assembly;
pub use assembly::Objects;
use message::{Attribute, Read, FAMILY};
pub use refusal::Refusal;

/// Bit of the chain in a slot.
pub fn chain_mask(slot: u8) -> u32 {
    1_u32.checked_shl(slot.into()).unwrap_or(0)
}

/// Bit of the negotiation.
pub const VCA_MASK: u32 = 1 << assembly::TYPE_VCA;
/// Bit of the measurements.
pub const MEASUREMENTS_MASK: u32 = 1 << assembly::TYPE_MEASUREMENTS;
/// Bits of all chains.
pub const CHAINS_MASK: u32 = 0xff;

/// Longest part of a dump; the kernel makes no longer ones.
const BUFFER: usize = 1 << 16;

/// Asks for evidence.
#[derive(Clone, Debug)]
pub struct Request {
    /// The device, `issei<N>`.
    pub device: String,
    /// The objects, a bit for each type.
    pub mask: u32,
    /// The nonce; the engine is asked now.
    pub nonce: Nonce,
    /// The slot whose key signs; the lowest one that there is if none.
    pub slot: Option<u8>,
}

/// Asks for evidence and waits for it.
///
/// # Errors
///
/// What the driver says: busy, no answer, a check that failed, no permission ...
pub fn read(request: &Request, limit: Duration) -> Result<Objects, Failure> {
    let (sender, receiver) = mpsc::channel();
    let asked = request.clone();
    // The kernel talks to the engine inside of a system call that nothing but the end of the
    // program interrupts, so it is made by a thread that can be left behind.
    thread::spawn(move || sender.send(exchange(&asked)));
    match receiver.recv_timeout(limit) {
        Ok(result) => result.map_err(|refusal| refusal.explain(&request.device)),
        Err(_) => {
            let seconds = limit.as_secs();
            let message = format!("{}: no answer within {seconds} s", request.device);
            Err(Failure::new(Exit::NotReady, message).advise("try again, with a longer --timeout"))
        }
    }
}

/// Asks for evidence and waits for it, for as long as the kernel takes.
///
/// # Errors
///
/// What the driver says, word for word; or that it cannot be asked or understood.
pub fn exchange(request: &Request) -> Result<Objects, Refusal> {
    let mut connection = Connection::open()?;
    let family = connection.family()?;
    debug!(family, "the family is there");
    let mut attributes = vec![
        Attribute::device(&request.device),
        Attribute::number(message::TYPE_MASK, request.mask),
        Attribute::bytes(message::NONCE, &request.nonce),
    ];
    attributes.extend(
        request
            .slot
            .map(|slot| Attribute::number(message::SLOT, slot.into())),
    );
    let message = GenlMessage::from_payload(Read { attributes });
    let mut assembly = Assembly::default();
    info!(device = request.device, "asking for evidence");
    connection
        .ask(family, NLM_F_DUMP, message, |part: GenlMessage<Read>| {
            assembly.add(&part.payload.attributes)
        })
        .map_err(|refusal| refusal.with_reason(assembly.reason()))?;
    assembly.finish()
}

/// A socket.
struct Connection {
    socket: Socket,
    sequence: u32,
}

impl Connection {
    fn open() -> Result<Self, Refusal> {
        let open = || {
            let mut socket = Socket::new(NETLINK_GENERIC)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            Ok(socket)
        };
        let socket = open().map_err(|error: io::Error| Refusal::socket(&error))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// The number of the family.
    fn family(&mut self) -> Result<u16, Refusal> {
        let message = GenlMessage::from_payload(GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(FAMILY.into())],
        });
        let mut family = None;
        let asked = self.ask(0, NLM_F_ACK, message, |answer: GenlMessage<GenlCtrl>| {
            for attribute in answer.payload.nlas {
                if let GenlCtrlAttrs::FamilyId(id) = attribute {
                    family = Some(id);
                }
            }
            Ok(())
        });
        match (asked, family) {
            (Ok(()), Some(family)) => Ok(family),
            (Err(refusal), _) if refusal.is(Errno::ENOENT) => Err(Refusal::no_family()),
            (Err(refusal), _) => Err(refusal),
            (Ok(()), None) => Err(Refusal::protocol("the kernel names no family")),
        }
    }

    /// Sends a request and takes all answers, up to the end of a dump or an acknowledgement.
    fn ask<Q, A>(
        &mut self,
        family: u16,
        flags: u16,
        mut message: GenlMessage<Q>,
        mut take: impl FnMut(GenlMessage<A>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal>
    where
        Q: std::fmt::Debug,
        A: std::fmt::Debug,
        GenlMessage<Q>: NetlinkSerializable,
        GenlMessage<A>: NetlinkDeserializable,
    {
        self.sequence = self.sequence.wrapping_add(1);
        message.set_resolved_family_id(family);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket
            .send(&bytes, 0)
            .map_err(|error| Refusal::socket(&error))?;

        let mut buffer = Vec::with_capacity(BUFFER);
        loop {
            buffer.clear();
            let length = self
                .socket
                .recv(&mut buffer, 0)
                .map_err(|error| Refusal::socket(&error))?;
            debug!(length, "a part");
            let mut rest = buffer.get(..length).unwrap_or_default();
            while !rest.is_empty() {
                let answer = NetlinkMessage::<GenlMessage<A>>::deserialize(rest)
                    .map_err(|error| Refusal::protocol(error.to_string()))?;
                // Messages begin at multiples of four bytes.
                let length = usize::try_from(answer.header.length).unwrap_or(usize::MAX);
                let length = length.checked_next_multiple_of(4).unwrap_or(usize::MAX);
                rest = rest.get(length..).unwrap_or_default();
                if answer.header.sequence_number != self.sequence {
                    continue;
                }
                match answer.payload {
                    NetlinkPayload::InnerMessage(answer) => take(answer)?,
                    NetlinkPayload::Done(done) => return refusal::of_done(&done),
                    NetlinkPayload::Error(error) => return refusal::of_error(&error),
                    NetlinkPayload::Overrun(_) => {
                        return Err(Refusal::protocol("messages were lost"))
                    }
                    _ => {}
                }
            }
        }
    }
}
