// SPDX-License-Identifier: GPL-2.0

//! `/sys/class/issei/issei<N>/spdm`: what the agent has found out, the certificates, the log; and
//! the lines and events that tell of it.

use super::{
    evidence::{
        Evidence,
        Part, //
    },
    log::{
        hex,
        Log,
        Signature, //
    },
    netlink,
    policy::{
        Policy,
        Sha256, //
    },
    trouble::Word, //
};
use crate::{
    device::Issei,
    kapi::{
        attribute::{
            Attribute,
            Output, //
        },
        blob::{
            Blob,
            Directory, //
        },
        boot,
        capability,
        chardev::ClassDevice,
        kobject::Subdirectory, //
    },
    sysfs::LogBudget, //
};
use kernel::{
    fmt::Write,
    prelude::*,
    str::CString, //
};

/// Memory for certificates and log, in bytes: default, least and most.
const MEMORY: usize = 1 << 20;
const MEMORY_MIN: usize = 1 << 16;
const MEMORY_MAX: usize = 1 << 24;

/// Bytes of the boot id.
const BOOT_ID: usize = 16;

/// The directory.
pub(crate) const DIRECTORY: Subdirectory<Issei> = Subdirectory::new(c"spdm", ATTRIBUTES);

const ATTRIBUTES: &[Attribute<Issei>] = &[
    Attribute::ro(c"state", |dev, out| {
        Ok(writeln!(out, "{}", dev.spdm_status().state)?)
    }),
    Attribute::ro(c"version", |dev, out| {
        let evidence = dev.spdm_evidence().ok_or(ENODATA)?;
        Ok(writeln!(out, "{}", evidence.connection.version)?)
    }),
    Attribute::ro(c"algorithms", algorithms),
    Attribute::ro(c"fresh", |dev, out| {
        Ok(writeln!(out, "{}", dev.spdm_status().fresh)?)
    }),
    Attribute::ro(c"anchored", |dev, out| {
        Ok(writeln!(out, "{}", dev.spdm_status().anchored)?)
    }),
    Attribute::ro(c"pinned", |dev, out| {
        Ok(writeln!(out, "{}", dev.spdm_status().pinned)?)
    }),
    Attribute::rw(
        c"accepted",
        |dev, out| Ok(writeln!(out, "{}", dev.spdm_status().accepted)?),
        accept,
    ),
    Attribute::ro(c"generation", |dev, out| {
        Ok(writeln!(out, "{}", dev.spdm_status().generation)?)
    }),
    Attribute::ro(c"digest", |dev, out| {
        let digest = dev.spdm_status().digest.ok_or(ENODATA)?;
        write!(out, "{DIGEST_PREFIX}")?;
        line(out, &digest)
    }),
    Attribute::rw(
        c"policy",
        |dev, out| {
            let policy = dev.spdm.state.lock().policy;
            Ok(writeln!(out, "{}", policy.word())?)
        },
        |dev, text| {
            administrator()?;
            dev.spdm_set_policy(Policy::from_word(text.trim_ascii())?);
            Ok(())
        },
    ),
    Attribute::wo(c"authenticate", |dev, text| match text.trim_ascii() {
        b"1" => dev.spdm_request(),
        _ => Err(EINVAL),
    }),
    Attribute::ro(c"log_head", |dev, out| {
        let head = *dev.spdm.published.lock().log.head();
        line(out, &head)
    }),
    Attribute::ro(c"log_count", |dev, out| {
        let count = dev.spdm.published.lock().log.count();
        Ok(writeln!(out, "{count}")?)
    }),
    Attribute::ro(c"log_dropped", |dev, out| {
        let dropped = dev.spdm.published.lock().log.dropped();
        Ok(writeln!(out, "{dropped}")?)
    }),
    Attribute::rw(
        c"memory_limit",
        |dev, out| {
            let limit = dev.spdm.published.lock().limit;
            Ok(writeln!(out, "{limit}")?)
        },
        |dev, text| {
            administrator()?;
            let limit = number(text.trim_ascii())?;
            if !(MEMORY_MIN..=MEMORY_MAX).contains(&limit) {
                return Err(EINVAL);
            }
            dev.spdm.published.lock().set_limit(limit);
            Ok(())
        },
    ),
    Attribute::ro(c"memory_used", |dev, out| {
        let used = dev.spdm.published.lock().memory();
        Ok(writeln!(out, "{used}")?)
    }),
];

/// What comes before a digest.
const DIGEST_PREFIX: &str = "sha256:";

fn algorithms(dev: &Issei, out: &mut Output<'_>) -> Result {
    let evidence = dev.spdm_evidence().ok_or(ENODATA)?;
    let selection = &evidence.connection.selection;
    let asym = selection.asym.map_or("none", |asym| asym.name());
    let hash = selection.hash.map_or("none", |hash| hash.name());
    let measurements = selection
        .measurement_hash
        .map_or("none", |hash| hash.name());
    Ok(writeln!(out, "{asym} {hash} {measurements}")?)
}

fn line(out: &mut Output<'_>, digest: &Sha256) -> Result {
    for digit in hex(digest) {
        out.write_char(digit.into())?;
    }
    Ok(writeln!(out)?)
}

/// # Errors
///
/// - `EPERM`: the caller is no administrator.
fn administrator() -> Result {
    match capability::sys_admin() {
        true => Ok(()),
        false => Err(EPERM),
    }
}

fn number(text: &[u8]) -> Result<usize> {
    let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
    text.parse().map_err(|_| EINVAL)
}

/// Takes `GENERATION DIGEST`, or `none`.
fn accept(dev: &Issei, text: &[u8]) -> Result {
    administrator()?;
    let text = core::str::from_utf8(text.trim_ascii()).map_err(|_| EINVAL)?;
    if text == "none" {
        dev.spdm_withdraw();
        return Ok(());
    }
    let (generation, digest) = text.split_once(' ').ok_or(EINVAL)?;
    let generation = generation.parse().map_err(|_| EINVAL)?;
    let digits = digest.strip_prefix(DIGEST_PREFIX).ok_or(EINVAL)?;
    dev.spdm_accept(generation, &parse_digest(digits.as_bytes())?)
}

fn parse_digest(digits: &[u8]) -> Result<Sha256> {
    let mut digest = [0; 32];
    if digits.len() != digest.len() * 2 {
        return Err(EINVAL);
    }
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(EINVAL),
    };
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        if let [high, low] = *pair {
            *byte = nibble(high)? << 4 | nibble(low)?;
        }
    }
    Ok(digest)
}

/// What users see of the agent, beside the attributes.
pub(super) struct Published {
    directories: Option<Directories>,
    certificates: KVec<Blob<Part>>,
    /// Bytes that the certificates take.
    certificate_memory: usize,
    log: Log,
    limit: usize,
    /// Something has changed that nobody was told of.
    news: bool,
    told: Option<Word>,
    budget: LogBudget,
}

struct Directories {
    certificates: Directory,
    signatures: Directory,
}

impl Published {
    /// Nothing.
    pub(super) fn new() -> Self {
        Self {
            directories: None,
            certificates: KVec::new(),
            certificate_memory: 0,
            log: Log::new(),
            limit: MEMORY,
            news: false,
            told: None,
            budget: LogBudget::new(),
        }
    }

    /// The head of the log, and how many entries were ever made in it.
    pub(super) fn log(&self) -> (Sha256, u64) {
        (*self.log.head(), self.log.count())
    }

    /// There is something to tell.
    pub(super) fn tell(&mut self) {
        self.news = true;
    }

    fn memory(&self) -> usize {
        self.log.memory().saturating_add(self.certificate_memory)
    }

    fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.shrink();
    }

    fn shrink(&mut self) {
        let left = self.limit.saturating_sub(self.certificate_memory);
        self.log.shrink(left);
    }

    fn begin_log(&mut self) -> Result {
        let Some(directories) = &self.directories else {
            return Err(ENODEV);
        };
        if self.log.count() > 0 {
            return Ok(());
        }
        let boot_id = boot::id().unwrap_or([0; BOOT_ID]);
        self.log.begin(&directories.signatures, &boot_id)
    }

    fn add_signatures(&mut self, signatures: KVec<Signature>) -> Result {
        self.begin_log()?;
        let Some(directories) = &self.directories else {
            return Err(ENODEV);
        };
        for signature in signatures {
            self.log.add(&directories.signatures, signature)?;
        }
        self.shrink();
        Ok(())
    }

    fn show_certificates(&mut self, evidence: Option<&Evidence>) -> Result {
        self.certificates.clear();
        self.certificate_memory = 0;
        let (Some(directories), Some(evidence)) = (&self.directories, evidence) else {
            return Ok(());
        };
        self.certificate_memory = evidence.chain_memory();
        for slot in 0..8 {
            if let Some(part) = evidence.certificates(slot)? {
                let blob = Blob::new(&directories.certificates, fmt!("slot{slot}"), part)?;
                self.certificates.push(blob, GFP_KERNEL)?;
            }
        }
        self.shrink();
        Ok(())
    }
}

/// Creates the directories of a registered device. May sleep.
///
/// # Errors
///
/// - `ENOMEM`, and what sysfs gives.
pub(crate) fn start(dev: &ClassDevice<Issei>) -> Result {
    dev.spdm.published.lock().directories = Some(Directories {
        certificates: Directory::new(dev, c"certificates")?,
        signatures: Directory::new(dev, c"signatures")?,
    });
    Ok(())
}

/// Removes what is below the directory, before the device is unregistered. May sleep.
pub(crate) fn stop(dev: &Issei) {
    let mut published = dev.spdm.published.lock();
    published.certificates.clear();
    published.log.clear();
    published.directories = None;
}

/// Makes the first entry of the log, if there is none. May sleep.
pub(super) fn begin_log(dev: &ClassDevice<Issei>) {
    let begun = dev.spdm.published.lock().begin_log();
    complain(dev, "the SPDM log cannot begin", begun);
}

/// Adds to the log. May sleep.
///
/// # Errors
///
/// - `ENOMEM`, and what sysfs gives.
pub(super) fn add_signatures(dev: &Issei, signatures: KVec<Signature>) -> Result {
    dev.spdm.published.lock().add_signatures(signatures)
}

/// Shows the certificates of the evidence, or none. May sleep.
pub(super) fn show_certificates(dev: &ClassDevice<Issei>, evidence: Option<&Evidence>) {
    let shown = dev.spdm.published.lock().show_certificates(evidence);
    complain(dev, "cannot show the certificates", shown);
}

fn complain(dev: &ClassDevice<Issei>, what: &str, result: Result) {
    match result {
        Ok(()) => {}
        Err(error) if may_log(dev) => dev_err!(dev, "{what}: {error:?}\n"),
        Err(_) => {}
    }
}

/// Whether the agent may write a line to the log. May sleep.
pub(super) fn may_log(dev: &ClassDevice<Issei>) -> bool {
    dev.spdm.published.lock().budget.take(dev)
}

/// Tells of news: in the kernel log, by an event, and by netlink. May sleep.
///
/// Not inlined: what it takes on the stack must not be there while the agent is at work.
#[inline(never)]
pub(super) fn announce(dev: &ClassDevice<Issei>) {
    let status = dev.spdm_status();
    {
        let mut published = dev.spdm.published.lock();
        if !core::mem::take(&mut published.news) {
            return;
        }
        let again = published.told.replace(status.word) == Some(status.word);
        if is_worth_a_line(status.word, again) && published.budget.take(dev) {
            match status.word {
                Word::Authenticated => dev_info!(
                    dev,
                    "SPDM: authenticated, anchored {}, pinned {}, accepted {}\n",
                    format_args!("{}", status.anchored),
                    format_args!("{}", status.pinned),
                    format_args!("{}", status.accepted)
                ),
                Word::Changed | Word::Failed => dev_warn!(dev, "SPDM: {}\n", status.state.as_str()),
                _ => dev_info!(dev, "SPDM: {}\n", status.state.as_str()),
            }
        }
    }
    let event = CString::try_from_fmt(fmt!("ISSEI_SPDM={}", status.word.as_str()))
        .and_then(|variable| dev.changed(&variable));
    match event {
        // Nobody looks at a device that is being removed.
        Ok(()) | Err(ENODEV) => {}
        Err(error) if may_log(dev) => dev_err!(dev, "event lost: {error:?}\n"),
        Err(_) => {}
    }
    netlink::announce(dev, &status);
}

/// That the link is lost has a line already, and that a feature is absent needs none.
fn is_worth_a_line(word: Word, again: bool) -> bool {
    match word {
        Word::Off | Word::Waiting | Word::Running | Word::Absent => false,
        Word::Authenticated | Word::Busy | Word::Unsupported => !again,
        Word::Changed | Word::Failed | Word::Error => true,
    }
}
