// SPDX-License-Identifier: GPL-2.0

//! The memory that host and firmware share: the only code that touches it.
//!
//! The firmware owns the other end of this memory and may change any byte of it at any moment.
//! Everything here copies: a value that was read is the caller's own.
//!
//! Source of the layout: Linux `drivers/misc/issei/dma.c`.

use core::mem::{
    offset_of,
    size_of, //
};

use kernel::{
    device::Core,
    dma::{
        Coherent,
        Device,
        DmaMask, //
    },
    io::{
        io_project,
        io_read,
        io_write,
        Io, //
    },
    pci,
    prelude::*,
    sync::barrier::{
        dma_mb,
        Full,
        Read,
        Write, //
    },
    transmute::{
        AsBytes,
        FromBytes, //
    }, //
};

use crate::ham::{
    fault::Fault,
    wire::{
        Header,
        SetupRequest,
        HEADER_SIZE, //
    }, //
};

mod tests;

/// Bytes of each of the two message sections.
pub(crate) const SECTION_SIZE: usize = 64 * 1024;

/// Longest payload, in bytes.
pub(crate) const PAYLOAD_MAX: usize = SECTION_SIZE - HEADER_SIZE;

const CONTROL_SIZE: usize = 4096;

/// The counters. `h2f_rd` and `f2h_wr` belong to the firmware, the others to the host.
#[repr(C)]
struct Control {
    h2f_wr: u32,
    h2f_rd: u32,
    f2h_wr: u32,
    f2h_rd: u32,
    reserved: [u8; CONTROL_SIZE - 16],
}

/// The whole buffer: a message section for each direction, then the counters.
#[repr(C)]
struct Layout {
    h2f: [u8; SECTION_SIZE],
    f2h: [u8; SECTION_SIZE],
    control: Control,
}

static_assert!(size_of::<Control>() == CONTROL_SIZE);
static_assert!(offset_of!(Layout, f2h) == SECTION_SIZE);
static_assert!(offset_of!(Layout, control) == 2 * SECTION_SIZE);
static_assert!(size_of::<Layout>() == 2 * SECTION_SIZE + CONTROL_SIZE);

// SAFETY: The asserts above show that the fields fill the type, so it has no padding; it has no
// interior mutability.
unsafe impl AsBytes for Layout {}

// SAFETY: All fields are integers or arrays of integers, for which all bit patterns are valid.
unsafe impl FromBytes for Layout {}

/// The shared memory of one link.
///
/// Allocated at probe. The firmware must have let go of it before it is dropped.
pub(crate) struct SharedMemory(Coherent<Layout>);

impl SharedMemory {
    /// Allocates it, for any 64-bit address that the function can reach.
    ///
    /// # Errors
    ///
    /// - `EIO`: the platform has no DMA for this function.
    /// - `ENOMEM`: no coherent memory.
    pub(crate) fn new(pdev: &pci::Device<Core<'_>>) -> Result<Self> {
        // SAFETY: Probe calls this once, before it allocates DMA memory, and nothing else of this
        // driver sets the mask or allocates DMA memory for this function.
        unsafe { pdev.dma_set_mask_and_coherent(DmaMask::new::<64>())? };
        Ok(Self(Coherent::zeroed(pdev.as_ref(), GFP_KERNEL)?))
    }

    /// The setup request that tells the firmware of this memory.
    pub(crate) fn setup_request(&self) -> SetupRequest {
        SetupRequest {
            address: self.0.dma_address(),
            // CAST: The constants fit into 32 bits.
            h2f_size: SECTION_SIZE as u32,
            f2h_size: SECTION_SIZE as u32,
            control_size: CONTROL_SIZE as u32,
        }
    }

    /// Zeroes everything, as it must be before each setup.
    pub(crate) fn clear(&self) {
        // SAFETY:
        // - By the invariant of `Coherent`, the pointer is valid and aligned for the whole type.
        // - All zeroes is a valid `Layout`, and no reference to it exists: everything else here
        //   copies through `Io`. The firmware, and a copy of a message that a reset makes void, may
        //   race with this. What they get is not used: the copy is dropped with its generation.
        unsafe { self.0.as_mut_ptr().write_bytes(0, 1) };
        // The firmware is told of this memory by a register write that follows.
        dma_mb(Write);
    }

    /// How many messages the firmware says it has consumed.
    pub(crate) fn h2f_rd(&self) -> u32 {
        io_read!(self.0, .control.h2f_rd)
    }

    /// How many messages the firmware says it has sent. What is read after this is not older than
    /// the counter.
    pub(crate) fn f2h_wr(&self) -> u32 {
        let wr = io_read!(self.0, .control.f2h_wr);
        // Pairs with the firmware's order: message first, then `f2h_wr`.
        dma_mb(Read);
        wr
    }

    /// Writes a message and publishes it as number `wr`. The section must be free.
    ///
    /// # Errors
    ///
    /// - [`Fault::MessageLength`]: `payload` is longer than [`PAYLOAD_MAX`]; nothing is published.
    pub(crate) fn send(&self, header: &Header, payload: &[u8], wr: u32) -> Result<(), Fault> {
        self.write(header, payload)
            .map_err(|_| Fault::MessageLength {
                length: header.length,
            })?;
        // The message must be visible before the counter that announces it.
        dma_mb(Write);
        io_write!(self.0, .control.h2f_wr, wr);
        Ok(())
    }

    fn write(&self, header: &Header, payload: &[u8]) -> Result {
        let end = HEADER_SIZE.checked_add(payload.len()).ok_or(ERANGE)?;
        io_project!(self.0, .h2f[try: HEADER_SIZE..end]).copy_from_slice(payload);
        io_project!(self.0, .h2f[build: ..HEADER_SIZE]).copy_from_slice(&header.to_bytes());
        Ok(())
    }

    /// Copies the header of the firmware's message.
    pub(crate) fn header(&self) -> Header {
        let mut bytes = [0; HEADER_SIZE];
        io_project!(self.0, .f2h[build: ..HEADER_SIZE]).copy_to_slice(&mut bytes);
        Header::from_bytes(&bytes)
    }

    /// Copies the first bytes of the firmware's message, as many as `payload` has room for.
    ///
    /// # Errors
    ///
    /// - `ERANGE`: `payload` is longer than [`PAYLOAD_MAX`].
    pub(crate) fn receive(&self, payload: &mut [u8]) -> Result {
        let end = HEADER_SIZE.checked_add(payload.len()).ok_or(ERANGE)?;
        io_project!(self.0, .f2h[try: HEADER_SIZE..end]).copy_to_slice(payload);
        Ok(())
    }

    /// Tells the firmware that message number `rd` is consumed.
    pub(crate) fn consumed(&self, rd: u32) {
        // The loads of the message must be complete before the firmware may overwrite it.
        dma_mb(Full);
        io_write!(self.0, .control.f2h_rd, rd);
    }
}
