// SPDX-License-Identifier: GPL-2.0

//! GET_DIGESTS and GET_CERTIFICATE.

use core::ops::DerefMut;

use super::super::capabilities::Flags;
use super::super::certificate::{CertificatePortion, GetCertificate, CERTIFICATE_FIXED};
use super::super::chain::Chain;
use super::super::code::Code;
use super::super::config::Connection;
use super::super::crypto::{Digest, Hash, Verify};
use super::super::digests::{get_digests, Digests};
use super::super::error::{Error, Field, Reason};
use super::super::signing::Purpose;
use super::super::transcript::Sink;
use super::super::wire::{copy, Reader};
use super::{Leaf, Requester, Response, Task};

impl<C, B, S> Requester<C, B, S>
where
    C: Hash + Verify,
    B: DerefMut<Target = [u8]>,
    S: Sink,
{
    /// Begins GET_DIGESTS. The key of a slot is forgotten if its digest is no longer the same.
    ///
    /// # Errors
    ///
    /// - [`Reason::Order`]: not connected.
    /// - [`Reason::NotCapable`]: the responder has no certificates.
    pub fn get_digests(&mut self) -> Result<(), Error> {
        let connection = self.capable(Code::GET_DIGESTS, Flags::CERT)?;
        let rules = self.rules(&connection);
        self.transcripts.reset(Purpose::Measurements);
        self.transcripts.reset(Purpose::Challenge);
        self.masks = None;
        self.identity_lost = false;
        self.response = Response::None;
        self.exchange
            .begin(rules, |buffer| get_digests(connection.version, buffer))?;
        self.task = Task::Digests;
        Ok(())
    }

    pub(super) fn digests(&mut self, length: usize) -> Result<(), Error> {
        let connection = self.in_use(Code::DIGESTS)?;
        let hash = self.hash_in_use(Code::DIGESTS)?;
        let message = self.exchange.response(length);
        let mut reader = Reader::new(Code::DIGESTS, message);
        let response = Digests::read(
            &mut reader,
            connection.version,
            hash.size(),
            connection.multi_key,
        )?;
        let length = reader.end(self.config.padding)?;
        for (number, slot) in (0..).zip(&mut self.slots) {
            let digest = response.digest(number).and_then(Digest::from_slice);
            if slot.digest != digest {
                slot.leaf = None;
            }
            slot.digest = digest;
            slot.info = response.key(number);
        }
        self.masks = Some((response.supported, response.provisioned));
        self.append(Code::DIGESTS, Purpose::Challenge, length)
    }

    /// Begins to read the chain of a slot, in as many GET_CERTIFICATE as it takes. The chain has
    /// to match its digest and to hold together; then the key of the slot can be used.
    ///
    /// # Errors
    ///
    /// - [`Reason::Order`]: DIGESTS was not read in this connection.
    /// - [`Reason::Missing`]: there is no chain in the slot.
    pub fn get_certificate(&mut self, slot: u8) -> Result<(), Error> {
        let connection = self.capable(Code::GET_CERTIFICATE, Flags::CERT)?;
        let error = |reason| Error::new(Code::GET_CERTIFICATE, Field::SlotId, reason);
        if self.masks.is_none() {
            return Err(error(Reason::Order));
        }
        match self.slots.get_mut(usize::from(slot)) {
            Some(found) if found.digest.is_some() => found.leaf = None,
            _ => return Err(error(Reason::Missing)),
        }
        self.transcripts.reset(Purpose::Measurements);
        self.response = Response::None;
        self.chain_in = None;
        self.get_portion(&connection, slot, 0, None)
    }

    fn get_portion(
        &mut self,
        connection: &Connection,
        slot: u8,
        received: usize,
        total: Option<usize>,
    ) -> Result<(), Error> {
        let longest = if self.chunks(connection) {
            self.config.longest()
        } else {
            self.config.data_transfer_size
        };
        let longest = longest.saturating_sub(CERTIFICATE_FIXED);
        let rest = total.map_or(usize::MAX, |total| total.saturating_sub(received));
        let asked = self
            .config
            .portion
            .min(u16::try_from(longest).unwrap_or(u16::MAX))
            .min(u16::try_from(rest).unwrap_or(u16::MAX));
        let message = GetCertificate {
            slot,
            offset: u16::try_from(received).unwrap_or(u16::MAX),
            length: asked,
        };
        let rules = self.rules(connection);
        self.exchange
            .begin(rules, |buffer| message.write(connection.version, buffer))?;
        self.task = Task::Certificate {
            slot,
            asked,
            received,
            total,
        };
        Ok(())
    }

    pub(super) fn certificate(
        &mut self,
        length: usize,
        slot: u8,
        asked: u16,
        received: usize,
        total: Option<usize>,
    ) -> Result<(), Error> {
        let connection = self.in_use(Code::CERTIFICATE)?;
        let message = self.exchange.response(length);
        let mut reader = Reader::new(Code::CERTIFICATE, message);
        let response = CertificatePortion::read(&mut reader, connection.version)?;
        let length = reader.end(self.config.padding)?;
        if response.slot != slot {
            return Err(reader.error(Field::SlotId, Reason::Differs));
        }
        let info = self.slot(slot).and_then(|slot| slot.info);
        if info.is_some_and(|info| info.model != response.model) {
            return Err(reader.error(Field::CertificateInfo, Reason::Differs));
        }
        let portion = response.portion.len();
        if portion == 0 {
            return Err(reader.error(Field::PortionLength, Reason::Value(0)));
        }
        if portion > usize::from(asked) {
            let reason = Reason::Above {
                limit: asked.into(),
                actual: u32::try_from(portion).unwrap_or(u32::MAX),
            };
            return Err(reader.error(Field::PortionLength, reason));
        }
        let end = received.saturating_add(portion);
        let sum = end.saturating_add(response.remainder.into());
        if total.is_some_and(|total| total != sum) {
            return Err(reader.error(Field::RemainderLength, Reason::Differs));
        }
        let room = self.chain.len().min(u16::MAX.into());
        let part = match self.chain.get_mut(received..end) {
            Some(part) if sum <= room => part,
            _ => {
                let reason = Reason::Room { needed: sum, room };
                return Err(reader.error(Field::CertificateChain, reason));
            }
        };
        copy(part, response.portion);
        self.append(Code::CERTIFICATE, Purpose::Challenge, length)?;
        if end < sum {
            return self.get_portion(&connection, slot, end, Some(sum));
        }
        self.chain_in = Some((slot, end));
        self.check_chain(&connection, slot, end)
    }

    fn check_chain(
        &mut self,
        connection: &Connection,
        number: u8,
        length: usize,
    ) -> Result<(), Error> {
        let error = |field, reason| Error::new(Code::CERTIFICATE, field, reason);
        let selection = &connection.selection;
        let (hash, asym) = selection
            .hash
            .zip(selection.asym)
            .ok_or(error(Field::BaseAsymAlgo, Reason::Missing))?;
        let bytes = self.chain.get(..length).unwrap_or_default();
        let digest = self
            .crypto
            .digest(hash, bytes)
            .map_err(|refusal| error(Field::Digest, Reason::Crypto(refusal)))?;
        let slot = self
            .slots
            .get_mut(usize::from(number))
            .filter(|slot| slot.digest == Some(digest))
            .ok_or(error(Field::Digest, Reason::Differs))?;
        let chain = Chain::parse(bytes, connection.version, hash.size())?;
        let verified = chain.verify(&self.crypto, hash, asym)?;
        slot.leaf = Some(Leaf {
            key: verified.key,
            root: verified.root,
        });
        Ok(())
    }
}
