// SPDX-License-Identifier: GPL-2.0
//! The whole function: what the bus, the clock and the control socket can do to it.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{json, Value};

use crate::clients::{FirmwareClient, Reply};
use crate::config::{ConfigSpace, Power};
use crate::counters::Counters;
use crate::csr::{lanes, Lane, Register};
use crate::faults::{Fault, Faults};
use crate::firmware::Firmware;
use crate::fuzz::Fuzz;
use crate::hw::{Clock, Hw, InterruptLine};
use crate::memory::GuestMemory;
use crate::personality::Personality;
use crate::settings::{Change, Settings};
use crate::spdm::algorithms::Asym;
use crate::spdm::{Connection, Engine};
use crate::timeline::Timeline;
use crate::trace::Trace;
use crate::wire::Message;

/// A register write that is still on its way.
struct Posted {
    due: Duration,
    lane: Lane,
    value: u32,
}

/// One function. Every call that comes from outside begins with what is due until then.
pub struct Device {
    hw: Hw,
    firmware: Box<dyn Personality>,
    posted: VecDeque<Posted>,
    device_id: u16,
}

impl Device {
    /// A HECI function after power-on.
    pub fn new(
        device_id: u16,
        fw_version: [u16; 4],
        clients: Vec<Box<dyn FirmwareClient>>,
        settings: Settings,
        trace: Trace,
    ) -> Self {
        let firmware = Box::new(Firmware::new(fw_version, clients));
        Self::with(firmware, device_id, fw_version, settings, trace)
    }

    /// A function with this firmware after power-on. `fw_version` is what its SPDM responder
    /// measures.
    pub fn with(
        firmware: Box<dyn Personality>,
        device_id: u16,
        fw_version: [u16; 4],
        settings: Settings,
        trace: Trace,
    ) -> Self {
        let mut device = Self {
            hw: Hw {
                clock: Clock::default(),
                config: ConfigSpace::new(device_id),
                regs: firmware.registers(),
                memory: GuestMemory::default(),
                line: InterruptLine::default(),
                counters: Counters::default(),
                trace,
                faults: Faults::default(),
                fuzz: Fuzz::default(),
                settings,
                timeline: Timeline::default(),
                engine: Engine::new(fw_version),
                link: 0,
            },
            firmware,
            posted: VecDeque::new(),
            device_id,
        };
        device.firmware.power_on(&mut device.hw);
        device
    }

    /// When something is due, if nothing comes from outside before.
    pub fn due(&self) -> Option<Duration> {
        let posted = self.posted.front().map(|posted| posted.due);
        [posted, self.hw.timeline.due()].into_iter().flatten().min()
    }

    /// Lets time pass until `now`.
    pub fn advance(&mut self, now: Duration) {
        self.hw.clock.wall = now;
        while let Some(due) = self.due().filter(|due| *due <= now) {
            self.hw.clock.now = due;
            if self.posted.front().is_some_and(|posted| posted.due == due) {
                self.land_first();
            } else if let Some((_, event)) = self.hw.timeline.pop(due) {
                self.firmware.event(&mut self.hw, event);
            }
        }
        self.hw.clock.now = now;
    }

    /// Lets the first posted write take effect.
    fn land_first(&mut self) {
        if let Some(posted) = self.posted.pop_front() {
            self.write_register(posted.lane, posted.value);
        }
    }

    /// Lets all posted writes take effect.
    fn flush(&mut self, now: Duration) {
        self.advance(now);
        while !self.posted.is_empty() {
            self.land_first();
            self.advance(now);
        }
    }

    /// A read in BAR 0.
    pub fn bar_read(&mut self, now: Duration, offset: u64, data: &mut [u8]) {
        self.flush(now);
        for lane in lanes(offset, data.len()) {
            self.hw.counters.mmio_read.count(lane.register);
            let dark =
                !self.hw.config.decodes_memory() || self.hw.fault(Fault::MmioAllOnes).is_some();
            let value = match lane.register {
                _ if dark => u32::MAX,
                Register::D0i3Control => self.firmware.d0i3(),
                register => self.hw.regs.read(register),
            };
            let value = self.perhaps_other(lane.register, value);
            let name = self.firmware.name(lane.register);
            self.hw
                .note("mmio_read", || json!({"register": name, "value": value}));
            lane.place(value, data);
        }
    }

    /// What the register of the firmware reads as, if chance will have it.
    fn perhaps_other(&mut self, register: Register, value: u32) -> u32 {
        let other = match register {
            Register::FirmwareCsr => self.hw.fuzz.register(value),
            _ => None,
        };
        if other.is_some() {
            self.hw.note("fuzz_register", || json!({"right": value}));
        }
        other.unwrap_or(value)
    }

    /// A write in BAR 0, which takes effect after the write delay.
    pub fn bar_write(&mut self, now: Duration, offset: u64, data: &[u8]) {
        self.advance(now);
        let delay = self.hw.settings.write_delay();
        for lane in lanes(offset, data.len()) {
            self.hw.counters.mmio_write.count(lane.register);
            let last = self.posted.back().map_or(now, |posted| posted.due);
            self.posted.push_back(Posted {
                due: last.max(now + delay),
                lane,
                value: lane.value(data),
            });
        }
        self.advance(now);
    }

    fn write_register(&mut self, lane: Lane, value: u32) {
        let hw = &mut self.hw;
        let name = self.firmware.name(lane.register);
        hw.note("mmio_write", || json!({"register": name, "value": value}));
        if !hw.config.decodes_memory() {
            return;
        }
        match lane.register {
            Register::HostWindow => hw.regs.host_buffer.push(value),
            Register::HostCsr => {
                let stuck = hw.regs.host_resetting() && hw.fault(Fault::ResetStuck).is_some();
                let effect = hw.regs.write_host_csr(value, lane.mask(), stuck);
                if effect.interrupt {
                    hw.interrupt();
                }
                if effect.reset {
                    self.firmware.host_reset(hw);
                }
                if effect.doorbell {
                    hw.counters.doorbells += 1;
                    self.firmware.doorbell(hw);
                }
            }
            Register::D0i3Control => {
                let kept = self.firmware.d0i3() & !lane.mask();
                self.firmware.set_d0i3(hw, kept | value);
            }
            Register::FirmwareWindow | Register::FirmwareCsr | Register::Other => {}
        }
    }

    /// A read of the configuration space. Not posted, so writes on their way land before it.
    pub fn config_read(&mut self, now: Duration, offset: u64, data: &mut [u8]) {
        self.flush(now);
        self.hw.counters.config_read += 1;
        self.hw.config.read(offset, data);
    }

    /// A write to the configuration space. Not posted, so writes on their way land before it.
    pub fn config_write(&mut self, now: Duration, offset: u64, data: &[u8]) {
        self.flush(now);
        let hw = &mut self.hw;
        hw.counters.config_write += 1;
        hw.note("config_write", || json!({"offset": offset, "data": data}));
        let change = hw.config.write(offset, data);
        if change.interrupt {
            hw.send_msi();
        }
        if let Some(power) = change.power {
            hw.note("power", || json!({"state": power}));
            if power == Power::D3hot {
                hw.counters.d3hot += 1;
                self.firmware.sleep(hw);
            }
        }
    }

    /// The function is reset by the bus: as after power-on. Mapped memory, the interrupt's wiring,
    /// settings, counters and armed faults stay.
    pub fn reset(&mut self, now: Duration) {
        self.hw.clock = Clock { now, wall: now };
        self.hw.note("function_reset", || json!({}));
        self.posted.clear();
        self.hw.timeline = Timeline::default();
        self.hw.config = ConfigSpace::new(self.device_id);
        self.hw.regs = self.firmware.registers();
        self.firmware.power_on(&mut self.hw);
    }

    /// Guest memory, to map and unmap.
    pub fn memory(&mut self) -> &mut GuestMemory {
        &mut self.hw.memory
    }

    /// The interrupt, to wire and mask.
    pub fn line(&mut self) -> &mut InterruptLine {
        &mut self.hw.line
    }

    /// All counters.
    pub fn describe_counters(&self) -> Value {
        let name = |register| self.firmware.name(register);
        self.hw.counters.describe(name)
    }

    /// Zeroes the counters.
    pub fn clear_counters(&mut self) {
        self.hw.counters = Counters::default();
    }

    /// The faults, to arm and clear.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.hw.faults
    }

    /// How long the host is to wait for each register access.
    pub fn mmio_cost(&self) -> Duration {
        Duration::from_micros(self.hw.settings.mmio_cost_us)
    }

    /// What chance does, to switch on and off.
    pub fn fuzz(&mut self) -> &mut Fuzz {
        &mut self.hw.fuzz
    }

    /// Changes settings.
    pub fn set(&mut self, now: Duration, change: &Change) {
        self.advance(now);
        self.hw.settings.apply(change);
        if let Some(values) = change.hfs {
            self.firmware.set_hfs(&mut self.hw, values);
        }
    }

    /// The firmware resets itself and is ready again after `down`.
    pub fn reset_firmware(&mut self, now: Duration, down: Duration) {
        self.advance(now);
        self.firmware.reset(&mut self.hw, down);
        self.advance(now);
    }

    /// Sends an interrupt message for no reason.
    pub fn interrupt(&mut self, now: Duration) {
        self.advance(now);
        self.hw.send_msi();
    }

    /// The firmware says something that nobody asked for.
    ///
    /// # Errors
    ///
    /// The link is not far enough, or does not carry the message.
    pub fn send(&mut self, now: Duration, message: Message) -> Result<(), String> {
        self.advance(now);
        self.firmware.send(&mut self.hw, message)?;
        self.advance(now);
        Ok(())
    }

    /// A requester outside the guest speaks to the SPDM responder.
    pub fn spdm(
        &mut self,
        now: Duration,
        connection: &mut Connection,
        request: &[u8],
    ) -> Vec<Reply> {
        self.advance(now);
        connection.message(&mut self.hw, request)
    }

    /// Which link this is, counted from the start.
    pub fn link(&self) -> u64 {
        self.hw.link
    }

    /// What the SPDM responder is.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.hw.engine
    }

    /// What the SPDM responder is, for people; with the chain of a slot for `asym`, by default the
    /// one that is preferred.
    ///
    /// # Errors
    ///
    /// A text for people: there is no such chain.
    pub fn describe_spdm(&mut self, slot: u8, asym: Option<Asym>) -> Result<Value, String> {
        let hw = &mut self.hw;
        let settings = &hw.settings.spdm;
        let asym = asym.or(settings.asym.first().copied());
        let asym = asym.ok_or("no algorithm is offered")?;
        let chain = hw.engine.wanted(settings, slot, asym)?;
        let hex = |bytes: &Vec<u8>| crate::spdm::hex(bytes);
        Ok(json!({
            "slot": slot,
            "asym": asym,
            "root": hex(&chain.root),
            "certificates": chain.certificates.iter().map(hex).collect::<Vec<_>>(),
            "measurements": hw.engine.measurements.describe(),
        }))
    }

    /// Settings of the SPDM responder, from its next GET_VERSION on.
    pub fn spdm_settings(&mut self) -> &mut crate::spdm::Settings {
        &mut self.hw.settings.spdm
    }

    /// Everything that can be seen of the function.
    pub fn state(&mut self, now: Duration) -> Value {
        self.advance(now);
        let hw = &self.hw;
        let mut state = self.firmware.state(hw);
        let more = json!({
            "device_id": self.device_id,
            "power": hw.config.power(),
            "memory_enabled": hw.config.decodes_memory(),
            "bus_master": hw.config.masters_bus(),
            "msi_enabled": hw.config.sends_msi(),
            "interrupt_connected": hw.line.connected(),
            "h_csr": hw.regs.host_csr(),
            "fw_csr_ha": hw.regs.firmware_csr(),
            "hfs": hw.config.hfs(),
            "posted_writes": self.posted.len(),
            "events": hw.timeline.len(),
            "settings": hw.settings,
            "fuzz": hw.fuzz,
        });
        if let (Value::Object(state), Value::Object(more)) = (&mut state, more) {
            state.extend(more);
        }
        state
    }
}
