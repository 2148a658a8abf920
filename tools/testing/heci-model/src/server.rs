// SPDX-License-Identifier: GPL-2.0
//! The vfio-user side: regions, interrupts and DMA as the client (QEMU's `vfio-user-pci`) uses
//! them, and the thread that lets time pass.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vfio_bindings::bindings::vfio::{
    vfio_region_info, VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_INFO_MASKABLE, VFIO_IRQ_INFO_NORESIZE,
    VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_ACTION_UNMASK,
    VFIO_IRQ_SET_DATA_EVENTFD, VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX,
    VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_NUM_IRQS, VFIO_PCI_NUM_REGIONS, VFIO_REGION_INFO_FLAG_READ,
    VFIO_REGION_INFO_FLAG_WRITE,
};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};

use crate::config::CONFIG_SIZE;
use crate::csr::BAR_SIZE;
use crate::device::Device;

/// Where the time comes from.
pub enum Clock {
    /// Real time since this instant.
    Wall(Instant),
    /// Microseconds that a test advances.
    Manual(AtomicU64),
}

/// The device, shared by the vfio-user thread, the timer thread and the control connections.
pub struct Shared {
    device: Mutex<Device>,
    /// Signalled when something became due earlier than the timer thread knows.
    sooner: Condvar,
    clock: Clock,
}

impl Shared {
    /// Shares `device`, whose time is `clock`'s.
    pub fn new(device: Device, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            device: Mutex::new(device),
            sooner: Condvar::new(),
            clock,
        })
    }

    /// The time.
    pub fn now(&self) -> Duration {
        match &self.clock {
            Clock::Wall(start) => start.elapsed(),
            Clock::Manual(micros) => Duration::from_micros(micros.load(Ordering::Relaxed)),
        }
    }

    /// Where the time comes from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    fn lock(&self) -> MutexGuard<'_, Device> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the device at the time it is now.
    pub fn with<T>(&self, action: impl FnOnce(&mut Device, Duration) -> T) -> T {
        let mut device = self.lock();
        let before = device.due();
        let result = action(&mut device, self.now());
        let after = device.due();
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.sooner.notify_one();
        }
        result
    }

    /// Lets time pass, for ever: sleeps until something is due.
    pub fn run_timer(&self) {
        let mut device = self.lock();
        loop {
            device.advance(self.now());
            let wait = device.due().map(|due| due.saturating_sub(self.now()));
            device = match wait {
                None => self
                    .sooner
                    .wait(device)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(wait) => {
                    let waited = self.sooner.wait_timeout(device, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// What the vfio-user server calls.
pub struct Backend(pub Arc<Shared>);

impl Backend {
    /// Accesses a register, after the time that it costs. The device is not locked meanwhile, and
    /// the thread does not sleep: it would wake up too late.
    fn access(&self, action: impl FnOnce(&mut Device, Duration)) {
        let cost = self.0.with(|device, _| device.mmio_cost());
        let start = Instant::now();
        while start.elapsed() < cost {
            std::hint::spin_loop();
        }
        self.0.with(action);
    }
}

impl ServerBackend for Backend {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> Result<(), Error> {
        match region {
            VFIO_PCI_BAR0_REGION_INDEX => self.access(|d, now| d.bar_read(now, offset, data)),
            VFIO_PCI_CONFIG_REGION_INDEX => self.0.with(|d, now| d.config_read(now, offset, data)),
            _ => return Err(ErrorKind::InvalidInput.into()),
        }
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> Result<(), Error> {
        match region {
            VFIO_PCI_BAR0_REGION_INDEX => self.access(|d, now| d.bar_write(now, offset, data)),
            VFIO_PCI_CONFIG_REGION_INDEX => self.0.with(|d, now| d.config_write(now, offset, data)),
            _ => return Err(ErrorKind::InvalidInput.into()),
        }
        Ok(())
    }

    /// Memory without a file (reachable by messages only) and read-only memory are accepted and
    /// stay out of reach: the function has no use for them.
    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> Result<(), Error> {
        let Some(file) = fd.filter(|_| flags.contains(DmaMapFlags::READ_WRITE)) else {
            return Ok(());
        };
        self.0
            .with(|d, _| d.memory().map(file, offset, address, size))
    }

    fn dma_unmap(&mut self, flags: DmaUnmapFlags, address: u64, size: u64) -> Result<(), Error> {
        self.0.with(|d, _| {
            if flags.contains(DmaUnmapFlags::UNMAP_ALL) {
                d.memory().unmap_all();
            } else {
                d.memory().unmap(address, size);
            }
        });
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.0.with(Device::reset);
        Ok(())
    }

    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        _start: u32,
        count: u32,
        fds: Vec<File>,
    ) -> Result<(), Error> {
        if index != VFIO_PCI_MSI_IRQ_INDEX {
            return Ok(());
        }
        let eventfd = fds.into_iter().next();
        self.0.with(|d, _| {
            if flags & VFIO_IRQ_SET_ACTION_MASK != 0 {
                d.line().mask(true);
            } else if flags & VFIO_IRQ_SET_ACTION_UNMASK != 0 {
                d.line().mask(false);
            } else if flags & VFIO_IRQ_SET_ACTION_TRIGGER != 0 {
                if flags & VFIO_IRQ_SET_DATA_EVENTFD != 0 || count == 0 {
                    d.line().connect(eventfd);
                } else {
                    d.line().trigger();
                }
            }
        });
        Ok(())
    }
}

/// A vfio-user server for the function, listening on `socket`.
///
/// # Errors
///
/// The socket exists, or cannot be made.
pub fn listen(socket: &Path) -> Result<Server, vfio_user::Error> {
    let region = |index| {
        let size = match index {
            VFIO_PCI_BAR0_REGION_INDEX => BAR_SIZE,
            VFIO_PCI_CONFIG_REGION_INDEX => CONFIG_SIZE,
            _ => 0,
        };
        let flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        ServerRegion {
            region_info: vfio_region_info {
                argsz: size_of::<vfio_region_info>() as u32,
                index,
                size,
                flags: if size > 0 { flags } else { 0 },
                ..Default::default()
            },
            sparse_areas: Vec::new(),
            mmap_fd: None,
        }
    };
    let irq = |index| match index {
        VFIO_PCI_MSI_IRQ_INDEX => IrqInfo {
            index,
            count: 1,
            flags: VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_NORESIZE,
        },
        _ => IrqInfo {
            index,
            count: 0,
            flags: 0,
        },
    };
    let irqs = (0..VFIO_PCI_NUM_IRQS).map(irq).collect();
    let regions = (0..VFIO_PCI_NUM_REGIONS).map(region).collect();
    Server::new(socket, true, irqs, regions)
}
