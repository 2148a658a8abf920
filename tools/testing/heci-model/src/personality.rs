// SPDX-License-Identifier: GPL-2.0
//! What stands behind the registers: one of several kinds of firmware.

use std::time::Duration;

use serde_json::Value;

use crate::csr::{Register, Registers};
use crate::hw::{Event, Hw};
use crate::wire::Message;

/// The firmware of a function. [`crate::device::Device`] does what all of them have in common: time,
/// the configuration space, posted writes, `H_CSR` and the host's circular buffer.
pub trait Personality: Send {
    /// The registers after power-on.
    fn registers(&self) -> Registers;

    /// What a register is called.
    fn name(&self, register: Register) -> &'static str;

    /// The function was powered on or reset, with registers as [`Personality::registers`] gives
    /// them: the firmware is ready and tells nobody.
    fn power_on(&mut self, hw: &mut Hw);

    /// The host has set `H_CSR.RST`.
    fn host_reset(&mut self, hw: &mut Hw);

    /// The firmware resets itself and is ready again after `down`.
    fn reset(&mut self, hw: &mut Hw, down: Duration);

    /// The function went to D3hot.
    fn sleep(&mut self, hw: &mut Hw);

    /// The host rang.
    fn doorbell(&mut self, hw: &mut Hw);

    /// Value of the D0i3 control register.
    fn d0i3(&self) -> u32 {
        0
    }

    /// The host writes the D0i3 control register.
    fn set_d0i3(&mut self, _hw: &mut Hw, _value: u32) {}

    /// Something is due.
    fn event(&mut self, hw: &mut Hw, event: Event);

    /// Fixes the firmware status registers, which otherwise follow the state.
    fn set_hfs(&mut self, hw: &mut Hw, values: [u32; 6]);

    /// Says something that nobody asked for.
    ///
    /// # Errors
    ///
    /// A text for people: the link is not far enough, or does not carry the message.
    fn send(&mut self, hw: &mut Hw, message: Message) -> Result<(), String>;

    /// What the `state` command shows of the firmware.
    fn state(&self, hw: &Hw) -> Value;
}
