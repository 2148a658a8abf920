// SPDX-License-Identifier: GPL-2.0
//! Connections and their flow control. Each side may send one message for each credit that the
//! other has given; the firmware gives one on connection and one for each message taken.

use std::collections::VecDeque;

use serde_json::{json, Value};

use super::wire::{status, Address, CONNECTIONS_MAX};

/// Messages of a connection that may wait for credits; more are dropped.
const WAITING_MAX: usize = 2048;

/// A connection of a firmware client with a host client.
#[derive(Debug)]
struct Connection {
    address: Address,
    /// Messages that the host has buffers for.
    credits: u32,
    /// Messages that wait for credits.
    waiting: VecDeque<Vec<u8>>,
    /// What has come so far of a message of the host.
    incoming: Vec<u8>,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Connections(Vec<Connection>);

impl Connections {
    /// Connects; returns the status to answer with. Whether there is such a client is the
    /// caller's to know.
    pub fn connect(&mut self, address: Address) -> u8 {
        let of_client = |other: &&Connection| other.address.me == address.me;
        if address.host == 0 {
            return status::INVALID_PARAMETER;
        }
        if self.find(address).is_some() {
            return status::ALREADY_EXISTS;
        }
        if self.0.iter().filter(of_client).count() >= CONNECTIONS_MAX.into() {
            return status::REJECTED;
        }
        self.0.push(Connection {
            address,
            credits: 0,
            waiting: VecDeque::new(),
            incoming: Vec::new(),
        });
        status::SUCCESS
    }

    /// Ends a connection; false if there is none.
    pub fn disconnect(&mut self, address: Address) -> bool {
        let before = self.0.len();
        self.0.retain(|connection| connection.address != address);
        self.0.len() < before
    }

    /// Ends all connections.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn find(&mut self, address: Address) -> Option<&mut Connection> {
        self.0.iter_mut().find(|other| other.address == address)
    }

    /// Whether there is this connection.
    pub fn contains(&self, address: Address) -> bool {
        self.0.iter().any(|other| other.address == address)
    }

    /// The host has one more buffer; false if there is no such connection.
    pub fn credit(&mut self, address: Address) -> bool {
        let connection = self.find(address);
        connection
            .map(|connection| connection.credits = connection.credits.saturating_add(1))
            .is_some()
    }

    /// A part of a message of the host; returns the message if that was its last.
    ///
    /// # Errors
    ///
    /// The message is longer than `mtu`. The connection then is to be ended.
    pub fn receive(
        &mut self,
        address: Address,
        part: &[u8],
        complete: bool,
        mtu: u32,
    ) -> Result<Option<Vec<u8>>, TooLong> {
        let Some(connection) = self.find(address) else {
            return Ok(None);
        };
        if connection.incoming.len() + part.len() > mtu as usize {
            return Err(TooLong);
        }
        connection.incoming.extend(part);
        Ok(complete.then(|| std::mem::take(&mut connection.incoming)))
    }

    /// A message for the host; false if it had to be dropped.
    pub fn send(&mut self, address: Address, message: Vec<u8>) -> bool {
        match self.find(address) {
            Some(connection) if connection.waiting.len() < WAITING_MAX => {
                connection.waiting.push_back(message);
                true
            }
            _ => false,
        }
    }

    /// Whether there is a message that the host has a buffer for.
    pub fn ready(&self) -> bool {
        let ready =
            |connection: &Connection| connection.credits > 0 && !connection.waiting.is_empty();
        self.0.iter().any(ready)
    }

    /// Takes a message that the host has a buffer for, if there is one.
    pub fn take_ready(&mut self) -> Option<(Address, Vec<u8>)> {
        self.0.iter_mut().find_map(|connection| {
            let credits = connection.credits.checked_sub(1)?;
            let message = connection.waiting.pop_front()?;
            connection.credits = credits;
            Some((connection.address, message))
        })
    }

    /// What the `state` command shows.
    pub fn describe(&self) -> Value {
        let describe = |connection: &Connection| {
            json!({"fw_id": connection.address.me, "host_id": connection.address.host,
                "credits": connection.credits, "waiting": connection.waiting.len()})
        };
        self.0.iter().map(describe).collect()
    }
}

/// A message above the MTU of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Address = Address { me: 3, host: 1 };

    fn connected() -> Connections {
        let mut connections = Connections::default();
        assert_eq!(connections.connect(ADDRESS), status::SUCCESS);
        connections
    }

    #[test]
    fn a_client_takes_so_many_connections_and_each_once() {
        let mut connections = connected();
        assert_eq!(connections.connect(ADDRESS), status::ALREADY_EXISTS);
        for host in 2..=CONNECTIONS_MAX {
            let address = Address { host, ..ADDRESS };
            assert_eq!(connections.connect(address), status::SUCCESS);
        }
        let last = Address {
            host: 200,
            ..ADDRESS
        };
        assert_eq!(connections.connect(last), status::REJECTED);
        assert_eq!(
            connections.connect(Address { me: 4, ..last }),
            status::SUCCESS
        );
        assert_eq!(
            connections.connect(Address { host: 0, ..last }),
            status::INVALID_PARAMETER
        );
        assert!(connections.disconnect(ADDRESS));
        assert!(!connections.disconnect(ADDRESS));
        assert_eq!(connections.connect(last), status::SUCCESS);
    }

    #[test]
    fn a_message_goes_out_for_each_credit_and_in_order() {
        let mut connections = connected();
        assert!(connections.send(ADDRESS, vec![1]));
        assert!(connections.send(ADDRESS, vec![2]));
        assert_eq!(connections.take_ready(), None);
        assert!(connections.credit(ADDRESS));
        assert_eq!(connections.take_ready(), Some((ADDRESS, vec![1])));
        assert_eq!(connections.take_ready(), None);
        assert!(connections.credit(ADDRESS) && connections.credit(ADDRESS));
        assert_eq!(connections.take_ready(), Some((ADDRESS, vec![2])));
        assert_eq!(connections.take_ready(), None);
    }

    #[test]
    fn parts_become_a_message() {
        let mut connections = connected();
        assert_eq!(connections.receive(ADDRESS, &[1, 2], false, 4), Ok(None));
        let whole = connections.receive(ADDRESS, &[3, 4], true, 4);
        assert_eq!(whole, Ok(Some(vec![1, 2, 3, 4])));
        assert_eq!(connections.receive(ADDRESS, &[0; 4], false, 4), Ok(None));
        assert_eq!(connections.receive(ADDRESS, &[0], true, 4), Err(TooLong));
    }

    #[test]
    fn nothing_goes_to_a_connection_that_is_not() {
        let mut connections = Connections::default();
        assert!(!connections.send(ADDRESS, vec![1]));
        assert!(!connections.credit(ADDRESS));
        assert_eq!(connections.receive(ADDRESS, &[1], true, 4), Ok(None));
    }
}
