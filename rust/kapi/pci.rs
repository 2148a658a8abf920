// SPDX-License-Identifier: GPL-2.0

//! PCI drivers that sleep and recover from errors.
//!
//! [`kernel::pci::Adapter`] registers a driver that probes and unbinds. The [`Adapter`] here adds
//! what else a `struct pci_driver` has: power management, error handlers, asynchronous probing.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use core::{
    marker::PhantomData,
    mem::offset_of,
    ptr, //
};
use kernel::{
    bindings,
    device::{
        Bound,
        Core,
        CoreInternal,
        DeviceContext, //
    },
    driver::{
        DriverLayout,
        RegistrationOps, //
    },
    error::to_result,
    pci,
    prelude::*,
    types::Opaque,
    ThisModule, //
};

/// What happened to the way to the device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// The device can be reached; the error was not fatal.
    Normal,
    /// The device cannot be reached, until it is reset.
    Frozen,
    /// The device will not be reached again.
    Dead,
}

/// What a driver asks for after an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A reset of the device.
    NeedReset,
    /// Nothing more: the device works, or will as soon as it is told to resume.
    Recovered,
    /// The device is given up.
    Disconnect,
}

impl Verdict {
    /// The value as C knows it. The one for a device that works differs from step to step.
    fn into_raw(self, recovered: bindings::pci_ers_result_t) -> bindings::pci_ers_result_t {
        match self {
            Verdict::NeedReset => bindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET,
            Verdict::Recovered => recovered,
            Verdict::Disconnect => bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT,
        }
    }
}

/// A PCI driver that takes part in error recovery and in resets that others ask for.
///
/// All functions run in process context, may sleep, and exclude each other as well as
/// [`pci::Driver::probe`] and [`pci::Driver::unbind`], since the device lock is held.
pub(crate) trait Recover: pci::Driver {
    /// An error occurred: stop all I/O.
    ///
    /// For [`Channel::Frozen`] only a reset helps, and [`Channel::Dead`] means that recovery has
    /// failed, when the verdict does not count.
    fn error_detected<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
        channel: Channel,
    ) -> Verdict;

    /// The device was reset, and its configuration space is as it was before. I/O must wait for
    /// [`Recover::resume`].
    fn slot_reset<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> Verdict;

    /// Everything works again: start anew.
    fn resume<'bound>(dev: &'bound pci::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>);

    /// The device is about to be reset on request: stop all I/O.
    fn reset_prepare<'bound>(dev: &'bound pci::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>);

    /// The device was reset on request, and its configuration space is as it was before.
    fn reset_done<'bound>(dev: &'bound pci::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>);
}

/// An adapter for the registration of PCI drivers that [`Recover`].
///
/// Use it as [`kernel::driver::Registration<Adapter<T>>`](kernel::driver::Registration). The
/// function then sleeps with the system: the PCI core moves it to D3hot and back, which it only
/// does if a driver has power-management operations. What has to be quiet before can hang on a
/// [child device](super::chardev::CharDevice::suspend).
pub(crate) struct Adapter<T: Recover>(PhantomData<T>);

// SAFETY: All as in `pci::Adapter<T>`, whose layout this is.
unsafe impl<T: Recover> DriverLayout for Adapter<T> {
    type DriverType = <pci::Adapter<T> as DriverLayout>::DriverType;
    type DriverData<'bound> = <pci::Adapter<T> as DriverLayout>::DriverData<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = offset_of!(Self::DriverType, driver);
}

// SAFETY: `unregister` is that of `pci::Adapter<T>`, and so is `register`, but for fields that it
// sets before.
unsafe impl<T: Recover> RegistrationOps for Adapter<T> {
    unsafe fn register(
        driver: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: The fields may be set before registration, and all they point to is `'static`.
        unsafe {
            (*driver.get()).err_handler = &Self::ERROR_HANDLERS;
            (*driver.get()).driver.pm = &Self::PM;
            (*driver.get()).driver.probe_type = bindings::probe_type_PROBE_PREFER_ASYNCHRONOUS;
        }
        // SAFETY: The requirements are the same.
        unsafe { pci::Adapter::<T>::register(driver, name, module) }
    }

    unsafe fn unregister(driver: &Opaque<Self::DriverType>) {
        // SAFETY: The requirements are the same.
        unsafe { pci::Adapter::<T>::unregister(driver) }
    }
}

impl<T: Recover> Adapter<T> {
    /// Empty: all that the PCI core wants is that they exist.
    const PM: bindings::dev_pm_ops = pin_init::zeroed();

    const ERROR_HANDLERS: bindings::pci_error_handlers = bindings::pci_error_handlers {
        error_detected: Some(Self::error_detected),
        slot_reset: Some(Self::slot_reset),
        resume: Some(Self::resume),
        reset_prepare: Some(Self::reset_prepare),
        reset_done: Some(Self::reset_done),
        ..pin_init::zeroed()
    };

    /// Calls `f` with a device and the driver's data, unless it has none, as during probe.
    ///
    /// # Safety
    ///
    /// - `pdev` must be a device whose driver is registered through this adapter.
    /// - The device lock must be held.
    unsafe fn with_data<R>(
        pdev: *mut bindings::pci_dev,
        f: impl for<'bound> FnOnce(&'bound pci::Device<Core<'_>>, Pin<&T::Data<'bound>>) -> R,
    ) -> Option<R> {
        // SAFETY: `pdev` is valid, and the lock is that of a `CoreInternal` context.
        let dev = unsafe { &*pdev.cast::<pci::Device<CoreInternal<'_>>>() };

        // SAFETY: `pdev` is valid.
        if unsafe { bindings::dev_get_drvdata(&raw mut (*pdev).dev) }.is_null() {
            return None;
        }
        // SAFETY: `pci::Adapter<T>` has set the data, of this type, and frees it under the lock,
        // where it also sets the pointer to null.
        let data = unsafe { dev.as_ref().drvdata_borrow::<T::Data<'_>>() };

        Some(f(dev, data))
    }

    /// # Safety
    ///
    /// As for [`Adapter::with_data`].
    unsafe extern "C" fn error_detected(
        pdev: *mut bindings::pci_dev,
        state: bindings::pci_channel_state_t,
    ) -> bindings::pci_ers_result_t {
        let channel = match state {
            bindings::pci_channel_io_normal => Channel::Normal,
            bindings::pci_channel_io_frozen => Channel::Frozen,
            _ => Channel::Dead,
        };

        // SAFETY: The requirements are the same.
        unsafe { Self::with_data(pdev, |dev, data| T::error_detected(dev, data, channel)) }
            .unwrap_or(Verdict::Disconnect)
            .into_raw(bindings::pci_ers_result_PCI_ERS_RESULT_CAN_RECOVER)
    }

    /// # Safety
    ///
    /// As for [`Adapter::with_data`].
    unsafe extern "C" fn slot_reset(pdev: *mut bindings::pci_dev) -> bindings::pci_ers_result_t {
        // SAFETY: `pdev` is valid, and `enable()` has saved its state.
        unsafe { bindings::pci_restore_state(pdev) };

        // SAFETY: The requirements are the same.
        unsafe { Self::with_data(pdev, T::slot_reset) }
            .unwrap_or(Verdict::Disconnect)
            .into_raw(bindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED)
    }

    /// # Safety
    ///
    /// As for [`Adapter::with_data`].
    unsafe extern "C" fn resume(pdev: *mut bindings::pci_dev) {
        // SAFETY: The requirements are the same.
        unsafe { Self::with_data(pdev, T::resume) };
    }

    /// # Safety
    ///
    /// As for [`Adapter::with_data`].
    unsafe extern "C" fn reset_prepare(pdev: *mut bindings::pci_dev) {
        // SAFETY: The requirements are the same.
        unsafe { Self::with_data(pdev, T::reset_prepare) };
    }

    /// # Safety
    ///
    /// As for [`Adapter::with_data`].
    unsafe extern "C" fn reset_done(pdev: *mut bindings::pci_dev) {
        // SAFETY: The requirements are the same.
        unsafe { Self::with_data(pdev, T::reset_done) };
    }
}

/// The device as C knows it.
fn as_raw<Ctx: DeviceContext>(dev: &pci::Device<Ctx>) -> *mut bindings::pci_dev {
    // CAST: `pci::Device` is a transparent wrapper of the C type.
    ptr::from_ref(dev).cast_mut().cast()
}

/// Enables the device and lets it access memory, and saves its configuration for error recovery.
///
/// The device is disabled again after the driver's data was dropped. May sleep.
///
/// # Errors
///
/// As given by `pcim_enable_device()` and `pci_save_state()`.
pub(crate) fn enable<'bound>(dev: &'bound pci::Device<Core<'_>>) -> Result<BusMaster<'bound>> {
    // SAFETY: `dev` is valid, and its lock is held.
    to_result(unsafe { bindings::pcim_enable_device(as_raw(dev)) })?;
    dev.set_master();
    let bus_master = BusMaster(dev);
    // SAFETY: `dev` is valid, and its lock is held.
    to_result(unsafe { bindings::pci_save_state(as_raw(dev)) })?;
    Ok(bus_master)
}

/// Permission for the device to access memory. It ends when this is dropped: memory that the device
/// may still write to must be freed after that.
pub(crate) struct BusMaster<'bound>(&'bound pci::Device<Bound>);

impl Drop for BusMaster<'_> {
    fn drop(&mut self) {
        // SAFETY: A device that is bound is valid.
        unsafe { bindings::pci_clear_master(as_raw(self.0)) };
    }
}

/// Reads a 32-bit register of the first 256 bytes of configuration space.
///
/// Needs no driver to be bound: the kernel gives user space the same. Any context.
///
/// # Errors
///
/// - `EINVAL`: `offset` is not a multiple of 4.
/// - `ENODEV`: the device is gone.
/// - `EIO`: the bus refused.
pub(crate) fn read_config_dword(dev: &pci::Device, offset: u8) -> Result<u32> {
    let mut value = 0;

    if offset % 4 != 0 {
        return Err(EINVAL);
    }
    // SAFETY: A `pci::Device` has a reference to a valid device, which in turn has one to its bus.
    match unsafe { bindings::pci_read_config_dword(as_raw(dev), offset.into(), &mut value) } {
        0 => Ok(value),
        PCIBIOS_DEVICE_NOT_FOUND => Err(ENODEV),
        _ => Err(EIO),
    }
}

// CAST: 134.
const PCIBIOS_DEVICE_NOT_FOUND: c_int = bindings::PCIBIOS_DEVICE_NOT_FOUND as c_int;
