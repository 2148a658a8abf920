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

mod tests;
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
    /// [`None`] before and after the device is bound.
    hardware: Option<Hardware>,
    /// Whether the device is being unbound, or is. It never comes back.
    gone: bool,
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
            gone: false,
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

    /// Quiesces the hardware for ever and wakes everybody, at unbind.
    pub(crate) fn remove(&mut self, dev: &Issei) {
        self.gone = true;
        self.run(dev, Event::Stop);
        self.clients.wake_all();
        dev.spdm.look();
    }

    /// Takes the hardware out, once the device cannot reach the shared memory any more. To be
    /// dropped outside of the lock.
    pub(crate) fn detach(&mut self) -> Option<Hardware> {
        self.hardware.take()
    }

    /// Whether the device is unbound.
    pub(crate) fn is_removed(&self) -> bool {
        self.gone
    }

    /// Whether users cannot reach the device: it is unbound, or does not answer.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone || self.machine.state() == State::Absent
    }

    /// The state in a word, for users.
    pub(crate) fn state_name(&self) -> &'static str {
        match self.machine.state() {
            _ if self.gone => "gone",
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

    /// Steps the state machine and does what it says. What comes after the device was removed, as a
    /// resume may, is void.
    pub(crate) fn run(&mut self, dev: &Issei, event: Event) {
        if self.gone && event != Event::Stop {
            return;
        }
        let before = self.machine.state();
        let mut next = Some(event);
        // Bounded: what follows an event is a failed register access, which leads to no action, or
        // the entry into back-off, which happens once.
        while let Some(event) = next.take() {
            let from = self.machine.state();
            let action = self.machine.step(dev.now() / NS_PER_MS, event);
            let to = self.machine.state();
            if has_memory(from) && !has_memory(to) {
                self.go_down();
            }
            next = match self.act(action) {
                Err(fault) => Some(Event::Broken(fault)),
                Ok(()) if from != to && to == State::BackOff => Some(self.look_before_back_off()),
                Ok(()) => None,
            };
        }
        let after = self.machine.state();
        if before != after && (is_news(before) || is_news(after)) {
            dev.publish.schedule();
            dev.spdm.look();
        }
        self.arm(dev);
    }

    /// The firmware's ready interrupt ends the back-off. It comes only if none is left pending, and
    /// only counts if the firmware was not ready before.
    fn look_before_back_off(&self) -> Event {
        let fw_csr = match &self.hardware {
            Some(hardware) => hardware.heci.acknowledge_in_reset(),
            None => Err(Fault::Absent),
        };
        fw_csr.map_or_else(Event::Broken, |fw_csr| Event::Ready(fw_csr.rdy()))
    }

    /// The link is broken. Firmware that has reset itself may have left anything in memory, so that
    /// is asked first.
    pub(super) fn broken(&mut self, dev: &Issei, fault: Fault) {
        let counters = matches!(
            fault,
            Fault::HostToFirmwareCounter { .. } | Fault::FirmwareToHostCounter { .. }
        );
        let fault = match counters {
            true => self.check_ready().err().unwrap_or(fault),
            false => fault,
        };
        self.run(dev, Event::Broken(fault));
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
            }
            Action::Setup => hardware.heci.setup(&hardware.shm.setup_request())?,
            Action::SendStart => self.bus_request = Some(&START_REQUEST),
            Action::SendClients => self.bus_request = Some(&CLIENTS_REQUEST),
            Action::Quiesce => {
                // A function that is gone is as quiet as one can be.
                let _ = hardware.heci.quiesce();
                self.generation = self.generation.wrapping_add(1);
            }
        }
        Ok(())
    }

    /// The firmware loses the shared memory: forgets clients, connections and what was under way.
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
                    self.broken(dev, fault);
                }
            }
        }
    }

    /// The timer.
    pub(crate) fn timer(&mut self, dev: &Issei) {
        match self.machine.state() {
            State::Stopped | State::BackOff | State::Absent => {}
            State::HwReady | State::Setup => self.look_in_reset(dev),
            State::Start | State::ClientEnum | State::Done => {
                if let Err(fault) = self.serve_timer(dev) {
                    self.broken(dev, fault);
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
            Ok(fw_csr) => Event::Ready(fw_csr.rdy()),
            Err(fault) => Event::Broken(fault),
        };
        self.run(dev, event);
        if self.bus_request.is_some() {
            self.submit(dev, None);
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
        if self.after_acknowledge(dev, found)? {
            self.note_traffic(dev);
        }
        Ok(())
    }

    /// What follows the write that acknowledges an interrupt. That write may have cleared a newer
    /// interrupt than the one it was meant for; and an interrupt that brought nothing may tell of a
    /// reset. Reading `FW_CSR_HA` settles both, and is not needed when nothing more can be due.
    ///
    /// Returns whether anything moved.
    fn after_acknowledge(&mut self, dev: &Issei, found: Found) -> Result<bool, Fault> {
        if found.moved && !self.is_owed() {
            return Ok(true);
        }
        self.check_ready()?;
        let again = self.look(dev)?;
        if again.consumed || again.published {
            self.ring();
        }
        Ok(found.moved || again.moved)
    }

    fn serve_timer(&mut self, dev: &Issei) -> Result<(), Fault> {
        let look = self.poll.expired(dev.now());
        if let Look::Later(at) = look {
            dev.arm_at(Some(at));
            return Ok(());
        }
        let found = self.look(dev)?;
        if found.received {
            self.statistics.rescued(self.poll.unseen(dev.now()));
        }
        let mut moved = found.moved;
        if found.left {
            // The work item acknowledges.
            if found.published {
                self.ring();
            }
        } else if moved || look == Look::Registers {
            // An interrupt that was lost has left `IS` set, and none comes until it is cleared.
            self.acknowledge(found.consumed || found.published);
            moved = self.after_acknowledge(dev, found)?;
        }
        let now = dev.now();
        if !self.h2f_free && now.saturating_sub(self.sent_at) >= WRITE_LIMIT_NS {
            return Err(Fault::WriteStuck);
        }
        let owed = self.is_owed();
        let next = match moved {
            true => self.poll.traffic(now, owed),
            false => self.poll.nothing(now, owed),
        };
        dev.arm_at(next);
        Ok(())
    }

    /// Sends what can be sent now, after the writer of `current` has queued a message.
    pub(crate) fn submit(&mut self, dev: &Issei, current: Option<usize>) {
        let sent = self
            .see_consumed()
            .and_then(|()| self.send_next(dev, current));
        match sent {
            Ok(published) => {
                if published {
                    self.ring();
                }
                let next = self.poll.sent(dev.now());
                dev.arm_at(next);
            }
            Err(fault) => self.broken(dev, fault),
        }
    }

    /// A connection has ended: perhaps the one that the SPDM agent waits for.
    pub(crate) fn settle(&mut self, dev: &Issei) {
        if self.clients.take_wanted() {
            dev.spdm.look();
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
        let deadline = self.machine.deadline();
        let deadline = deadline.map(|ms| ms.saturating_mul(NS_PER_MS));
        match self.machine.state() {
            State::HwReady | State::Setup => {
                let period = now.saturating_add(BRING_UP_PERIOD_NS);
                dev.arm_at(deadline.map(|deadline| deadline.min(period)));
            }
            State::BackOff | State::Absent => dev.arm_at(deadline),
            _ => {}
        }
    }
}

/// Whether the firmware knows of the shared memory and uses it.
fn has_memory(state: State) -> bool {
    matches!(state, State::Start | State::ClientEnum | State::Done)
}

/// Whether users hear of entering and of leaving this state.
fn is_news(state: State) -> bool {
    matches!(
        state,
        State::Done | State::BackOff | State::Absent | State::Stopped
    )
}
