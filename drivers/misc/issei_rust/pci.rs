// SPDX-License-Identifier: GPL-2.0

//! The PCI driver: which functions it binds, what it sets up for them, and in which order all of it
//! goes away again.

use kernel::{
    device::Core,
    driver::Registration,
    irq::{
        Handler,
        IrqReturn, //
    },
    pci,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    InPlaceModule, //
};

use crate::{
    device::Issei,
    ham::link::Event,
    heci::Heci,
    kapi::{
        chardev::{
            self,
            ClassDevice, //
        },
        class::{
            self,
            Class, //
        },
        debugfs,
        deferred::Enabled,
        global,
        irq::request_msi,
        keyring::Keyring,
        netlink,
        pci::{
            enable,
            Adapter,
            BusMaster,
            Channel,
            Recover,
            Verdict, //
        },
        sleep,
        timer::Timer,
        work::Work, //
    },
    link::Hardware,
    shm::SharedMemory,
    spdm::{
        self,
        Retirement, //
    },
    sysfs,
    MODULE_NAME, //
};

pub(crate) static CLASS: Class<Issei> = Class::new(c"issei");

type Device = ARef<ClassDevice<Issei>>;

kernel::pci_device_table!(
    PCI_TABLE,
    // No data, so that IDs can be added by hand through new_id.
    @none,
    [
        // Lunar Lake M.
        pci::DeviceId::from_id(pci::Vendor::INTEL, 0xa85d),
        // Panther Lake H.
        pci::DeviceId::from_id(pci::Vendor::INTEL, 0xe35d),
        // Panther Lake P.
        pci::DeviceId::from_id(pci::Vendor::INTEL, 0xe45d),
        // Nova Lake S.
        pci::DeviceId::from_id(pci::Vendor::INTEL, 0xd470),
        // Nova Lake H.
        pci::DeviceId::from_id(pci::Vendor::INTEL, 0xd358),
        // Wildcat Lake.
        pci::DeviceId::from_id(pci::Vendor::INTEL, 0x4d5d),
    ]
);

/// The interrupt handler. It may outlive [`Bound`], and finds no hardware then.
struct Interrupt(Device);

impl Handler for Interrupt {
    fn handle(&self) -> IrqReturn {
        self.0.link.lock().interrupt(&self.0);
        // The vector is ours alone: also an interrupt that brings nothing is handled.
        IrqReturn::Handled
    }
}

/// Removes what was published in sysfs when it is dropped.
struct Publication(Device);

impl Drop for Publication {
    fn drop(&mut self) {
        spdm::sysfs::stop(&self.0);
        sysfs::stop(&self.0);
    }
}

/// Quiesces the hardware when it is dropped, and takes it away from the files that stay open.
struct Presence(Device);

impl Drop for Presence {
    fn drop(&mut self) {
        // In case that probe fails before there is a `Retirement`.
        self.0.spdm_halt(Some(ENODEV));
        self.0.remove();
    }
}

/// Frees the registers and the shared memory when it is dropped.
struct Attachment(Device);

impl Drop for Attachment {
    fn drop(&mut self) {
        self.0.detach();
    }
}

/// What exists while the driver is bound to a function.
///
/// Fields are dropped in this order: first the SPDM agent ends and nothing new is published, then
/// users see nothing any more, then those who wait are woken and the hardware is quiesced, then what drives it ends. The
/// shared memory is freed when the device cannot reach it any more, and the interrupt after that.
#[pin_data]
pub(crate) struct Bound<'bound> {
    _sleep: sleep::Registration<ClassDevice<Issei>>,
    _retirement: Retirement,
    _spdm: Enabled<ClassDevice<Issei>, Work<ClassDevice<Issei>>>,
    _publish: Enabled<ClassDevice<Issei>, Work<ClassDevice<Issei>>>,
    _publication: Publication,
    _debugfs: debugfs::Directory<Issei>,
    _chardev: chardev::Registration<'bound, Issei>,
    presence: Presence,
    _timer: Enabled<ClassDevice<Issei>, Timer<ClassDevice<Issei>>>,
    _receive_large: Enabled<ClassDevice<Issei>, Work<ClassDevice<Issei>>>,
    _bus_master: BusMaster<'bound>,
    _attachment: Attachment,
}

impl Bound<'_> {
    fn event(&self, event: Event) {
        self.presence.0.event(event);
    }
}

/// The driver.
pub(crate) struct IsseiDriver;

impl pci::Driver for IsseiDriver {
    type IdInfo = ();
    type Data<'bound> = Bound<'bound>;
    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let bus_master = enable(pdev)?;
            let hardware = Hardware {
                heci: Heci::new(pdev)?,
                shm: Arc::new(SharedMemory::new(pdev)?, GFP_KERNEL)?,
            };
            let dev = ClassDevice::new(&CLASS, Issei::new(pdev))?;
            dev.attach(hardware);
            dev.spdm_begin()?;
            request_msi(pdev, MODULE_NAME, Interrupt(dev.clone()))?;

            Ok(try_pin_init!(Bound {
                _attachment: Attachment(dev.clone()),
                _bus_master: bus_master,
                presence: Presence(dev.clone()),
                _timer: Enabled::new(dev.clone(), |dev| &dev.timer)?,
                _receive_large: Enabled::new(dev.clone(), |dev| &dev.receive_large)?,
                _chardev: chardev::Registration::new(pdev.as_ref(), dev.clone())?,
                _debugfs: debugfs::Directory::new(&dev),
                _publication: Publication(dev.clone()),
                _publish: Enabled::new(dev.clone(), |dev| &dev.publish)?,
                _spdm: {
                    spdm::sysfs::start(&dev)?;
                    Enabled::new(dev.clone(), |dev| &dev.spdm.work)?
                },
                _retirement: Retirement(dev.clone()),
                _sleep: {
                    let sleep = sleep::Registration::new(dev.clone())?;
                    dev.event(Event::Start);
                    sleep
                },
            }))
        })
    }
}

impl Recover for IsseiDriver {
    fn error_detected<'bound>(
        _dev: &'bound pci::Device<Core<'_>>,
        this: Pin<&Bound<'bound>>,
        channel: Channel,
    ) -> Verdict {
        let (event, verdict) = match channel {
            Channel::Normal => (Event::Stop, Verdict::Recovered),
            Channel::Frozen => (Event::Frozen, Verdict::NeedReset),
            Channel::Dead => (Event::Frozen, Verdict::Disconnect),
        };
        this.event(event);
        verdict
    }

    fn slot_reset<'bound>(
        _dev: &'bound pci::Device<Core<'_>>,
        _this: Pin<&Bound<'bound>>,
    ) -> Verdict {
        Verdict::Recovered
    }

    fn resume<'bound>(_dev: &'bound pci::Device<Core<'_>>, this: Pin<&Bound<'bound>>) {
        this.event(Event::Start);
    }

    fn reset_prepare<'bound>(_dev: &'bound pci::Device<Core<'_>>, this: Pin<&Bound<'bound>>) {
        this.event(Event::Stop);
    }

    fn reset_done<'bound>(_dev: &'bound pci::Device<Core<'_>>, this: Pin<&Bound<'bound>>) {
        this.event(Event::Start);
    }
}

/// The module: the class, and the driver that makes devices of it.
#[pin_data]
pub(crate) struct IsseiModule {
    /// Dropped first: unbinds all devices.
    #[pin]
    _driver: Registration<Adapter<IsseiDriver>>,
    /// Goes when no agent is left that could have a result to tell, and before the class in which a
    /// dump looks for its device. No dump can run by then: one holds a reference to the module.
    _netlink: global::Registration<netlink::Registration>,
    _keyring: global::Registration<Keyring>,
    _class: class::Registration<Issei>,
}

impl InPlaceModule for IsseiModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _class: CLASS.register().inspect_err(|error| {
                if *error == EEXIST {
                    pr_err!(
                        "the class issei exists: unload Intel's driver first (modprobe -r issei_heci issei)\n"
                    );
                }
            })?,
            _keyring: spdm::keys::create()?,
            _netlink: spdm::netlink::register()?,
            _driver <- Registration::new(MODULE_NAME, module),
        })
    }
}
