// SPDX-License-Identifier: GPL-2.0
//! What guests of all personalities share: memory, an interrupt that counts, the bus, the control
//! socket; and chance.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use heci_model::control;
use heci_model::device::Device;
use heci_model::server::{Backend, Clock, Shared};
use serde_json::{json, Value};
use vfio_user::{DmaMapFlags, ServerBackend};

/// Where the guest's memory begins: above 4 GiB, so that only 64-bit addresses reach it.
pub(crate) const RAM: u64 = 0x2_0000_0000;
pub(crate) const RAM_SIZE: u64 = 0x10_0000;

const BAR0: u32 = 0;
const CONFIG: u32 = 7;
pub(crate) const MSI: u32 = 1;
const DATA_EVENTFD: u32 = 4;
pub(crate) const TRIGGER: u32 = 32;

/// See the module.
pub(crate) struct Machine {
    pub(crate) backend: Backend,
    pub(crate) shared: Arc<Shared>,
    ram: File,
    /// Stands in for the eventfd: grows by 8 bytes with each interrupt.
    eventfd: File,
    seen: usize,
}

impl Machine {
    /// A guest that has switched on memory, bus mastering and MSI.
    pub(crate) fn new(device: Device) -> Self {
        let shared = Shared::new(device, Clock::Manual(AtomicU64::new(0)));
        let ram = tempfile::tempfile().unwrap();
        ram.set_len(RAM_SIZE).unwrap();
        let eventfd = tempfile::tempfile().unwrap();
        let theirs = eventfd.try_clone().unwrap();
        let mut machine = Self {
            backend: Backend(Arc::clone(&shared)),
            shared,
            ram,
            eventfd,
            seen: 0,
        };
        machine.map(DmaMapFlags::READ_WRITE);
        machine.wire(Some(theirs));
        machine.write_config(0x8e, &[0x01]);
        machine.write_config(0x04, &[0x06]);
        machine
    }

    pub(crate) fn map(&mut self, flags: DmaMapFlags) {
        let file = self.ram.try_clone().unwrap();
        let map = self.backend.dma_map(flags, 0, RAM, RAM_SIZE, Some(file));
        map.unwrap();
    }

    pub(crate) fn wire(&mut self, eventfd: Option<File>) {
        let files = eventfd.into_iter().collect();
        let flags = DATA_EVENTFD | TRIGGER;
        self.backend.set_irqs(MSI, flags, 0, 1, files).unwrap();
    }

    /// Interrupts since the last call.
    pub(crate) fn interrupts(&mut self) -> usize {
        let all = self.eventfd.metadata().unwrap().len() as usize / 8;
        all - std::mem::replace(&mut self.seen, all)
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        match self.shared_clock() {
            Clock::Manual(micros) => micros.fetch_add(time.as_micros() as u64, Ordering::Relaxed),
            Clock::Wall(_) => unreachable!("a guest has a manual clock"),
        };
        self.shared.with(|device, now| device.advance(now));
    }

    fn shared_clock(&self) -> &Clock {
        self.shared.clock()
    }

    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.pass(Duration::from_millis(ms));
    }

    pub(crate) fn pass_us(&mut self, us: u64) {
        self.pass(Duration::from_micros(us));
    }

    pub(crate) fn read_bar(&mut self, offset: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        self.backend.region_read(BAR0, offset, &mut data).unwrap();
        data
    }

    pub(crate) fn write_bar(&mut self, offset: u64, data: &[u8]) {
        self.backend.region_write(BAR0, offset, data).unwrap();
    }

    pub(crate) fn read(&mut self, register: u64) -> u32 {
        dword(&self.read_bar(register, 4), 0)
    }

    pub(crate) fn write(&mut self, register: u64, value: u32) {
        self.write_bar(register, &value.to_le_bytes());
    }

    pub(crate) fn read_config(&mut self, offset: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        self.backend.region_read(CONFIG, offset, &mut data).unwrap();
        data
    }

    pub(crate) fn write_config(&mut self, offset: u64, data: &[u8]) {
        self.backend.region_write(CONFIG, offset, data).unwrap();
    }

    pub(crate) fn sleep(&mut self) {
        self.write_config(0x54, &[0x03, 0x00]);
    }

    pub(crate) fn wake(&mut self) {
        self.write_config(0x54, &[0x00, 0x00]);
    }

    pub(crate) fn peek(&self, address: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        self.ram.read_exact_at(&mut data, address - RAM).unwrap();
        data
    }

    pub(crate) fn poke(&mut self, address: u64, data: &[u8]) {
        self.ram.write_all_at(data, address - RAM).unwrap();
    }

    /// A command on the control socket.
    pub(crate) fn command(&mut self, command: Value) -> Value {
        control::answer(&self.shared, &command.to_string()).0
    }

    /// A command that must succeed.
    pub(crate) fn ok(&mut self, command: Value) -> Value {
        let answer = self.command(command.clone());
        assert_eq!(answer["ok"], true, "{command}: {answer}");
        answer
    }

    pub(crate) fn state(&mut self) -> Value {
        self.ok(json!({"cmd": "state"}))
    }

    pub(crate) fn arm(&mut self, fault: &str) {
        self.ok(json!({"cmd": "fault", "name": fault}));
    }
}

pub(crate) fn dword(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

/// Marsaglia's xorshift: the same sequence in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    pub(crate) fn bytes(&mut self, limit: u64) -> Vec<u8> {
        let len = self.below(limit);
        (0..len).map(|_| self.below(256) as u8).collect()
    }
}
