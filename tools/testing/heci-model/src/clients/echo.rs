// SPDX-License-Identifier: GPL-2.0
//! Clients that answer with what they were sent: Intel's two test clients, one with the largest
//! MTU, one that takes its time.

use std::time::Duration;

use super::{uuid, FirmwareClient, Properties, Reply};
use crate::hw::Hw;
use crate::wire::Message;

/// Intel's first test client.
pub(super) const TEST_4: [u8; 16] = uuid(0x44444444_4444_4444_4444_444444444444);
/// Intel's second test client.
pub(super) const TEST_1: [u8; 16] = uuid(0x11111111_1111_1111_1111_111111111111);
/// The client with the largest MTU. Its UUID begins with "bulkecho" in ASCII.
pub(super) const BULK: [u8; 16] = uuid(0x62756c6b_6563_686f_8000_000000000001);
/// 64 KiB less a header: all that a section of 64 KiB carries.
pub(super) const BULK_MTU: u32 = 0x1_0000 - 20;
/// The client that answers late. Its UUID begins with "lateecho" in ASCII.
pub(super) const LATE: [u8; 16] = uuid(0x6c617465_6563_686f_8000_000000000002);

/// UUID of a further client that echoes, by its number.
pub(super) const fn further(number: u16) -> [u8; 16] {
    uuid(0x62756c6b_6563_686f_8001_000000000000 + number as u128)
}

/// A client that echoes.
#[derive(Debug)]
pub struct Echo {
    uuid: [u8; 16],
    mtu: u32,
    after: Duration,
}

impl Echo {
    /// A client that echoes up to `mtu` bytes, `after` it got them.
    pub fn new(uuid: [u8; 16], mtu: u32, after: Duration) -> Self {
        Self { uuid, mtu, after }
    }
}

impl FirmwareClient for Echo {
    fn properties(&self) -> Properties {
        Properties {
            uuid: self.uuid,
            version: 1,
            mtu: self.mtu,
        }
    }

    fn message(&mut self, _: &mut Hw, request: &Message) -> Vec<Reply> {
        vec![Reply {
            after: self.after,
            payload: request.payload.clone(),
        }]
    }
}
