// SPDX-License-Identifier: GPL-2.0

//! Where the tools (compilers, kbuild's helpers, QEMU) come from.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use nix::unistd::geteuid;

use crate::cache::Cache;
use crate::native;

/// Mounts a view of the host in which /usr and /etc are those of the root file system, then runs a command there.
const ENTER: &str = include_str!("enter.sh");

/// Runs programs of the environment's root file system. Every other directory is the host's, at the same path.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    rootfs: PathBuf,
    mount_point: PathBuf,
    tree: PathBuf,
    scratch: PathBuf,
    llvm: bool,
}

/// Where the tools see the kernel tree of [`Tools::with_tree`].
pub(crate) const TREE: &str = "/linux";

impl Tools {
    /// Tools of the root file system at `rootfs`; `mount_point` is an existing, empty directory.
    pub(crate) fn new(rootfs: PathBuf, mount_point: PathBuf) -> Self {
        Self {
            rootfs,
            mount_point,
            tree: PathBuf::new(),
            scratch: PathBuf::new(),
            llvm: false,
        }
    }

    /// The host's own tools.
    pub(crate) fn of_host() -> Result<Self> {
        let cache = Cache::open()?;
        Ok(Self::new(PathBuf::from(native::ROOT), cache.mount_point()?))
    }

    /// The same tools with a kernel tree at [`TREE`].
    pub(crate) fn with_tree(&self, tree: PathBuf) -> Self {
        Self {
            tree,
            ..self.clone()
        }
    }

    /// The same tools with a kernel tree that stays as it is: what they write to it goes to `scratch/upper`.
    pub(crate) fn with_scratch(&self, scratch: PathBuf) -> Self {
        Self {
            scratch,
            ..self.clone()
        }
    }

    /// The same tools, but kbuild takes those of LLVM.
    pub(crate) fn with_llvm(&self) -> Self {
        Self {
            llvm: true,
            ..self.clone()
        }
    }

    /// The root file system.
    pub(crate) fn rootfs(&self) -> &PathBuf {
        &self.rootfs
    }

    /// A command in the root file system, as root (or mapped to root), in the current directory, with a clean environment.
    ///
    /// It is killed when the thread that started it ends.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command
            .args(["/bin/sh", "-c", ENTER, "enter"])
            .args([&self.rootfs, &self.mount_point, &self.tree, &self.scratch])
            .arg(program)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", "/nonexistent");
        if self.llvm {
            command.env("LLVM", "1");
        }
        if let Some(terminal) = std::env::var_os("TERM") {
            command.env("TERM", terminal);
        }
        command
    }
}
