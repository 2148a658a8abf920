// SPDX-License-Identifier: GPL-2.0

//! `/dev/issei<N>`: what programs do with an open file.
//!
//! Memory that is taken here is charged to the program, which can have much of it taken: a buffer for
//! each connection, and one for each thread that writes.
//!
//! Sources of the interface: Linux `include/uapi/linux/issei.h`,
//! `Documentation/driver-api/issei` and `drivers/misc/issei/cdev.c`.

use kernel::{
    ioctl,
    prelude::*,
    static_lock_class,
    sync::{
        aref::ARef,
        poll::PollCondVarBox,
        Arc,
        ArcBorrow,
        SpinLockIrqGuard, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    },
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader,
        UserSliceWriter, //
    }, //
};

use crate::{
    clients::{
        Endpoint,
        Message, //
    },
    device::Issei,
    ham::{
        link::Event,
        wire::Client, //
    },
    kapi::{
        chardev::{
            CharDevice,
            ClassDevice, //
        },
        kobject::Subdirectory,
        poll::{
            PollEvents,
            PollTable, //
        }, //
    },
    link::{
        zeroed,
        Link, //
    },
    spdm, //
};

/// Connects the file to the firmware client with the UUID in the 16 bytes of the argument, and
/// leaves its properties there.
const IOCTL_ISSEI_CONNECT_CLIENT: u32 = ioctl::_IOWR::<[u8; 16]>(b'H' as u32, 1);

/// Disconnects the file.
const IOCTL_ISSEI_DISCONNECT_CLIENT: u32 = ioctl::_IO(b'H' as u32, 2);

/// Tells whether the link is in reset (bit 0) and how many resets there have been (bits 15:8).
const IOCTL_ISSEI_DRIVER_STATUS: u32 = ioctl::_IOR::<u32>(b'H' as u32, 3);

/// How long a program waits for a client that the SPDM agent has.
const AGENT_LIMIT: Delta = Delta::from_secs(10);

/// An open file.
pub(crate) struct File {
    dev: ARef<ClassDevice<Issei>>,
    wait: Arc<PollCondVarBox>,
    slot: usize,
}

impl Drop for File {
    fn drop(&mut self) {
        let mut link = self.dev.link.lock();
        let endpoint = link.clients.close(self.slot);
        link.settle(&self.dev);
        drop(link);
        drop(endpoint);
    }
}

impl File {
    /// The link, which must be up.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the device is gone.
    /// - `down`: the link is not up.
    fn link(&self, down: Error) -> Result<SpinLockIrqGuard<'_, Link>> {
        let link = self.dev.link.lock();
        if link.is_gone() {
            Err(ENODEV)
        } else if !link.machine().is_up() {
            Err(down)
        } else {
            Ok(link)
        }
    }

    /// Waits for something to happen to the file. The lock is released meanwhile.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: the file does not block.
    /// - `EINTR`: a signal came.
    /// - `ENODEV`: the device is gone.
    fn wait(&self, link: &mut SpinLockIrqGuard<'_, Link>, nonblock: bool) -> Result {
        if nonblock {
            return Err(EAGAIN);
        }
        let signal = self.wait.wait_interruptible_freezable(link);
        if link.is_gone() {
            Err(ENODEV)
        } else if signal {
            Err(EINTR)
        } else {
            Ok(())
        }
    }

    fn read(&self, nonblock: bool, mut to: UserSliceWriter) -> Result<usize> {
        let mut link = self.link(EBUSY)?;
        let host_id = link.clients.connection(self.slot)?.host_id();
        let message = loop {
            let connection = link.clients.connection(self.slot)?;
            if connection.host_id() != host_id {
                return Err(ENOTCONN);
            }
            match connection.take_unread(to.len())? {
                Some(message) => break message,
                None => self.wait(&mut link, nonblock)?,
            }
        };
        drop(link);

        let length = message.payload().len();
        let copied = to.write_slice(message.payload());
        let mut link = self.dev.link.lock();
        let rest = match link.clients.connection(self.slot) {
            Ok(connection) if connection.host_id() == host_id => match copied {
                Ok(()) => connection.give_spare(message.into_buffer()),
                Err(_) => {
                    self.wait.notify_all();
                    connection.put_back(message).map(Message::into_buffer)
                }
            },
            _ => Some(message.into_buffer()),
        };
        drop(link);
        drop(rest);
        copied.map(|()| length)
    }

    fn write(&self, nonblock: bool, mut from: UserSliceReader) -> Result<usize> {
        let length = from.len();
        let (host_id, limit, spare) = {
            let mut link = self.link(EBUSY)?;
            let connection = link.clients.connection(self.slot)?;
            if length > connection.limit() {
                return Err(EFBIG);
            }
            let spare = connection.take_spare();
            (connection.host_id(), connection.limit(), spare)
        };
        let mut buffer = match spare {
            Some(buffer) => buffer,
            None => zeroed(limit, GFP_KERNEL_ACCOUNT)?,
        };
        // A page fault here holds nobody up.
        let copied = from.read_slice(buffer.get_mut(..length).ok_or(EFBIG)?);
        let mut message = Message::new(buffer, length);

        let mut link = self.dev.link.lock();
        let sent = copied.and_then(|()| self.send(&mut link, nonblock, host_id, &mut message));
        // Whatever buffer is in it now.
        let rest = match link.clients.connection(self.slot) {
            Ok(connection) if connection.host_id() == host_id => {
                connection.give_spare(message.into_buffer())
            }
            _ => Some(message.into_buffer()),
        };
        drop(link);
        drop(rest);
        sent.map(|()| length)
    }

    /// Sends a message on the connection with this id, or leaves it queued if the file does not
    /// block. Whatever is left in `message` is to be freed, or goes back to the connection.
    fn send(
        &self,
        link: &mut SpinLockIrqGuard<'_, Link>,
        nonblock: bool,
        host_id: u16,
        message: &mut Message,
    ) -> Result {
        loop {
            self.check_connection(link, host_id)?;
            let clients = &mut link.clients;
            match clients.queue(self.slot, host_id, message.take(), !nonblock) {
                Ok(None) => break,
                Ok(Some(spare)) => {
                    *message = Message::new(spare, 0);
                    break;
                }
                Err(refused) => *message = refused,
            }
            // The message before it, of another thread or of a write that did not block.
            self.wait(link, nonblock)?;
        }
        link.submit(&self.dev, Some(self.slot));
        if nonblock {
            return self.check_connection(link, host_id);
        }
        let mut waited = false;
        loop {
            // First: what was sent was written, whatever has become of the connection.
            match link.clients.take_sent(self.slot, host_id) {
                Ok(true) => break,
                Ok(false) => waited = true,
                Err(ended) => return self.check_connection(link, host_id).and(Err(ended)),
            }
            if let Err(error) = self.wait(link, nonblock) {
                // If there is none, it was sent meanwhile, or the connection has ended.
                if let Some(unsent) = link.clients.unqueue(self.slot, host_id) {
                    *message = unsent;
                    self.wait.notify_all();
                    return Err(error);
                }
            }
        }
        if waited {
            self.wait.notify_all();
        }
        Ok(())
    }

    fn check_connection(&self, link: &mut SpinLockIrqGuard<'_, Link>, host_id: u16) -> Result {
        if link.is_gone() {
            return Err(ENODEV);
        }
        match link.clients.connection(self.slot)?.host_id() == host_id {
            true => Ok(()),
            false => Err(ENOTCONN),
        }
    }

    /// Connects to the client with this UUID. If the SPDM agent has it, waits until it is through,
    /// unless the file does not block. Returns its properties, and what names the connection.
    fn connect(&self, uuid: &[u8; 16], nonblock: bool) -> Result<(Client, u16)> {
        let since = Instant::<Monotonic>::now();
        let mut wait = !nonblock;
        loop {
            match self.try_connect(uuid) {
                Err(EBUSY) if wait => {
                    wait = self.wait_for_agent(uuid, AGENT_LIMIT - since.elapsed())?;
                }
                result => return result,
            }
        }
    }

    /// Waits until the SPDM agent is through with a client. Returns whether it had it.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: it still has it, or the system goes to sleep.
    /// - `EINTR`: the program is being killed.
    fn wait_for_agent(&self, uuid: &[u8; 16], limit: Delta) -> Result<bool> {
        if !self.dev.link.lock().clients.is_agents(uuid) {
            return Ok(false);
        }
        let agent = &self.dev.spdm;
        let waited = agent.wait.wait_killable(&self.dev.link, limit, |link| {
            if !link.machine().is_up() || !link.clients.is_agents(uuid) || link.is_gone() {
                Some(Ok(true))
            } else {
                link.clients.is_halted().then_some(Err(EBUSY))
            }
        });
        match waited {
            Err(ETIMEDOUT) => Err(EBUSY),
            waited => waited?,
        }
    }

    fn try_connect(&self, uuid: &[u8; 16]) -> Result<(Client, u16)> {
        // The firmware may come back with another table meanwhile, but not for ever.
        for _ in 0..3 {
            let limit = self.link(ENODEV)?.clients.find(self.slot, uuid)?.1;
            let mut buffer = Some(zeroed(limit, GFP_KERNEL_ACCOUNT)?);
            let mut link = self.link(ENODEV)?;
            let connected = link.clients.connect(self.slot, uuid, &mut buffer);
            let connection = link.clients.connection(self.slot).map(|c| c.host_id());
            drop(link);
            match connected {
                Ok((client, old)) => {
                    drop(old);
                    return Ok((client, connection?));
                }
                Err(EAGAIN) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ENODEV)
    }

    fn disconnect(&self) -> Result {
        let mut link = self.link(ENODEV)?;
        let ended = link.clients.disconnect(self.slot);
        link.settle(&self.dev);
        drop(link);
        ended.map(drop)
    }

    /// Ends a connection that its program does not know of.
    fn undo_connect(&self, host_id: u16) {
        let mut link = self.dev.link.lock();
        let ended = match link.clients.connection(self.slot) {
            Ok(connection) if connection.host_id() == host_id => {
                link.clients.disconnect(self.slot).ok()
            }
            _ => None,
        };
        link.settle(&self.dev);
        drop(link);
        drop(ended);
    }

    fn status(&self) -> Result<u32> {
        let link = self.dev.link.lock();
        if link.is_gone() {
            return Err(ENODEV);
        }
        // CAST: The interface has eight bits for the number of resets; it wraps.
        let resets = u32::from(link.statistics.counters.resets as u8);
        Ok(u32::from(!link.machine().is_up()) | resets << 8)
    }
}

#[vtable]
impl CharDevice for Issei {
    type File = Arc<File>;
    const OBJECTS: &'static CStr = c"fw_clients";
    const SUBDIRECTORY: Option<Subdirectory<Self>> = Some(spdm::sysfs::DIRECTORY);

    fn open(dev: &ClassDevice<Self>) -> Result<Arc<File>> {
        let cv = PollCondVarBox::new(c"issei:file", static_lock_class!())?;
        let wait = Arc::new(cv, GFP_KERNEL_ACCOUNT)?;
        let endpoint = KBox::new(Endpoint::new(wait.clone()), GFP_KERNEL_ACCOUNT)?;
        let mut link = dev.link.lock();
        if link.is_gone() {
            return Err(ENODEV);
        }
        let slot = match link.clients.open(endpoint) {
            Ok(slot) => slot,
            Err(refused) => {
                drop(link);
                drop(refused);
                return Err(EMFILE);
            }
        };
        drop(link);
        let file = File {
            dev: dev.into(),
            wait,
            slot,
        };
        Ok(Arc::new(file, GFP_KERNEL_ACCOUNT)?)
    }

    fn read(file: ArcBorrow<'_, File>, nonblock: bool, to: UserSliceWriter) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        file.read(nonblock, to)
    }

    fn write(file: ArcBorrow<'_, File>, nonblock: bool, from: UserSliceReader) -> Result<usize> {
        if from.is_empty() {
            return Ok(0);
        }
        file.write(nonblock, from)
    }

    fn ioctl(file: ArcBorrow<'_, File>, nonblock: bool, cmd: u32, arg: usize) -> Result<isize> {
        let user = UserPtr::from_addr(arg);
        match cmd {
            IOCTL_ISSEI_CONNECT_CLIENT => {
                drop(file.link(ENODEV)?);
                let (mut from, mut to) = UserSlice::new(user, 16).reader_writer();
                let (client, host_id) = file.connect(&from.read()?, nonblock)?;
                let [m0, m1, m2, m3] = client.mtu.to_ne_bytes();
                let [f0, f1, f2, f3] = client.flags.to_ne_bytes();
                let properties: [u8; 16] = [
                    m0,
                    m1,
                    m2,
                    m3,
                    client.version,
                    0,
                    0,
                    0,
                    f0,
                    f1,
                    f2,
                    f3,
                    0,
                    0,
                    0,
                    0,
                ];
                to.write(&properties)
                    .inspect_err(|_| file.undo_connect(host_id))?;
            }
            IOCTL_ISSEI_DISCONNECT_CLIENT => file.disconnect()?,
            IOCTL_ISSEI_DRIVER_STATUS => UserSlice::new(user, 4).writer().write(&file.status()?)?,
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }

    fn poll(file: ArcBorrow<'_, File>, table: &PollTable<'_>) -> PollEvents {
        table.wait(&file.wait);
        let mut link = file.dev.link.lock();
        if link.is_gone() {
            return PollEvents::ERR | PollEvents::HUP;
        }
        let Ok(connection) = link.clients.connection(file.slot) else {
            return PollEvents::ERR;
        };
        let mut events = PollEvents::NONE;
        if connection.has_unread() {
            events |= PollEvents::IN;
        }
        if !connection.has_outgoing() {
            events |= PollEvents::OUT;
        }
        events
    }

    fn suspend(&self) -> Result {
        self.event(Event::Stop);
        Ok(())
    }

    fn resume(&self) -> Result {
        self.event(Event::Start);
        Ok(())
    }

    fn shutdown(&self) {
        self.event(Event::Stop);
    }
}
