// SPDX-License-Identifier: GPL-2.0

//! The interrupt of a PCI device that has one vector.
//!
//! [`kernel::irq::Registration`] borrows from the vectors of the device, and may not be leaked, so
//! a driver cannot keep both without `unsafe`. Here both end when the device is unbound, after the
//! driver's data was dropped.
//!
//! C headers: [`include/linux/interrupt.h`](srctree/include/linux/interrupt.h),
//! [`include/linux/pci.h`](srctree/include/linux/pci.h)

use core::ptr;
use kernel::{
    bindings,
    device::Bound,
    error::to_result,
    irq::Handler,
    pci,
    prelude::*,
    types::ForeignOwnable, //
};

/// Allocates the one MSI vector of `dev` and installs its handler, which may be called at once.
///
/// The handler is called until the device is unbound, also after the driver's data was dropped; it
/// is dropped then. The device must have been enabled with [`super::pci::enable`]. May sleep.
///
/// # Errors
///
/// - `ENOSPC`: the device has no MSI, or the machine no vector.
/// - `ENOMEM`, and others as given by `request_irq()`.
pub(crate) fn request_msi<T: Handler + Send + 'static>(
    dev: &pci::Device<Bound>,
    name: &'static CStr,
    handler: T,
) -> Result {
    let vectors = dev.alloc_irq_vectors(1, 1, pci::IrqTypes::default().with(pci::IrqType::Msi))?;
    let irq = kernel::irq::IrqRequest::from(vectors.index(0)?).irq();
    // A device that was enabled with `pcim_enable_device()` frees its vectors when it is unbound.
    core::mem::forget(vectors);

    let raw_dev: *mut bindings::device =
        ptr::from_ref::<kernel::device::Device<Bound>>(dev.as_ref())
            .cast_mut()
            .cast();
    let handler = KBox::new(handler, GFP_KERNEL)?.into_foreign();

    // SAFETY:
    // - `raw_dev` is a bound device.
    // - `release` takes over the box. It is called on failure as well, and after the interrupt that
    //   is requested below was freed, since devres works backwards.
    to_result(unsafe { bindings::devm_add_action_or_reset(raw_dev, Some(release::<T>), handler) })?;

    // SAFETY:
    // - `raw_dev` is a bound device, and `irq` a vector of it, which is freed after the interrupt.
    // - `handler` is valid until `release` is called.
    // - `handle` fits what is passed to it, and `name` is `'static`.
    to_result(unsafe {
        bindings::devm_request_threaded_irq(
            raw_dev,
            irq,
            Some(handle::<T>),
            None,
            0,
            name.as_char_ptr(),
            handler,
        )
    })
}

/// # Safety
///
/// `handler` must come from [`KBox::into_foreign`], and not be released yet.
unsafe extern "C" fn handle<T: Handler + Send + 'static>(
    _irq: c_int,
    handler: *mut c_void,
) -> bindings::irqreturn_t {
    // SAFETY: By the requirements of this function.
    let handler = unsafe { KBox::<T>::borrow(handler) };

    // CAST: The values of the enumeration are those of the C type.
    bindings::irqreturn_t(handler.handle() as c_uint)
}

/// # Safety
///
/// `handler` must come from [`KBox::into_foreign`], and nobody may use it any more.
unsafe extern "C" fn release<T: Handler + Send + 'static>(handler: *mut c_void) {
    // SAFETY: By the requirements of this function.
    drop(unsafe { KBox::<T>::from_foreign(handler) });
}
