// SPDX-License-Identifier: GPL-2.0

//! The firmware client that speaks SPDM, as a transport: bare messages, one at a time.

use super::{
    protocol::transport::Transport,
    UUID, //
};
use crate::{
    clients::{
        Buffer,
        Message,
        AGENT, //
    },
    device::Issei,
    kapi::chardev::ClassDevice,
    link::{
        zeroed,
        Link, //
    }, //
};
use kernel::{
    prelude::*,
    sync::SpinLockIrqGuard,
    time::msecs_to_jiffies, //
};

const NS_PER_US: u64 = 1_000;
const US_PER_MS: u64 = 1_000;

/// Longest time for one sequence, in microseconds.
const SEQUENCE_LIMIT: u64 = 60_000_000;

/// The agent's connection to the SPDM client. It ends when this is dropped, and whoever waits for
/// the client is woken.
pub(super) struct Port<'a> {
    dev: &'a ClassDevice<Issei>,
    host_id: u16,
    limit: usize,
    /// Counts resets of the link: which one the connection belongs to.
    pub(super) link: u32,
    /// When the sequence must be over.
    end: u64,
}

impl<'a> Port<'a> {
    /// Connects to the SPDM client.
    ///
    /// # Errors
    ///
    /// - `ENOTTY`: the engine has no such client.
    /// - `EBUSY`: a program is connected to it.
    /// - Those of [`link`].
    pub(super) fn open(dev: &'a ClassDevice<Issei>) -> Result<Self> {
        let limit = link(dev)?.clients.find(AGENT, &UUID)?.1;
        let mut buffer = Some(zeroed(limit, GFP_KERNEL)?);
        let mut link = link(dev)?;
        let connected = link.clients.connect(AGENT, &UUID, &mut buffer);
        let host_id = link.clients.connection(AGENT).map(|c| c.host_id());
        let generation = link.generation();
        drop(link);
        // What was the connection before is freed here, outside of the lock.
        drop(connected?);
        Ok(Self {
            dev,
            host_id: host_id?,
            limit,
            link: generation,
            end: (dev.now() / NS_PER_US).saturating_add(SEQUENCE_LIMIT),
        })
    }

    /// Longest message, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The link, on which the connection still exists.
    ///
    /// # Errors
    ///
    /// - `ENOTCONN`: the connection was lost.
    /// - Those of [`link`].
    fn link(&self) -> Result<SpinLockIrqGuard<'a, Link>> {
        let mut link = link(self.dev)?;
        self.check(&mut link)?;
        Ok(link)
    }

    fn check(&self, link: &mut Link) -> Result {
        match link.clients.connection(AGENT)?.host_id() == self.host_id {
            true => Ok(()),
            false => Err(ENOTCONN),
        }
    }

    fn give_back(&self, buffer: Buffer) {
        let mut link = self.dev.link.lock();
        let rest = match link.clients.connection(AGENT) {
            Ok(connection) => connection.give_spare(buffer),
            Err(_) => Some(buffer),
        };
        drop(link);
        drop(rest);
    }

    fn send(&self, request: &[u8]) -> Result {
        // Firmware that answers at once never lets anybody wait.
        if self.dev.now() / NS_PER_US >= self.end {
            return Err(ETIMEDOUT);
        }
        let mut link = self.link()?;
        let connection = link.clients.connection(AGENT)?;
        // An answer that nobody asked for is not the answer to what is asked now.
        let unasked = connection.take_unread(usize::MAX)?;
        let spare = connection.take_spare();
        drop(link);
        drop(unasked);

        let mut buffer = match spare {
            Some(buffer) => buffer,
            None => zeroed(self.limit, GFP_KERNEL)?,
        };
        let place = buffer.get_mut(..request.len()).ok_or(EMSGSIZE)?;
        place.copy_from_slice(request);
        let message = Message::new(buffer, request.len());

        let mut link = self.link()?;
        let queued = link.clients.queue(AGENT, self.host_id, message, false);
        if queued.is_ok() {
            link.submit(self.dev, Some(AGENT));
        }
        drop(link);
        // What is not queued is freed here, outside of the lock.
        queued.map(drop).map_err(|_| ENOTCONN)
    }

    fn receive(&self, response: &mut [u8], deadline: u64) -> Result<usize> {
        let mut link = self.link()?;
        let message = loop {
            let connection = link.clients.connection(AGENT)?;
            match connection.take_unread(response.len()) {
                Ok(Some(message)) => break message,
                Ok(None) => {}
                Err(_) => return Err(EMSGSIZE),
            }
            self.sleep(&mut link, deadline)?;
        };
        drop(link);

        let length = message.payload().len();
        let place = response.get_mut(..length).ok_or(EMSGSIZE)?;
        place.copy_from_slice(message.payload());
        self.give_back(message.into_buffer());
        Ok(length)
    }

    /// Sleeps until something happens to the connection.
    ///
    /// # Errors
    ///
    /// - `ETIMEDOUT`: that is the deadline.
    /// - Those of [`Port::link`].
    fn sleep(&self, link: &mut SpinLockIrqGuard<'_, Link>, deadline: u64) -> Result {
        let now = self.dev.now() / NS_PER_US;
        let left = deadline.saturating_sub(now);
        if left == 0 {
            return Err(ETIMEDOUT);
        }
        let left = u32::try_from(left.div_ceil(US_PER_MS)).unwrap_or(u32::MAX);
        let port = &self.dev.spdm.port;
        // Signals do not reach a worker; whatever ended the wait, one looks again.
        let _ = port.wait_interruptible_timeout(link, msecs_to_jiffies(left));
        usable(link)?;
        self.check(link)
    }
}

impl Drop for Port<'_> {
    fn drop(&mut self) {
        let mut link = self.dev.link.lock();
        let ended = match link.clients.connection(AGENT) {
            Ok(_) => link.clients.disconnect(AGENT).ok(),
            Err(_) => None,
        };
        drop(link);
        drop(ended);
        self.dev.spdm.wait.wake_all();
    }
}

impl Transport for Port<'_> {
    type Error = Error;

    fn exchange(&mut self, request: &[u8], response: &mut [u8], deadline: u64) -> Result<usize> {
        let capture = &self.dev.spdm.capture;
        capture.request(request);
        let result = self
            .send(request)
            .and_then(|()| self.receive(response, deadline.min(self.end)));
        match result {
            Ok(length) => capture.response(response.get(..length).unwrap_or_default()),
            Err(error) => capture.error(error),
        }
        result
    }

    fn now(&mut self) -> u64 {
        self.dev.now() / NS_PER_US
    }

    fn wait(&mut self, until: u64) -> Result {
        let mut link = self.link()?;
        loop {
            match self.sleep(&mut link, until.min(self.end)) {
                Ok(()) => {}
                Err(ETIMEDOUT) if until <= self.end => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The link, which must be of use for the agent.
///
/// # Errors
///
/// - `ENODEV`: the device is gone.
/// - `ENOTCONN`: the link is not up.
/// - `ECANCELED`: the agent has to stop.
fn link(dev: &ClassDevice<Issei>) -> Result<SpinLockIrqGuard<'_, Link>> {
    let link = dev.link.lock();
    usable(&link)?;
    Ok(link)
}

fn usable(link: &Link) -> Result {
    if link.is_gone() {
        Err(ENODEV)
    } else if link.clients.is_halted() {
        Err(ECANCELED)
    } else if !link.machine().is_up() {
        Err(ENOTCONN)
    } else {
        Ok(())
    }
}
