// SPDX-License-Identifier: GPL-2.0

//! The generic netlink family `issei-evidence`: programs read evidence, with a nonce of their own if
//! they like, and hear of results.
//!
//! Specification: `Documentation/netlink/specs/issei-evidence.yaml`.

mod uapi;

use self::uapi::*;
use super::{
    collect,
    evidence::Evidence,
    sysfs::may_log,
    Failure,
    Status,
    Verdict, //
};
use crate::{
    device::Issei,
    kapi::{
        chardev::ClassDevice,
        global::{
            self,
            Global, //
        },
        hash,
        netlink::{
            self,
            Dump,
            Family,
            Group,
            Message,
            Operation,
            Part,
            Policy,
            Progress,
            Request, //
        }, //
    },
    pci::CLASS,
    LocalModule, //
};
use kernel::{
    device,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

/// Bytes of an object in one message.
const FRAGMENT: usize = 3072;

/// Longest name of a device that is looked for.
const NAME_MAX: u16 = 31;

/// Index of the group for results.
const RESULTS: u32 = 0;

/// One bit for each type.
const ALL_TYPES: u32 = (1 << (TYPE_MEASUREMENTS + 1)) - 1;

static OPERATIONS: [Operation; 1] = [Operation::dump::<Read>()];
static GROUPS: [Group; 1] = [Group::new(c"results")];
static FAMILY: Family =
    Family::new::<LocalModule>(c"issei-evidence", FAMILY_VERSION, &OPERATIONS, &GROUPS);
static REGISTERED: Global<netlink::Registration> = Global::new();

/// Registers the family, until what this returns is dropped. May sleep.
///
/// # Errors
///
/// - `EEXIST`: the kernel has a family of this name.
/// - `ENOMEM`
pub(crate) fn register() -> Result<global::Registration<netlink::Registration>> {
    REGISTERED.register(FAMILY.register()?)
}

/// Tells programs that listen what the agent of a device has come to. May sleep.
pub(super) fn announce(dev: &ClassDevice<Issei>, status: &Status) {
    let Some(family) = REGISTERED.get() else {
        return;
    };
    if !family.has_listeners(RESULTS) {
        return;
    }
    match family.multicast(RESULTS, CMD_RESULT, |message| {
        put_result(message, dev, status)
    }) {
        // Who listened has gone, or knows that it has missed something.
        Ok(()) | Err(ESRCH | ENOBUFS) => {}
        Err(error) if may_log(dev) => {
            dev_warn!(dev, "SPDM: a result was not announced: {error:?}\n")
        }
        Err(_) => {}
    }
}

fn put_result(message: &mut Message<'_>, dev: &ClassDevice<Issei>, status: &Status) -> Result {
    let (log_head, log_count) = dev.spdm.published.lock().log();

    message.put_string(A_DEV_NAME, name(dev))?;
    message.put_u32(A_GENERATION, status.generation)?;
    message.put_string(A_STATE, status.state.as_c_str())?;
    for (attribute, finding) in [
        (A_FRESH, &status.fresh),
        (A_ANCHORED, &status.anchored),
        (A_PINNED, &status.pinned),
        (A_ACCEPTED, &status.accepted),
    ] {
        message.put_u32(attribute, verdict(finding.verdict))?;
    }
    if let Some(digest) = &status.digest {
        message.put(A_DIGEST, digest)?;
    }
    message.put(A_LOG_HEAD, &log_head)?;
    message.put_uint(A_LOG_COUNT, log_count)
}

fn name(dev: &ClassDevice<Issei>) -> &CStr {
    let dev: &device::Device = dev.as_ref();
    dev.name()
}

fn verdict(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::NotChecked => VERDICT_NOT_CHECKED,
        Verdict::Yes => VERDICT_YES,
        Verdict::No => VERDICT_NO,
    }
}

fn algorithm(algorithm: hash::Algorithm) -> u32 {
    match algorithm {
        hash::Algorithm::Sha256 => HASH_ALGO_SHA256,
        hash::Algorithm::Sha384 => HASH_ALGO_SHA384,
        hash::Algorithm::Sha512 => HASH_ALGO_SHA512,
        hash::Algorithm::Sha3_256 => HASH_ALGO_SHA3_256,
        hash::Algorithm::Sha3_384 => HASH_ALGO_SHA3_384,
        hash::Algorithm::Sha3_512 => HASH_ALGO_SHA3_512,
    }
}

/// A length or an offset, which no object has that does not fit.
fn number(bytes: usize) -> Result<u32> {
    u32::try_from(bytes).map_err(|_| EMSGSIZE)
}

/// A dump of evidence.
struct Read {
    dev: ARef<ClassDevice<Issei>>,
    mask: u32,
    digest: bool,
    source: Source,
}

/// Where the evidence of a dump comes from, and what of it was given.
enum Source {
    /// It is to be collected.
    Engine { nonce: [u8; 32], slot: Option<u8> },
    /// It is there. The next object to give is of this type, and the next byte of it is this.
    Memory {
        evidence: Arc<Evidence>,
        kind: u32,
        offset: usize,
    },
}

impl Source {
    fn memory(evidence: Arc<Evidence>) -> Self {
        Self::Memory {
            evidence,
            kind: TYPE_CERT0,
            offset: 0,
        }
    }
}

impl Dump for Read {
    const COMMAND: u8 = CMD_READ;
    const POLICY: &'static [Policy] = &[
        Policy::REJECT,
        Policy::REJECT,
        Policy::mask(ALL_TYPES),
        Policy::mask(FLAG_DIGEST),
        Policy::string(NAME_MAX),
        Policy::exact(32),
        Policy::REJECT,
        Policy::REJECT,
        Policy::REJECT,
        Policy::REJECT,
        Policy::max(7),
    ];

    fn start(request: &Request<'_>) -> Result<Self> {
        let name = request
            .string(A_DEV_NAME.into())
            .ok_or_else(|| request.refuse(c"dev-name is missing", EINVAL))?;
        let dev = CLASS
            .find(name)
            .ok_or_else(|| request.refuse(c"there is no device of this name", ENODEV))?;
        let slot = request.u32(A_SLOT.into()).map(u8::try_from).transpose()?;
        let source = match request.bytes(A_NONCE.into()) {
            Some(nonce) => Source::Engine {
                nonce: nonce.try_into().map_err(|_| EINVAL)?,
                slot,
            },
            None if slot.is_some() => {
                return Err(request.refuse(c"a slot can be chosen only with a nonce", EINVAL))
            }
            None => Source::memory(dev.spdm_evidence().ok_or_else(|| {
                request.refuse(
                    c"no evidence yet: ask with a nonce, or see spdm/state",
                    ENODATA,
                )
            })?),
        };
        Ok(Self {
            dev,
            mask: request.u32(A_TYPE_MASK.into()).unwrap_or(ALL_TYPES),
            digest: request.u32(A_FLAGS.into()).unwrap_or(0) & FLAG_DIGEST != 0,
            source,
        })
    }

    fn first(&mut self, part: &mut Part<'_>) -> Result {
        let status = self.dev.spdm_status();
        let generation = match &self.source {
            Source::Engine { .. } => status.generation,
            Source::Memory { evidence, .. } => evidence.generation(),
        };
        part.message(|message| {
            message.put_string(A_DEV_NAME, name(&self.dev))?;
            message.put_u32(A_GENERATION, generation)?;
            message.put_string(A_STATE, status.state.as_c_str())
        })
    }

    fn next(&mut self, part: &mut Part<'_>) -> Result<Progress> {
        if let Source::Engine { nonce, slot } = &self.source {
            match collect(&self.dev, nonce, *slot) {
                Ok(evidence) => self.source = Source::memory(evidence),
                Err(failure) => return Err(self.fail(part, &failure)),
            }
        }
        self.give(part)
    }
}

impl Read {
    /// Tells the caller why there is no evidence, in a message and in the extended ACK, which
    /// programs are more likely to look at.
    fn fail(&self, part: &mut Part<'_>, failure: &Failure) -> Error {
        let reason = failure.sentence.as_c_str();
        let told = part.message(|message| {
            message.put_string(A_DEV_NAME, name(&self.dev))?;
            message.put_string(A_STATE, reason)
        });
        match told {
            Ok(()) => part.refuse(reason, failure.errno),
            Err(error) => error,
        }
    }

    /// Gives as much as there is and fits.
    fn give(&mut self, part: &mut Part<'_>) -> Result<Progress> {
        let Source::Memory {
            evidence,
            kind,
            offset,
        } = &mut self.source
        else {
            return Ok(Progress::Done);
        };
        while *kind <= TYPE_MEASUREMENTS {
            let wanted = self.mask.checked_shr(*kind).unwrap_or(0) & 1 != 0;
            let object = evidence
                .object(*kind)
                .filter(|_| wanted)
                .unwrap_or_default();
            let rest = object.get(*offset..).unwrap_or_default();
            if rest.is_empty() {
                *kind = kind.saturating_add(1);
                *offset = 0;
                continue;
            }
            let given = match self.digest {
                true => rest.len(),
                false => rest.len().min(FRAGMENT),
            };
            let put = part.message(|message| {
                message.put_string(A_DEV_NAME, name(&self.dev))?;
                message.put_u32(A_TYPE, *kind)?;
                message.put_u32(A_GENERATION, evidence.generation())?;
                message.put_u32(A_SLOT, evidence.slot().into())?;
                message.put_u32(A_LENGTH, number(object.len())?)?;
                if self.digest {
                    let digest = hash::digest(evidence.hash(), &[object])?;
                    message.put_u32(A_HASH_ALGO, algorithm(evidence.hash()))?;
                    message.put(A_VAL, &digest)
                } else {
                    message.put_u32(A_OFFSET, number(*offset)?)?;
                    message.put(A_VAL, rest.get(..given).unwrap_or_default())
                }
            });
            match put {
                Ok(()) => *offset = offset.saturating_add(given),
                Err(EMSGSIZE) => return Ok(Progress::More),
                Err(error) => return Err(error),
            }
        }
        Ok(Progress::Done)
    }
}
