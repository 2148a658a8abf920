// SPDX-License-Identifier: GPL-2.0

//! The Debian root file system that holds the tools, and that can be booted as a guest.
//!
//! Packages are unpacked, their maintainer scripts never run: this works as any user and needs only apt, dpkg and tar.
//! [`finish`] does by hand what little of those scripts matters here.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::apt::{Apt, Package};
use crate::process;
use crate::progress::Step;
use crate::tools::Tools;

/// What the environment is made of, besides the kernel. Dependencies follow.
pub(crate) const PACKAGES: &[&str] = &[
    // A system that runs commands.
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "dash",
    "diffutils",
    "dpkg",
    "file",
    "findutils",
    "gawk",
    "grep",
    "gzip",
    "hostname",
    "libc-bin",
    "mount",
    "patch",
    "perl",
    "procps",
    "sed",
    "tar",
    "util-linux",
    "xz-utils",
    // The kernel's build and its checks.
    "bc",
    "bindgen",
    "bison",
    "clang",
    "cpio",
    "flex",
    "gcc",
    "kmod",
    "libelf-dev",
    "libssl-dev",
    "lld",
    "llvm",
    "make",
    "openssl",
    "pahole",
    "python3",
    "python3-jsonschema",
    "python3-yaml",
    "rsync",
    "rust-clippy",
    "rust-src",
    "rustc",
    "rustfmt",
    // Guests.
    "busybox-static",
    "keyutils",
    "pciutils",
    "qemu-system-x86",
];

/// What of the packages nobody reads here.
pub(crate) const EXCLUDED: &[&str] = &[
    "./usr/share/doc/*",
    "./usr/share/info/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./usr/lib/llvm-*/lib/*.a",
    "./usr/src/rustc-*/compiler",
    "./usr/src/rustc-*/src",
];

const UNPACK: &str =
    "dpkg-deb --fsys-tarfile \"$1\" | tar -x -C \"$2\" --no-same-owner --keep-directory-symlink \
                      --anchored --no-wildcards-match-slash \"${@:3}\"";
const FINISH_LIMIT: Duration = Duration::from_secs(60);

/// Unpacks `packages` into `dir`.
pub(crate) fn build(apt: &Apt, packages: &[Package], dir: &Path, mount_point: &Path) -> Result<()> {
    let step = Step::begin("unpack the root file system");
    // The first one lays the links /bin -> usr/bin and so on, through which the others unpack.
    let (base, others): (Vec<&Package>, Vec<&Package>) = packages
        .iter()
        .partition(|package| package.name == "base-files");
    for package in base {
        unpack(&apt.deb(package), dir, EXCLUDED)?;
    }
    let next = AtomicUsize::new(0);
    let worker = || -> Result<()> {
        while let Some(package) = others.get(next.fetch_add(1, Ordering::Relaxed)) {
            step.tick(&package.name);
            unpack(&apt.deb(package), dir, EXCLUDED)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..std::thread::available_parallelism().map_or(1, usize::from))
            .map(|_| scope.spawn(worker))
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })?;
    finish(dir, mount_point, &step)?;
    step.done(&format!("{} packages", packages.len()));
    Ok(())
}

/// Unpacks one package without what matches `excluded`.
pub(crate) fn unpack(deb: &Path, dir: &Path, excluded: &[&str]) -> Result<()> {
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-c", UNPACK, "unpack"])
        .args([deb, dir])
        .args(
            excluded
                .iter()
                .map(|pattern| format!("--exclude={pattern}")),
        )
        .stdin(Stdio::null())
        .output()
        .context("could not start bash")?;
    ensure!(
        output.status.success(),
        "could not unpack {}: {}",
        deb.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// What maintainer scripts would have done: accounts, one alternative, the linker's cache.
fn finish(dir: &Path, mount_point: &Path, step: &Step) -> Result<()> {
    for file in ["passwd", "group"] {
        let master = dir
            .join("usr/share/base-passwd")
            .join(format!("{file}.master"));
        fs::copy(&master, dir.join("etc").join(file))
            .with_context(|| format!("could not copy {}", master.display()))?;
    }
    symlink("gawk", dir.join("usr/bin/awk")).context("could not create the link awk")?;
    let tools = Tools::new(dir.to_owned(), mount_point.to_owned());
    process::run(&mut tools.command("ldconfig"), step, FINISH_LIMIT, &dir.join("var/log/ldconfig"))
        .context("could not run a command in the root file system: as a plain user, user namespaces must be enabled")
}
