// SPDX-License-Identifier: GPL-2.0

//! CHALLENGE and GET_MEASUREMENTS, and the transcripts they are signed over.

use core::ops::DerefMut;

use super::super::algorithms::HashAlgorithm;
use super::super::capabilities::Flags;
use super::super::challenge::{Challenge, ChallengeAuth, ChallengeLayout, Summary};
use super::super::code::Code;
use super::super::config::Connection;
use super::super::crypto::{Digest, Hash, Verify};
use super::super::digests::KeyInfo;
use super::super::error::{Error, Field, Reason};
use super::super::measurements::{GetMeasurements, Measurements, MeasurementsLayout, Operation};
use super::super::signing::{signed_digest, Purpose};
use super::super::transcript::Sink;
use super::super::version::Version;
use super::super::wire::Reader;
use super::{Requester, Response, Task};

impl<C, B, S> Requester<C, B, S>
where
    C: Hash + Verify,
    B: DerefMut<Target = [u8]>,
    S: Sink,
{
    /// Begins CHALLENGE: the responder proves that it has the key of a slot. What was read since
    /// GET_DIGESTS is signed as well.
    ///
    /// # Errors
    ///
    /// - [`Reason::Order`]: not connected, the chain of the slot was not read, or measurements were
    ///   read after digests.
    /// - [`Reason::NotCapable`]: no CHALLENGE, no certificates to check it with, or no measurements
    ///   to sum up.
    /// - [`Reason::KeyUsage`]: the key of the slot is for something else.
    /// - [`Reason::Value`]: no such slot.
    pub fn challenge(&mut self, challenge: Challenge) -> Result<(), Error> {
        let connection = self.capable(Code::CHALLENGE, Flags::CHAL)?;
        let error = |field, reason| Error::new(Code::CHALLENGE, field, reason);
        if challenge.summary != Summary::None && !connection.capabilities.flags.has_measurements() {
            return Err(error(Field::MeasurementSummaryHash, Reason::NotCapable));
        }
        self.check_signer(
            Code::CHALLENGE,
            &connection,
            challenge.slot,
            KeyInfo::CHALLENGE,
        )?;
        if self.identity_lost {
            return Err(error(Field::Digest, Reason::Order));
        }
        let rules = self.rules(&connection);
        self.transcripts.reset(Purpose::Measurements);
        self.summary = None;
        self.response = Response::None;
        self.exchange
            .begin(rules, |buffer| challenge.write(connection.version, buffer))?;
        self.task = Task::Challenge(challenge);
        Ok(())
    }

    /// The key of the slot can be used for this. Slot 15, a public key without certificates, cannot:
    /// there is nothing to check it with.
    fn check_signer(
        &self,
        request: Code,
        connection: &Connection,
        slot: u8,
        usage: u16,
    ) -> Result<(), Error> {
        let error = |reason| Err(Error::new(request, Field::SlotId, reason));
        match self.slot(slot) {
            _ if !connection.capabilities.flags.has(Flags::CERT) => error(Reason::NotCapable),
            Some(found) if found.leaf.is_some() => match found.info {
                Some(info) if info.usage & usage == 0 => error(Reason::KeyUsage),
                _ => Ok(()),
            },
            Some(_) => error(Reason::Order),
            None => error(Reason::Value(slot.into())),
        }
    }

    pub(super) fn challenge_auth_received(
        &mut self,
        length: usize,
        challenge: &Challenge,
    ) -> Result<(), Error> {
        let connection = self.in_use(Code::CHALLENGE_AUTH)?;
        let layout = ChallengeLayout {
            version: connection.version,
            digest: self.hash_in_use(Code::CHALLENGE_AUTH)?.size(),
            summary: challenge.summary != Summary::None,
            opaque: connection.selection.opaque,
            signature: signature_size(&connection),
        };
        let message = self.exchange.response(length);
        let mut reader = Reader::new(Code::CHALLENGE_AUTH, message);
        let auth = ChallengeAuth::read(&mut reader, &layout)?;
        let length = reader.end(self.config.padding)?;
        if auth.slot != challenge.slot {
            return Err(reader.error(Field::SlotId, Reason::Differs));
        }
        let mask_is_right = match self.masks {
            Some((_, provisioned)) => auth.slot_mask == provisioned,
            None => {
                auth.slot_mask
                    .checked_shr(challenge.slot.into())
                    .unwrap_or(0)
                    & 1
                    != 0
            }
        };
        if !mask_is_right {
            return Err(reader.error(Field::SlotMask, Reason::Differs));
        }
        if self.digest(challenge.slot).map(|digest| &**digest) != Some(auth.chain_hash) {
            return Err(reader.error(Field::CertChainHash, Reason::Differs));
        }
        if !auth.context.is_empty() && auth.context != challenge.context {
            return Err(reader.error(Field::RequesterContext, Reason::Differs));
        }
        let signed = auth.signed_length;
        let summary = match challenge.summary {
            Summary::All => Digest::from_slice(auth.summary),
            Summary::None | Summary::Tcb => None,
        };
        self.append(Code::CHALLENGE_AUTH, Purpose::Challenge, signed)?;
        self.check_signature(
            Code::CHALLENGE_AUTH,
            Purpose::Challenge,
            challenge.slot,
            signed..length,
        )?;
        self.summary = summary;
        self.response = Response::Challenge(layout, length);
        Ok(())
    }

    /// Begins GET_MEASUREMENTS. All of them in a row make up one transcript, which ends with the
    /// one that is signed, and begins anew when one is answered with ERROR.
    ///
    /// Digests and chains that were read, but not followed by CHALLENGE, are no longer covered by a
    /// later one: DSP0274 wants it so. Not all responders see it that way once they were
    /// challenged, so GET_DIGESTS has to come again before a CHALLENGE then.
    ///
    /// Where all are read, as they are and not as raw bit streams, after a CHALLENGE in the same
    /// connection that summed them all up, they have to match its MeasurementSummaryHash. This
    /// holds for measurements without a signature as well. They may differ for a good reason, when
    /// something was measured anew in between; who begins again, as [`Error::asks_for_restart`]
    /// says, sees whether they agree then.
    ///
    /// # Errors
    ///
    /// - [`Reason::Order`]: not connected, or signed and the chain of the slot was not read.
    /// - [`Reason::NotCapable`]: no measurements, not signed or no certificates to check that with,
    ///   not raw, or not new ones.
    /// - [`Reason::KeyUsage`]: the key of the slot is for something else.
    /// - [`Reason::Value`]: no such index, or no such slot.
    pub fn get_measurements(&mut self, request: GetMeasurements) -> Result<(), Error> {
        let code = Code::GET_MEASUREMENTS;
        let connection = self.capable(code, Flags(0))?;
        let flags = connection.capabilities.flags;
        let error = |field, reason| Err(Error::new(code, field, reason));
        if !flags.has_measurements() {
            return error(Field::Message, Reason::NotCapable);
        }
        if request.raw && connection.version < Version::V12
            || request.new && connection.version < Version::V13
        {
            return error(Field::Param1, Reason::NotCapable);
        }
        if let Operation::One(index @ (0 | u8::MAX)) = request.operation {
            return error(Field::MeasurementIndex, Reason::Value(index.into()));
        }
        if let Some(signed) = &request.signed {
            if !flags.has(Flags::MEAS_SIG) {
                return error(Field::Signature, Reason::NotCapable);
            }
            if connection.version < Version::V11 && signed.slot != 0 {
                return error(Field::SlotId, Reason::Value(signed.slot.into()));
            }
            self.check_signer(code, &connection, signed.slot, KeyInfo::MEASUREMENT)?;
        }
        let rules = self.rules(&connection);
        self.identity_lost |= self.transcripts.reset(Purpose::Challenge);
        self.response = Response::None;
        self.exchange
            .begin(rules, |buffer| request.write(connection.version, buffer))?;
        self.task = Task::Measurements(request);
        Ok(())
    }

    pub(super) fn measurements_received(
        &mut self,
        length: usize,
        request: &GetMeasurements,
    ) -> Result<(), Error> {
        let connection = self.in_use(Code::MEASUREMENTS)?;
        let signature = match request.signed {
            Some(_) => signature_size(&connection),
            None => 0,
        };
        let layout = MeasurementsLayout {
            version: connection.version,
            operation: request.operation,
            opaque: connection.selection.opaque,
            signature,
        };
        let message = self.exchange.response(length);
        let mut reader = Reader::new(Code::MEASUREMENTS, message);
        let response = Measurements::read(&mut reader, &layout)?;
        let length = reader.end(self.config.padding)?;
        response.check(request, &connection)?;
        let signed_length = response.signed_length;
        let summary = match request.operation {
            Operation::All => self.begin_summary(request)?,
            Operation::Count | Operation::One(_) => None,
        };
        let summary = summary.map(|context| response.record.summary(context));
        if connection.selection.hash.is_some() {
            self.append(Code::MEASUREMENTS, Purpose::Measurements, signed_length)?;
        }
        if let Some(signed) = &request.signed {
            self.check_signature(
                Code::MEASUREMENTS,
                Purpose::Measurements,
                signed.slot,
                signed_length..length,
            )?;
        }
        if summary.is_some() && summary != self.summary {
            let field = Field::MeasurementSummaryHash;
            return Err(Error::new(Code::MEASUREMENTS, field, Reason::Differs));
        }
        self.response = Response::Measurements(layout, length);
        Ok(())
    }

    /// Begins the transcript of measurements anew.
    pub(in super::super) fn forget_measurements(&mut self) {
        self.transcripts.reset(Purpose::Measurements);
    }

    /// Begins a hash over blocks of this request, if the last challenge summed them up.
    pub(in super::super) fn begin_summary(
        &self,
        request: &GetMeasurements,
    ) -> Result<Option<C::Context>, Error> {
        if self.summary.is_none() || !request.is_summed_up() {
            return Ok(None);
        }
        let hash = self.hash_in_use(Code::MEASUREMENTS)?;
        let context = self.crypto.start(hash).map_err(|refusal| {
            let field = Field::MeasurementSummaryHash;
            Error::new(Code::MEASUREMENTS, field, Reason::Crypto(refusal))
        })?;
        Ok(Some(context))
    }

    /// Appends the exchange that is complete, up to `length` bytes of the response.
    pub(super) fn append(
        &mut self,
        message: Code,
        purpose: Purpose,
        length: usize,
    ) -> Result<(), Error> {
        let connection = self.in_use(message)?;
        let hash = self.hash_in_use(message)?;
        let messages = [self.exchange.request(), self.exchange.response(length)];
        self.transcripts
            .append(&self.crypto, hash, connection.version, purpose, messages)
            .map_err(|refusal| Error::new(message, Field::Message, Reason::Crypto(refusal)))
    }

    /// Ends a transcript, and checks the signature that is at `place` in the response.
    fn check_signature(
        &mut self,
        message: Code,
        purpose: Purpose,
        slot: u8,
        place: core::ops::Range<usize>,
    ) -> Result<(), Error> {
        let error = |reason| Error::new(message, Field::Signature, reason);
        let connection = self.in_use(message)?;
        let hash = self.hash_in_use(message)?;
        let missing = error(Reason::Missing);
        let asym = connection.selection.asym.ok_or(missing)?;
        let transcript = self.transcripts.finish(purpose).ok_or(missing)?;
        let digest = signed_digest(&self.crypto, hash, connection.version, purpose, transcript)
            .map_err(|refusal| error(Reason::Crypto(refusal)))?;
        let leaf = self.slot(slot).and_then(|slot| slot.leaf.as_ref());
        let key = &leaf.ok_or(missing)?.key;
        let response = self.exchange.response(place.end);
        let signature = response.get(place).unwrap_or_default();
        self.crypto
            .verify(key, asym.scheme(), hash, &digest, signature)
            .map_err(|refusal| error(Reason::Crypto(refusal)))
    }

    pub(super) fn in_use(&self, message: Code) -> Result<Connection, Error> {
        self.connection
            .ok_or(Error::new(message, Field::Message, Reason::Order))
    }

    pub(super) fn hash_in_use(&self, message: Code) -> Result<HashAlgorithm, Error> {
        self.in_use(message)?.selection.hash.ok_or(Error::new(
            message,
            Field::BaseHashAlgo,
            Reason::Missing,
        ))
    }
}

fn signature_size(connection: &Connection) -> usize {
    connection
        .selection
        .asym
        .map_or(0, |algorithm| algorithm.signature_size())
}
