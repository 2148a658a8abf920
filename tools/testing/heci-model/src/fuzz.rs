// SPDX-License-Identifier: GPL-2.0
//! The fuzzer: chance decides at every occasion whether the firmware does something else than it
//! should. An occasion is an arrival at the hook of a fault, which then fires with a value made up,
//! or one of those where the bytes, the time or the number of what is said can be changed.
//!
//! One seed and the same accesses of the host give the same mutations. Each is in the trace.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::faults::{Fault, Hook};
use crate::wire::{Header, Message};

/// Mean number of occasions from one mutation to the next, unless it is set.
pub const ONE_IN: u64 = 1000;

/// A message is worth so many occasions: it has that many bytes and fields to go wrong.
const MESSAGE_OCCASIONS: u64 = 10;

/// Longest that something is put off.
const DELAY_MAX_US: u64 = 3_000_000;

/// Chance, the same for the same seed: Steele, Lea and Flood's SplitMix64.
#[derive(Clone, Copy, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// A number that a check may have been made for, or has not.
    fn value(&mut self) -> u64 {
        match self.below(4) {
            0 => self.below(9),
            1 => (1 << self.below(64)) - self.below(2),
            2 => u64::MAX >> self.below(64),
            _ => self.next(),
        }
    }

    /// A time, short or long with the same likelihood.
    fn delay(&mut self) -> Duration {
        let limit = (1 << self.below(23)).min(DELAY_MAX_US);
        Duration::from_micros(self.below(limit))
    }
}

/// See the module.
#[derive(Debug, Serialize)]
pub struct Fuzz {
    seed: u64,
    /// 0 while it is off.
    one_in: u64,
    mutations: u64,
    /// Mutations of messages from or to a firmware client, by its id.
    touched: BTreeMap<u16, u64>,
    /// Mutations that may have reached any message.
    touched_all: u64,
    #[serde(skip)]
    random: Random,
}

impl Default for Fuzz {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl Fuzz {
    /// One that mutates one of so many occasions, or none with 0.
    pub fn new(seed: u64, one_in: u64) -> Self {
        Self {
            seed,
            one_in,
            mutations: 0,
            touched: BTreeMap::new(),
            touched_all: 0,
            random: Random(seed),
        }
    }

    /// Begins anew with this seed, or ends with a rate of 0. What was touched stays counted.
    pub fn restart(&mut self, seed: u64, one_in: u64) {
        self.seed = seed;
        self.one_in = one_in;
        self.random = Random(seed);
    }

    /// Mutations so far.
    pub fn mutations(&self) -> u64 {
        self.mutations
    }

    /// A message of this client is not what it should be, or is no more.
    pub fn touch(&mut self, fw_id: u16) {
        *self.touched.entry(fw_id).or_default() += 1;
    }

    /// Any message may be other than it should be.
    pub fn touch_all(&mut self) {
        self.touched_all += 1;
    }

    /// Whether to mutate at something that is worth so many occasions.
    fn strikes(&mut self, occasions: u64) -> bool {
        let strikes = self.one_in > 0 && self.random.below(self.one_in) < occasions;
        self.mutations += u64::from(strikes);
        strikes
    }

    /// An occurrence of a fault: the value with which it fires, if it does.
    pub fn fault(&mut self, fault: Fault) -> Option<u64> {
        if !self.strikes(1) {
            return None;
        }
        let info = fault.info();
        match info.hook {
            Hook::Publish => self.touch_all(),
            Hook::Setup | Hook::Start | Hook::Clients => self.touch(0),
            _ => {}
        }
        let Some(argument) = info.value else {
            return Some(0);
        };
        // What is counted in time or in repetitions has to end.
        let bounded = ["ms", "us", "messages", "times", "RDTExponent"];
        let is_bounded = bounded
            .iter()
            .any(|word| argument.meaning.starts_with(word));
        Some(match self.random.below(3) {
            _ if is_bounded => self.random.below(2 * argument.default + 1),
            0 => argument.default,
            _ => self.random.value(),
        })
    }

    /// Something that is due is put off.
    pub fn delay(&mut self) -> Option<Duration> {
        self.strikes(1).then(|| self.random.delay())
    }

    /// A register reads as something else.
    pub fn register(&mut self, value: u32) -> Option<u32> {
        self.strikes(1).then(|| match self.random.below(3) {
            0 => self.random.value() as u32,
            _ => value ^ 1 << self.random.below(32),
        })
    }

    /// Dwords of the circular buffer are others, more or fewer.
    pub fn dwords(&mut self, dwords: &mut Vec<u32>) -> bool {
        let strikes = self.strikes(MESSAGE_OCCASIONS);
        if strikes {
            let at = self.random.below(dwords.len() as u64) as usize;
            match (self.random.below(4), dwords.get_mut(at)) {
                (0, Some(dword)) => *dword ^= 1 << self.random.below(32),
                (1, Some(dword)) => *dword = self.random.value() as u32,
                (2, Some(_)) => drop(dwords.remove(at)),
                _ => dwords.insert(at, self.random.value() as u32),
            }
        }
        strikes
    }

    /// A message is mutated, before it is published.
    pub fn message(&mut self, message: &mut Message) -> bool {
        let strikes = self.strikes(MESSAGE_OCCASIONS);
        if strikes {
            self.touch(message.header.fw_id);
            match self.random.below(3) {
                0 => self.change_header(&mut message.header),
                _ => self.change_payload(message),
            }
            self.touch(message.header.fw_id);
        }
        strikes
    }

    fn change_header(&mut self, header: &mut Header) {
        match self.random.below(6) {
            0 => header.length = self.random.value() as u32,
            1 => header.length ^= 1 << self.random.below(32),
            2 => header.fw_id = self.random.value() as u16,
            3 => header.host_id = self.random.value() as u16,
            4 => header.status = self.random.value() as u32,
            _ => {
                header.flags = self.random.value() as u32;
                header.reserved = self.random.value() as u32;
            }
        }
    }

    fn change_payload(&mut self, message: &mut Message) {
        let payload = &mut message.payload;
        let at = self.random.below(payload.len() as u64) as usize;
        match (self.random.below(6), payload.get_mut(at)) {
            (0 | 1, Some(byte)) => *byte ^= 1 << self.random.below(8),
            (2, Some(byte)) => *byte = self.random.value() as u8,
            (3, _) => payload.truncate(at),
            (4, Some(_)) => drop(payload.remove(at)),
            _ => {
                let more = self.random.below(64) as usize + 1;
                payload.extend(std::iter::repeat_n(self.random.next() as u8, more));
            }
        }
        message.header.length = payload.len() as u32;
    }

    /// A message that nobody asked for, and when it comes.
    pub fn unasked(&mut self) -> Option<(Duration, Message)> {
        self.strikes(1).then(|| {
            let random = &mut self.random;
            let ids = [(); 2].map(|()| match random.below(2) {
                0 => random.below(16),
                _ => random.value(),
            });
            let status = if random.below(2) == 0 {
                0
            } else {
                random.value()
            };
            let payload = vec![random.next() as u8; random.below(5000) as usize];
            let after = random.delay();
            let message = Message::new(ids[0] as u16, ids[1] as u16, status as u32, payload);
            self.touch(message.header.fw_id);
            (after, message)
        })
    }

    /// When an interrupt comes for no reason.
    pub fn interrupt(&mut self) -> Option<Duration> {
        self.strikes(1).then(|| self.random.delay())
    }
}
