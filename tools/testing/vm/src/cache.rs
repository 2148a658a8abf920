// SPDX-License-Identifier: GPL-2.0

//! The cache outside the checkout: parts that are either complete or not there.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use crate::progress;

/// `${XDG_CACHE_HOME:-~/.cache}/issei`.
pub(crate) struct Cache {
    root: PathBuf,
}

/// Held while the cache is written; other set-ups wait.
pub(crate) struct Lock {
    _file: Flock<File>,
}

impl Cache {
    /// Finds the cache directory and creates it if need be.
    pub(crate) fn open() -> Result<Self> {
        let base = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
            .context("neither XDG_CACHE_HOME nor HOME is set: set one, the cache lies below it")?;
        Self::at(base.join("issei"))
    }

    /// A cache in `root`.
    pub(crate) fn at(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root)
            .with_context(|| format!("could not create the cache {}", root.display()))?;
        Ok(Self { root })
    }

    /// The path of something in the cache.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// An empty directory to mount on; every process does so in a mount namespace of its own.
    pub(crate) fn mount_point(&self) -> Result<PathBuf> {
        let path = self.path("mnt");
        fs::create_dir_all(&path)
            .with_context(|| format!("could not create {}", path.display()))?;
        Ok(path)
    }

    /// Waits for other set-ups to end, then keeps them out.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let path = self.path("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("could not open {}", path.display()))?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((file, Errno::EWOULDBLOCK)) => {
                progress::say("another set-up is at work on the cache: waiting for it");
                Flock::lock(file, FlockArg::LockExclusive)
                    .map_err(|(_, errno)| errno)
                    .with_context(|| format!("could not lock {}", path.display()))?
            }
            Err((_, errno)) => {
                return Err(errno).with_context(|| format!("could not lock {}", path.display()))
            }
        };
        self.clear()?;
        Ok(Lock { _file: file })
    }

    /// Removes what an interrupted set-up has left.
    fn clear(&self) -> Result<()> {
        let entries = fs::read_dir(&self.root)
            .with_context(|| format!("could not read {}", self.root.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir()
                && path
                    .extension()
                    .is_some_and(|extension| extension == "part")
            {
                fs::remove_dir_all(&path)
                    .with_context(|| format!("could not remove {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// The directory `name`, made by `build` if it is not there.
    ///
    /// It is built under another name and renamed when complete: what bears the name is never half built.
    pub(crate) fn part(
        &self,
        _lock: &Lock,
        name: &str,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(name);
        if path.exists() {
            return Ok(path);
        }
        let aside = self.path(&format!("{name}.part"));
        fs::create_dir_all(&aside)
            .with_context(|| format!("could not create {}", aside.display()))?;
        build(&aside)?;
        fs::rename(&aside, &path)
            .with_context(|| format!("could not rename {}", aside.display()))?;
        Ok(path)
    }
}

/// A short name for what something depends on: the first 12 hex digits of a SHA-256.
pub(crate) fn key<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn a_failed_build_leaves_no_part_and_the_next_starts_clean() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("issei")).unwrap();
        let lock = cache.lock().unwrap();
        let failed = cache.part(&lock, "rootfs", |path| {
            fs::write(path.join("half"), "")?;
            bail!("no network")
        });
        assert!(failed.is_err());
        drop(lock);
        let lock = cache.lock().unwrap();
        assert!(!cache.path("rootfs").exists());

        let path = cache
            .part(&lock, "rootfs", |path| {
                Ok(fs::write(path.join("whole"), "")?)
            })
            .unwrap();
        assert!(path.join("whole").exists() && !path.join("half").exists());
        assert!(!cache.path("rootfs.part").exists());
    }

    #[test]
    fn a_complete_part_is_not_built_again() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().to_owned()).unwrap();
        let lock = cache.lock().unwrap();
        cache.part(&lock, "kernel", |_| Ok(())).unwrap();
        cache
            .part(&lock, "kernel", |_| bail!("built twice"))
            .unwrap();
    }

    #[test]
    fn two_set_ups_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().to_owned()).unwrap();
        let lock = cache.lock().unwrap();
        let path = dir.path().to_owned();
        let second = std::thread::spawn(move || {
            let cache = Cache::at(path).unwrap();
            let lock = cache.lock().unwrap();
            cache
                .part(&lock, "rootfs", |_| bail!("the first one built it"))
                .unwrap();
        });
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!second.is_finished());
        cache.part(&lock, "rootfs", |_| Ok(())).unwrap();
        drop(lock);
        second.join().unwrap();
    }

    #[test]
    fn keys_tell_boundaries_apart() {
        assert_eq!(key(["a", "b"]), key(["a", "b"]));
        assert_ne!(key(["ab"]), key(["a", "b"]));
        assert_eq!(key(["a"]).len(), 12);
    }
}
