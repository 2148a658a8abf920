// SPDX-License-Identifier: GPL-2.0

//! Who waits for the host-to-firmware section.

use super::SLOTS;

/// A queue of slots. No slot is in it twice, so it cannot overflow.
pub(super) struct Queue {
    slots: [u8; SLOTS],
    length: usize,
}

impl Queue {
    /// An empty queue.
    pub(super) const fn new() -> Self {
        Self {
            slots: [0; SLOTS],
            length: 0,
        }
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Forgets everybody.
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Adds a slot at the end.
    pub(super) fn push(&mut self, slot: usize) {
        if let Some(end) = self.slots.get_mut(self.length) {
            // CAST: Slots are below `SLOTS`, which fits.
            *end = slot as u8;
            self.length += 1;
        }
    }

    /// Takes the slot that waits longest.
    pub(super) fn pop(&mut self) -> Option<usize> {
        let slot = usize::from(*self.slots.get(..self.length)?.first()?);
        self.slots.copy_within(1..self.length, 0);
        self.length -= 1;
        Some(slot)
    }

    /// Takes out a slot, wherever it is.
    pub(super) fn remove(&mut self, slot: usize) {
        let queued = self.slots.get(..self.length).unwrap_or_default();
        if let Some(at) = queued.iter().position(|s| usize::from(*s) == slot) {
            self.slots.copy_within(at + 1..self.length, at);
            self.length -= 1;
        }
    }
}
