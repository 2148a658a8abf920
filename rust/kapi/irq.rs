// SPDX-License-Identifier: GPL-2.0

//! The interrupt of a PCI device that has one vector.
//!
//! [`irq::Registration`] borrows from [`pci::IrqVectorRegistration`], and must not be leaked. This
//! puts both into one object that borrows from the device alone.

use kernel::{
    device::Bound,
    irq::{
        self,
        Flags, //
    },
    pci,
    prelude::*, //
};

/// One MSI vector and its handler.
///
/// Dropping it waits for a handler that runs, and frees the vector. May sleep.
#[pin_data]
pub(crate) struct Msi<'a, T: irq::Handler> {
    /// Borrows from `vectors`: must be declared before it, so that it is dropped before it.
    #[pin]
    registration: irq::Registration<'a, T>,
    vectors: pci::IrqVectorRegistration<'a>,
}

impl<'a, T: irq::Handler + 'a> Msi<'a, T> {
    /// Allocates the vector and installs the handler, which may be called at once. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: the device has no MSI, or the machine no vector.
    /// - Others as given by `request_irq()`.
    ///
    /// # Safety
    ///
    /// The instance must not be leaked: its [`Drop`] must run before `'a` ends.
    pub(crate) unsafe fn new(
        dev: &'a pci::Device<Bound>,
        name: &'static CStr,
        handler: impl PinInit<T, Error> + 'a,
    ) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(Self {
            vectors: dev.alloc_irq_vectors(1, 1, pci::IrqTypes::default().with(pci::IrqType::Msi))?,
            registration <- {
                // SAFETY: `vectors` is initialised before this is evaluated, lives at a pinned
                // address, and is dropped after `registration` by the order of the fields.
                let vectors = unsafe { &*core::ptr::from_ref(vectors) };
                let vector = vectors.index(0)?;
                // SAFETY: By the requirement of this function, the instance is dropped.
                unsafe { irq::Registration::new(vector.into(), Flags::TRIGGER_NONE, name, handler) }
            },
        })
    }
}
