// SPDX-License-Identifier: GPL-2.0

//! Numbers of `include/uapi/linux/issei_evidence.h`, with the names that they have there behind
//! `ISSEI_EVIDENCE_`. A test of the host compares them.

pub(super) const FAMILY_VERSION: u32 = 1;

pub(super) const TYPE_CERT0: u32 = 0;
pub(super) const TYPE_MEASUREMENTS: u32 = 9;

pub(super) const FLAG_DIGEST: u32 = 1;

pub(super) const VERDICT_NOT_CHECKED: u32 = 0;
pub(super) const VERDICT_YES: u32 = 1;
pub(super) const VERDICT_NO: u32 = 2;

pub(super) const HASH_ALGO_SHA256: u32 = 4;
pub(super) const HASH_ALGO_SHA384: u32 = 5;
pub(super) const HASH_ALGO_SHA512: u32 = 6;
pub(super) const HASH_ALGO_SHA3_256: u32 = 20;
pub(super) const HASH_ALGO_SHA3_384: u32 = 21;
pub(super) const HASH_ALGO_SHA3_512: u32 = 22;

pub(super) const A_TYPE: u16 = 1;
pub(super) const A_TYPE_MASK: u16 = 2;
pub(super) const A_FLAGS: u16 = 3;
pub(super) const A_DEV_NAME: u16 = 4;
pub(super) const A_NONCE: u16 = 5;
pub(super) const A_GENERATION: u16 = 6;
pub(super) const A_LENGTH: u16 = 7;
pub(super) const A_OFFSET: u16 = 8;
pub(super) const A_VAL: u16 = 9;
pub(super) const A_SLOT: u16 = 10;
pub(super) const A_HASH_ALGO: u16 = 11;
pub(super) const A_STATE: u16 = 12;
pub(super) const A_FRESH: u16 = 13;
pub(super) const A_ANCHORED: u16 = 14;
pub(super) const A_PINNED: u16 = 15;
pub(super) const A_ACCEPTED: u16 = 16;
pub(super) const A_DIGEST: u16 = 17;
pub(super) const A_LOG_HEAD: u16 = 18;
pub(super) const A_LOG_COUNT: u16 = 19;

pub(super) const CMD_READ: u8 = 1;
pub(super) const CMD_RESULT: u8 = 2;
