// SPDX-License-Identifier: GPL-2.0

//! Firmware clients, open files, and the connections between them.
//!
//! An open file owns an [`Endpoint`]. Connecting it to a firmware client gives it a [`Connection`],
//! with a host client id of its own: an answer that comes after its connection has ended finds
//! nobody, also when the same file has connected again.
//!
//! A fault of one connection ends that connection and nothing else. All of this is guarded by the
//! link lock and runs in any context; memory is allocated and freed outside of the lock.

use kernel::prelude::*;

use crate::{
    ham::{
        fault::Fault,
        wire::{
            Client,
            Header,
            STATUS_SUCCESS, //
        }, //
    },
    shm::PAYLOAD_MAX, //
};

mod connection;
mod gate;
mod queue;
mod tests;

pub(crate) use self::connection::{
    Buffer,
    Connection,
    Endpoint,
    Message,
    State, //
};
use self::{
    connection::Outgoing,
    gate::Gate,
    queue::Queue, //
};

/// Open files per device.
pub(crate) const MAX_FILES: usize = 255;

/// Slot of the SPDM agent's endpoint, which is not one of the files.
pub(crate) const AGENT: usize = MAX_FILES;

/// Slots: the files, and the agent.
const SLOTS: usize = MAX_FILES + 1;

/// A firmware client and who is connected to it.
pub(crate) struct FwClient {
    /// What the firmware says of it.
    pub(crate) properties: Client,
    /// Slot of the endpoint that is connected.
    owner: Option<usize>,
    /// Messages sent to it since it was enumerated.
    pub(crate) sent: u64,
    /// Messages delivered from it since it was enumerated.
    pub(crate) received: u64,
}

impl FwClient {
    /// A client that nobody is connected to.
    pub(crate) fn new(properties: Client) -> Self {
        Self {
            properties,
            owner: None,
            sent: 0,
            received: 0,
        }
    }

    /// Whether somebody is connected to it.
    pub(crate) fn is_connected(&self) -> bool {
        self.owner.is_some()
    }

    /// Longest payload, in bytes, that a connection may use.
    fn limit(&self) -> usize {
        usize::try_from(self.properties.mtu).map_or(PAYLOAD_MAX, |mtu| mtu.min(PAYLOAD_MAX))
    }
}

/// Messages that were not delivered, and why.
#[derive(Clone, Copy, Default)]
pub(crate) struct Undelivered {
    /// No connection has these ids: most often it has ended meanwhile.
    pub(crate) stale: u64,
    /// The status is not success: the connection was dropped.
    pub(crate) status: u64,
    /// Longer than the MTU: the connection was dropped.
    pub(crate) too_long: u64,
    /// The message before it was not read: the connection was dropped.
    pub(crate) unread: u64,
    /// No memory for a second message while the first is copied: the connection was dropped.
    pub(crate) no_memory: u64,
}

/// All clients and endpoints of a device.
pub(crate) struct Clients {
    table: KVVec<FwClient>,
    endpoints: KVec<Option<KBox<Endpoint>>>,
    /// Slots of the endpoints with a queued message, in the order in which they came.
    queue: Queue,
    next_host_id: u16,
    owed: u32,
    gate: Gate,
    pub(crate) undelivered: Undelivered,
}

impl Clients {
    /// No clients and no endpoints.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory for the table of endpoints.
    pub(crate) fn new() -> Result<Self> {
        let mut endpoints = KVec::with_capacity(SLOTS, GFP_KERNEL)?;
        for _ in 0..SLOTS {
            endpoints.push(None, GFP_KERNEL)?;
        }
        Ok(Self {
            table: KVVec::new(),
            endpoints,
            queue: Queue::new(),
            next_host_id: 1,
            owed: 0,
            gate: Gate::default(),
            undelivered: Undelivered::default(),
        })
    }

    /// The firmware clients; empty while the link is not up.
    pub(crate) fn table(&self) -> &[FwClient] {
        &self.table
    }

    /// Sets the firmware clients. Returns what is to be freed outside of the lock.
    pub(crate) fn set_table(&mut self, table: KVVec<FwClient>) -> KVVec<FwClient> {
        core::mem::replace(&mut self.table, table)
    }

    /// Answers that the firmware owes to connections.
    pub(crate) fn owed(&self) -> u32 {
        self.owed
    }

    /// Whether a writer waits for the host-to-firmware section.
    pub(crate) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Open files.
    pub(crate) fn files(&self) -> usize {
        self.endpoints.iter().take(MAX_FILES).flatten().count()
    }

    /// Takes in an endpoint and returns its slot, or gives it back when all are taken.
    pub(crate) fn open(
        &mut self,
        endpoint: KBox<Endpoint>,
    ) -> core::result::Result<usize, KBox<Endpoint>> {
        match self
            .endpoints
            .iter_mut()
            .take(MAX_FILES)
            .enumerate()
            .find(|(_, e)| e.is_none())
        {
            Some((slot, free)) => {
                *free = Some(endpoint);
                Ok(slot)
            }
            None => Err(endpoint),
        }
    }

    /// Ends the connection of an endpoint and takes it out, to be freed outside of the lock.
    pub(crate) fn close(&mut self, slot: usize) -> Option<KBox<Endpoint>> {
        self.end(slot);
        self.endpoints.get_mut(slot)?.take()
    }

    /// The endpoint in a slot.
    ///
    /// # Errors
    ///
    /// - `EBADF`: there is none.
    pub(crate) fn endpoint(&mut self, slot: usize) -> Result<&mut Endpoint> {
        self.endpoints
            .get_mut(slot)
            .and_then(|endpoint| endpoint.as_deref_mut())
            .ok_or(EBADF)
    }

    /// The connection of the endpoint in a slot.
    ///
    /// # Errors
    ///
    /// - `ENOTCONN`: it has none.
    pub(crate) fn connection(&mut self, slot: usize) -> Result<&mut Connection> {
        self.endpoint(slot)?.connection()
    }

    /// Finds the client that [`Clients::connect`] would connect to: its place in the table and the
    /// size of the buffer that the connection needs.
    ///
    /// # Errors
    ///
    /// - `EISCONN`: the endpoint is connected.
    /// - `ENOTTY`: no client has this UUID.
    /// - `EBUSY`: another endpoint is connected to it, or it is kept for the agent.
    /// - `EKEYREJECTED`: the policy does not allow it.
    pub(crate) fn find(&mut self, slot: usize, uuid: &[u8; 16]) -> Result<(usize, usize)> {
        if self.connection(slot).is_ok() {
            return Err(EISCONN);
        }
        let (index, client) = self
            .table
            .iter()
            .enumerate()
            .find(|(_, client)| client.properties.uuid == *uuid)
            .ok_or(ENOTTY)?;
        self.admit(slot, client)?;
        Ok((index, client.limit()))
    }

    /// Connects an endpoint. Returns what the firmware says of the client, and what is to be freed
    /// outside of the lock.
    ///
    /// # Errors
    ///
    /// Those of [`Clients::find`], and
    ///
    /// - `EAGAIN`: `buffer` does not fit: the table is another one than when it was sized.
    pub(crate) fn connect(
        &mut self,
        slot: usize,
        uuid: &[u8; 16],
        buffer: &mut Option<Buffer>,
    ) -> Result<(Client, State)> {
        let (index, limit) = self.find(slot, uuid)?;
        let spare = buffer.take_if(|buffer| buffer.len() == limit);
        if spare.is_none() {
            return Err(EAGAIN);
        }
        let host_id = self.new_host_id();
        let client = self.table.get_mut(index).ok_or(ENOTTY)?;
        client.owner = Some(slot);
        let properties = client.properties;
        let connection = Connection {
            client: index,
            fw_id: properties.id,
            host_id,
            limit,
            spare,
            unread: None,
            outgoing: Outgoing::None,
            owed: 0,
        };
        let endpoint = self.endpoint(slot)?;
        let old = core::mem::replace(&mut endpoint.state, State::Connected(connection));
        Ok((properties, old))
    }

    /// Ends the connection of an endpoint. Returns what is to be freed outside of the lock.
    ///
    /// # Errors
    ///
    /// - `ENOTCONN`: it has none.
    pub(crate) fn disconnect(&mut self, slot: usize) -> Result<State> {
        self.connection(slot)?;
        self.end(slot);
        Ok(core::mem::replace(
            &mut self.endpoint(slot)?.state,
            State::Idle,
        ))
    }

    /// Ends all connections and forgets the firmware clients. Frees nothing.
    pub(crate) fn lose_all(&mut self) {
        // Entries have no destructor: this frees nothing either.
        self.table.clear();
        self.queue.clear();
        self.owed = 0;
        self.gate.link_lost();
        for endpoint in self.endpoints.iter_mut().flatten() {
            endpoint.lose();
        }
    }

    /// Wakes everybody who waits.
    pub(crate) fn wake_all(&self) {
        for endpoint in self.endpoints.iter().flatten() {
            endpoint.wait.notify_all();
        }
    }

    /// Queues a message of the connection with this `host_id`, which must have no other. Returns a
    /// buffer that the connection has no use for, to be freed outside of the lock.
    ///
    /// # Errors
    ///
    /// The message comes back when the connection is gone or has a message queued.
    pub(crate) fn queue(
        &mut self,
        slot: usize,
        host_id: u16,
        message: Message,
        writer_waits: bool,
    ) -> core::result::Result<Option<Buffer>, Message> {
        match self.connection(slot) {
            Ok(connection)
                if connection.host_id == host_id
                    && matches!(connection.outgoing, Outgoing::None) =>
            {
                connection.outgoing = Outgoing::Queued {
                    message,
                    writer_waits,
                };
                let spare = connection.take_spare();
                self.queue.push(slot);
                Ok(spare)
            }
            _ => Err(message),
        }
    }

    /// Takes back the queued message of the connection with this `host_id`, if it was not sent.
    pub(crate) fn unqueue(&mut self, slot: usize, host_id: u16) -> Option<Message> {
        let connection = self.connection(slot).ok()?;
        if connection.host_id != host_id {
            return None;
        }
        match core::mem::replace(&mut connection.outgoing, Outgoing::None) {
            Outgoing::Queued { message, .. } => {
                self.queue.remove(slot);
                Some(message)
            }
            other => {
                connection.outgoing = other;
                None
            }
        }
    }

    /// Whether the message for which the writer of an endpoint waits, on the connection with this
    /// `host_id`, was sent. Says so once, also if that connection has been lost since.
    ///
    /// # Errors
    ///
    /// - `ENOTCONN`: it was not, and never will be.
    pub(crate) fn take_sent(&mut self, slot: usize, host_id: u16) -> Result<bool> {
        self.endpoint(slot)?.take_sent(host_id)
    }

    /// Hands the message that waits longest to `send`, and wakes whoever waits for that, unless it
    /// is `current` who calls. Returns its header, or [`None`] if there is no message.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    pub(crate) fn send_next(
        &mut self,
        current: Option<usize>,
        send: impl FnOnce(&Header, &[u8]) -> Result<(), Fault>,
    ) -> Result<Option<Header>, Fault> {
        let Some(slot) = self.queue.pop() else {
            return Ok(None);
        };
        let Some(Some(endpoint)) = self.endpoints.get_mut(slot) else {
            return Ok(None);
        };
        let Ok(connection) = endpoint.connection() else {
            return Ok(None);
        };
        let Outgoing::Queued { message, .. } = &connection.outgoing else {
            return Ok(None);
        };
        let header = Header {
            // CAST: At most `PAYLOAD_MAX`.
            length: message.payload().len() as u32,
            fw_id: connection.fw_id,
            host_id: connection.host_id,
            ..Header::default()
        };
        send(&header, message.payload())?;

        let outgoing = core::mem::replace(&mut connection.outgoing, Outgoing::None);
        if let Outgoing::Queued {
            message,
            writer_waits,
        } = outgoing
        {
            if writer_waits {
                connection.outgoing = Outgoing::Sent;
            }
            // It takes it: there is no spare while a message is queued.
            let _ = connection.give_spare(message.into_buffer());
        }
        connection.owed = connection.owed.saturating_add(1);
        self.owed = self.owed.saturating_add(1);
        if let Some(client) = self.table.get_mut(connection.client) {
            client.sent = client.sent.wrapping_add(1);
        }
        if current != Some(slot) {
            endpoint.wait.notify_all();
        }
        Ok(Some(header))
    }

    /// Who gets the message with this header: a slot. A message for nobody, or one that ends its
    /// connection, is counted.
    pub(crate) fn recipient(&mut self, header: &Header, length: usize) -> Option<usize> {
        let client = self
            .table
            .iter()
            .find(|client| client.properties.id == header.fw_id);
        let slot = client.and_then(|client| client.owner);
        let connection = slot.and_then(|slot| self.connection(slot).ok());
        let (slot, connection) = match (slot, connection) {
            (Some(slot), Some(connection)) if connection.host_id == header.host_id => {
                (slot, connection)
            }
            _ => {
                self.undelivered.stale = self.undelivered.stale.wrapping_add(1);
                return None;
            }
        };
        let fault: fn(&mut Undelivered) -> &mut u64 = if header.status != STATUS_SUCCESS {
            |undelivered| &mut undelivered.status
        } else if length > connection.limit {
            |undelivered| &mut undelivered.too_long
        } else if connection.has_unread() {
            |undelivered| &mut undelivered.unread
        } else {
            return Some(slot);
        };
        self.drop_connection(slot, fault);
        None
    }

    /// Delivers a message to the connection that [`Clients::recipient`] found. Returns it when that
    /// connection has ended, or has an unread message by now and ends for that.
    pub(crate) fn deliver(
        &mut self,
        slot: usize,
        host_id: u16,
        message: Message,
    ) -> Option<Message> {
        let connection = match self.connection(slot) {
            Ok(connection) if connection.host_id == host_id => connection,
            _ => return Some(message),
        };
        if connection.has_unread() {
            self.drop_connection(slot, |undelivered| &mut undelivered.unread);
            return Some(message);
        }
        connection.unread = Some(message);
        let (client, answered) = (connection.client, connection.owed > 0);
        connection.owed = connection.owed.saturating_sub(1);
        self.owed = self.owed.saturating_sub(u32::from(answered));
        if let Some(client) = self.table.get_mut(client) {
            client.received = client.received.wrapping_add(1);
        }
        if let Ok(endpoint) = self.endpoint(slot) {
            endpoint.wait.notify_all();
        }
        None
    }

    /// There is no memory for a message to this connection: drops it, if it still exists.
    pub(crate) fn no_memory(&mut self, slot: usize, host_id: u16) {
        if matches!(self.connection(slot), Ok(connection) if connection.host_id == host_id) {
            self.drop_connection(slot, |undelivered| &mut undelivered.no_memory);
        }
    }

    /// Drops a connection for a fault of its own, which is counted in the field that `fault` names.
    pub(crate) fn drop_connection(&mut self, slot: usize, fault: fn(&mut Undelivered) -> &mut u64) {
        let counter = fault(&mut self.undelivered);
        *counter = counter.wrapping_add(1);
        self.end(slot);
    }

    /// Ends the connection of an endpoint, if it has one. Frees nothing.
    fn end(&mut self, slot: usize) {
        let Ok(connection) = self.connection(slot) else {
            return;
        };
        let (client, owed) = (connection.client, connection.owed);
        self.owed = self.owed.saturating_sub(owed);
        if let Some(client) = self.table.get_mut(client) {
            client.owner = None;
        }
        self.queue.remove(slot);
        if let Ok(endpoint) = self.endpoint(slot) {
            endpoint.lose();
        }
    }

    fn new_host_id(&mut self) -> u16 {
        // Bounded: fewer ids are in use than there are endpoints.
        for _ in 0..=SLOTS {
            let id = self.next_host_id;
            self.next_host_id = id.checked_add(1).unwrap_or(1);
            let taken =
                self.endpoints.iter().flatten().any(
                    |endpoint| matches!(&endpoint.state, State::Connected(c) if c.host_id == id),
                );
            if !taken {
                return id;
            }
        }
        self.next_host_id
    }
}
