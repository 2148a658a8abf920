// SPDX-License-Identifier: GPL-2.0

//! Request and response codes, and the error codes of ERROR. Source: DSP0274, "SPDM request codes",
//! "SPDM response codes", "Error code and error data".

#![forbid(unsafe_code)]

use core::fmt;

/// The second byte of a message: what the message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u8);

/// Bit 7 tells a request from a response.
const REQUEST: u8 = 0x80;

macro_rules! names {
    ($type:ident { $($name:ident = $value:literal, $text:literal;)+ }) => {
        impl $type {
            $(
                #[doc = concat!("`", $text, "`")]
                pub const $name: Self = Self($value);
            )+

            /// The name in the specification, if the value is one of these.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($text),)+
                    _ => None,
                }
            }
        }
    };
}

names!(Code {
    DIGESTS = 0x01, "DIGESTS";
    CERTIFICATE = 0x02, "CERTIFICATE";
    CHALLENGE_AUTH = 0x03, "CHALLENGE_AUTH";
    VERSION = 0x04, "VERSION";
    CHUNK_SEND_ACK = 0x05, "CHUNK_SEND_ACK";
    CHUNK_RESPONSE = 0x06, "CHUNK_RESPONSE";
    MEASUREMENTS = 0x60, "MEASUREMENTS";
    CAPABILITIES = 0x61, "CAPABILITIES";
    ALGORITHMS = 0x63, "ALGORITHMS";
    ERROR = 0x7f, "ERROR";
    GET_DIGESTS = 0x81, "GET_DIGESTS";
    GET_CERTIFICATE = 0x82, "GET_CERTIFICATE";
    CHALLENGE = 0x83, "CHALLENGE";
    GET_VERSION = 0x84, "GET_VERSION";
    CHUNK_SEND = 0x85, "CHUNK_SEND";
    CHUNK_GET = 0x86, "CHUNK_GET";
    GET_MEASUREMENTS = 0xe0, "GET_MEASUREMENTS";
    GET_CAPABILITIES = 0xe1, "GET_CAPABILITIES";
    NEGOTIATE_ALGORITHMS = 0xe3, "NEGOTIATE_ALGORITHMS";
    RESPOND_IF_READY = 0xff, "RESPOND_IF_READY";
});

impl Code {
    /// The code of the response to this request.
    pub const fn response(self) -> Self {
        Self(self.0 & !REQUEST)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "message {:#04x}", self.0),
        }
    }
}

/// `param1` of ERROR: what the responder complains of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub u8);

names!(ErrorCode {
    INVALID_REQUEST = 0x01, "InvalidRequest";
    BUSY = 0x03, "Busy";
    UNEXPECTED_REQUEST = 0x04, "UnexpectedRequest";
    UNSPECIFIED = 0x05, "Unspecified";
    DECRYPT_ERROR = 0x06, "DecryptError";
    UNSUPPORTED_REQUEST = 0x07, "UnsupportedRequest";
    REQUEST_IN_FLIGHT = 0x08, "RequestInFlight";
    INVALID_RESPONSE_CODE = 0x09, "InvalidResponseCode";
    SESSION_LIMIT_EXCEEDED = 0x0a, "SessionLimitExceeded";
    SESSION_REQUIRED = 0x0b, "SessionRequired";
    RESET_REQUIRED = 0x0c, "ResetRequired";
    RESPONSE_TOO_LARGE = 0x0d, "ResponseTooLarge";
    REQUEST_TOO_LARGE = 0x0e, "RequestTooLarge";
    LARGE_RESPONSE = 0x0f, "LargeResponse";
    MESSAGE_LOST = 0x10, "MessageLost";
    INVALID_POLICY = 0x11, "InvalidPolicy";
    DATA_TOO_LARGE = 0x12, "DataTooLarge";
    VERSION_MISMATCH = 0x41, "VersionMismatch";
    RESPONSE_NOT_READY = 0x42, "ResponseNotReady";
    REQUEST_RESYNCH = 0x43, "RequestResynch";
    OPERATION_FAILED = 0x44, "OperationFailed";
    NO_PENDING_REQUESTS = 0x45, "NoPendingRequests";
    REQUEST_SESSION_TERMINATE = 0x46, "RequestSessionTerminate";
    INVALID_STATE = 0x47, "InvalidState";
    VENDOR_DEFINED = 0xff, "VendorDefined";
});

impl ErrorCode {
    /// Whether the connection is lost with this answer, so that the requester has to begin again
    /// at GET_VERSION.
    pub fn ends_connection(self) -> bool {
        matches!(
            self,
            Self::UNEXPECTED_REQUEST
                | Self::MESSAGE_LOST
                | Self::VERSION_MISMATCH
                | Self::REQUEST_RESYNCH
        )
    }

    /// Whether the same request may be sent again after a while.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::BUSY | Self::REQUEST_IN_FLIGHT)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {:#04x}", self.0),
        }
    }
}
