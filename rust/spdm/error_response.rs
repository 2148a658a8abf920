// SPDX-License-Identifier: GPL-2.0

//! ERROR, and RESPOND_IF_READY, which answers one of its codes.

#![forbid(unsafe_code)]

use super::code::{Code, ErrorCode};
use super::error::{Error, Field, Reason};
use super::version::Version;
use super::wire::{Reader, Writer};

/// Longest extended error data, in bytes.
const EXTENDED_MAX: u32 = 32;

/// The greatest RDTExponent that stands for a time anybody would wait.
const READY_EXPONENT_MAX: u8 = 31;

/// The least RDTM. With 1, the response would be dropped as soon as it is ready.
const READY_MULTIPLIER_MIN: u8 = 2;

/// ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// What the responder complains of.
    pub code: ErrorCode,
    /// More about it, `param2`.
    pub data: u8,
    /// More about it still, if the code has such data.
    pub detail: Detail,
}

/// Extended error data that the requester acts upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// None.
    None,
    /// ResponseNotReady.
    NotReady(NotReady),
    /// LargeResponse: the handle of the message to be fetched in chunks.
    Handle(u8),
}

/// When the response will be ready, and how to ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// The request that is not answered yet.
    pub request: Code,
    /// Token to repeat.
    pub token: u8,
    exponent: u8,
    multiplier: u8,
}

impl NotReady {
    /// When the response will be ready: microseconds from now.
    pub fn ready_after(&self) -> u64 {
        1_u64.checked_shl(self.exponent.into()).unwrap_or(u64::MAX)
    }

    /// When the response may be dropped: microseconds from now.
    pub fn dropped_after(&self) -> u64 {
        self.ready_after().saturating_mul(self.multiplier.into())
    }
}

impl ErrorResponse {
    /// Reads ERROR.
    ///
    /// # Errors
    ///
    /// Another message or too short, extended data of another length than the code has, times
    /// that nobody would wait for.
    pub fn read(reader: &mut Reader<'_>, version: u8) -> Result<Self, Error> {
        let [code, data] = reader.header(version)?;
        let code = ErrorCode(code);
        let detail = match code {
            ErrorCode::RESPONSE_NOT_READY => Detail::NotReady(Self::not_ready(reader)?),
            ErrorCode::LARGE_RESPONSE => Detail::Handle(reader.u8(Field::Handle)?),
            _ => {
                let actual = u32::try_from(reader.rest().len()).unwrap_or(u32::MAX);
                if actual > EXTENDED_MAX {
                    let limit = EXTENDED_MAX;
                    let reason = Reason::Above { limit, actual };
                    return Err(reader.error(Field::ExtendedErrorData, reason));
                }
                Detail::None
            }
        };
        Ok(Self { code, data, detail })
    }

    fn not_ready(reader: &mut Reader<'_>) -> Result<NotReady, Error> {
        let [exponent, request, token, multiplier] = reader.array(Field::ExtendedErrorData)?;
        if exponent > READY_EXPONENT_MAX {
            let reason = Reason::Above {
                limit: READY_EXPONENT_MAX.into(),
                actual: exponent.into(),
            };
            return Err(reader.error(Field::ExtendedErrorData, reason));
        }
        if multiplier < READY_MULTIPLIER_MIN {
            let reason = Reason::Below {
                limit: READY_MULTIPLIER_MIN.into(),
                actual: multiplier.into(),
            };
            return Err(reader.error(Field::ExtendedErrorData, reason));
        }
        Ok(NotReady {
            request: Code(request),
            token,
            exponent,
            multiplier,
        })
    }
}

/// Writes RESPOND_IF_READY.
///
/// # Errors
///
/// - [`Reason::Room`]: the buffer is too short.
pub fn respond_if_ready(
    version: Version,
    request: Code,
    token: u8,
    buffer: &mut [u8],
) -> Result<usize, Error> {
    let code = Code::RESPOND_IF_READY;
    Ok(Writer::new(buffer, version.byte(), code, request.0, token)?.length())
}
