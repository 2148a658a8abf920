// SPDX-License-Identifier: GPL-2.0
//! Files in sysfs and debugfs, and taking the driver from the device.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use guest::Function;
use nix::errno::Errno;

use super::file::Hands;
use super::shared::Kind;
use crate::device::{self, errno, DEBUGFS, DEVICE, NODE, SYSFS};

/// All files below a directory, without symbolic links and without what the kernel has for every
/// device.
fn files(directory: &Path, depth: u32, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 && !path.ends_with("power") => {
                files(&path, depth - 1, found)
            }
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}

/// Reads a part of any file.
fn read_any(hands: &mut Hands<'_>, directory: &str, kind: Kind) {
    let mut found = Vec::new();
    files(Path::new(directory), 4, &mut found);
    if found.is_empty() {
        return;
    }
    let path = hands.random.pick(&found).clone();
    let (room, offset) = match hands.random.below(3) {
        0 => (1 + hands.random.below(70_000), 0),
        _ => (
            1 + hands.random.below(5000),
            hands.random.below(6000) as u64,
        ),
    };
    let read = || {
        let file = fs::File::open(&path).map_err(|error| errno(&error))?;
        file.read_at(&mut vec![0; room], offset)
            .map_err(|error| errno(&error))
    };
    match hands.shared.call(hands.caller, kind, read) {
        Ok(_) | Err(Errno::ENOENT | Errno::ENODEV | Errno::ENODATA | Errno::EINTR) => {}
        // Files that can only be written.
        Err(Errno::EACCES | Errno::EIO | Errno::EPERM | Errno::EINVAL)
            if ["reset", "authenticate", "uevent"]
                .iter()
                .any(|name| path.ends_with(name)) => {}
        Err(error) => hands
            .shared
            .wrong_result(&format!("read {}: {error}", path.display())),
    }
}

/// Reads any attribute.
pub(crate) fn read_attribute(hands: &mut Hands<'_>) {
    read_any(hands, SYSFS, Kind::SysfsRead);
}

/// Reads any file of debugfs.
pub(crate) fn read_debugfs(hands: &mut Hands<'_>) {
    read_any(hands, DEBUGFS, Kind::DebugfsRead);
}

/// Writes to a file; the error is judged by `allowed`.
fn write(hands: &Hands<'_>, path: &str, text: &[u8], allowed: &[Errno]) -> bool {
    let write = || {
        let file = OpenOptions::new().write(true).open(path);
        let written = file.and_then(|mut file| file.write(text));
        written.map_err(|error| errno(&error))
    };
    match hands.shared.call(hands.caller, Kind::SysfsWrite, write) {
        Ok(length) => {
            if length != text.len() {
                hands
                    .shared
                    .wrong_result(&format!("write {path}: {length} of {}", text.len()));
            }
            true
        }
        Err(Errno::ENOENT | Errno::ENODEV) if hands.shared.may_be_down() => false,
        Err(error) => {
            if !allowed.contains(&error) {
                let text = String::from_utf8_lossy(text);
                hands
                    .shared
                    .wrong_result(&format!("write {text:?} to {path}: {error}"));
            }
            false
        }
    }
}

/// Resets the link.
pub(crate) fn reset(hands: &mut Hands<'_>) {
    let directory = *hands.random.pick(&[SYSFS, DEBUGFS]);
    let text = *hands.random.pick(&["1", "1\n"]);
    let shared = hands.shared;
    shared.disturb(|| write(hands, &format!("{directory}/reset"), text.as_bytes(), &[]));
}

/// Writes something to an attribute that does not end connections.
pub(crate) fn write_attribute(hands: &mut Hands<'_>) {
    let name = *hands.random.pick(&[
        "reset",
        "spdm/policy",
        "spdm/accepted",
        "spdm/authenticate",
        "spdm/memory_limit",
    ]);
    let digest = || {
        Some(format!(
            "{} {}",
            DEVICE.attribute("spdm/generation").ok()?,
            DEVICE.attribute("spdm/digest").ok()?
        ))
    };
    let (text, allowed): (Vec<u8>, &[Errno]) = match (hands.random.below(3), name) {
        (0, "spdm/authenticate") => (b"1".to_vec(), &[Errno::EBUSY]),
        (0, "spdm/memory_limit") => (b"1048576".to_vec(), &[]),
        (0, "spdm/accepted") => (
            digest().unwrap_or("none".into()).into_bytes(),
            &[Errno::ESTALE, Errno::ENODATA],
        ),
        (1, "spdm/accepted") => (b"none".to_vec(), &[]),
        (1, "spdm/memory_limit") => (b"65536\n".to_vec(), &[]),
        _ => {
            let mut text = hands.random.bytes(200);
            // None of the texts that mean something.
            text.insert(0, b'?');
            (text, &[Errno::EINVAL])
        }
    };
    let meant = text.first() != Some(&b'?');
    if write(hands, &format!("{SYSFS}/{name}"), &text, allowed) && !meant {
        hands
            .shared
            .wrong_result(&format!("{name} takes {text:x?}"));
    }
}

/// Changes the policy for a moment.
pub(crate) fn policy(hands: &mut Hands<'_>) {
    let path = format!("{SYSFS}/spdm/policy");
    let policy = *hands.random.pick(&["off", "audit", "enforce"]);
    let shared = hands.shared;
    shared.enforced.store(true, SeqCst);
    shared.disturb(|| {
        write(hands, &path, policy.as_bytes(), &[]);
        thread::sleep(Duration::from_millis(hands.random.below(50) as u64));
        write(hands, &path, b"audit", &[]);
    });
}

/// Takes the driver from the device and gives it back.
pub(crate) fn rebind(hands: &mut Hands<'_>) {
    let Ok(function) = DEVICE.function() else {
        return;
    };
    let shared = hands.shared;
    shared.disturb(|| {
        shared.unbound.fetch_add(1, SeqCst);
        let call = |what: &str, call: fn(&Function) -> io::Result<()>| {
            let call = || call(&function).map_err(|error| errno(&error));
            if let Err(error) = shared.call(hands.caller, Kind::Bind, call) {
                shared.wrong_result(&format!("{what}: {error}"));
            }
        };
        call("unbind", Function::unbind);
        call("bind", Function::bind);
    });
}

/// What a program without privilege may not do.
pub(crate) fn refused(hands: &mut Hands<'_>) {
    let shared = hands.shared;
    let judge = |what: &str, result: Result<(), Errno>| match result {
        Err(Errno::EACCES | Errno::EPERM) => {}
        Err(Errno::ENOENT | Errno::ENODEV) if shared.may_be_down() => {}
        result => shared.wrong_result(&format!("without privilege, {what}: {result:?}")),
    };
    judge("open", device::open(libc::O_RDWR).map(drop));
    judge("open for reading", device::open(libc::O_RDONLY).map(drop));
    for name in [
        "reset",
        "spdm/policy",
        "spdm/accepted",
        "spdm/authenticate",
        "spdm/memory_limit",
    ] {
        let opened = OpenOptions::new()
            .write(true)
            .open(format!("{SYSFS}/{name}"));
        judge(name, opened.map(drop).map_err(|error| errno(&error)));
    }
    let listed = fs::read_dir(DEBUGFS).map(drop);
    judge("debugfs", listed.map_err(|error| errno(&error)));
    let node = fs::metadata(NODE).map(|data| std::os::unix::fs::MetadataExt::mode(&data) & 0o777);
    if node.as_ref().is_ok_and(|mode| *mode != 0o600) {
        shared.wrong_result(&format!("{NODE} has the mode {node:?}"));
    }
    for entry in fs::read_dir(format!("{SYSFS}/spdm/certificates"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let opened = fs::File::open(entry.path());
        judge(
            "a certificate",
            opened.map(drop).map_err(|error| errno(&error)),
        );
    }
}
