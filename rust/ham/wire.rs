// SPDX-License-Identifier: GPL-2.0

//! Layouts: the setup exchange of the circular buffers, the header of a HAM message and the bus
//! messages. All integers are little endian.
//!
//! Source: Linux `drivers/misc/issei/hw_msg.h`.

#![forbid(unsafe_code)]

use super::fault::Fault;

/// Bytes of a message header.
pub const HEADER_SIZE: usize = 20;

/// The status that is no error.
pub const STATUS_SUCCESS: u32 = 0;

const SETUP_REQUEST_ID: u32 = 0x8086_cafe;
const SETUP_RESPONSE_ID: u32 = 0xcafe_8086;
const SETUP_VERSION: u32 = 1;

const START_RESPONSE: u32 = 0x80;
const CLIENTS_RESPONSE: u32 = 0x81;

/// The start request: command 0, protocol version 1, no capabilities.
pub const START_REQUEST: [u8; 7] = [0, 0, 0, 0, 1, 0, 0];

/// The clients request: command 1.
pub const CLIENTS_REQUEST: [u8; 4] = [1, 0, 0, 0];

/// Bytes of the longest start response: its fixed part and 255 bytes of capabilities.
pub const START_RESPONSE_MAX: usize = START_RESPONSE_FIXED + u8::MAX as usize;

const START_RESPONSE_FIXED: usize = 15;
const CLIENTS_RESPONSE_FIXED: usize = 8;

/// Bytes of one entry of the clients response.
const CLIENT_SIZE: usize = 28;

/// Where the shared memory lies and how it is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupRequest {
    /// DMA address of the buffer.
    pub address: u64,
    /// Bytes of the host-to-firmware section, which comes first.
    pub h2f_size: u32,
    /// Bytes of the firmware-to-host section, which follows.
    pub f2h_size: u32,
    /// Bytes of the control block, which comes last.
    pub control_size: u32,
}

impl SetupRequest {
    /// The request as the dwords to write into the host circular buffer, in order.
    pub fn to_dwords(&self) -> [u32; 7] {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = self.address.to_le_bytes();
        [
            SETUP_REQUEST_ID,
            SETUP_VERSION,
            u32::from_le_bytes([a0, a1, a2, a3]),
            u32::from_le_bytes([a4, a5, a6, a7]),
            self.h2f_size,
            self.f2h_size,
            self.control_size,
        ]
    }
}

/// Dwords of the setup response.
pub const SETUP_RESPONSE_DWORDS: u8 = 2;

/// Checks the setup response.
///
/// # Errors
///
/// - [`Fault::SetupResponse`]: the id is another one, or the status is not success.
pub fn check_setup_response(id: u32, status: u32) -> Result<(), Fault> {
    if id == SETUP_RESPONSE_ID && status == STATUS_SUCCESS {
        Ok(())
    } else {
        Err(Fault::SetupResponse { id, status })
    }
}

/// The header of a message in shared memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes of payload after the header.
    pub length: u32,
    /// Firmware client, 0 in a bus message.
    pub fw_id: u16,
    /// Host client, 0 in a bus message.
    pub host_id: u16,
    /// Flags; none are defined.
    pub flags: u32,
    /// 0 for success.
    pub status: u32,
}

impl Header {
    /// The header as it lies in memory.
    pub fn to_bytes(&self) -> [u8; HEADER_SIZE] {
        let [l0, l1, l2, l3] = self.length.to_le_bytes();
        let [f0, f1] = self.fw_id.to_le_bytes();
        let [h0, h1] = self.host_id.to_le_bytes();
        let [g0, g1, g2, g3] = self.flags.to_le_bytes();
        let [s0, s1, s2, s3] = self.status.to_le_bytes();
        [
            l0, l1, l2, l3, f0, f1, h0, h1, g0, g1, g2, g3, s0, s1, s2, s3, 0, 0, 0, 0,
        ]
    }

    /// Reads a header from a private copy of its bytes. Every value is possible: nothing is checked.
    pub fn from_bytes(bytes: &[u8; HEADER_SIZE]) -> Self {
        let [l0, l1, l2, l3, f0, f1, h0, h1, g0, g1, g2, g3, s0, s1, s2, s3, ..] = *bytes;
        Self {
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            fw_id: u16::from_le_bytes([f0, f1]),
            host_id: u16::from_le_bytes([h0, h1]),
            flags: u32::from_le_bytes([g0, g1, g2, g3]),
            status: u32::from_le_bytes([s0, s1, s2, s3]),
        }
    }

    /// The length of the payload, if the section holds it.
    ///
    /// # Errors
    ///
    /// - [`Fault::MessageLength`]: header and payload are longer than `section_size` bytes.
    pub fn payload_length(&self, section_size: usize) -> Result<usize, Fault> {
        let fault = Fault::MessageLength {
            length: self.length,
        };
        let length = usize::try_from(self.length).map_err(|_| fault)?;
        match section_size.checked_sub(HEADER_SIZE) {
            Some(room) if length <= room => Ok(length),
            _ => Err(fault),
        }
    }

    /// Whether this is a message of the bus itself and not of a client.
    ///
    /// # Errors
    ///
    /// - [`Fault::BusMessageHeader`]: a bus message with a status other than success.
    pub fn is_bus(&self) -> Result<bool, Fault> {
        match (self.fw_id, self.host_id, self.status) {
            (0, 0, STATUS_SUCCESS) => Ok(true),
            (0, 0, status) => Err(Fault::BusMessageHeader { status }),
            _ => Ok(false),
        }
    }
}

/// What the firmware says of itself in the start response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartResponse {
    /// Major, minor, milestone, build.
    pub fw_version: [u16; 4],
    /// HAM protocol version.
    pub version: u16,
}

impl StartResponse {
    /// Reads the start response from the payload of a bus message.
    ///
    /// # Errors
    ///
    /// - [`Fault::BusMessage`]: another command.
    /// - [`Fault::BusMessageLength`]: shorter or longer than its capabilities length says.
    /// - [`Fault::ProtocolVersion`]: version 0.
    pub fn parse(payload: &[u8]) -> Result<Self, Fault> {
        expect_command(payload, START_RESPONSE)?;
        let length_fault = Fault::BusMessageLength {
            command: START_RESPONSE,
            length: payload.len(),
        };
        let (fixed, capabilities) = payload
            .split_first_chunk::<START_RESPONSE_FIXED>()
            .ok_or(length_fault)?;
        let [_, _, _, _, a0, a1, b0, b1, c0, c1, d0, d1, v0, v1, capabilities_length] = *fixed;
        if capabilities.len() != usize::from(capabilities_length) {
            return Err(length_fault);
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version == 0 {
            return Err(Fault::ProtocolVersion);
        }
        Ok(Self {
            fw_version: [
                u16::from_le_bytes([a0, a1]),
                u16::from_le_bytes([b0, b1]),
                u16::from_le_bytes([c0, c1]),
                u16::from_le_bytes([d0, d1]),
            ],
            version,
        })
    }
}

/// One firmware client, as the clients response describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Id in message headers.
    pub id: u16,
    /// Version of the client's protocol.
    pub version: u8,
    /// Name of the client's protocol, printed in this byte order.
    pub uuid: [u8; 16],
    /// Longest payload that the client takes, in bytes, as the firmware says it.
    pub mtu: u32,
    /// Flags; none are defined.
    pub flags: u32,
}

/// The clients response: a checked list of entries.
#[derive(Clone, Copy, Debug)]
pub struct ClientsResponse<'a> {
    entries: &'a [u8],
}

impl<'a> ClientsResponse<'a> {
    /// Reads the clients response from the payload of a bus message.
    ///
    /// # Errors
    ///
    /// - [`Fault::BusMessage`]: another command.
    /// - [`Fault::BusMessageLength`]: shorter or longer than its count says.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Fault> {
        expect_command(payload, CLIENTS_RESPONSE)?;
        let length_fault = Fault::BusMessageLength {
            command: CLIENTS_RESPONSE,
            length: payload.len(),
        };
        let (fixed, entries) = payload
            .split_first_chunk::<CLIENTS_RESPONSE_FIXED>()
            .ok_or(length_fault)?;
        let [_, _, _, _, c0, c1, ..] = *fixed;
        let count = usize::from(u16::from_le_bytes([c0, c1]));
        if Some(entries.len()) != count.checked_mul(CLIENT_SIZE) {
            return Err(length_fault);
        }
        Ok(Self { entries })
    }

    /// Number of entries.
    pub fn count(&self) -> usize {
        self.entries.len() / CLIENT_SIZE
    }

    /// The entries in the firmware's order. Ids may be zero or occur twice: see [`admit`].
    pub fn clients(&self) -> impl Iterator<Item = Client> + 'a {
        self.entries.chunks_exact(CLIENT_SIZE).filter_map(|entry| {
            let (head, rest) = entry.split_first_chunk::<4>()?;
            let (uuid, rest) = rest.split_first_chunk::<16>()?;
            let (mtu, flags) = rest.split_first_chunk::<4>()?;
            let [i0, i1, version, _] = *head;
            Some(Client {
                id: u16::from_le_bytes([i0, i1]),
                version,
                uuid: *uuid,
                mtu: u32::from_le_bytes(*mtu),
                flags: u32::from_le_bytes(flags.try_into().ok()?),
            })
        })
    }
}

/// Whether a client can be used beside those `admitted` before it: its id is not that of the bus and
/// not taken. Two clients may share a UUID; a connection goes to the first.
pub fn admit(admitted: impl IntoIterator<Item = u16>, client: &Client) -> bool {
    client.id != 0 && admitted.into_iter().all(|id| id != client.id)
}

fn expect_command(payload: &[u8], expected: u32) -> Result<(), Fault> {
    let command = match payload.first_chunk::<4>() {
        Some(bytes) => u32::from_le_bytes(*bytes),
        None => {
            return Err(Fault::BusMessageLength {
                command: expected,
                length: payload.len(),
            })
        }
    };
    if command == expected {
        Ok(())
    } else {
        Err(Fault::BusMessage { command })
    }
}
