// SPDX-License-Identifier: GPL-2.0
//! What the kernel holds: memory, files, keys, devices.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use guest::Device;
use serde_json::{json, Value};

use crate::device::FIRST;

/// What is freed late, after a grace period for example, has so long.
const SETTLE: Duration = Duration::from_secs(20);
const PERIOD: Duration = Duration::from_millis(500);

/// What a thing that leaks once in so many cycles makes a cache grow by more than, at least: what lies unused in the
/// lists of the processors counts as used.
const NOISE_OBJECTS: u64 = 512;
const CYCLES_A_LEAK: u64 = 4;
/// Free memory that may be missing: by as much as 7 MiB it differs from one time to the next without the driver, too. A
/// page lost in each of 1,000 cycles, from no cache, is not seen; a buffer of 64 KiB is.
const NOISE_KB: u64 = 16 << 10;

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";

/// The kernel's accounts at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    /// Objects in use, by cache.
    objects: BTreeMap<String, u64>,
    free_kb: u64,
    /// Mappings of registers and large buffers.
    mappings: u64,
    files: u64,
    /// Keys of root.
    keys: u64,
    /// Files of the first device in sysfs and debugfs.
    entries: u64,
    devices: u64,
    /// The largest number of a device.
    number: Option<u32>,
}

impl Usage {
    /// Frees what can be freed, and looks.
    pub(crate) fn now() -> Result<Self> {
        fs::write("/proc/sys/vm/drop_caches", "3")?;
        thread::sleep(Duration::from_millis(200));
        let slabs = fs::read_to_string("/proc/slabinfo").context("no /proc/slabinfo")?;
        let objects = slabs.lines().skip(2).filter_map(|line| {
            let mut fields = line.split_whitespace();
            Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
        });
        let meminfo = fs::read_to_string("/proc/meminfo")?;
        let mappings = fs::read_to_string("/proc/vmallocinfo")?;
        // None where there is no class, before the driver has been loaded.
        let devices = Device::all().unwrap_or_default();
        Ok(Self {
            // Mappings are counted below: theirs are freed late.
            objects: objects.filter(|(name, _)| name != "vmap_area").collect(),
            free_kb: field(&meminfo, "MemFree:").context("no MemFree")?,
            mappings: mappings
                .lines()
                .filter(|line| !line.contains("unpurged"))
                .count() as u64,
            files: field(&fs::read_to_string("/proc/sys/fs/file-nr")?, "").context("no files")?,
            keys: keys().context("no /proc/key-users")?,
            entries: entries(&FIRST.sysfs()) + entries(&FIRST.debugfs()),
            devices: devices.len() as u64,
            number: devices.last().map(|device| device.0),
        })
    }

    /// What has grown by more than it may in so many cycles, with words for each. Waits a little if need be.
    pub(crate) fn grown(&self, cycles: u64) -> Result<(Vec<String>, Value)> {
        let start = Instant::now();
        loop {
            let now = Self::now()?;
            let grown = self.compare(&now, cycles);
            if grown.is_empty() || start.elapsed() > SETTLE {
                return Ok((grown, self.difference(&now)));
            }
            thread::sleep(PERIOD);
        }
    }

    fn compare(&self, now: &Self, cycles: u64) -> Vec<String> {
        let limit = NOISE_OBJECTS.max(cycles.div_ceil(CYCLES_A_LEAK));
        let mut grown = Vec::new();
        let mut check = |what: &str, before: u64, after: u64, limit: u64| {
            if after > before + limit {
                grown.push(format!("{what}: {before} before, {after} after"));
            }
        };
        for (cache, objects) in &now.objects {
            let before = self.objects.get(cache).copied().unwrap_or(0);
            check(&format!("objects in {cache}"), before, *objects, limit);
        }
        check(
            "KiB of memory in use",
            0,
            self.free_kb.saturating_sub(now.free_kb),
            NOISE_KB,
        );
        check(
            "mappings",
            self.mappings,
            now.mappings,
            cycles.div_ceil(CYCLES_A_LEAK).min(64),
        );
        check("open files", self.files, now.files, 64);
        check("keys", self.keys, now.keys, 0);
        check(
            "files of the device",
            self.entries,
            now.entries,
            entries_of_log(),
        );
        if (self.devices, self.number) != (now.devices, now.number) {
            grown.push(format!(
                "devices: {} up to number {:?} before, {} up to {:?} after",
                self.devices, self.number, now.devices, now.number
            ));
        }
        grown
    }

    /// By how much everything has grown.
    fn difference(&self, now: &Self) -> Value {
        let less = |before: u64, after: u64| after as i64 - before as i64;
        let cache = now.objects.iter().map(|(cache, objects)| {
            let before = self.objects.get(cache).copied().unwrap_or(0);
            (less(before, *objects), cache)
        });
        let most = cache
            .max()
            .map(|(objects, cache)| json!({"cache": cache, "objects": objects}));
        json!({
            "most": most,
            "memory_kb": less(now.free_kb, self.free_kb),
            "mappings": less(self.mappings, now.mappings),
            "files": less(self.files, now.files),
            "keys": less(self.keys, now.keys),
            "entries": less(self.entries, now.entries),
            "devices": less(self.devices, now.devices),
        })
    }
}

/// The number behind a name in a text; the first number if the name is empty.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Keys of root: `uid: usage keys/...`.
fn keys() -> Option<u64> {
    let users = fs::read_to_string("/proc/key-users").ok()?;
    let root = users
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("0:"))?;
    let keys = root.split_whitespace().nth(1)?;
    keys.split('/').next()?.parse().ok()
}

/// The transparency log grows by files with each authentication, up to its limit of memory.
fn entries_of_log() -> u64 {
    let limit = FIRST.attribute("spdm/memory_limit").ok();
    let limit: u64 = limit.and_then(|text| text.parse().ok()).unwrap_or(0);
    // An entry is nine files, and counts at least 4 KiB.
    limit / 4096 * 9
}

fn entries(directory: &Path) -> u64 {
    let Ok(read) = fs::read_dir(directory) else {
        return 0;
    };
    read.flatten()
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => 1 + entries(&entry.path()),
            _ => 1,
        })
        .sum()
}

/// What kmemleak has found since [`forget_leaks`]; nothing where the kernel has none.
pub(crate) fn leaks() -> Result<Option<String>> {
    if !Path::new(KMEMLEAK).exists() {
        return Ok(None);
    }
    // What is on its way at the first scan is not any more at the second.
    fs::write(KMEMLEAK, "scan")?;
    thread::sleep(Duration::from_secs(5));
    fs::write(KMEMLEAK, "scan")?;
    Ok(Some(fs::read_to_string(KMEMLEAK)?))
}

/// Has kmemleak forget what it knows.
pub(crate) fn forget_leaks() -> Result<()> {
    if Path::new(KMEMLEAK).exists() {
        fs::write(KMEMLEAK, "clear")?;
    }
    Ok(())
}
