// SPDX-License-Identifier: GPL-2.0

//! What can be wrong with the link as a whole, in words for the log.

#![forbid(unsafe_code)]

use core::fmt;

/// A reason for which the link is reset. A fault of one connection is never one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `FW_CSR_HA.RDY` went away: the firmware reset itself.
    FirmwareReset,
    /// A user or another driver callback asked for a reset.
    Requested,
    /// `FW_CSR_HA.RDY` did not come within its limit after a reset.
    NotReady,
    /// The setup response did not come within its limit.
    NoSetupResponse,
    /// The setup response has another id or a status other than success.
    SetupResponse {
        /// First dword of the response.
        id: u32,
        /// Second dword of the response.
        status: u32,
    },
    /// The firmware's circular buffer holds another number of dwords than the setup response has.
    SetupLength {
        /// Filled slots, in dwords.
        dwords: u8,
    },
    /// The start response did not come within its limit.
    NoStartResponse,
    /// The clients response did not come within its limit.
    NoClientsResponse,
    /// A bus message is shorter or longer than its fields say.
    BusMessageLength {
        /// The command.
        command: u32,
        /// Length of the message, in bytes.
        length: usize,
    },
    /// A bus message with a command that is unknown or out of order.
    BusMessage {
        /// The command.
        command: u32,
    },
    /// A start response that nobody asked for.
    UnexpectedStart,
    /// A bus message carries a status other than success.
    BusMessageHeader {
        /// Status field of the header.
        status: u32,
    },
    /// The start response offers protocol version 0.
    ProtocolVersion,
    /// A message header claims more than the section holds.
    MessageLength {
        /// The claimed length of the payload, in bytes.
        length: u32,
    },
    /// `h2f_rd` is neither the number of messages sent nor one less.
    HostToFirmwareCounter {
        /// Messages sent.
        wr: u32,
        /// Messages that the firmware claims to have consumed.
        rd: u32,
    },
    /// `f2h_wr` is neither the number of messages consumed nor one more.
    FirmwareToHostCounter {
        /// Messages that the firmware claims to have sent.
        wr: u32,
        /// Messages consumed.
        rd: u32,
    },
    /// The firmware did not consume a message within its limit.
    WriteStuck,
    /// There was no memory for the firmware's table of clients.
    NoMemory,
    /// The registers read as all ones: the function is gone or does not decode.
    Absent,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::FirmwareReset => f.write_str("the firmware reset itself"),
            Self::Requested => f.write_str("a reset was requested"),
            Self::NotReady => f.write_str("the firmware did not become ready"),
            Self::NoSetupResponse => f.write_str("no setup response"),
            Self::SetupResponse { id, status } => {
                write!(f, "setup response with id {id:#010x}, status {status:#x}")
            }
            Self::SetupLength { dwords } => write!(f, "setup response of {dwords} dwords"),
            Self::NoStartResponse => f.write_str("no start response"),
            Self::NoClientsResponse => f.write_str("no clients response"),
            Self::BusMessageLength { command, length } => {
                write!(
                    f,
                    "bus message {command:#x} with a length of {length} bytes"
                )
            }
            Self::BusMessage { command } => write!(f, "unexpected bus message {command:#x}"),
            Self::UnexpectedStart => f.write_str("unexpected start response"),
            Self::BusMessageHeader { status } => {
                write!(f, "bus message with status {status:#x}")
            }
            Self::ProtocolVersion => f.write_str("the firmware offers protocol version 0"),
            Self::MessageLength { length } => {
                write!(f, "message header with a length of {length} bytes")
            }
            Self::HostToFirmwareCounter { wr, rd } => {
                write!(f, "{wr} messages sent but {rd} consumed by the firmware")
            }
            Self::FirmwareToHostCounter { wr, rd } => {
                write!(f, "{wr} messages from the firmware but {rd} consumed")
            }
            Self::WriteStuck => f.write_str("the firmware did not take a message"),
            Self::NoMemory => f.write_str("no memory for the table of firmware clients"),
            Self::Absent => f.write_str("the registers read as all ones"),
        }
    }
}
