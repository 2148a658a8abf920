// SPDX-License-Identifier: GPL-2.0

//! One sequence of messages, from GET_VERSION to the signature that proves who is there.

use super::{
    crypto::{
        self,
        Kernel, //
    },
    evidence::{
        Evidence,
        Octets, //
    },
    log::Signature,
    policy::{
        plain_sha256,
        sha256,
        Pin,
        Sha256, //
    },
    protocol::{
        algorithms::HashAlgorithm,
        blocks::{
            Block,
            Kind, //
        },
        capabilities::Flags,
        chain::Chain,
        challenge::{
            Challenge,
            Summary, //
        },
        config::{
            Config,
            Connection,
            Floor, //
        },
        digests::{
            KeyInfo,
            SLOTS, //
        },
        evidence::Exchanges,
        measurements::{
            GetMeasurements,
            Operation,
            Signed, //
        },
        requester::{
            Buffers,
            Requester, //
        },
        signing::Purpose,
        transcript::{
            Sink,
            VCA_MAX, //
        },
        transport::{
            Dialogue,
            Failure, //
        },
        version::Version,
        wire::{
            CONTEXT_SIZE,
            NONCE_SIZE, //
        }, //
    },
    transport::Port,
    trouble::Trouble, //
};
use crate::{
    kapi::random,
    link::zeroed, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Longest message in chunks, in bytes.
const MESSAGE_MAX: u32 = 0x1_0000;

/// Longest chain, in bytes.
const CHAIN_MAX: usize = 0xffff;

/// Longest transcript that is kept, in bytes: all slots with their longest chains.
const TRANSCRIPT_MAX: usize = 0xc_0000;

/// Measurements that say nothing about the state of the engine.
const INFORMATIONAL: Kind = Kind(9);

/// How often the engine may ask to begin again.
const RESTARTS: u32 = 2;

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    /// All that the engine can prove, with nonces of the kernel. Nothing weaker than this.
    Everything(Floor),
    /// Measurements that are signed with this nonce, by the key of this slot.
    Measurements([u8; NONCE_SIZE], Option<u8>),
}

/// What was found out.
pub(super) struct Findings {
    pub(super) evidence: Evidence,
    pub(super) signatures: KVec<Signature>,
    /// What makes the engine the same.
    pub(super) pin: Pin,
}

/// Keeps transcripts.
struct Recorder {
    challenge: KVVec<u8>,
    measurements: KVVec<u8>,
    /// There was no memory, or too much to keep.
    lost: bool,
}

impl Recorder {
    fn new() -> Self {
        Self {
            challenge: KVVec::new(),
            measurements: KVVec::new(),
            lost: false,
        }
    }

    fn transcript(&mut self, purpose: Purpose) -> &mut KVVec<u8> {
        match purpose {
            Purpose::Challenge => &mut self.challenge,
            Purpose::Measurements => &mut self.measurements,
        }
    }

    /// Takes a transcript out.
    fn take(&mut self, purpose: Purpose) -> Result<Arc<Octets>> {
        if self.lost {
            return Err(ENOMEM);
        }
        Octets::new(core::mem::take(self.transcript(purpose)))
    }
}

impl Sink for Recorder {
    fn begin(&mut self, purpose: Purpose) {
        self.transcript(purpose).clear();
    }

    fn append(&mut self, purpose: Purpose, bytes: &[u8]) {
        let transcript = self.transcript(purpose);
        let kept = transcript.len().saturating_add(bytes.len()) <= TRANSCRIPT_MAX
            && transcript.extend_from_slice(bytes, GFP_KERNEL).is_ok();
        self.lost |= !kept;
    }
}

type Own = Requester<Kernel, KVVec<u8>, Recorder>;
type Talk<'a, 'p> = Dialogue<'a, Kernel, KVVec<u8>, Recorder, Port<'p>>;

/// Runs a sequence. Process context, up to 60 s.
///
/// # Errors
///
/// What went wrong.
pub(super) fn run(port: &mut Port<'_>, ask: Ask) -> Result<Findings, Trouble> {
    let mut requester = requester(port.limit(), ask)?;
    let mut talk = Dialogue {
        requester: &mut *requester,
        transport: port,
    };
    for _ in 0..RESTARTS {
        match sequence(&mut talk, ask) {
            Err(trouble) if trouble.asks_for_restart() => {}
            result => return result,
        }
    }
    sequence(&mut talk, ask)
}

/// A requester for messages of this many bytes.
///
/// Not inlined: what it takes on the stack must be gone before the dialogue begins.
#[inline(never)]
fn requester(limit: usize, ask: Ask) -> Result<KBox<Own>, Trouble> {
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let mut config = Config::new(limit, MESSAGE_MAX.max(limit));
    if let Ask::Everything(floor) = ask {
        config.floor = floor;
    }
    if !crypto::has(HashAlgorithm::Sha3_256)? {
        config.offer.base_hash &= !sha3();
    }
    let buffers = Buffers {
        vca: zeroed(VCA_MAX, GFP_KERNEL)?,
        message: zeroed(Buffers::<KVVec<u8>>::message_size(&config), GFP_KERNEL)?,
        chain: zeroed(CHAIN_MAX, GFP_KERNEL)?,
    };
    let requester = Requester::new(Kernel, Recorder::new(), config, buffers)?;
    Ok(KBox::new(requester, GFP_KERNEL).map_err(Error::from)?)
}

/// The hash algorithms that are in a module of the kernel, which may not be there.
fn sha3() -> u32 {
    let names = [
        HashAlgorithm::Sha3_256,
        HashAlgorithm::Sha3_384,
        HashAlgorithm::Sha3_512,
    ];
    names.iter().fold(0, |bits, hash| bits | hash.bit())
}

fn sequence(talk: &mut Talk<'_, '_>, ask: Ask) -> Result<Findings, Trouble> {
    *talk.requester.sink() = Recorder::new();
    talk.connect()?;
    let connection = *talk.requester.connection().ok_or(EIO)?;
    let flags = connection.capabilities.flags;
    check_capabilities(flags, ask)?;

    talk.get_digests()?;
    let (supported, provisioned) = talk.requester.slot_masks().ok_or(EIO)?;
    let signers = Signers::choose(talk.requester, provisioned, flags, ask)?;
    let chains = get_chains(talk, provisioned, &signers)?;
    let mut signatures = KVec::new();

    if let (Some(slot), Ask::Everything(_)) = (signers.challenge, ask) {
        let signature = challenge(talk, flags, slot)?;
        signatures
            .push(signature, GFP_KERNEL)
            .map_err(Error::from)?;
    }
    let (measurements, digest) = match signers.measurements {
        Some(slot) => {
            let nonce = match ask {
                Ask::Measurements(nonce, _) => nonce,
                Ask::Everything(_) => fresh()?,
            };
            let (signature, exchanges, digest) = measure(talk, slot, nonce)?;
            signatures
                .push(signature, GFP_KERNEL)
                .map_err(Error::from)?;
            (exchanges, digest)
        }
        // What it measures without a signature, the challenge has summed up with one.
        None => {
            let summary = talk
                .requester
                .summary()
                .map(|summary| plain_sha256(summary));
            let digest = summary.transpose()?.unwrap_or_default();
            (Octets::copy(&[])?, digest)
        }
    };
    let slot = signers.measurements.or(signers.challenge).ok_or(EIO)?;
    let evidence = Evidence {
        connection,
        generation: 0,
        slot,
        supported,
        provisioned,
        vca: Octets::copy(&[talk.requester.vca()])?,
        measurements,
        chains,
    };
    for signature in &mut signatures {
        signature.complete(&evidence)?;
    }
    let pin = Pin {
        identity: identity(&evidence, talk.requester.is_alias(slot) == Some(true))?,
        algorithms: algorithms(&connection)?,
        measurements: digest,
        floor: Floor::of(&connection),
    };
    Ok(Findings {
        evidence,
        signatures,
        pin,
    })
}

fn check_capabilities(flags: Flags, ask: Ask) -> Result<(), Trouble> {
    if !flags.has(Flags::CERT) {
        return Err(Trouble::Unsupported("the engine has no certificates"));
    }
    let signs = match ask {
        Ask::Everything(_) => flags.has(Flags::CHAL) || flags.has(Flags::MEAS_SIG),
        Ask::Measurements(..) => flags.has(Flags::MEAS_SIG),
    };
    match (signs, ask) {
        (true, _) => Ok(()),
        (false, Ask::Everything(_)) => Err(Trouble::Unsupported(
            "the engine signs neither challenges nor measurements",
        )),
        (false, Ask::Measurements(..)) => {
            Err(Trouble::Unsupported("the engine signs no measurements"))
        }
    }
}

/// The slots whose keys sign.
struct Signers {
    challenge: Option<u8>,
    measurements: Option<u8>,
}

impl Signers {
    fn choose(requester: &Own, provisioned: u8, flags: Flags, ask: Ask) -> Result<Self, Trouble> {
        let lowest = |capability, usage| {
            slots(provisioned).find(|slot| {
                let info = requester.key_info(*slot);
                flags.has(capability) && info.is_none_or(|info| info.usage & usage != 0)
            })
        };
        let (challenge, measurements) = match ask {
            Ask::Measurements(_, Some(slot)) if slots(provisioned).all(|s| s != slot) => {
                return Err(Trouble::NoSuchSlot)
            }
            Ask::Measurements(_, Some(slot)) => (None, Some(slot)),
            Ask::Measurements(_, None) => (None, lowest(Flags::MEAS_SIG, KeyInfo::MEASUREMENT)),
            Ask::Everything(_) => (
                lowest(Flags::CHAL, KeyInfo::CHALLENGE),
                lowest(Flags::MEAS_SIG, KeyInfo::MEASUREMENT),
            ),
        };
        if challenge.is_none() && measurements.is_none() {
            return Err(Trouble::Unsupported("no slot has a key that may sign"));
        }
        Ok(Self {
            challenge,
            measurements,
        })
    }

    fn has(&self, slot: u8) -> bool {
        self.challenge == Some(slot) || self.measurements == Some(slot)
    }
}

/// The slots of a mask.
fn slots(mask: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |slot| mask & (1 << slot) != 0)
}

/// Reads all chains. Those of the signers must hold together; what the others are worth is for
/// somebody else to judge.
fn get_chains(
    talk: &mut Talk<'_, '_>,
    provisioned: u8,
    signers: &Signers,
) -> Result<[Option<Arc<Octets>>; SLOTS], Trouble> {
    let mut chains = [const { None }; SLOTS];
    for slot in slots(provisioned) {
        if let Err(failure) = talk.get_certificate(slot) {
            let spared =
                matches!(failure, Failure::Protocol(_)) && talk.requester.connection().is_some();
            if signers.has(slot) || !spared {
                return Err(failure.into());
            }
        }
        let chain = match Requester::chain(talk.requester) {
            Some((read, Ok(chain))) if read == slot => Some(Octets::copy(&[chain.bytes()])?),
            _ => None,
        };
        if let Some(place) = chains.get_mut(usize::from(slot)) {
            *place = chain;
        }
    }
    Ok(chains)
}

fn fresh<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    random::fill(&mut bytes)?;
    Ok(bytes)
}

fn challenge(talk: &mut Talk<'_, '_>, flags: Flags, slot: u8) -> Result<Signature, Trouble> {
    let nonce = fresh()?;
    talk.challenge(Challenge {
        slot,
        summary: if flags.has_measurements() {
            Summary::All
        } else {
            Summary::None
        },
        nonce,
        context: fresh::<CONTEXT_SIZE>()?,
    })?;
    let transcript = talk.requester.sink().take(Purpose::Challenge)?;
    let auth = talk.requester.challenge_auth().ok_or(EIO)?;
    Ok(Signature::new(
        Purpose::Challenge,
        slot,
        transcript,
        Octets::copy(&[auth.signature])?,
        nonce,
        auth.nonce,
    ))
}

/// Gets all measurements, signed. Returns the signature, the exchanges, and a digest of what was
/// measured.
fn measure(
    talk: &mut Talk<'_, '_>,
    slot: u8,
    nonce: [u8; NONCE_SIZE],
) -> Result<(Signature, Arc<Octets>, Sha256), Trouble> {
    talk.get_all_measurements(GetMeasurements {
        operation: Operation::All,
        signed: Some(Signed { nonce, slot }),
        raw: false,
        new: false,
        context: fresh::<CONTEXT_SIZE>()?,
    })?;
    let transcript = talk.requester.sink().take(Purpose::Measurements)?;
    let connection = *talk.requester.connection().ok_or(EIO)?;
    let response = talk.requester.measurements().ok_or(EIO)?;
    let vca = match connection.version >= Version::V12 {
        true => talk.requester.vca().len(),
        false => 0,
    };
    let exchanges = transcript.get(vca..).ok_or(EIO)?;
    let digest = measured(Exchanges::new(&connection, exchanges))?;
    let exchanges = Octets::copy(&[exchanges, response.signature])?;
    let signature = Signature::new(
        Purpose::Measurements,
        slot,
        transcript,
        Octets::copy(&[response.signature])?,
        nonce,
        response.nonce,
    );
    Ok((signature, exchanges, digest))
}

/// Digest of what was measured, without what the responder says for information only.
fn measured(exchanges: Exchanges<'_>) -> Result<Sha256, Trouble> {
    let mut bytes = KVVec::new();
    for exchange in exchanges {
        let (_, response) = exchange?;
        for block in response.record.blocks() {
            if block.kind != INFORMATIONAL {
                append(&mut bytes, &block)?;
            }
        }
    }
    Ok(plain_sha256(&bytes)?)
}

fn append(bytes: &mut KVVec<u8>, block: &Block<'_>) -> Result {
    let raw = u8::from(block.raw);
    // CAST: A block is at most 64 KiB long.
    let length = (block.value.len() as u32).to_le_bytes();
    bytes.extend_from_slice(&[block.index, block.kind.0, raw], GFP_KERNEL)?;
    bytes.extend_from_slice(&length, GFP_KERNEL)?;
    bytes.extend_from_slice(block.value, GFP_KERNEL)?;
    Ok(())
}

/// Digest of the identity of the engine. `alias`: new firmware brings new certificates.
fn identity(evidence: &Evidence, alias: bool) -> Result<Sha256, Trouble> {
    let chain = evidence.object(evidence.slot.into()).ok_or(EIO)?;
    let chain = Chain::parse(chain, evidence.connection.version, evidence.hash().size())?;
    Ok(plain_sha256(chain.identity(alias))?)
}

/// Digest of version and algorithms.
fn algorithms(connection: &Connection) -> Result<Sha256> {
    let selection = &connection.selection;
    sha256(
        b"issei-algorithms-1\0",
        &[
            &[connection.version.byte()],
            selection.asym.map_or("", |asym| asym.name()).as_bytes(),
            selection.hash.map_or("", |hash| hash.name()).as_bytes(),
            selection
                .measurement_hash
                .map_or("", |hash| hash.name())
                .as_bytes(),
        ],
    )
}
