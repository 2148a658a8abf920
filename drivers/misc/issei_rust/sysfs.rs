// SPDX-License-Identifier: GPL-2.0

//! `/sys/class/issei/issei<N>`: attributes of the device, directories of the firmware clients,
//! events, and the lines in the kernel log.
//!
//! The link changes in any context; what users see of it is brought up to date by a work item.
//!
//! Two layouts are served. That of Linux `Documentation/ABI/testing/sysfs-class-issei` has
//! `fw_clients/<id>/`; Intel's user library reads `fw_client:<id>/` and `kind`, `fw_status`.

use kernel::{
    fmt::Write,
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

use crate::{
    device::Issei,
    ham::{
        fault::Fault,
        link::{
            Event,
            State, //
        },
        wire::Client, //
    },
    kapi::{
        attribute::{
            Attribute,
            Attributes, //
        },
        chardev::ClassDevice,
        kobject::{
            Link,
            Object, //
        },
        pci::read_config_dword, //
    },
};

/// Config-space offsets of the host firmware status registers, HFS 1 to 6.
const HFS: [u8; 6] = [0x40, 0x48, 0x60, 0x64, 0x68, 0x6c];

impl Attributes for Issei {
    const ATTRIBUTES: &'static [Attribute<Self>] = &[
        Attribute::ro(c"fw_ver", |dev, out| {
            let [major, minor, milestone, build] = dev.link.lock().fw_version;
            Ok(writeln!(out, "{major}.{minor}.{milestone}.{build}")?)
        }),
        Attribute::ro(c"kind", |_, out| Ok(writeln!(out, "ssei")?)),
        Attribute::ro(c"fw_status", |dev, out| {
            for offset in HFS {
                let value = read_config_dword(&dev.pdev, offset)?;
                writeln!(out, "0x{value:08X}")?;
            }
            Ok(())
        }),
        Attribute::ro(c"link_state", |dev, out| {
            let state = dev.link.lock().state_name();
            Ok(writeln!(out, "{state}")?)
        }),
        Attribute::wo(c"reset", |dev, text| match text.trim_ascii() {
            b"1" => dev.request_reset(),
            _ => Err(EINVAL),
        }),
    ];
}

/// A firmware client as sysfs shows it.
pub(crate) struct FwClientDirectory(Client);

impl Attributes for FwClientDirectory {
    const ATTRIBUTES: &'static [Attribute<Self>] = &[
        Attribute::ro(c"id", |client, out| Ok(writeln!(out, "{}", client.0.id)?)),
        Attribute::ro(c"uuid", |client, out| {
            for (at, byte) in client.0.uuid.iter().enumerate() {
                let dash = if matches!(at, 4 | 6 | 8 | 10) {
                    "-"
                } else {
                    ""
                };
                write!(out, "{dash}{byte:02x}")?;
            }
            Ok(writeln!(out)?)
        }),
        Attribute::ro(c"mtu", |client, out| Ok(writeln!(out, "{}", client.0.mtu)?)),
        Attribute::ro(c"ver", |client, out| {
            Ok(writeln!(out, "{}", client.0.version)?)
        }),
        Attribute::ro(c"flags", |client, out| {
            Ok(writeln!(out, "{}", client.0.flags)?)
        }),
    ];
}

/// What users see of the link.
pub(crate) struct Published {
    clients: KVVec<(Link, Object<FwClientDirectory>)>,
    /// The generation of the link that is shown as up.
    up: Option<u32>,
    /// The trouble that the log has been told of, until the link is up again.
    told: Option<State>,
    log: LogBudget,
}

impl Published {
    /// Nothing is published.
    pub(crate) fn new() -> Self {
        Self {
            clients: KVVec::new(),
            up: None,
            told: None,
            log: LogBudget::new(),
        }
    }
}

/// Removes all that was published, before the device is unregistered. May sleep.
pub(crate) fn stop(dev: &Issei) {
    dev.published.lock().clients.clear();
}

/// What the link is like at one moment.
struct Snapshot {
    state: State,
    generation: u32,
    fault: Option<Fault>,
    fw_version: [u16; 4],
    clients: KVVec<Client>,
}

impl Snapshot {
    fn take(dev: &Issei) -> Result<Self> {
        let mut clients = KVVec::new();
        loop {
            let room = dev.link.lock().clients.table().len();
            clients.reserve(room, GFP_KERNEL)?;
            let link = dev.link.lock();
            if link.clients.table().len() > clients.capacity() {
                // The firmware has come up with a longer table meanwhile.
                continue;
            }
            for client in link.clients.table() {
                clients.push_within_capacity(client.properties)?;
            }
            return Ok(Self {
                state: link.machine().state(),
                generation: link.generation(),
                fault: link.machine().fault(),
                fw_version: link.fw_version,
                clients,
            });
        }
    }
}

/// Brings what users see up to date with the link. May sleep.
pub(crate) fn publish(dev: &ClassDevice<Issei>) {
    let mut published = dev.published.lock();
    let snapshot = match Snapshot::take(dev) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            if published.log.take(dev) {
                dev_err!(dev, "cannot show the state of the link: {error:?}\n");
            }
            published.clients.clear();
            published.up = None;
            return;
        }
    };
    let up = (snapshot.state == State::Done).then_some(snapshot.generation);
    if published.up != up {
        if published.up.take().is_some() {
            published.link_down(dev, &snapshot);
        }
        if up.is_some() {
            published.link_up(dev, &snapshot);
            published.up = up;
        }
    }
    published.tell_trouble(dev, &snapshot);
}

impl Published {
    fn link_down(&mut self, dev: &ClassDevice<Issei>, snapshot: &Snapshot) {
        self.clients.clear();
        if snapshot.state != State::Stopped {
            if let (true, Some(fault)) = (self.log.take(dev), snapshot.fault) {
                dev_warn!(dev, "link lost: {fault}\n");
            }
        }
        self.event(dev, c"ISSEI_LINK=down");
    }

    fn link_up(&mut self, dev: &ClassDevice<Issei>, snapshot: &Snapshot) {
        for client in &snapshot.clients {
            match self.show_client(dev, client) {
                Ok(()) => {}
                Err(error) if self.log.take(dev) => dev_err!(
                    dev,
                    "cannot show firmware client {}: {error:?}\n",
                    client.id
                ),
                Err(_) => {}
            }
        }
        self.told = None;
        if self.log.take(dev) {
            let [major, minor, milestone, build] = snapshot.fw_version;
            dev_info!(
                dev,
                "link up, firmware {major}.{minor}.{milestone}.{build}, {} clients\n",
                snapshot.clients.len()
            );
        }
        self.event(dev, c"ISSEI_LINK=up");
    }

    fn show_client(&mut self, dev: &ClassDevice<Issei>, client: &Client) -> Result {
        let directory = Object::new(dev, fmt!("{}", client.id), FwClientDirectory(*client))?;
        let link = Link::new(dev, fmt!("fw_client:{}", client.id), &directory)?;
        self.clients.push((link, directory), GFP_KERNEL)?;
        Ok(())
    }

    fn tell_trouble(&mut self, dev: &ClassDevice<Issei>, snapshot: &Snapshot) {
        if self.told == Some(snapshot.state) {
            return;
        }
        let Some(fault) = snapshot.fault else { return };
        if !matches!(snapshot.state, State::BackOff | State::Absent) || !self.log.take(dev) {
            return;
        }
        match snapshot.state {
            State::BackOff => dev_err!(
                dev,
                "link does not come up: {fault}; trying again after 1 s and up to 60 s, or when told to by the reset file\n"
            ),
            _ => dev_err!(dev, "device does not answer: {fault}; trying again\n"),
        }
        self.told = Some(snapshot.state);
    }

    fn event(&mut self, dev: &ClassDevice<Issei>, variable: &CStr) {
        match dev.changed(variable) {
            // Nobody looks at a device that is being removed.
            Ok(()) | Err(ENODEV) => {}
            Err(error) if self.log.take(dev) => dev_err!(dev, "event lost: {error:?}\n"),
            Err(_) => {}
        }
    }
}

impl kernel::fmt::Display for Fault {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// Keeps what happens all the time from flooding the log.
pub(crate) struct LogBudget {
    left: u32,
    since: Instant<Monotonic>,
    kept_back: u32,
}

impl LogBudget {
    const LINES: u32 = 20;
    const PERIOD_MS: i64 = 10_000;

    /// A whole period's.
    pub(crate) fn new() -> Self {
        Self {
            left: Self::LINES,
            since: Instant::now(),
            kept_back: 0,
        }
    }

    /// Whether a line may be written.
    pub(crate) fn take(&mut self, dev: &ClassDevice<Issei>) -> bool {
        if self.since.elapsed().as_millis() >= Self::PERIOD_MS {
            if self.kept_back > 0 {
                dev_warn!(dev, "{} lines kept back\n", self.kept_back);
            }
            *self = Self::new();
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.kept_back = self.kept_back.saturating_add(1);
                false
            }
        }
    }
}

impl Issei {
    /// Asks for a reset of the link. Any context.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the device is unbound.
    /// - `EBUSY`: the device sleeps or is shut down.
    pub(crate) fn request_reset(&self) -> Result {
        let mut link = self.link.lock();
        if link.is_removed() {
            return Err(ENODEV);
        }
        if link.machine().state() == State::Stopped {
            return Err(EBUSY);
        }
        link.run(self, Event::ResetRequest);
        Ok(())
    }
}
