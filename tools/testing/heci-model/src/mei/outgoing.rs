// SPDX-License-Identifier: GPL-2.0
//! What waits for the host: whole messages, cut into packets as the circular buffer and the DMA
//! ring take them.
//!
//! As the Linux driver does: a message that fits into the circular buffer goes there in one piece;
//! a larger one through the ring, if there is one, else in pieces that fill the buffer.

use std::collections::VecDeque;

use super::ring::{Broken, Ring};
use super::wire::{slots, Address, Header, SLOT};
use crate::csr::CircularBuffer;
use crate::memory::GuestMemory;

/// A message, and how much of it the host has.
#[derive(Debug)]
struct Item {
    address: Address,
    bytes: Vec<u8>,
    sent: usize,
}

/// Messages in the order in which they go out.
#[derive(Debug, Default)]
pub struct Outgoing(VecDeque<Item>);

/// What one packet carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// It went through the ring.
    pub ring: bool,
    /// It was the last of its message.
    pub complete: bool,
}

impl Outgoing {
    /// Appends a message.
    pub fn push(&mut self, address: Address, bytes: Vec<u8>) {
        self.0.push_back(Item {
            address,
            bytes,
            sent: 0,
        });
    }

    /// Drops what belongs to a connection: its end would make the host reset the link.
    pub fn drop_all(&mut self, address: Address) {
        self.0.retain(|item| item.address != address);
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes the next packet; nothing if there is none or it has to wait for the host.
    ///
    /// # Errors
    ///
    /// The ring cannot be used.
    pub fn write(
        &mut self,
        buffer: &mut CircularBuffer,
        ring: Option<&mut Ring>,
        memory: &GuestMemory,
    ) -> Result<Option<Sent>, Broken> {
        let Some(item) = self.0.front_mut() else {
            return Ok(None);
        };
        let free = u32::from(buffer.depth().saturating_sub(buffer.filled()));
        let whole = usize::from(buffer.depth()).saturating_sub(1) * SLOT;
        let rest = item.bytes.get(item.sent..).unwrap_or_default();
        let fits = item.sent == 0 && rest.len() <= whole;
        let mut header = Header {
            address: item.address,
            ..Header::default()
        };
        let taken = match ring {
            _ if fits && free < 1 + slots(rest.len()) => return Ok(None),
            Some(ring) if !fits => {
                let room = ring.room(memory)?;
                if free < 2 || room == 0 {
                    return Ok(None);
                }
                let (part, _) = rest.split_at(rest.len().min(room));
                ring.put(memory, part)?;
                header.ring = true;
                part.len()
            }
            _ if !fits && free < u32::from(buffer.depth()) => return Ok(None),
            _ => rest.len().min(whole),
        };
        header.complete = taken == rest.len();
        let length = (taken as u32).to_le_bytes();
        let data = match header.ring {
            true => &length[..],
            false => rest.get(..taken).unwrap_or_default(),
        };
        header.length = data.len() as u16;
        buffer.push(header.encode());
        for slot in data.chunks(SLOT) {
            let dword = slot.iter().rev();
            buffer.push(dword.fold(0, |dword, byte| dword << 8 | u32::from(*byte)));
        }
        item.sent += taken;
        if header.complete {
            self.0.pop_front();
        }
        Ok(Some(Sent {
            ring: header.ring,
            complete: header.complete,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csr::Registers;

    const ADDRESS: Address = Address { me: 3, host: 1 };

    fn write(outgoing: &mut Outgoing, buffer: &mut CircularBuffer) -> Option<Sent> {
        let memory = GuestMemory::default();
        outgoing.write(buffer, None, &memory).unwrap()
    }

    fn drain(buffer: &mut CircularBuffer) -> Vec<u32> {
        std::iter::from_fn(|| buffer.pop()).collect()
    }

    #[test]
    fn a_message_that_fits_is_one_packet() {
        let mut buffer = Registers::new(8).firmware_buffer;
        let mut outgoing = Outgoing::default();
        outgoing.push(ADDRESS, vec![1, 2, 3, 4, 5]);
        let sent = write(&mut outgoing, &mut buffer).unwrap();
        assert!(sent.complete && !sent.ring);
        assert_eq!(drain(&mut buffer), [0x8005_0103, 0x0403_0201, 5]);
        assert_eq!(write(&mut outgoing, &mut buffer), None);
    }

    #[test]
    fn a_message_that_fits_waits_until_it_does() {
        let mut buffer = Registers::new(8).firmware_buffer;
        let mut outgoing = Outgoing::default();
        outgoing.push(ADDRESS, vec![0; 4]);
        outgoing.push(ADDRESS, vec![0; 28]);
        write(&mut outgoing, &mut buffer).unwrap();
        assert_eq!(write(&mut outgoing, &mut buffer), None);
        assert_eq!(drain(&mut buffer).len(), 2);
        assert!(write(&mut outgoing, &mut buffer).unwrap().complete);
        assert_eq!(buffer.filled(), buffer.depth());
    }

    #[test]
    fn without_a_ring_a_large_message_comes_in_pieces_that_fill_the_buffer() {
        let mut buffer = Registers::new(8).firmware_buffer;
        let mut outgoing = Outgoing::default();
        let message: Vec<u8> = (0..65).collect();
        outgoing.push(ADDRESS, message.clone());
        let mut seen = Vec::new();
        for complete in [false, false, true] {
            let sent = write(&mut outgoing, &mut buffer).unwrap();
            assert_eq!(sent.complete, complete);
            assert_eq!(write(&mut outgoing, &mut buffer), None);
            let packet = drain(&mut buffer);
            let header = Header::decode(packet[0]);
            assert_eq!(header.complete, complete);
            let bytes = packet[1..].iter().flat_map(|dword| dword.to_le_bytes());
            seen.extend(bytes.take(header.length.into()));
        }
        assert_eq!(seen, message);
    }

    #[test]
    fn a_connection_takes_its_messages_with_it() {
        let mut outgoing = Outgoing::default();
        outgoing.push(ADDRESS, vec![1]);
        outgoing.push(Address::default(), vec![2]);
        outgoing.drop_all(ADDRESS);
        assert_eq!(outgoing.len(), 1);
    }
}
