// SPDX-License-Identifier: GPL-2.0
//! Memory to give to the kernel: most of it good, some of it not.

use std::num::NonZero;
use std::ptr::NonNull;

use anyhow::Result;
use nix::sys::mman::{mmap_anonymous, mprotect, MapFlags, ProtFlags};

use crate::random::Random;

const PAGE: usize = 4096;
/// Room for more than the longest message.
const PAGES: usize = 20;

/// What is wrong with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// It cannot be written.
    ReadOnly,
    /// It ends within.
    Cut,
    /// There is none.
    Unmapped,
}

impl Flaw {
    pub(crate) fn any(random: &mut Random) -> Self {
        match random.below(24) {
            0 => Self::ReadOnly,
            1 => Self::Cut,
            2 => Self::Unmapped,
            _ => Self::None,
        }
    }

    /// Whether the kernel can read all of it.
    pub(crate) fn is_readable(self) -> bool {
        matches!(self, Self::None | Self::ReadOnly)
    }
}

/// Pages of a program, with one behind them that can be neither read nor written.
pub(crate) struct Memory {
    good: NonNull<u8>,
    read_only: NonNull<u8>,
}

impl Memory {
    pub(crate) fn new() -> Result<Self> {
        let area = || -> Result<NonNull<u8>> {
            let length = NonZero::new((PAGES + 1) * PAGE).unwrap_or(NonZero::<usize>::MIN);
            let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
            // SAFETY: Memory of its own.
            let area = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) }?;
            // SAFETY: The page is the last of this memory.
            unsafe { mprotect(area.byte_add(PAGES * PAGE), PAGE, ProtFlags::PROT_NONE) }?;
            Ok(area.cast())
        };
        let (good, read_only) = (area()?, area()?);
        // SAFETY: It is this memory, to which there is no reference.
        unsafe { mprotect(read_only.cast(), PAGES * PAGE, ProtFlags::PROT_READ) }?;
        Ok(Self { good, read_only })
    }

    /// An address of so many bytes with a flaw; `contents` are there as far as there is room. What
    /// has a flaw is never empty.
    pub(crate) fn place(
        &mut self,
        flaw: Flaw,
        length: usize,
        contents: &[u8],
        random: &mut Random,
    ) -> *mut u8 {
        let length = length.clamp(1, PAGES * PAGE);
        let end = PAGES * PAGE;
        match flaw {
            Flaw::None => {
                let at = random.below(2) * (end - length);
                self.fill(at, contents);
                self.good.as_ptr().wrapping_add(at)
            }
            Flaw::ReadOnly => {
                let at = end - length;
                let all = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
                // SAFETY: It is this memory, to which there is no reference.
                let opened = unsafe { mprotect(self.read_only.cast(), end, all) };
                if opened.is_ok() {
                    let to = self.read_only.as_ptr().wrapping_add(at);
                    for (n, byte) in contents.iter().take(length).enumerate() {
                        // SAFETY: Within the pages that can be written.
                        unsafe { to.wrapping_add(n).write(*byte) };
                    }
                    // SAFETY: As above.
                    let _ = unsafe { mprotect(self.read_only.cast(), end, ProtFlags::PROT_READ) };
                }
                self.read_only.as_ptr().wrapping_add(at)
            }
            Flaw::Cut => {
                let there = random.below(length);
                self.fill(end - there, contents);
                self.good.as_ptr().wrapping_add(end - there)
            }
            Flaw::Unmapped => {
                *random.pick(&[0, 1, 0xffff_8000_0000_0000, usize::MAX - 4096]) as *mut u8
            }
        }
    }

    fn fill(&mut self, at: usize, contents: &[u8]) {
        for (n, byte) in contents.iter().take(PAGES * PAGE - at).enumerate() {
            // SAFETY: Within the pages that can be written.
            unsafe { self.good.as_ptr().wrapping_add(at + n).write(*byte) };
        }
    }

    /// What stands at an address that [`Self::place`] gave, without a flaw.
    pub(crate) fn look(&self, at: *const u8, length: usize) -> Vec<u8> {
        let start = self.good.as_ptr() as usize;
        let end = start + PAGES * PAGE;
        let length = length.min(end.saturating_sub(at as usize));
        if (at as usize) < start {
            return Vec::new();
        }
        // SAFETY: Within the pages that can be read.
        (0..length)
            .map(|n| unsafe { at.wrapping_add(n).read() })
            .collect()
    }
}
