// SPDX-License-Identifier: GPL-2.0
//! Layouts on the wire, little endian, as the firmware sees them: the setup exchange, the message
//! header and the bus messages. Written from the description of the protocol, on purpose not
//! shared with any driver.

use serde_json::{json, Value};

/// Identifier of a setup request.
pub const SETUP_REQUEST: u32 = 0x8086_cafe;
/// Identifier of a setup response.
pub const SETUP_RESPONSE: u32 = 0xcafe_8086;
/// Dwords of a setup request.
pub const SETUP_DWORDS: u8 = 7;
/// The one protocol version, of the setup exchange and of the start message.
pub const VERSION: u16 = 1;

/// Bus command: start request.
pub const START_REQUEST: u32 = 0x00;
/// Bus command: start response.
pub const START_RESPONSE: u32 = 0x80;
/// Bus command: clients request.
pub const CLIENTS_REQUEST: u32 = 0x01;
/// Bus command: clients response.
pub const CLIENTS_RESPONSE: u32 = 0x81;

/// Status of a message or of the setup exchange.
pub mod status {
    /// All is well.
    pub const SUCCESS: u32 = 0x00;
    /// The protocol version is not supported.
    pub const UNSUPPORTED_PROTOCOL: u32 = 0x01;
    /// No firmware client has this id.
    pub const NO_CLIENT: u32 = 0x03;
    /// The payload is larger than the client's MTU.
    pub const TOO_BIG: u32 = 0x04;
    /// A bus message that makes no sense.
    pub const CORRUPTED_BUS_MESSAGE: u32 = 0x06;
    /// A header that makes no sense.
    pub const CORRUPTED_HEADER: u32 = 0x07;
    /// A bus message of the wrong length.
    pub const INVALID_LENGTH: u32 = 0x08;
    /// The shared memory is too small, misaligned or not memory.
    pub const UNSUPPORTED_MEMORY: u32 = 0x09;
    /// Anything that cannot go on.
    pub const FATAL: u32 = 0xff;
}

/// The setup request: where the shared memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupRequest {
    /// Message identifier.
    pub id: u32,
    /// Protocol version.
    pub version: u16,
    /// DMA address of the shared memory.
    pub address: u64,
    /// Bytes of the host-to-firmware section.
    pub h2f: u32,
    /// Bytes of the firmware-to-host section.
    pub f2h: u32,
    /// Bytes of the control block.
    pub control: u32,
}

impl SetupRequest {
    /// From the dwords of the circular buffer.
    pub fn decode(dwords: [u32; SETUP_DWORDS as usize]) -> Self {
        let [id, version, low, high, h2f, f2h, control] = dwords;
        Self {
            id,
            version: version as u16,
            address: u64::from(high) << 32 | u64::from(low),
            h2f,
            f2h,
            control,
        }
    }
}

/// Header of a message in shared memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes of payload.
    pub length: u32,
    /// Firmware client, 0 for bus messages.
    pub fw_id: u16,
    /// Host client, 0 for bus messages.
    pub host_id: u16,
    /// Flags; none are known.
    pub flags: u32,
    /// One of [`status`].
    pub status: u32,
    /// Zero.
    pub reserved: u32,
}

impl Header {
    /// Bytes of a header.
    pub const SIZE: u32 = 20;

    /// From the first bytes of a section.
    pub fn decode(bytes: [u8; Self::SIZE as usize]) -> Self {
        let dword = |n: usize| {
            let part = bytes.iter().skip(4 * n).take(4).rev();
            part.fold(0, |value, byte| value << 8 | u32::from(*byte))
        };
        Self {
            length: dword(0),
            fw_id: dword(1) as u16,
            host_id: (dword(1) >> 16) as u16,
            flags: dword(2),
            status: dword(3),
            reserved: dword(4),
        }
    }

    /// To the first bytes of a section.
    pub fn encode(&self) -> Vec<u8> {
        let ids = u32::from(self.host_id) << 16 | u32::from(self.fw_id);
        [self.length, ids, self.flags, self.status, self.reserved]
            .iter()
            .flat_map(|dword| dword.to_le_bytes())
            .collect()
    }
}

/// A message to or from the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Header; a fault may make its length differ from the payload's.
    pub header: Header,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Message {
    /// A message whose header states the payload's length.
    pub fn new(fw_id: u16, host_id: u16, status: u32, payload: Vec<u8>) -> Self {
        let header = Header {
            length: payload.len() as u32,
            fw_id,
            host_id,
            status,
            ..Header::default()
        };
        Self { header, payload }
    }

    /// The message as the trace shows it.
    pub fn describe(&self) -> Value {
        let Header {
            length,
            fw_id,
            host_id,
            flags,
            status,
            ..
        } = self.header;
        let start = self.payload.iter().take(32);
        let data: String = start.map(|byte| format!("{byte:02x}")).collect();
        json!({"length": length, "fw_id": fw_id, "host_id": host_id, "flags": flags,
            "status": status, "data": data})
    }

    /// Whether this is a bus message.
    pub fn is_bus(&self) -> bool {
        self.header.fw_id == 0 && self.header.host_id == 0
    }
}

/// A bus message of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusRequest {
    /// Start, with the version that the host speaks.
    Start(u16),
    /// Ask for the table of clients.
    Clients,
}

impl BusRequest {
    /// Decodes the payload of a bus message.
    ///
    /// # Errors
    ///
    /// The status to answer with.
    pub fn decode(payload: &[u8]) -> Result<Self, u32> {
        let Some((command, rest)) = payload.split_first_chunk() else {
            return Err(status::CORRUPTED_BUS_MESSAGE);
        };
        match (u32::from_le_bytes(*command), rest) {
            (START_REQUEST, [low, high, capabilities, rest @ ..]) => {
                if rest.len() != usize::from(*capabilities) {
                    return Err(status::INVALID_LENGTH);
                }
                Ok(Self::Start(u16::from_le_bytes([*low, *high])))
            }
            (CLIENTS_REQUEST, []) => Ok(Self::Clients),
            (START_REQUEST | CLIENTS_REQUEST, _) => Err(status::INVALID_LENGTH),
            _ => Err(status::CORRUPTED_BUS_MESSAGE),
        }
    }
}

/// Payload of a start response without capabilities.
pub fn start_response(firmware: [u16; 4]) -> Vec<u8> {
    let mut payload = START_RESPONSE.to_le_bytes().to_vec();
    payload.extend(firmware.iter().flat_map(|part| part.to_le_bytes()));
    payload.extend(VERSION.to_le_bytes());
    payload.push(0);
    payload
}

/// One row of the clients response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRow {
    /// Firmware client id.
    pub id: u16,
    /// Protocol version of the client.
    pub version: u8,
    /// UUID in the order in which it is printed.
    pub uuid: [u8; 16],
    /// Largest payload in bytes.
    pub mtu: u32,
    /// Flags; none are known.
    pub flags: u32,
}

impl ClientRow {
    /// Bytes of a row.
    pub const SIZE: usize = 28;
}

/// Payload of a clients response.
pub fn clients_response(rows: &[ClientRow]) -> Vec<u8> {
    let mut payload = CLIENTS_RESPONSE.to_le_bytes().to_vec();
    payload.extend((rows.len() as u16).to_le_bytes());
    payload.extend([0, 0]);
    for row in rows {
        payload.extend(row.id.to_le_bytes());
        payload.extend([row.version, 0]);
        payload.extend(row.uuid);
        payload.extend(row.mtu.to_le_bytes());
        payload.extend(row.flags.to_le_bytes());
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_wire() {
        let header = Header {
            length: 0x0102_0304,
            fw_id: 0x0506,
            host_id: 0x0708,
            flags: 0x090a_0b0c,
            status: 0x0d0e_0f10,
            reserved: 0x1112_1314,
        };
        let bytes = header.encode();
        assert_eq!(bytes[..8], [4, 3, 2, 1, 6, 5, 8, 7]);
        assert_eq!(Header::decode(bytes.try_into().unwrap()), header);
    }

    #[test]
    fn bus_requests_of_every_short_length_are_judged() {
        let start = [0, 0, 0, 0, 1, 0, 2, 0xaa, 0xbb];
        assert_eq!(BusRequest::decode(&start), Ok(BusRequest::Start(1)));
        for len in 0..start.len() {
            let expected = match len {
                0..4 => status::CORRUPTED_BUS_MESSAGE,
                _ => status::INVALID_LENGTH,
            };
            assert_eq!(BusRequest::decode(&start[..len]), Err(expected));
        }
        assert_eq!(BusRequest::decode(&[1, 0, 0, 0]), Ok(BusRequest::Clients));
        assert_eq!(
            BusRequest::decode(&[1, 0, 0, 0, 0]),
            Err(status::INVALID_LENGTH)
        );
        assert_eq!(
            BusRequest::decode(&[2, 0, 0, 0]),
            Err(status::CORRUPTED_BUS_MESSAGE)
        );
    }
}
