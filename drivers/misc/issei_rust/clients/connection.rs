// SPDX-License-Identifier: GPL-2.0

//! Open files as the link knows them, and their connections.

use kernel::{
    prelude::*,
    sync::{
        poll::PollCondVarBox,
        Arc, //
    }, //
};

/// A buffer for one message.
pub(crate) type Buffer = KVVec<u8>;

/// A message in a buffer that may be longer.
pub(crate) struct Message {
    buffer: Buffer,
    length: usize,
}

impl Message {
    /// The first `length` bytes of `buffer`.
    pub(crate) fn new(buffer: Buffer, length: usize) -> Self {
        let length = length.min(buffer.len());
        Self { buffer, length }
    }

    /// Bytes of the message.
    pub(crate) fn payload(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// Takes the message and leaves an empty one without a buffer.
    pub(crate) fn take(&mut self) -> Self {
        core::mem::replace(self, Self::new(Buffer::new(), 0))
    }

    /// Gives the buffer back.
    pub(crate) fn into_buffer(self) -> Buffer {
        self.buffer
    }
}

/// Where the message of a writer stands.
pub(super) enum Outgoing {
    /// There is none.
    None,
    /// Waits for the host-to-firmware section, and its writer with it or not.
    Queued {
        message: Message,
        writer_waits: bool,
    },
    /// Lies in shared memory, which the writer that waited has yet to notice.
    Sent,
}

/// A file's end of a connection to a firmware client.
pub(crate) struct Connection {
    /// Index of the firmware client in the table.
    pub(super) client: usize,
    pub(super) fw_id: u16,
    pub(super) host_id: u16,
    /// Longest payload, in bytes: the client's MTU or what a section holds.
    pub(super) limit: usize,
    /// The connection's one message buffer, of `limit` bytes, while no message is in it. [`None`]
    /// while a message is queued.
    pub(super) spare: Option<Buffer>,
    /// A message that nobody has read yet.
    pub(super) unread: Option<Message>,
    pub(super) outgoing: Outgoing,
    /// Messages sent less messages received: answers that the firmware owes.
    pub(super) owed: u32,
}

impl Connection {
    /// Names this connection among all that there have been for a long time.
    pub(crate) fn host_id(&self) -> u16 {
        self.host_id
    }

    /// Longest payload, in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes the message buffer if it is free.
    pub(crate) fn take_spare(&mut self) -> Option<Buffer> {
        self.spare.take()
    }

    /// Gives a buffer to the connection, or back to the caller, who frees it outside of the lock.
    pub(crate) fn give_spare(&mut self, buffer: Buffer) -> Option<Buffer> {
        let queued = matches!(self.outgoing, Outgoing::Queued { .. });
        if !queued && self.spare.is_none() && buffer.len() >= self.limit {
            self.spare = Some(buffer);
            None
        } else {
            Some(buffer)
        }
    }

    /// Whether a message waits to be read.
    pub(crate) fn has_unread(&self) -> bool {
        self.unread.is_some()
    }

    /// Takes the message that waits, if it is not longer than `room`.
    ///
    /// # Errors
    ///
    /// - `EFBIG`: it is longer; it goes on waiting.
    pub(crate) fn take_unread(&mut self, room: usize) -> Result<Option<Message>> {
        match &self.unread {
            Some(message) if message.length > room => Err(EFBIG),
            _ => Ok(self.unread.take()),
        }
    }

    /// Puts back a message that could not be copied out, unless a newer one has come.
    pub(crate) fn put_back(&mut self, message: Message) -> Option<Message> {
        if self.unread.is_none() {
            self.unread = Some(message);
            None
        } else {
            Some(message)
        }
    }

    /// Whether a message waits to be sent, or its writer has yet to notice that it was.
    pub(crate) fn has_outgoing(&self) -> bool {
        !matches!(self.outgoing, Outgoing::None)
    }
}

/// What an endpoint is connected to.
pub(crate) enum State {
    /// Nothing.
    Idle,
    /// A firmware client.
    Connected(Connection),
    /// Nothing any more. What was the connection is kept until its owner comes to free it.
    Lost { connection: Connection },
}

/// One open file, as the link knows it.
pub(crate) struct Endpoint {
    /// Where readers, writers and pollers of the file wait.
    pub(super) wait: Arc<PollCondVarBox>,
    pub(super) state: State,
}

impl Endpoint {
    /// An endpoint that is not connected.
    pub(crate) fn new(wait: Arc<PollCondVarBox>) -> Self {
        Self {
            wait,
            state: State::Idle,
        }
    }

    /// The connection, if there is one.
    ///
    /// # Errors
    ///
    /// - `ENOTCONN`: there is none.
    pub(crate) fn connection(&mut self) -> Result<&mut Connection> {
        match &mut self.state {
            State::Connected(connection) => Ok(connection),
            _ => Err(ENOTCONN),
        }
    }

    /// Whether the message for which a writer waits on the connection with this id was sent, also
    /// if that connection has been lost since. Says so once.
    ///
    /// # Errors
    ///
    /// - `ENOTCONN`: it was not, and never will be.
    pub(super) fn take_sent(&mut self, host_id: u16) -> Result<bool> {
        let (connection, is_lost) = match &mut self.state {
            State::Connected(connection) => (connection, false),
            State::Lost { connection } => (connection, true),
            State::Idle => return Err(ENOTCONN),
        };
        match connection.outgoing {
            _ if connection.host_id != host_id => Err(ENOTCONN),
            Outgoing::Sent => {
                connection.outgoing = Outgoing::None;
                Ok(true)
            }
            Outgoing::Queued { .. } if !is_lost => Ok(false),
            _ => Err(ENOTCONN),
        }
    }

    /// Ends the connection, if there is one, and wakes whoever waits. Frees nothing.
    pub(super) fn lose(&mut self) {
        self.state = match core::mem::replace(&mut self.state, State::Idle) {
            State::Connected(connection) => State::Lost { connection },
            other => other,
        };
        self.wait.notify_all();
    }
}
