// SPDX-License-Identifier: GPL-2.0

//! The link: brings it up, keeps it up, and moves messages. Runs the state machine of
//! [`crate::ham::link`] on the hardware.
//!
//! Everything here runs under the link lock, which is taken in any context with interrupts off. A
//! message goes out in the context of its writer and comes in in the interrupt handler; what is
//! longer than [`SMALL_MAX`], and the firmware's table of clients, is left to a work item.
//!
//! The cost of a round trip is one register write to send, and one to acknowledge the interrupt and
//! ring for the consumed answer. A register is read only where an answer may have been missed: see
//! [`crate::ham::poll`].

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    clients::Clients,
    device::Issei,
    ham::{
        counters::Counters,
        fault::Fault,
        link::{
            Action,
            Event,
            Link as Machine,
            State, //
        },
        poll::{
            Look,
            Poll, //
        },
        wire::{
            check_setup_response,
            CLIENTS_REQUEST,
            START_REQUEST, //
        },
    },
    heci::Heci,
    shm::SharedMemory,
    stats::Statistics, //
};

mod transfer;

use self::transfer::Found;
pub(crate) use self::transfer::{
    zeroed,
    Large, //
};

/// How often the registers are looked at during bring-up, in case an interrupt was lost.
const BRING_UP_PERIOD_NS: u64 = 100_000_000;

const NS_PER_MS: u64 = 1_000_000;

/// How long the firmware may take to consume a message.
const WRITE_LIMIT_NS: u64 = 1_000_000_000;

/// What is bound to the device and ends with it.
pub(crate) struct Hardware {
    pub(crate) heci: Heci,
    /// Shared with the work item, which copies outside of the link lock and ends before unbind does.
    pub(crate) shm: Arc<SharedMemory>,
}

/// The link of one device.
pub(crate) struct Link {
    machine: Machine,
    /// [`None`] before probe and after unbind.
    hardware: Option<Hardware>,
    counters: Counters,
    poll: Poll,
    pub(crate) clients: Clients,
    /// A bus message that waits for the host-to-firmware section.
    bus_request: Option<&'static [u8]>,
    large: Option<Large>,
    /// Counts resets: what was begun in one generation is void in the next.
    generation: u32,
    /// Whether the firmware has consumed all that was sent.
    h2f_free: bool,
    sent_at: u64,
    pub(crate) fw_version: [u16; 4],
    pub(crate) protocol_version: u16,
    pub(crate) statistics: Statistics,
}

impl Link {
    /// A link without hardware.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory for the tables.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            machine: Machine::new(),
            hardware: None,
            counters: Counters::new(),
            poll: Poll::new(),
            clients: Clients::new()?,
            bus_request: None,
            large: None,
            generation: 0,
            h2f_free: true,
            sent_at: 0,
            fw_version: [0; 4],
            protocol_version: 0,
            statistics: Statistics::new()?,
        })
    }

    /// Gives the link its hardware, at probe.
    pub(crate) fn attach(&mut self, hardware: Hardware) {
        self.hardware = Some(hardware);
    }

    /// Takes the hardware away for ever, at unbind. To be dropped outside of the lock.
    pub(crate) fn detach(&mut self) -> Option<Hardware> {
        self.hardware.take()
    }

    /// Whether the device is gone for its users: unbound, or not answering.
    pub(crate) fn is_gone(&self) -> bool {
        self.hardware.is_none() || self.machine.state() == State::Absent
    }

    /// Whether the device is unbound.
    pub(crate) fn is_detached(&self) -> bool {
        self.hardware.is_none()
    }

    /// The state in a word, for users.
    pub(crate) fn state_name(&self) -> &'static str {
        match self.machine.state() {
            _ if self.is_detached() => "gone",
            State::Stopped => "stopped",
            State::HwReady | State::Setup | State::Start | State::ClientEnum => "bring-up",
            State::Done => "up",
            State::BackOff => "back-off",
            State::Absent => "absent",
        }
    }

    /// The state machine.
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Counts resets of the link.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// Steps the state machine and does what it says.
    pub(crate) fn run(&mut self, dev: &Issei, event: Event) {
        let before = self.machine.state();
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let was_up = self.machine.is_up();
            let action = self.machine.step(dev.now() / NS_PER_MS, event);
            if was_up && !self.machine.is_up() {
                self.go_down();
            }
            // Only a failed register access leads to another event, and that one to no action.
            next = self.act(action).err().map(Event::Broken);
        }
        let after = self.machine.state();
        if before != after && after == State::BackOff {
            // An interrupt that is left pending would hold back the one that says ready.
            if let Some(hardware) = &self.hardware {
                let _ = hardware.heci.acknowledge_in_reset();
            }
        }
        if before != after && (is_news(before) || is_news(after)) {
            dev.publish.schedule();
        }
        self.arm(dev);
    }

    fn act(&mut self, action: Action) -> Result<(), Fault> {
        let Some(hardware) = &mut self.hardware else {
            return Ok(());
        };
        match action {
            Action::None => {}
            Action::Reset => {
                hardware.heci.reset()?;
                hardware.shm.clear();
                self.counters = Counters::new();
                self.h2f_free = true;
                self.generation = self.generation.wrapping_add(1);
                self.statistics.counters.resets = self.statistics.counters.resets.wrapping_add(1);
                self.go_down();
            }
            Action::Setup => hardware.heci.setup(&hardware.shm.setup_request())?,
            Action::SendStart => self.bus_request = Some(&START_REQUEST),
            Action::SendClients => self.bus_request = Some(&CLIENTS_REQUEST),
            Action::Quiesce => {
                // A function that is gone is as quiet as one can be.
                let _ = hardware.heci.quiesce();
                self.generation = self.generation.wrapping_add(1);
                self.go_down();
            }
        }
        Ok(())
    }

    fn go_down(&mut self) {
        self.clients.lose_all();
        self.bus_request = None;
        self.large = None;
        self.poll = Poll::new();
    }

    /// The interrupt handler.
    pub(crate) fn interrupt(&mut self, dev: &Issei) {
        self.statistics.counters.interrupts = self.statistics.counters.interrupts.wrapping_add(1);
        match self.machine.state() {
            State::Stopped | State::Absent => {}
            State::HwReady | State::Setup | State::BackOff => self.look_in_reset(dev),
            State::Start | State::ClientEnum | State::Done => {
                if let Err(fault) = self.serve_interrupt(dev) {
                    self.run(dev, Event::Broken(fault));
                }
            }
        }
    }

    /// The timer.
    pub(crate) fn timer(&mut self, dev: &Issei) {
        match self.machine.state() {
            State::Stopped | State::Absent => {}
            State::HwReady | State::Setup => self.look_in_reset(dev),
            State::BackOff => {}
            State::Start | State::ClientEnum | State::Done => {
                if let Err(fault) = self.serve_timer(dev) {
                    self.run(dev, Event::Broken(fault));
                }
            }
        }
        self.run(dev, Event::Tick);
    }

    /// Looks at the registers while there is no shared memory to look at.
    fn look_in_reset(&mut self, dev: &Issei) {
        let Some(hardware) = &self.hardware else {
            return;
        };
        let event = match hardware.heci.acknowledge_in_reset() {
            Ok(fw_csr) if self.machine.state() == State::Setup && fw_csr.rdy() => {
                match hardware.heci.setup_response(fw_csr) {
                    Ok(None) => return,
                    Ok(Some((id, status))) => match check_setup_response(id, status) {
                        Ok(()) => Event::SetupDone,
                        Err(fault) => Event::Broken(fault),
                    },
                    Err(fault) => Event::Broken(fault),
                }
            }
            Ok(fw_csr) => Event::Ready(fw_csr.rdy() && !fw_csr.rst()),
            Err(fault) => Event::Broken(fault),
        };
        self.run(dev, event);
        if self.bus_request.is_some() {
            self.submit(dev);
        }
    }

    fn serve_interrupt(&mut self, dev: &Issei) -> Result<(), Fault> {
        let found = self.look(dev)?;
        if found.left {
            // The work item acknowledges.
            if found.published {
                self.ring();
                self.note_traffic(dev);
            }
            return Ok(());
        }
        self.acknowledge(found.consumed || found.published);
        self.after_acknowledge(dev, found)
    }

    /// What follows the write that acknowledges an interrupt. That write may have cleared a newer
    /// interrupt than the one it was meant for; and an interrupt that brought nothing may tell of a
    /// reset. Reading `FW_CSR_HA` settles both, and is not needed when nothing more can be due.
    fn after_acknowledge(&mut self, dev: &Issei, mut found: Found) -> Result<(), Fault> {
        if !found.moved || self.is_owed() {
            self.check_ready()?;
            let again = self.look(dev)?;
            if again.consumed || again.published {
                self.ring();
            }
            found.moved |= again.moved;
        }
        if found.moved {
            self.note_traffic(dev);
        }
        Ok(())
    }

    fn serve_timer(&mut self, dev: &Issei) -> Result<(), Fault> {
        let look = self.poll.expired();
        let found = self.look(dev)?;
        if found.consumed || found.published {
            self.ring();
        }
        if found.consumed {
            self.statistics.counters.rescued = self.statistics.counters.rescued.wrapping_add(1);
        }
        if look == Look::Registers {
            self.check_ready()?;
        }
        let now = dev.now();
        if !self.h2f_free && now.saturating_sub(self.sent_at) >= WRITE_LIMIT_NS {
            return Err(Fault::WriteStuck);
        }
        let owed = self.is_owed();
        let next = if found.moved {
            self.poll.traffic(now, owed)
        } else {
            self.poll.nothing(now, owed)
        };
        dev.arm_at(next);
        Ok(())
    }

    /// Sends what can be sent now, after a message was queued.
    pub(crate) fn submit(&mut self, dev: &Issei) {
        let sent = self.see_consumed().and_then(|()| self.send_next(dev));
        match sent {
            Ok(published) => {
                if published {
                    self.ring();
                }
                self.note_traffic(dev);
            }
            Err(fault) => self.run(dev, Event::Broken(fault)),
        }
    }

    fn ring(&self) {
        if let Some(hardware) = &self.hardware {
            hardware.heci.ring();
        }
    }

    fn acknowledge(&self, ring: bool) {
        if let Some(hardware) = &self.hardware {
            hardware.heci.acknowledge(ring);
        }
    }

    fn check_ready(&self) -> Result<(), Fault> {
        match &self.hardware {
            Some(hardware) if !hardware.heci.fw_csr()?.rdy() => Err(Fault::FirmwareReset),
            _ => Ok(()),
        }
    }

    /// Whether a message that is written now goes out at once.
    pub(crate) fn can_write(&self) -> bool {
        self.h2f_free && !self.clients.has_queued()
    }

    /// Whether the firmware owes anything: an answer, or to take a message.
    fn is_owed(&self) -> bool {
        !self.h2f_free
            || self.clients.owed() > 0
            || self.clients.has_queued()
            || !self.machine.is_up()
    }

    fn note_traffic(&mut self, dev: &Issei) {
        let owed = self.is_owed();
        let next = self.poll.traffic(dev.now(), owed);
        dev.arm_at(next);
    }

    /// Arms the timer for what the state machine waits for.
    fn arm(&mut self, dev: &Issei) {
        let now = dev.now();
        match self.machine.state() {
            State::HwReady | State::Setup => {
                dev.arm_at(Some(now.saturating_add(BRING_UP_PERIOD_NS)));
            }
            State::BackOff => {
                let deadline = self.machine.deadline();
                dev.arm_at(deadline.map(|ms| ms.saturating_mul(NS_PER_MS)));
            }
            _ => {}
        }
    }
}

/// Whether users hear of entering and of leaving this state.
fn is_news(state: State) -> bool {
    matches!(
        state,
        State::Done | State::BackOff | State::Absent | State::Stopped
    )
}
