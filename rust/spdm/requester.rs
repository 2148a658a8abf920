// SPDX-License-Identifier: GPL-2.0

//! The requester: one operation at a time, as a state machine without I/O.
//!
//! An operation is begun by a method, and run by whoever calls [`Requester::poll`] and
//! [`Requester::received`] until [`Step::Done`]. Nonces come from the caller.
//!
//! After an error the connection is lost, and the next operation is [`Requester::connect`]; except
//! where the responder answered with an ERROR that does not end the connection, and where only the
//! chain of a slot is refused.

#![forbid(unsafe_code)]

mod attest;
mod connect;
mod identity;

use core::ops::DerefMut;

use super::algorithms::{AsymAlgorithm, HashAlgorithm};
use super::capabilities::{Capabilities, Flags};
use super::chain::{Chain, RootHash};
use super::challenge::{Challenge, ChallengeAuth, ChallengeLayout};
use super::code::Code;
use super::config::{Config, Connection};
use super::crypto::{Digest, Hash, Verify};
use super::digests::{CertificateModel, KeyInfo, SLOTS};
use super::error::{Error, Field, Reason};
use super::exchange::{Exchange, Rules};
use super::measurements::{GetMeasurements, Measurements, MeasurementsLayout};
use super::signing::Purpose;
use super::transcript::{Sink, Transcripts, VCA_MAX};
use super::transport::Step;
use super::version::Version;
use super::wire::Reader;

/// Bytes that a chunk of a response may take in the buffer beside its data.
const CHUNK_OVERHEAD: usize = 16;

/// Memory that is lent to a requester.
#[derive(Debug)]
pub struct Buffers<B> {
    /// For the transcript that all others begin with: [`VCA_MAX`] bytes.
    pub vca: B,
    /// For messages: [`Buffers::message_size`] bytes.
    pub message: B,
    /// For the chain of one slot: up to 65,535 bytes. A longer chain than this is an error.
    pub chain: B,
}

impl<B> Buffers<B> {
    /// Bytes that the buffer for messages needs.
    pub fn message_size(config: &Config) -> usize {
        let size = usize::try_from(config.longest()).unwrap_or(usize::MAX);
        let overhead = if config.chunks { CHUNK_OVERHEAD } else { 0 };
        size.saturating_add(overhead)
    }
}

/// The operation that runs.
#[derive(Clone, Copy, Debug)]
enum Task {
    None,
    Version,
    Capabilities(Version),
    Algorithms(Version, Capabilities),
    Digests,
    Certificate {
        slot: u8,
        asked: u16,
        received: usize,
        total: Option<usize>,
    },
    Challenge(Challenge),
    Measurements(GetMeasurements),
}

/// The response that is still in the buffer, with its length.
#[derive(Clone, Copy, Debug)]
enum Response {
    None,
    Challenge(ChallengeLayout, usize),
    Measurements(MeasurementsLayout, usize),
}

/// What is known of a slot.
struct Slot<K> {
    digest: Option<Digest>,
    info: Option<KeyInfo>,
    leaf: Option<Leaf<K>>,
}

/// The key of a chain that holds together.
struct Leaf<K> {
    key: K,
    root: RootHash,
}

/// A requester.
pub struct Requester<C: Hash + Verify, B, S = ()> {
    crypto: C,
    config: Config,
    exchange: Exchange<B>,
    transcripts: Transcripts<B, C::Context, S>,
    chain: B,
    /// The slot whose chain is in the buffer, and its length.
    chain_in: Option<(u8, usize)>,
    connection: Option<Connection>,
    slots: [Slot<C::Key>; SLOTS],
    /// SupportedSlotMask and ProvisionedSlotMask, if DIGESTS was read in this connection.
    masks: Option<(u8, u8)>,
    /// The algorithms that the keys and digests in `slots` are for.
    slots_for: Option<(HashAlgorithm, AsymAlgorithm)>,
    /// Digests and certificates were read, but are in no transcript any more.
    identity_lost: bool,
    /// What the last challenge in this connection said of all measurements.
    summary: Option<Digest>,
    task: Task,
    response: Response,
}

impl<C, B, S> Requester<C, B, S>
where
    C: Hash + Verify,
    B: DerefMut<Target = [u8]>,
    S: Sink,
{
    /// A requester that is not connected.
    ///
    /// # Errors
    ///
    /// - [`Reason::Room`]: a buffer is too small.
    /// - [`Reason::Below`], [`Reason::Above`]: sizes that the specification does not allow.
    pub fn new(crypto: C, sink: S, config: Config, buffers: Buffers<B>) -> Result<Self, Error> {
        let own = |field, reason| Error::new(Code::GET_CAPABILITIES, field, reason);
        let least = super::capabilities::DATA_TRANSFER_SIZE_MIN;
        if config.data_transfer_size < least {
            let reason = Reason::Below {
                limit: least,
                actual: config.data_transfer_size,
            };
            return Err(own(Field::DataTransferSize, reason));
        }
        for (needed, room) in [
            (VCA_MAX, buffers.vca.len()),
            (Buffers::<B>::message_size(&config), buffers.message.len()),
        ] {
            if room < needed {
                return Err(own(Field::Message, Reason::Room { needed, room }));
            }
        }
        Ok(Self {
            crypto,
            config,
            exchange: Exchange::new(buffers.message),
            transcripts: Transcripts::new(buffers.vca, sink),
            chain: buffers.chain,
            chain_in: None,
            connection: None,
            slots: core::array::from_fn(|_| Slot {
                digest: None,
                info: None,
                leaf: None,
            }),
            masks: None,
            slots_for: None,
            identity_lost: false,
            summary: None,
            task: Task::None,
            response: Response::None,
        })
    }

    /// What to do next, at time `now`. The same again until it is done.
    ///
    /// # Errors
    ///
    /// As [`Requester::received`]; and [`Reason::Late`] when there is no time left.
    pub fn poll(&mut self, now: u64) -> Result<Step<'_>, Error> {
        match self.exchange.tick(now) {
            Ok(()) => Ok(self.exchange.step(now)),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Takes a response of `length` bytes, which is in the buffer of [`Step::Exchange`].
    ///
    /// # Errors
    ///
    /// Anything that is wrong with it. The operation is over.
    pub fn received(&mut self, length: usize, now: u64) -> Result<(), Error> {
        let result = match self.exchange.received(length, now) {
            Ok(None) => return Ok(()),
            Ok(Some(length)) => self.finish(length),
            Err(error) => Err(error),
        };
        result.map_err(|error| self.fail(error))
    }

    /// Gives up the operation, and with it the connection, because the transport failed. Returns
    /// the request that is not answered.
    pub fn cancel(&mut self) -> Code {
        self.disconnect();
        self.exchange.code()
    }

    fn finish(&mut self, length: usize) -> Result<(), Error> {
        match core::mem::replace(&mut self.task, Task::None) {
            Task::None => Ok(()),
            Task::Version => self.version(length),
            Task::Capabilities(version) => self.capabilities(version, length),
            Task::Algorithms(version, capabilities) => {
                self.algorithms(version, &capabilities, length)
            }
            Task::Digests => self.digests(length),
            Task::Certificate {
                slot,
                asked,
                received,
                total,
            } => self.certificate(length, slot, asked, received, total),
            Task::Challenge(challenge) => self.challenge_auth_received(length, &challenge),
            Task::Measurements(request) => self.measurements_received(length, &request),
        }
    }

    /// Ends the operation, and the connection where it has to end.
    fn fail(&mut self, error: Error) -> Error {
        let spares = match error.reason {
            Reason::Refused { code, .. } => !code.ends_connection(),
            Reason::Certificate { .. } => true,
            _ => error.message == Code::CERTIFICATE && error.field == Field::RootHash,
        };
        if spares {
            self.exchange.cancel();
            self.task = Task::None;
            self.transcripts.reset(Purpose::Measurements);
        } else {
            self.disconnect();
        }
        error
    }

    fn disconnect(&mut self) {
        self.exchange.cancel();
        self.task = Task::None;
        self.connection = None;
        self.masks = None;
        self.identity_lost = false;
        self.summary = None;
        self.response = Response::None;
        self.transcripts.clear();
    }

    /// Forgets digests and keys of all slots: what comes next may be another device.
    pub fn forget(&mut self) {
        for slot in &mut self.slots {
            slot.digest = None;
            slot.info = None;
            slot.leaf = None;
        }
        self.slots_for = None;
        self.chain_in = None;
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Pins: from the next connection on, nothing weaker.
    pub fn set_floor(&mut self, floor: super::config::Floor) {
        self.config.floor = floor;
    }

    /// The connection, if there is one.
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// What takes the transcripts.
    pub fn sink(&mut self) -> &mut S {
        self.transcripts.sink()
    }

    /// The transcript from GET_VERSION to ALGORITHMS, as far as it has come.
    pub fn vca(&self) -> &[u8] {
        self.transcripts.vca()
    }

    /// SupportedSlotMask and ProvisionedSlotMask, if DIGESTS was read in this connection.
    pub fn slot_masks(&self) -> Option<(u8, u8)> {
        self.masks
    }

    /// The digest of the chain in a slot, if it is known.
    pub fn digest(&self, slot: u8) -> Option<&Digest> {
        self.slots.get(usize::from(slot))?.digest.as_ref()
    }

    /// What a multi-key connection says of the key of a slot.
    pub fn key_info(&self, slot: u8) -> Option<KeyInfo> {
        self.slots.get(usize::from(slot))?.info
    }

    /// Whether the device itself makes the last certificates of a slot: [`Chain::identity`] wants to
    /// know. `None` without a connection.
    pub fn is_alias(&self, slot: u8) -> Option<bool> {
        let flags = self.connection.as_ref()?.capabilities.flags;
        Some(match self.key_info(slot) {
            Some(info) => info.model == CertificateModel::Alias,
            None => flags.has(Flags::ALIAS_CERT),
        })
    }

    /// What is known of the root hash of a slot whose chain holds together.
    pub fn root_hash(&self, slot: u8) -> Option<RootHash> {
        Some(self.slots.get(usize::from(slot))?.leaf.as_ref()?.root)
    }

    /// What the last challenge in this connection said of all measurements, if they were summed up.
    pub fn summary(&self) -> Option<&Digest> {
        self.summary.as_ref()
    }

    /// The chain that was read last, with its slot. It may have been refused.
    ///
    /// # Errors
    ///
    /// As [`Chain::parse`].
    pub fn chain(&self) -> Option<(u8, Result<Chain<'_>, Error>)> {
        let (slot, length) = self.chain_in?;
        let bytes = self.chain.get(..length)?;
        let connection = self.connection.as_ref()?;
        let digest = connection.selection.hash?.size();
        Some((slot, Chain::parse(bytes, connection.version, digest)))
    }

    /// CHALLENGE_AUTH, if that was read last.
    pub fn challenge_auth(&self) -> Option<ChallengeAuth<'_>> {
        let Response::Challenge(layout, length) = self.response else {
            return None;
        };
        let message = self.exchange.response(length);
        ChallengeAuth::read(&mut Reader::new(Code::CHALLENGE_AUTH, message), &layout).ok()
    }

    /// MEASUREMENTS, if that was read last.
    pub fn measurements(&self) -> Option<Measurements<'_>> {
        let Response::Measurements(layout, length) = self.response else {
            return None;
        };
        let message = self.exchange.response(length);
        Measurements::read(&mut Reader::new(Code::MEASUREMENTS, message), &layout).ok()
    }

    /// What holds for the exchanges of a connection.
    fn rules(&self, connection: &Connection) -> Rules {
        let capabilities = &connection.capabilities;
        Rules {
            version: connection.version,
            chunks: self.chunks(connection),
            not_ready: true,
            request_size: size(capabilities.data_transfer_size),
            response_size: size(self.config.data_transfer_size),
            response_max: size(self.config.longest()),
            answer_time: self.config.timing.cryptographic(capabilities.ct_exponent),
            timing: self.config.timing,
            padding: self.config.padding,
        }
    }

    /// Whether both sides take chunks.
    fn chunks(&self, connection: &Connection) -> bool {
        self.config.chunks
            && connection.version >= Version::V12
            && connection.capabilities.flags.has(Flags::CHUNK)
    }

    /// The connection, if it can do what is asked for and no operation runs.
    fn capable(&self, request: Code, flags: Flags) -> Result<Connection, Error> {
        let error = |reason| Error::new(request, Field::Message, reason);
        let connection = match (self.connection, self.task) {
            (Some(connection), Task::None) => connection,
            _ => return Err(error(Reason::Order)),
        };
        if !connection.capabilities.flags.has(flags) {
            return Err(error(Reason::NotCapable));
        }
        Ok(connection)
    }

    fn slot(&self, slot: u8) -> Option<&Slot<C::Key>> {
        self.slots.get(usize::from(slot))
    }
}

fn size(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
