// SPDX-License-Identifier: GPL-2.0

//! Evidence directories: written so that half of one never looks whole, read without trust.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::check::Check;
use crate::exit::{Exit, Failure};

use super::description::{Description, Entry, Occasion, Signature, Spdm, SCHEMA};
use super::files::{self, File};
use super::{Evidence, Negotiated, SignedMeasurements, Transcript, Unreadable};

/// The check of the files.
pub const FILES: &str = "files";

/// More than this is not read of one file, in bytes.
const LIMIT: u64 = 16 << 20;

/// Says whether evidence can be written to a directory, and which files would be removed: it is not
/// there yet or empty or, with `force`, holds evidence only.
///
/// # Errors
///
/// It holds something, or cannot be read.
pub fn survey(directory: &Path, force: bool) -> Result<Vec<OsString>, Failure> {
    let fail = |error| Failure::file(directory, &error);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fail)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(fail)?.file_name());
    }
    let shown = directory.display();
    if !names.is_empty() && !force {
        let failure = Failure::new(Exit::Usage, format!("{shown} is not empty"));
        return Err(failure.advise("name another directory, or --force to replace the evidence"));
    }
    let known = |name: &OsString| name.to_str().is_some_and(files::is_known);
    if let Some(other) = names.iter().find(|name| !known(name)) {
        let other = other.to_string_lossy();
        let message = format!("{shown} holds {other}, which is not evidence");
        return Err(Failure::new(Exit::Usage, message).advise("name another directory"));
    }
    // Without its description it is no evidence any more.
    names.sort_by_key(|name| name != files::DESCRIPTION);
    Ok(names)
}

/// Prepares a directory to be written to: makes it, or removes what [`survey`] finds.
///
/// # Errors
///
/// As [`survey`], or it cannot be made.
pub fn prepare(directory: &Path, force: bool) -> Result<(), Failure> {
    let fail = |error| Failure::file(directory, &error);
    for name in survey(directory, force)? {
        fs::remove_file(directory.join(name)).map_err(fail)?;
    }
    fs::create_dir_all(directory).map_err(fail)
}

/// Writes evidence to a prepared directory. The description comes last.
///
/// # Errors
///
/// A file cannot be written; the evidence cannot be read, and then only what was received is
/// written.
pub fn write(
    directory: &Path,
    evidence: &Evidence,
    occasion: &Occasion,
) -> Result<Result<Description, Unreadable>, Failure> {
    for file in files::received(evidence) {
        write_file(directory, &file.name, &file.bytes)?;
    }
    let (description, derived) = match describe(evidence, occasion) {
        Ok(whole) => whole,
        Err(error) => return Ok(Err(error)),
    };
    for file in derived {
        write_file(directory, &file.name, &file.bytes)?;
    }
    let mut text = serde_json::to_string_pretty(&description)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    text.push('\n');
    let aside = files::DESCRIPTION_ASIDE;
    write_file(directory, aside, text.as_bytes())?;
    let fail = |error| Failure::file(directory, &error);
    fs::rename(directory.join(aside), directory.join(files::DESCRIPTION)).map_err(fail)?;
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(fail)?;
    Ok(Ok(description))
}

fn write_file(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = directory.join(name);
    let write = || {
        let mut file = fs::File::create_new(&path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| Failure::file(&path, &error))
}

/// The description of evidence, and the files that are made of it.
fn describe(
    evidence: &Evidence,
    occasion: &Occasion,
) -> Result<(Description, Vec<File>), Unreadable> {
    let negotiated = Negotiated::read(&evidence.vca)?;
    let measurements = SignedMeasurements::read(&evidence.measurements, &negotiated)?;
    let derived = files::derived(evidence, &negotiated, &measurements)?;
    let transcript = Transcript::new(&evidence.vca, &measurements, &negotiated);
    let nonce_offset = transcript.map_or(0, |transcript| transcript.nonce_offset);
    let all = files::received(evidence);
    let description = Description {
        schema: SCHEMA.into(),
        collected: occasion.now.to_string(),
        device: occasion.device.clone(),
        generation: occasion.generation,
        spdm: Spdm::new(&negotiated),
        slot: measurements.slot,
        nonce: hex::encode(measurements.nonce),
        nonce_offset,
        signature: Signature::new(&negotiated),
        files: all.iter().chain(&derived).map(Entry::from).collect(),
    };
    Ok((description, derived))
}

/// What a directory holds.
#[derive(Debug)]
pub struct Stored {
    /// The evidence, as far as it is there.
    pub evidence: Evidence,
    /// The description, if it can be read.
    pub description: Option<Description>,
    /// What is wrong with the files.
    pub problems: Vec<String>,
    /// Nothing can be verified, because this file is not there.
    pub lacks: Option<&'static str>,
}

impl Stored {
    /// The check of the files.
    pub fn check(&self) -> Check {
        if self.problems.is_empty() {
            Check::pass(FILES, "all are there, whole, and fit together")
        } else {
            Check::fail(FILES, self.problems.join("; "))
        }
    }
}

/// Reads a directory.
///
/// # Errors
///
/// There is no such directory, or nothing of evidence in it.
pub fn read(directory: &Path) -> Result<Stored, Failure> {
    let fail = |error| Failure::file(directory, &error);
    let found = fs::metadata(directory).map_err(fail)?;
    if !found.is_dir() {
        return Err(Failure::file(
            directory,
            &io::ErrorKind::NotADirectory.into(),
        ));
    }
    let mut problems = Vec::new();
    let description = read_description(directory, &mut problems)?;
    let vca = read_file(directory, files::VCA)?;
    let measurements = read_file(directory, files::MEASUREMENTS)?;
    if description.is_none() && vca.is_none() && measurements.is_none() {
        let message = format!("{} holds no evidence", directory.display());
        return Err(Failure::new(Exit::Usage, message).advise("isseictl attest -o DIR writes some"));
    }
    let mut lacks = None;
    let mut needed = |file: Option<Vec<u8>>, name: &'static str| {
        if file.is_none() {
            lacks = lacks.or(Some(name));
        }
        file.unwrap_or_default()
    };
    let mut evidence = Evidence {
        vca: needed(vca, files::VCA),
        measurements: needed(measurements, files::MEASUREMENTS),
        ..Evidence::default()
    };
    for slot in files::SLOTS {
        if let Some(chain) = read_file(directory, &files::slot(slot))? {
            evidence.chains.insert(slot, chain);
        }
    }
    if lacks.is_none() || description.is_some() {
        compare(directory, &evidence, description.as_ref(), &mut problems)?;
    }
    if let Some(name) = lacks.filter(|_| problems.is_empty()) {
        problems.push(format!("{name} is missing"));
    }
    Ok(Stored {
        evidence,
        description,
        problems,
        lacks,
    })
}

fn read_description(
    directory: &Path,
    problems: &mut Vec<String>,
) -> Result<Option<Description>, Failure> {
    let name = files::DESCRIPTION;
    let Some(bytes) = read_file(directory, name)? else {
        problems.push(format!(
            "{name} is missing: the evidence was not written to its end"
        ));
        return Ok(None);
    };
    match serde_json::from_slice::<Description>(&bytes) {
        Ok(description) if description.schema == SCHEMA => Ok(Some(description)),
        Ok(description) => {
            let schema = description.schema;
            problems.push(format!("{name}: its form is {schema}, not {SCHEMA}"));
            Ok(None)
        }
        Err(error) => {
            problems.push(format!("{name}: {error}"));
            Ok(None)
        }
    }
}

/// Compares the files with their description, and with what has to be in them.
fn compare(
    directory: &Path,
    evidence: &Evidence,
    description: Option<&Description>,
    problems: &mut Vec<String>,
) -> Result<(), Failure> {
    let listed = description.map_or(&[][..], |description| &description.files);
    let mut suspect = Vec::new();
    for entry in listed {
        if let Some(problem) = compare_entry(directory, entry)? {
            problems.push(problem);
            suspect.push(entry.name.as_str());
        }
    }
    // What cannot be read is said by the checks of its contents.
    let Ok(negotiated) = Negotiated::read(&evidence.vca) else {
        return Ok(());
    };
    let Ok(measurements) = SignedMeasurements::read(&evidence.measurements, &negotiated) else {
        return Ok(());
    };
    let Ok(derived) = files::derived(evidence, &negotiated, &measurements) else {
        return Ok(());
    };
    for file in derived {
        if suspect.contains(&file.name.as_str()) {
            continue;
        }
        let name = &file.name;
        match read_file(directory, name)? {
            None => problems.push(format!("{name} is missing")),
            Some(bytes) if bytes == file.bytes => {}
            Some(_) => problems.push(format!(
                "{name} does not hold what {} and the chains say",
                files::MEASUREMENTS
            )),
        }
    }
    Ok(())
}

fn compare_entry(directory: &Path, entry: &Entry) -> Result<Option<String>, Failure> {
    let Entry {
        name,
        bytes: expected,
        sha256,
    } = entry;
    if !files::is_known(name) {
        return Ok(Some(format!("{name:?} is not a file of evidence")));
    }
    let Some(bytes) = read_file(directory, name)? else {
        return Ok(Some(format!("{name} is missing")));
    };
    let actual = bytes.len();
    Ok(if actual < *expected {
        Some(format!("{name} is cut short: {actual} of {expected} bytes"))
    } else if actual > *expected {
        Some(format!(
            "{name} is too long: {actual} bytes, not {expected}"
        ))
    } else if hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&bytes)) != *sha256 {
        Some(format!("{name} was changed: its SHA-256 is another one"))
    } else {
        None
    })
}

/// Reads a file. `None` if there is none.
fn read_file(directory: &Path, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    let path = directory.join(name);
    let read = || {
        if !fs::metadata(&path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let mut bytes = Vec::new();
        fs::File::open(&path)?
            .take(LIMIT.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > LIMIT => {
            let message = format!("{}: larger than {LIMIT} bytes", path.display());
            Err(Failure::new(Exit::Usage, message))
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(&path, &error)),
    }
}
