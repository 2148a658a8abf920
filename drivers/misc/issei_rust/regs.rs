// SPDX-License-Identifier: GPL-2.0

//! The HECI registers in BAR 0.
//!
//! Source: Linux `drivers/misc/issei/hw_heci_regs.h`.

use kernel::io::register;

/// Bytes of BAR 0 that hold registers.
pub(crate) const HECI_BAR_SIZE: usize = 16;

register! {
    /// Host circular buffer write window: a write appends one dword.
    pub(crate) H_CB_WW(u32) @ 0x0 {
        31:0    data;
    }

    /// Host control and status.
    ///
    /// The host is the only writer of `ie`, `rdy`, `rst` and `ig`; the hardware clears `rdy` when
    /// `rst` is set.
    pub(crate) H_CSR(u32) @ 0x4 {
        /// Depth of the host circular buffer, in dwords.
        31:24   cbd;
        /// Write pointer, a counter of dwords.
        23:16   cbwp;
        /// Read pointer, a counter of dwords.
        15:8    cbrp;
        /// Not described; other HECI functions keep power states here. Preserved.
        7:5     reserved;
        /// Reset.
        4:4     rst => bool;
        /// Ready.
        3:3     rdy => bool;
        /// Interrupt generate: the doorbell. Clears itself.
        2:2     ig => bool;
        /// Interrupt status. Cleared by writing one: every other write must write zero.
        1:1     is => bool;
        /// Interrupt enable.
        0:0     ie => bool;
    }

    /// Firmware circular buffer read window: a read takes one dword.
    pub(crate) FW_CB_RW(u32) @ 0x8 {
        31:0    data;
    }

    /// Firmware control and status, as the host may read it.
    pub(crate) FW_CSR_HA(u32) @ 0xc {
        /// Depth of the firmware circular buffer, in dwords.
        31:24   cbd;
        /// Write pointer, a counter of dwords.
        23:16   cbwp;
        /// Read pointer, a counter of dwords.
        15:8    cbrp;
        /// Reset.
        4:4     rst => bool;
        /// Ready.
        3:3     rdy => bool;
    }
}

impl FW_CSR_HA {
    /// Dwords in the firmware circular buffer, or [`None`] when the pointers claim more than its
    /// depth.
    pub(crate) fn filled_slots(self) -> Option<u8> {
        // CAST: The fields have 8 bits.
        let filled = (self.cbwp().get() as u8).wrapping_sub(self.cbrp().get() as u8);
        let depth = self.cbd().get() as u8;
        (filled <= depth).then_some(filled)
    }
}
