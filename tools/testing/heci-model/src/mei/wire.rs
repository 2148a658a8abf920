// SPDX-License-Identifier: GPL-2.0
//! Layouts of MEI in the circular buffers: the header of a message and the host bus messages
//! (HBM), as in Linux `drivers/misc/mei/hw.h`.

use crate::clients::Properties;

/// The highest version of HBM that is known: major, minor.
pub const VERSION: (u8, u8) = (2, 2);

/// Connections that a client may have at a time.
pub const CONNECTIONS_MAX: u8 = 32;

/// Status of a host bus message.
pub mod status {
    /// All is well.
    pub const SUCCESS: u8 = 0;
    /// No client, or no connection, has these addresses.
    pub const CLIENT_NOT_FOUND: u8 = 1;
    /// There is a connection with these addresses.
    pub const ALREADY_EXISTS: u8 = 2;
    /// The client has all the connections that it may have.
    pub const REJECTED: u8 = 3;
    /// The memory offered is too small, misaligned or not memory.
    pub const INVALID_PARAMETER: u8 = 4;
    /// The firmware does not do this.
    pub const NOT_ALLOWED: u8 = 5;
}

/// Bytes of a slot of the circular buffers and of the DMA ring.
pub const SLOT: usize = 4;

/// Slots that `bytes` take.
pub fn slots(bytes: usize) -> u32 {
    bytes.div_ceil(SLOT) as u32
}

/// The two ends of a connection. Both are 0 for bus messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The firmware's client.
    pub me: u8,
    /// The host's client.
    pub host: u8,
}

/// Header of a message, or of a part of one: the first dword.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Where it belongs.
    pub address: Address,
    /// Bytes that follow in the circular buffer.
    pub length: u16,
    /// An extended header comes first. None is ever agreed upon.
    pub extended: bool,
    /// What follows is the number of bytes in the DMA ring, a dword.
    pub ring: bool,
    /// The last part of a message.
    pub complete: bool,
}

impl Header {
    const EXTENDED: u32 = 1 << 28;
    const RING: u32 = 1 << 29;
    const COMPLETE: u32 = 1 << 31;

    /// From the first dword.
    pub fn decode(dword: u32) -> Self {
        let [me, host, ..] = dword.to_le_bytes();
        Self {
            address: Address { me, host },
            length: (dword >> 16 & 0x1ff) as u16,
            extended: dword & Self::EXTENDED != 0,
            ring: dword & Self::RING != 0,
            complete: dword & Self::COMPLETE != 0,
        }
    }

    /// To the first dword.
    pub fn encode(&self) -> u32 {
        let Address { me, host } = self.address;
        let mut dword = u32::from(me) | u32::from(host) << 8 | u32::from(self.length) << 16;
        for (flag, bit) in [
            (self.extended, Self::EXTENDED),
            (self.ring, Self::RING),
            (self.complete, Self::COMPLETE),
        ] {
            if flag {
                dword |= bit;
            }
        }
        dword
    }
}

/// A piece of guest memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// DMA address.
    pub address: u64,
    /// Bytes.
    pub size: u32,
}

/// A host bus message of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Start, with the version that the host speaks: major, minor.
    Start((u8, u8)),
    /// The host is about to stop.
    Stop,
    /// Which clients are there?
    Enumerate,
    /// What is the client with this address?
    Properties(u8),
    /// Connect.
    Connect(Address),
    /// Disconnect.
    Disconnect(Address),
    /// The host has disconnected, because the firmware asked for it.
    Disconnected,
    /// The host has a buffer for one more message.
    FlowControl(Address),
    /// The host is about to isolate power.
    PowerGate,
    /// Start or stop to notify of events.
    Notify(Address, u8),
    /// Memory for the DMA ring: host, device, control.
    Ring([Area; 3]),
    /// Which of these capabilities are there?
    Capabilities,
}

impl Request {
    /// Decodes a message; nothing if the command is not known or the message is too short.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (command, rest) = bytes.split_first()?;
        let address = || match *rest {
            [me, host, _, ..] => Some(Address { me, host }),
            _ => None,
        };
        Some(match command {
            0x01 => match *rest {
                [_, minor, major, ..] => Self::Start((major, minor)),
                _ => return None,
            },
            0x02 => Self::Stop,
            0x04 => Self::Enumerate,
            0x05 => Self::Properties(*rest.first()?),
            0x06 => Self::Connect(address()?),
            0x07 => Self::Disconnect(address()?),
            0x87 => Self::Disconnected,
            0x08 => Self::FlowControl(address()?),
            0x0a => Self::PowerGate,
            0x10 => Self::Notify(address()?, *rest.get(2)?),
            0x12 => {
                let (areas, _) = bytes.get(4..)?.split_first_chunk::<36>()?;
                let dword = |n: usize| {
                    let part = areas.iter().skip(4 * n).take(4).rev();
                    part.fold(0, |value, byte| value << 8 | u32::from(*byte))
                };
                Self::Ring([0, 3, 6].map(|n| Area {
                    address: u64::from(dword(n)) << 32 | u64::from(dword(n + 1)),
                    size: dword(n + 2),
                }))
            }
            0x13 => Self::Capabilities,
            _ => return None,
        })
    }
}

/// A host bus message of the firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The host's version is supported or not; the highest one: major, minor.
    Start(bool, (u8, u8)),
    /// The firmware has stopped.
    Stop,
    /// The addresses of all clients, which count from 1, by their number.
    Enumerate(u8),
    /// The properties of the client with this address, if there is one.
    Properties(u8, Option<Properties>),
    /// Status of a connection.
    Connect(Address, u8),
    /// Status of a disconnection.
    Disconnect(Address, u8),
    /// The firmware ends a connection.
    RequestDisconnect(Address),
    /// The firmware has a buffer for one more message.
    FlowControl(Address),
    /// Power may be isolated.
    PowerGate,
    /// Status of a request to start or stop to notify.
    Notify(Address, u8, u8),
    /// Status of the DMA ring.
    Ring(u8),
    /// No capabilities.
    Capabilities,
}

impl Answer {
    /// The bytes of the message.
    pub fn encode(&self) -> Vec<u8> {
        let of = |command, Address { me, host }: Address, status| vec![command, me, host, status];
        match *self {
            Self::Start(supported, (major, minor)) => vec![0x81, supported.into(), minor, major],
            Self::Stop => vec![0x82, 0, 0, 0],
            Self::Enumerate(clients) => {
                let bits = (0..=255u16).map(|address| (1..=clients.into()).contains(&address));
                let bits: Vec<bool> = bits.collect();
                let byte = |bits: &[bool]| {
                    let bits = bits.iter().rev();
                    bits.fold(0, |byte, bit| byte << 1 | u8::from(*bit))
                };
                [0x84, 0, 0, 0]
                    .into_iter()
                    .chain(bits.chunks(8).map(byte))
                    .collect()
            }
            Self::Properties(me, None) => [0x85, me, status::CLIENT_NOT_FOUND, 0]
                .into_iter()
                .chain([0; 24])
                .collect(),
            Self::Properties(me, Some(properties)) => {
                let mut bytes = vec![0x85, me, status::SUCCESS, 0];
                bytes.extend(guid(&properties.uuid));
                // no fixed address, a receive buffer for each connection
                bytes.extend([properties.version, CONNECTIONS_MAX, 0, 0]);
                bytes.extend(properties.mtu.to_le_bytes());
                bytes
            }
            Self::Connect(address, status) => of(0x86, address, status),
            Self::Disconnect(address, status) => of(0x87, address, status),
            Self::RequestDisconnect(address) => of(0x07, address, 0),
            Self::FlowControl(address) => {
                let mut bytes = of(0x08, address, 0);
                bytes.extend([0; 4]);
                bytes
            }
            Self::PowerGate => vec![0x8a, 0, 0, 0],
            Self::Notify(address, status, start) => {
                let mut bytes = of(0x90, address, status);
                bytes.extend([start, 0, 0, 0]);
                bytes
            }
            Self::Ring(status) => vec![0x92, status, 0, 0],
            Self::Capabilities => vec![0x93, 0, 0, 0],
        }
    }
}

/// A UUID as MEI carries it: the first three fields little endian.
fn guid(uuid: &[u8; 16]) -> [u8; 16] {
    let mut bytes = *uuid;
    for field in [0..4, 4..6, 6..8] {
        if let Some(field) = bytes.get_mut(field) {
            field.reverse();
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_keeps_every_field() {
        for dword in [0u32, 0x8004_0000, 0xa004_2103, 0x91ff_ff01] {
            assert_eq!(Header::decode(dword).encode(), dword);
        }
        let header = Header::decode(0xa1fc_2103);
        assert_eq!(header.address, Address { me: 3, host: 0x21 });
        assert_eq!(header.length, 0x1fc);
        assert!(header.ring && header.complete && !header.extended);
    }

    #[test]
    fn slots_round_up() {
        assert_eq!([0, 1, 4, 5, 8].map(slots), [0, 1, 1, 2, 2]);
    }

    #[test]
    fn a_request_that_is_too_short_is_none() {
        let full: [(&[u8], Request); 6] = [
            (&[0x01, 0, 2, 1], Request::Start((1, 2))),
            (&[0x05, 7], Request::Properties(7)),
            (
                &[0x06, 1, 2, 0],
                Request::Connect(Address { me: 1, host: 2 }),
            ),
            (
                &[0x08, 1, 2, 0],
                Request::FlowControl(Address { me: 1, host: 2 }),
            ),
            (
                &[0x10, 1, 2, 1],
                Request::Notify(Address { me: 1, host: 2 }, 1),
            ),
            (&[0x0a], Request::PowerGate),
        ];
        for (bytes, request) in full {
            assert_eq!(Request::decode(bytes), Some(request));
            assert_eq!(Request::decode(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(Request::decode(&[0x7f, 0, 0, 0]), None);
    }

    #[test]
    fn the_ring_request_has_the_high_half_first() {
        let mut bytes = vec![0x12, 0, 0, 0];
        for dword in [1u32, 2, 3, 4, 5, 6, 7, 8, 9] {
            bytes.extend(dword.to_le_bytes());
        }
        let area = |high: u64, low, size| Area {
            address: high << 32 | low,
            size,
        };
        let areas = [area(1, 2, 3), area(4, 5, 6), area(7, 8, 9)];
        assert_eq!(Request::decode(&bytes), Some(Request::Ring(areas)));
        assert_eq!(Request::decode(&bytes[..39]), None);
    }

    #[test]
    fn enumeration_sets_a_bit_for_each_client() {
        let bytes = Answer::Enumerate(9).encode();
        assert_eq!(bytes.len(), 36);
        assert_eq!(bytes[4..8], [0xfe, 0x03, 0, 0]);
        assert_eq!(Answer::Enumerate(0).encode()[4..], [0; 32]);
    }

    #[test]
    fn a_uuid_is_mixed_endian() {
        let properties = Properties {
            uuid: *b"\xe8\x51\x49\xdf\x94\x47\x4c\x9a\x83\x67\xc4\xe3\x34\x64\xf1\xb4",
            version: 1,
            mtu: 0x1000,
        };
        let bytes = Answer::Properties(5, Some(properties)).encode();
        let expected =
            b"\x85\x05\0\0\xdf\x49\x51\xe8\x47\x94\x9a\x4c\x83\x67\xc4\xe3\x34\x64\xf1\xb4";
        assert_eq!(bytes[..20], expected[..]);
        assert_eq!(bytes[20..], [1, CONNECTIONS_MAX, 0, 0, 0, 0x10, 0, 0]);
    }
}
