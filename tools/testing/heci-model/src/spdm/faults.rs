// SPDX-License-Identifier: GPL-2.0
//! Faults that any response can have: they change its bytes after it was made, and after it went
//! into the responder's own transcripts.

use super::response::Response;
use super::signature::flip;
use crate::faults::Fault;
use crate::hw::Hw;

/// Bytes that a fault may add.
const LONG_MAX: u64 = 1 << 16;

/// Lets the faults of this response act.
pub(super) fn after(hw: &mut Hw, response: Response, bytes: &mut Vec<u8>) {
    if let Some(version) = hw.fault_on(Fault::SpdmWrongVersion, response) {
        set(bytes, 0, version);
    }
    if let Some(code) = hw.fault_on(Fault::SpdmWrongCode, response) {
        set(bytes, 1, code);
    }
    if let Some(bit) = hw.fault_on(Fault::SpdmFlipped, response) {
        flip(bytes, bit);
    }
    if let Some(short) = hw.fault_on(Fault::SpdmShort, response) {
        let kept = bytes.len() as u64 - short.min(bytes.len() as u64);
        bytes.truncate(kept as usize);
    }
    if let Some(kept) = hw.fault_on(Fault::SpdmTruncated, response) {
        bytes.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
    }
    if let Some(long) = hw.fault_on(Fault::SpdmLong, response) {
        bytes.resize(bytes.len() + long.min(LONG_MAX) as usize, 0);
    }
}

fn set(bytes: &mut [u8], index: usize, value: u64) {
    if let Some(byte) = bytes.get_mut(index) {
        *byte = value as u8;
    }
}
