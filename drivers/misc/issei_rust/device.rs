// SPDX-License-Identifier: GPL-2.0

//! The state of one device, where two lifetimes meet: files, sysfs objects and debugfs files hold a
//! reference to it and may outlive the hardware, which [`Issei::remove`] takes away at unbind.
//!
//! Lock order: `published`, then `link`; the SPDM agent's own locks come before `link` as well, see
//! [`crate::spdm`]. Nothing else is taken under the link lock but the wait
//! queues of files and the kernel's own timer and workqueue locks.

use kernel::{
    new_mutex,
    new_spinlock_irq,
    pci,
    prelude::*,
    static_lock_class,
    sync::{
        aref::ARef,
        Mutex,
        SpinLockIrq, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

use crate::{
    clients::{
        Buffer,
        FwClient,
        Message, //
    },
    ham::{
        fault::Fault,
        link::Event,
        wire::{
            admit,
            ClientsResponse, //
        }, //
    },
    kapi::{
        chardev::ClassDevice,
        timer::Timer,
        work::Work, //
    },
    link::{
        zeroed,
        Hardware,
        Large,
        Link, //
    },
    shm::SharedMemory,
    spdm::Agent,
    sysfs::{
        self,
        Published, //
    }, //
};

/// One Silicon Security Engine.
#[pin_data]
pub(crate) struct Issei {
    /// The link lock. Taken in any context.
    #[pin]
    pub(crate) link: SpinLockIrq<Link>,
    /// What users see of the link in sysfs. Process context only.
    #[pin]
    pub(crate) published: Mutex<Published>,
    #[pin]
    pub(crate) timer: Timer<ClassDevice<Issei>>,
    #[pin]
    pub(crate) receive_large: Work<ClassDevice<Issei>>,
    #[pin]
    pub(crate) publish: Work<ClassDevice<Issei>>,
    /// For config space, which may be read as long as this reference is held.
    pub(crate) pdev: ARef<pci::Device>,
    #[pin]
    pub(crate) spdm: Agent,
    epoch: Instant<Monotonic>,
}

impl Issei {
    /// A device whose link is stopped.
    pub(crate) fn new(pdev: &pci::Device) -> impl PinInit<Self, Error> + '_ {
        try_pin_init!(Self {
            link <- new_spinlock_irq!(Link::new()?, "issei:link"),
            published <- new_mutex!(Published::new(), "issei:published"),
            timer <- Timer::new(|dev: &ClassDevice<Self>| dev.link.lock().timer(dev)),
            receive_large <- Work::new(
                c"issei:receive_large",
                static_lock_class!(),
                receive_large
            ),
            publish <- Work::new(c"issei:publish", static_lock_class!(), sysfs::publish),
            pdev: pdev.into(),
            spdm <- Agent::new(),
            epoch: Instant::now(),
        })
    }

    /// Nanoseconds since probe.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(0)
    }

    /// Gives the link its hardware.
    pub(crate) fn attach(&self, hardware: Hardware) {
        self.link.lock().attach(hardware);
    }

    /// Tells the link what happened. Any context.
    pub(crate) fn event(&self, event: Event) {
        self.link.lock().run(self, event);
    }

    /// Quiesces the hardware for ever. Whoever waits is woken and told. Any context.
    pub(crate) fn remove(&self) {
        self.link.lock().remove(self);
    }

    /// Frees the hardware, once the device cannot reach the shared memory any more. May sleep.
    pub(crate) fn detach(&self) {
        let hardware = self.link.lock().detach();
        drop(hardware);
    }

    /// Arms the timer for `at`, if at all.
    pub(crate) fn arm_at(&self, at: Option<u64>) {
        if let Some(at) = at {
            let after = i64::try_from(at.saturating_sub(self.now())).unwrap_or(i64::MAX);
            self.timer.start(Delta::from_nanos(after));
        }
    }
}

/// Takes in a message that the interrupt handler left: copies it outside of the link lock.
fn receive_large(dev: &ClassDevice<Issei>) {
    let Some((large, shm)) = dev.link.lock().large() else {
        return;
    };
    match large.slot {
        Some(slot) => receive_message(dev, &large, slot, &shm),
        None => receive_clients(dev, &large, &shm),
    }
}

fn receive_message(dev: &Issei, large: &Large, slot: usize, shm: &SharedMemory) {
    let host_id = large.header.host_id;
    let spare = match dev.link.lock().clients.connection(slot) {
        Ok(connection) if connection.host_id() == host_id => connection.take_spare(),
        _ => None,
    };
    let mut message = spare
        .map_or_else(|| zeroed(large.length, GFP_KERNEL), Ok)
        .and_then(|mut buffer| {
            shm.receive(buffer.get_mut(..large.length).ok_or(ERANGE)?)?;
            Ok(Message::new(buffer, large.length))
        })
        .ok();
    let mut rest = None;
    dev.link.lock().finish_large(dev, large, |link| {
        match message.take() {
            Some(message) => rest = link.clients.deliver(slot, host_id, message),
            None => link.clients.no_memory(slot, host_id),
        }
        // The connection may have ended.
        link.settle(dev);
        Ok(())
    });
    // What nobody took is freed here, outside of the lock.
    drop(message);
    drop(rest);
}

fn receive_clients(dev: &Issei, large: &Large, shm: &SharedMemory) {
    let mut table = read_clients(large, shm);
    dev.link.lock().finish_large(dev, large, |link| {
        let table = table.as_mut().map_err(|fault| *fault)?;
        *table = link.clients.set_table(core::mem::take(table));
        Ok(())
    });
    // What it holds now is freed here, outside of the lock.
    drop(table);
}

fn read_clients(large: &Large, shm: &SharedMemory) -> Result<KVVec<FwClient>, Fault> {
    let mut payload: Buffer = zeroed(large.length, GFP_KERNEL).map_err(|_| Fault::NoMemory)?;
    shm.receive(&mut payload)
        .map_err(|_| Fault::MessageLength {
            length: large.header.length,
        })?;
    let response = ClientsResponse::parse(&payload)?;
    let mut table =
        KVVec::with_capacity(response.count(), GFP_KERNEL).map_err(|_| Fault::NoMemory)?;
    for client in response.clients() {
        let admitted = table.iter().map(|c: &FwClient| c.properties.id);
        if admit(admitted, &client) {
            // There is capacity for all of them.
            let _ = table.push_within_capacity(FwClient::new(client));
        }
    }
    Ok(table)
}
