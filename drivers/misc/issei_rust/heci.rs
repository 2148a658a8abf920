// SPDX-License-Identifier: GPL-2.0

//! What the driver does to the registers: the only code that touches MMIO.
//!
//! All of it runs under the link lock. While the link is up, `H_CSR` is written from what the driver
//! knows and never read: the host is the only writer of its bits, and a read of a register costs as
//! much as ten posted writes.

use kernel::{
    device::Bound,
    io::Io,
    pci,
    prelude::*, //
};

use crate::{
    ham::{
        fault::Fault,
        wire::{
            SetupRequest,
            SETUP_RESPONSE_DWORDS, //
        },
    },
    regs::{
        FW_CB_RW,
        FW_CSR_HA,
        HECI_BAR_SIZE,
        H_CB_WW,
        H_CSR, //
    },
};

/// The registers of one HECI function.
///
/// Lives from probe to unbind. After the mapping is revoked, reads give [`Fault::Absent`] and
/// writes do nothing.
pub(crate) struct Heci {
    bar: pci::DevresBar<HECI_BAR_SIZE>,
    /// What `H_CSR` is while the link is up, without the bits that act when written.
    up: H_CSR,
}

impl Heci {
    /// Maps BAR 0.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: another driver holds the region.
    /// - `ENOMEM`: the region is empty or cannot be mapped.
    /// - `EINVAL`: the region is smaller than the registers.
    pub(crate) fn new(pdev: &pci::Device<Bound>) -> Result<Self> {
        let bar = pdev.iomap_region_sized::<HECI_BAR_SIZE>(0, crate::MODULE_NAME)?;
        Ok(Self {
            bar: bar.into_devres()?,
            up: H_CSR::zeroed(),
        })
    }

    /// Reads a register. One that reads as all ones is read once more, since a read may fail in
    /// passing.
    ///
    /// # Errors
    ///
    /// - [`Fault::Absent`]: it reads as all ones.
    fn read<T: Copy>(&self, read: impl Fn(&pci::Bar<'_, HECI_BAR_SIZE>) -> T) -> Result<T, Fault>
    where
        u32: From<T>,
    {
        let attempt = || {
            self.bar
                .try_access_with(&read)
                .filter(|value| u32::from(*value) != u32::MAX)
        };
        attempt().or_else(attempt).ok_or(Fault::Absent)
    }

    fn h_csr(&self) -> Result<H_CSR, Fault> {
        self.read(|bar| bar.read(H_CSR))
    }

    /// Reads `FW_CSR_HA`. Like every read, it completes the posted writes before it.
    ///
    /// # Errors
    ///
    /// - [`Fault::Absent`]: it reads as all ones.
    pub(crate) fn fw_csr(&self) -> Result<FW_CSR_HA, Fault> {
        self.read(|bar| bar.read(FW_CSR_HA))
    }

    fn write_h_csr(&self, csr: H_CSR) {
        // After a revocation there is no register left to write.
        let _ = self.bar.try_access_with(|bar| bar.write_reg(csr));
    }

    /// Asserts the reset, with interrupts on, and clears what interrupt was pending.
    ///
    /// A reset that is still asserted is released first: the hardware ignores a second one.
    ///
    /// # Errors
    ///
    /// - [`Fault::Absent`]: the registers read as all ones.
    pub(crate) fn reset(&self) -> Result<(), Fault> {
        self.assert_reset(true)
    }

    /// Resets the function with interrupts off and releases it, so that the firmware lets go of the
    /// shared memory.
    ///
    /// # Errors
    ///
    /// - [`Fault::Absent`]: the registers read as all ones.
    pub(crate) fn quiesce(&self) -> Result<(), Fault> {
        self.assert_reset(false)?;
        let csr = self.h_csr()?;
        self.write_h_csr(csr.with_rst(false).with_ig(true).with_is(false));
        // The read flushes the write: nothing may follow it into D3hot.
        self.h_csr().map(|_| ())
    }

    fn assert_reset(&self, interrupts: bool) -> Result<(), Fault> {
        let mut csr = self.h_csr()?;
        if csr.rst() {
            self.write_h_csr(csr.with_rst(false).with_is(false));
            csr = self.h_csr()?;
        }
        self.write_h_csr(
            csr.with_ie(interrupts)
                .with_is(true)
                .with_ig(true)
                .with_rst(true),
        );
        self.h_csr().map(|_| ())
    }

    /// Acknowledges an interrupt during bring-up and answers a firmware that is in reset.
    ///
    /// # Errors
    ///
    /// - [`Fault::Absent`]: the registers read as all ones.
    pub(crate) fn acknowledge_in_reset(&self) -> Result<FW_CSR_HA, Fault> {
        let csr = self.h_csr()?;
        if csr.is() {
            self.write_h_csr(csr.with_ig(false));
        }
        let fw_csr = self.fw_csr()?;
        if fw_csr.rst() {
            self.write_h_csr(csr.with_is(false).with_ig(true));
        }
        Ok(fw_csr)
    }

    /// Releases the reset, declares the host ready, and sends the setup request.
    ///
    /// # Errors
    ///
    /// - [`Fault::Absent`]: the registers read as all ones.
    pub(crate) fn setup(&mut self, request: &SetupRequest) -> Result<(), Fault> {
        let csr = self.h_csr()?.with_rst(false).with_is(false).with_ig(false);
        self.write_h_csr(csr.with_ig(true));
        self.up = csr.with_ie(true).with_rdy(true);
        self.ring();
        let _ = self.bar.try_access_with(|bar| {
            for dword in request.to_dwords() {
                bar.write_reg(H_CB_WW::from(dword));
            }
        });
        self.ring();
        Ok(())
    }

    /// Takes the setup response, given a fresh `FW_CSR_HA`: its id and status, or [`None`] while it
    /// is not complete.
    ///
    /// # Errors
    ///
    /// - [`Fault::SetupLength`]: the buffer holds more than a setup response, or its pointers make
    ///   no sense.
    pub(crate) fn setup_response(&self, fw_csr: FW_CSR_HA) -> Result<Option<(u32, u32)>, Fault> {
        match fw_csr.filled_slots() {
            Some(dwords) if dwords < SETUP_RESPONSE_DWORDS => Ok(None),
            Some(SETUP_RESPONSE_DWORDS) => {
                let take = || {
                    self.bar
                        .try_access_with(|bar| u32::from(bar.read(FW_CB_RW)))
                };
                let id = take().ok_or(Fault::Absent)?;
                let status = take().ok_or(Fault::Absent)?;
                Ok(Some((id, status)))
            }
            dwords => Err(Fault::SetupLength {
                dwords: dwords.unwrap_or(u8::MAX),
            }),
        }
    }

    /// Rings the doorbell. Only while the link is up or coming up behind [`Heci::setup`].
    pub(crate) fn ring(&self) {
        self.write_h_csr(self.up.with_ig(true));
    }

    /// Acknowledges an interrupt and, in the same write, rings if `ring`. Only while the link is up
    /// or coming up behind [`Heci::setup`].
    pub(crate) fn acknowledge(&self, ring: bool) {
        self.write_h_csr(self.up.with_is(true).with_ig(ring));
    }
}
