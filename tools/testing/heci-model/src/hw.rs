// SPDX-License-Identifier: GPL-2.0
//! The function without its firmware: registers, configuration space, DMA, the interrupt line,
//! and what every part of the model shares: clock, trace, counters, faults, settings.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use serde_json::json;

use crate::config::ConfigSpace;
use crate::counters::Counters;
use crate::csr::{Registers, D0I3_IS, IS};
use crate::faults::{Fault, Faults, On};
use crate::fuzz::Fuzz;
use crate::memory::GuestMemory;
use crate::settings::Settings;
use crate::spdm::Engine;
use crate::timeline::Timeline;
use crate::trace::Trace;
use crate::wire::Message;

/// Time between the messages of an interrupt storm, and between the changes of a header.
pub const FAULT_PERIOD: Duration = Duration::from_micros(20);

/// Something that happens later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The firmware is up again.
    Ready,
    /// The firmware has seen a doorbell and looks what there is to do.
    Pickup,
    /// The firmware looks at the counters without a doorbell.
    Poll,
    /// The firmware says something.
    Send(Message),
    /// A message in shared memory changes: the dword at `address` becomes the first of `values`,
    /// then the other, and so on `left` times, or until the host has taken it.
    Rewrite {
        /// The number of the message, see [`Ham::holds`](crate::ham::Ham::holds).
        message: u32,
        /// Guest address.
        address: u64,
        /// The next value and the one after it.
        values: [u32; 2],
        /// How often still.
        left: u64,
    },
    /// An interrupt message that a fault has delayed or multiplied.
    Interrupt,
    /// A change of D0i3 is complete.
    D0i3,
}

impl Event {
    /// Whether the event dies with the link.
    pub fn belongs_to_link(&self) -> bool {
        !matches!(self, Self::Interrupt | Self::D0i3)
    }
}

/// The interrupt as the vfio-user client wired it: an eventfd, and a mask of its own.
#[derive(Debug, Default)]
pub struct InterruptLine {
    eventfd: Option<File>,
    masked: bool,
    pending: bool,
}

impl InterruptLine {
    /// Connects the line to an eventfd, or to nothing.
    pub fn connect(&mut self, eventfd: Option<File>) {
        self.eventfd = eventfd;
        self.pending = false;
    }

    /// Masks the line, or unmasks it and delivers what came meanwhile.
    pub fn mask(&mut self, masked: bool) {
        self.masked = masked;
        if !masked && std::mem::take(&mut self.pending) {
            self.trigger();
        }
    }

    /// Whether the line is connected.
    pub fn connected(&self) -> bool {
        self.eventfd.is_some()
    }

    /// Sends one interrupt. A line that cannot be written is disconnected: its other end is gone.
    pub fn trigger(&mut self) {
        if self.masked {
            self.pending = true;
        } else if let Some(file) = &mut self.eventfd {
            if file.write_all(&1u64.to_ne_bytes()).is_err() {
                self.eventfd = None;
            }
        }
    }
}

/// Time as the events see it and as it is.
#[derive(Default)]
pub struct Clock {
    /// Time of the event that is handled, from the start of the model.
    pub now: Duration,
    /// Time at which it is handled, never before `now`.
    pub wall: Duration,
}

/// The function without its firmware.
pub struct Hw {
    /// Time.
    pub clock: Clock,
    /// PCI configuration space.
    pub config: ConfigSpace,
    /// Registers of BAR 0.
    pub regs: Registers,
    /// Guest memory.
    pub memory: GuestMemory,
    /// The interrupt.
    pub line: InterruptLine,
    /// Counters.
    pub counters: Counters,
    /// Trace.
    pub trace: Trace,
    /// Faults.
    pub faults: Faults,
    /// What chance does.
    pub fuzz: Fuzz,
    /// Settings.
    pub settings: Settings,
    /// What happens later.
    pub timeline: Timeline<Event>,
    /// What the SPDM responder is, whoever speaks to it.
    pub engine: Engine,
    /// Counts links, so that an answer from outside the model finds out whether its link is gone.
    pub link: u64,
}

impl Hw {
    /// Schedules `event`.
    pub fn later(&mut self, after: Duration, event: Event) {
        self.timeline.push(self.clock.now + after, event);
    }

    /// An occurrence of `fault`: its value if it fires now.
    pub fn fault(&mut self, fault: Fault) -> Option<u64> {
        let value = self.faults.fires(fault, None);
        let value = value.or_else(|| self.fuzz.fault(fault));
        self.fired(fault, value)
    }

    /// An occurrence of `fault` that belongs to `on`.
    pub fn fault_on(&mut self, fault: Fault, on: impl Into<On>) -> Option<u64> {
        let value = self.faults.fires(fault, Some(on.into()));
        let value = value.or_else(|| self.fuzz.fault(fault));
        self.fired(fault, value)
    }

    fn fired(&mut self, fault: Fault, value: Option<u64>) -> Option<u64> {
        let value = value?;
        self.note("fault", || json!({"fault": fault, "value": value}));
        Some(value)
    }

    /// `after`, or later if chance will have it.
    pub fn perhaps_later(&mut self, after: Duration) -> Duration {
        let Some(delay) = self.fuzz.delay() else {
            return after;
        };
        self.note("fuzz_delay", || json!({"us": delay.as_micros() as u64}));
        after + delay
    }

    /// What may come for no reason whenever a message was published.
    pub fn perhaps_more(&mut self) {
        if let Some(after) = self.fuzz.interrupt() {
            let us = after.as_micros() as u64;
            self.note("fuzz_interrupt", || json!({"after_us": us}));
            self.later(after, Event::Interrupt);
        }
        if let Some((after, message)) = self.fuzz.unasked() {
            self.note("fuzz_unasked", || message.describe());
            self.later(after, Event::Send(message));
        }
    }

    /// Traces an event that happens now.
    pub fn note(&mut self, event: &str, fields: impl FnOnce() -> serde_json::Value) {
        self.trace.line(self.clock.wall, event, fields);
    }

    /// The firmware interrupts the host.
    pub fn raise(&mut self) {
        if self.regs.raise(IS) {
            self.interrupt();
        }
    }

    /// A change of D0i3 interrupts the host.
    pub fn raise_d0i3(&mut self) {
        if self.regs.raise(D0I3_IS) {
            self.interrupt();
        }
    }

    /// An interrupt message is due: a status stands and is enabled, and none was before.
    pub fn interrupt(&mut self) {
        if self.fault(Fault::InterruptLost).is_some() {
            return;
        }
        if let Some(us) = self.fault(Fault::InterruptLate) {
            self.later(Duration::from_micros(us), Event::Interrupt);
            return;
        }
        if let Some(messages) = self.fault(Fault::InterruptStorm) {
            for number in 1..messages.min(100_000) {
                self.later(FAULT_PERIOD * number as u32, Event::Interrupt);
            }
        }
        self.send_msi();
    }

    /// Sends the interrupt message, unless the host has not enabled it. A masked vector keeps it
    /// pending.
    pub fn send_msi(&mut self) {
        if !self.config.sends_msi() {
            self.note("interrupt_disabled", || json!({}));
        } else if self.config.msi_masked() {
            self.config.set_msi_pending();
            self.note("interrupt_pending", || json!({}));
        } else {
            self.counters.interrupts += 1;
            self.note("interrupt", || json!({}));
            self.line.trigger();
        }
    }
}
