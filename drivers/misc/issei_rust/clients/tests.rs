// SPDX-License-Identifier: GPL-2.0

//! Bounds of files, queue, ids and messages.

use kernel::macros::kunit_tests;

#[kunit_tests(issei_clients)]
mod tests {
    use super::super::*;
    use kernel::sync::{
        poll::PollCondVarBox,
        Arc, //
    };

    const UUID: [u8; 16] = [0x44; 16];
    const OTHER: [u8; 16] = [0x11; 16];

    fn endpoint() -> Result<KBox<Endpoint>> {
        let wait = PollCondVarBox::new(c"issei:test", kernel::static_lock_class!())?;
        let wait = Arc::new(wait, GFP_KERNEL)?;
        Ok(KBox::new(Endpoint::new(wait), GFP_KERNEL)?)
    }

    fn opened(clients: &mut Clients) -> Result<usize> {
        clients.open(endpoint()?).map_err(|_| EMFILE)
    }

    fn client(id: u16, uuid: [u8; 16], mtu: u32) -> FwClient {
        FwClient::new(Client {
            id,
            version: 1,
            uuid,
            mtu,
            flags: 0,
        })
    }

    /// Two clients: 7, with this MTU, and 8.
    fn with_mtu(mtu: u32) -> Result<Clients> {
        let mut clients = Clients::new()?;
        let mut table = KVVec::new();
        table.push(client(7, UUID, mtu), GFP_KERNEL)?;
        table.push(client(8, OTHER, 1), GFP_KERNEL)?;
        clients.set_table(table);
        Ok(clients)
    }

    fn buffer(length: usize) -> Result<Buffer> {
        Ok(Buffer::from_elem(0, length, GFP_KERNEL)?)
    }

    /// Opens a file and connects it; returns its slot and its host id.
    fn connected(clients: &mut Clients, uuid: &[u8; 16]) -> Result<(usize, u16)> {
        let slot = opened(clients)?;
        let (_, limit) = clients.find(slot, uuid)?;
        let mut buffer = Some(buffer(limit)?);
        clients.connect(slot, uuid, &mut buffer)?;
        let host_id = clients.connection(slot)?.host_id();
        Ok((slot, host_id))
    }

    fn header(host_id: u16) -> Header {
        Header {
            fw_id: 7,
            host_id,
            ..Header::default()
        }
    }

    fn message(length: usize) -> Result<Message> {
        Ok(Message::new(buffer(length)?, length))
    }

    #[test]
    fn files() -> Result {
        let mut clients = Clients::new()?;
        clients.add_agent(endpoint()?);
        assert_eq!(clients.files(), 0);
        for slot in 0..MAX_FILES {
            assert_eq!(opened(&mut clients)?, slot);
        }
        assert_eq!(clients.files(), MAX_FILES);
        assert!(clients.open(endpoint()?).is_err());
        assert!(clients.close(100).is_some());
        assert!(clients.close(100).is_none());
        assert_eq!(opened(&mut clients)?, 100);
        assert!(clients.open(endpoint()?).is_err());
        assert!(clients.endpoint(AGENT).is_ok());
        assert_eq!(clients.endpoint(SLOTS).err(), Some(EBADF));
        assert!(clients.close(SLOTS).is_none());
        Ok(())
    }

    #[test]
    fn queue_of_all_slots() {
        let mut queue = Queue::new();
        assert_eq!(queue.pop(), None);
        for slot in 0..SLOTS {
            queue.push(slot);
        }
        // There is no slot beyond, but it would be turned away.
        queue.push(0);
        queue.remove(SLOTS - 1);
        queue.remove(SLOTS - 1);
        queue.remove(3);
        for slot in (0..SLOTS - 1).filter(|slot| *slot != 3) {
            assert_eq!(queue.pop(), Some(slot));
        }
        assert!(queue.is_empty());
        queue.remove(0);
        queue.push(AGENT);
        queue.clear();
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn host_ids_wrap_and_skip() -> Result {
        let mut clients = with_mtu(16)?;
        let (_, first) = connected(&mut clients, &UUID)?;
        assert_eq!(first, 1);
        clients.next_host_id = u16::MAX;
        let (slot, last) = connected(&mut clients, &OTHER)?;
        assert_eq!(last, u16::MAX);
        clients.disconnect(slot)?;
        // 0 is the bus, and 1 is taken.
        let mut buffer = Some(buffer(1)?);
        clients.connect(slot, &OTHER, &mut buffer)?;
        assert_eq!(clients.connection(slot)?.host_id(), 2);
        Ok(())
    }

    #[test]
    fn limit_of_a_connection() {
        // CAST: The constants fit into 32 bits.
        let most = PAYLOAD_MAX as u32;
        for (mtu, limit) in [
            (0, 0),
            (1, 1),
            (most - 1, PAYLOAD_MAX - 1),
            (most, PAYLOAD_MAX),
            (most + 1, PAYLOAD_MAX),
            (u32::MAX, PAYLOAD_MAX),
        ] {
            assert_eq!(client(7, UUID, mtu).limit(), limit);
        }
    }

    #[test]
    fn connect() -> Result {
        let mut clients = with_mtu(16)?;
        let slot = opened(&mut clients)?;
        assert_eq!(clients.find(slot, &[0; 16]).err(), Some(ENOTTY));
        for length in [0, 15, 17] {
            let mut buffer = Some(buffer(length)?);
            let error = clients.connect(slot, &UUID, &mut buffer).err();
            assert_eq!(error, Some(EAGAIN));
            // It is the caller's to free.
            assert!(buffer.is_some());
        }
        let mut right = Some(buffer(16)?);
        clients.connect(slot, &UUID, &mut right)?;
        assert_eq!(clients.find(slot, &UUID).err(), Some(EISCONN));
        let other = opened(&mut clients)?;
        assert_eq!(clients.find(other, &UUID).err(), Some(EBUSY));
        assert_eq!(clients.disconnect(other).err(), Some(ENOTCONN));
        clients.lose_all();
        assert_eq!(clients.disconnect(slot).err(), Some(ENOTCONN));
        assert_eq!(clients.find(slot, &UUID).err(), Some(ENOTTY));
        Ok(())
    }

    #[test]
    fn longest_message() -> Result {
        let mut clients = with_mtu(16)?;
        let (slot, id) = connected(&mut clients, &UUID)?;
        assert_eq!(clients.recipient(&header(id), 16), Some(slot));
        assert_eq!(clients.recipient(&header(id), 17), None);
        assert_eq!(clients.undelivered.too_long, 1);
        assert_eq!(clients.connection(slot).err(), Some(ENOTCONN));
        // The connection has ended: nobody has this id.
        assert_eq!(clients.recipient(&header(id), 16), None);
        assert_eq!(clients.undelivered.stale, 1);
        Ok(())
    }

    #[test]
    fn second_message() -> Result {
        let mut clients = with_mtu(16)?;
        let (slot, id) = connected(&mut clients, &UUID)?;
        assert!(clients
            .deliver(slot, id.wrapping_add(1), message(1)?)
            .is_some());
        assert!(clients.deliver(slot, id, message(4)?).is_none());
        assert_eq!(clients.connection(slot)?.take_unread(3).err(), Some(EFBIG));
        assert!(clients.connection(slot)?.take_unread(4)?.is_some());
        assert!(clients.connection(slot)?.take_unread(4)?.is_none());
        assert!(clients.deliver(slot, id, message(0)?).is_none());
        assert_eq!(clients.recipient(&header(id), 1), None);
        assert_eq!(clients.undelivered.unread, 1);
        assert!(clients.deliver(slot, id, message(1)?).is_some());
        Ok(())
    }

    #[test]
    fn who_gets_nothing() -> Result {
        let mut clients = with_mtu(16)?;
        let (slot, id) = connected(&mut clients, &UUID)?;
        for (fw_id, host_id) in [(0, id), (7, 0), (7, id + 1), (8, id), (u16::MAX, id)] {
            let header = Header {
                fw_id,
                host_id,
                ..Header::default()
            };
            assert_eq!(clients.recipient(&header, 1), None);
        }
        assert_eq!(clients.undelivered.stale, 5);
        assert!(clients.connection(slot).is_ok());
        let bad = Header {
            status: 1,
            ..header(id)
        };
        assert_eq!(clients.recipient(&bad, 1), None);
        assert_eq!(clients.undelivered.status, 1);
        assert!(clients.connection(slot).is_err());
        clients.no_memory(slot, id);
        assert_eq!(clients.undelivered.no_memory, 0);
        Ok(())
    }

    #[test]
    fn answers_owed() -> Result {
        let mut clients = with_mtu(16)?;
        let (slot, id) = connected(&mut clients, &UUID)?;
        assert!(clients.queue(slot, id + 1, message(1)?, false).is_err());
        assert!(clients.queue(slot, id, message(1)?, false).is_ok());
        assert!(clients.queue(slot, id, message(1)?, false).is_err());
        assert!(clients.unqueue(slot, id + 1).is_none());
        assert!(clients.unqueue(slot, id).is_some());
        assert!(clients.unqueue(slot, id).is_none());
        assert!(!clients.has_queued());
        assert!(clients
            .send_next(None, |_, _| Ok(()))
            .is_ok_and(|sent| sent.is_none()));
        for owed in 1..=3 {
            assert!(clients.queue(slot, id, message(5)?, false).is_ok());
            let sent = clients.send_next(None, |_, _| Ok(()));
            assert!(sent.is_ok_and(|sent| sent.is_some_and(|header| header.length == 5)));
            assert_eq!(clients.owed(), owed);
        }
        assert!(clients.deliver(slot, id, message(1)?).is_none());
        assert_eq!(clients.owed(), 2);
        drop(clients.close(slot));
        assert_eq!(clients.owed(), 0);
        Ok(())
    }

    #[test]
    fn what_a_writer_is_told() -> Result {
        let mut clients = with_mtu(16)?;
        let (slot, id) = connected(&mut clients, &UUID)?;
        for is_lost in [false, true] {
            assert!(clients.queue(slot, id, message(1)?, true).is_ok());
            assert!(!clients.take_sent(slot, id)?);
            assert!(clients.send_next(None, |_, _| Ok(())).is_ok());
            assert!(clients.connection(slot)?.has_outgoing());
            if is_lost {
                clients.no_memory(slot, id);
                assert!(clients.connection(slot).is_err());
            }
            assert_eq!(clients.take_sent(slot, id + 1).err(), Some(ENOTCONN));
            assert!(clients.take_sent(slot, id)?);
            assert_eq!(clients.take_sent(slot, id).err(), Some(ENOTCONN));
        }

        let (slot, id) = connected(&mut clients, &UUID)?;
        clients.disconnect(slot)?;
        assert_eq!(clients.take_sent(slot, id).err(), Some(ENOTCONN));
        drop(clients.close(slot));

        let (slot, id) = connected(&mut clients, &UUID)?;
        assert!(clients.queue(slot, id, message(1)?, true).is_ok());
        assert!(clients.send_next(None, |_, _| Ok(())).is_ok());
        let (unsent, unsent_id) = connected(&mut clients, &OTHER)?;
        assert!(clients.queue(unsent, unsent_id, message(1)?, true).is_ok());
        clients.lose_all();
        assert!(clients.take_sent(slot, id)?);
        assert_eq!(clients.take_sent(unsent, unsent_id).err(), Some(ENOTCONN));
        drop(clients.close(slot));
        assert!(clients.take_sent(slot, id).is_err());
        Ok(())
    }

    #[test]
    fn spare_buffer() -> Result {
        let mut clients = with_mtu(16)?;
        let (slot, _) = connected(&mut clients, &UUID)?;
        let connection = clients.connection(slot)?;
        assert!(connection.give_spare(buffer(16)?).is_some());
        assert!(connection
            .take_spare()
            .is_some_and(|spare| spare.len() == 16));
        assert!(connection.take_spare().is_none());
        assert!(connection.give_spare(buffer(15)?).is_some());
        assert!(connection.give_spare(buffer(17)?).is_none());
        Ok(())
    }
}
