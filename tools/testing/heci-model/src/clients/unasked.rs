// SPDX-License-Identifier: GPL-2.0
//! A client that speaks unasked: one request, any number of messages.

use std::time::Duration;

use super::{uuid, FirmwareClient, Properties, Reply};
use crate::hw::Hw;
use crate::wire::Message;

/// Its UUID begins with "unasked!" in ASCII.
const UUID: [u8; 16] = uuid(0x756e6173_6b65_6421_8000_000000000003);
const MTU: u32 = 4096;
/// Messages that one request can ask for.
const COUNT_MAX: u32 = 1024;

/// The client. A request is up to three little-endian `u32`: how many messages (default 3, at most
/// 1024), microseconds between them (default 100,000; the first comes after one interval), bytes of
/// each (default 4, 4 to the MTU). A message begins with its number, a little-endian `u32` that
/// counts from 0; the rest is zero.
#[derive(Debug)]
pub struct Unasked;

impl FirmwareClient for Unasked {
    fn properties(&self) -> Properties {
        Properties {
            uuid: UUID,
            version: 1,
            mtu: MTU,
        }
    }

    fn message(&mut self, _: &mut Hw, request: &Message) -> Vec<Reply> {
        messages(&request.payload)
    }
}

/// The messages that a request asks for.
fn messages(request: &[u8]) -> Vec<Reply> {
    let argument = |index: usize, default: u32| {
        let bytes = request.chunks_exact(4).nth(index);
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(default, u32::from_le_bytes)
    };
    let interval = Duration::from_micros(argument(1, 100_000).into());
    let size = argument(2, 4).clamp(4, MTU) as usize;
    (0..argument(0, 3).min(COUNT_MAX))
        .map(|number| {
            let mut payload = number.to_le_bytes().to_vec();
            payload.resize(size, 0);
            let after = interval * (number + 1);
            Reply { after, payload }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(arguments: &[u32]) -> Vec<(u128, usize)> {
        let payload: Vec<u8> = arguments.iter().flat_map(|a| a.to_le_bytes()).collect();
        let replies = messages(&payload);
        let shape = |reply: Reply| (reply.after.as_micros(), reply.payload.len());
        replies.into_iter().map(shape).collect()
    }

    #[test]
    fn an_empty_request_asks_for_three() {
        assert_eq!(ask(&[]), [(100_000, 4), (200_000, 4), (300_000, 4)]);
    }

    #[test]
    fn arguments_are_bounded() {
        assert_eq!(ask(&[2, 10, 8]), [(10, 8), (20, 8)]);
        assert_eq!(ask(&[1, 0, 0]), [(0, 4)]);
        assert_eq!(ask(&[0]), []);
        let most = ask(&[u32::MAX, u32::MAX, u32::MAX]);
        assert_eq!(most.len(), COUNT_MAX as usize);
        assert!(most.iter().all(|reply| reply.1 == MTU as usize));
    }
}
