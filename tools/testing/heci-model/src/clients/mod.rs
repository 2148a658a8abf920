// SPDX-License-Identifier: GPL-2.0
//! Firmware clients: what a host client can connect to.

mod echo;
mod spdm;
mod unasked;

use std::time::Duration;

use serde_json::Value;

use crate::hw::Hw;
use crate::wire::Message;

pub use echo::Echo;
pub use spdm::{Spdm, PROPERTIES as SPDM_PROPERTIES};
pub use unasked::Unasked;

/// What a client says of itself in the clients response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// UUID in the order in which it is printed.
    pub uuid: [u8; 16],
    /// Protocol version.
    pub version: u8,
    /// Largest payload in bytes, in both directions.
    pub mtu: u32,
}

/// A message of a client to the host client that last spoke to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How long after the request, besides the response latency.
    pub after: Duration,
    /// At most the client's MTU.
    pub payload: Vec<u8>,
}

impl Reply {
    /// An answer without delay of its own.
    pub fn now(payload: Vec<u8>) -> Vec<Self> {
        let after = Duration::ZERO;
        vec![Self { after, payload }]
    }
}

/// A firmware client. There is no connect on the wire: all it sees is messages.
pub trait FirmwareClient: Send {
    /// What the clients response says.
    fn properties(&self) -> Properties;

    /// Takes a message of at most its MTU and says what to answer, and when.
    fn message(&mut self, hw: &mut Hw, request: &Message) -> Vec<Reply>;

    /// The firmware was reset.
    fn reset(&mut self) {}

    /// What the `state` command shows of it.
    fn state(&self) -> Value {
        Value::Null
    }
}

/// Bytes of a UUID that is written as one number.
const fn uuid(value: u128) -> [u8; 16] {
    value.to_be_bytes()
}

/// A UUID in its usual form.
pub(crate) fn print_uuid(uuid: &[u8; 16]) -> String {
    let mut text = String::new();
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// The client with the model's own SPDM responder.
pub fn spdm() -> Box<dyn FirmwareClient> {
    Box::new(Spdm::default())
}

/// The clients of the engine; ids count from 1 in this order. `spdm` is the one that speaks SPDM,
/// if there is one, `late` the delay of the late one.
pub fn all(spdm: Option<Box<dyn FirmwareClient>>, late: Duration) -> Vec<Box<dyn FirmwareClient>> {
    let test = |uuid| Echo::new(uuid, 5120, Duration::ZERO);
    let others: [Box<dyn FirmwareClient>; 5] = [
        Box::new(test(echo::TEST_4)),
        Box::new(test(echo::TEST_1)),
        Box::new(Echo::new(echo::BULK, echo::BULK_MTU, Duration::ZERO)),
        Box::new(Echo::new(echo::LATE, 5120, late)),
        Box::new(Unasked),
    ];
    spdm.into_iter().chain(others).collect()
}

/// So many further clients that echo as the one with the largest MTU does, for programs that each
/// need one.
pub fn echoes(count: u8) -> impl Iterator<Item = Box<dyn FirmwareClient>> {
    (1..=count).map(|number| {
        let echo = Echo::new(echo::further(number.into()), echo::BULK_MTU, Duration::ZERO);
        Box::new(echo) as Box<dyn FirmwareClient>
    })
}
