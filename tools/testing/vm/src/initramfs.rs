// SPDX-License-Identifier: GPL-2.0

//! The initramfs of a run: busybox, kmod, kernel modules, the caller's files, and the scripts that run the command.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure, Context, Result};
use cpio::newc;

use crate::symbols;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

enum Node {
    Directory,
    File { data: Vec<u8>, mode: u32 },
    Link(Vec<u8>),
}

/// A tree of files, by path in the guest (without the leading slash), parents before children.
#[derive(Default)]
pub(crate) struct Initramfs {
    nodes: BTreeMap<String, Node>,
}

impl Initramfs {
    /// Adds a directory and its parents.
    pub(crate) fn directory(&mut self, path: &str) {
        let mut prefix = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if !prefix.is_empty() {
                prefix.push('/');
            }
            prefix.push_str(part);
            self.nodes.entry(prefix.clone()).or_insert(Node::Directory);
        }
    }

    /// Adds a regular file.
    pub(crate) fn file(&mut self, path: &str, data: impl Into<Vec<u8>>, mode: u32) {
        self.insert(
            path,
            Node::File {
                data: data.into(),
                mode,
            },
        );
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.insert(path, Node::Link(target.as_bytes().to_vec()));
    }

    fn insert(&mut self, path: &str, node: Node) {
        let path = path.trim_matches('/');
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// Copies a file or a whole directory of the host to `destination`, modes and links included.
    pub(crate) fn copy(&mut self, source: &Path, destination: &str) -> Result<()> {
        for entry in walkdir::WalkDir::new(source).sort_by_file_name() {
            let entry = entry.with_context(|| format!("could not read {}", source.display()))?;
            let below = entry.path().strip_prefix(source).unwrap_or(Path::new(""));
            let below = below
                .to_str()
                .with_context(|| format!("{} is not UTF-8", entry.path().display()))?;
            let path = format!("{destination}/{below}");
            let read = || format!("could not read {}", entry.path().display());
            if entry.file_type().is_dir() {
                self.directory(&path);
            } else if entry.path_is_symlink() && entry.depth() > 0 {
                let target = fs::read_link(entry.path()).with_context(read)?;
                self.insert(&path, Node::Link(target.as_os_str().as_bytes().to_vec()));
            } else {
                let mode = fs::metadata(entry.path())
                    .with_context(read)?
                    .permissions()
                    .mode()
                    & 0o7777;
                self.file(&path, fs::read(entry.path()).with_context(read)?, mode);
            }
        }
        Ok(())
    }

    /// Copies a dynamically linked program of the root file system with its loader and all libraries.
    pub(crate) fn program(&mut self, rootfs: &Path, path: &str) -> Result<()> {
        let mut wanted = vec![
            PathBuf::from(path),
            PathBuf::from("usr/lib64/ld-linux-x86-64.so.2"),
        ];
        while let Some(file) = wanted.pop() {
            let name = file.to_str().context("a program's path is not UTF-8")?;
            let place = name.strip_prefix("usr/").unwrap_or(name);
            if self.nodes.contains_key(place) {
                continue;
            }
            let host = rootfs.join(&file);
            let data =
                fs::read(&host).with_context(|| format!("could not read {}", host.display()))?;
            for library in symbols::needed(&data)
                .with_context(|| format!("could not read {}", host.display()))?
            {
                wanted.push(library_path(rootfs, &library)?);
            }
            self.file(place, data, 0o755);
        }
        Ok(())
    }

    /// Writes the archive.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let context = || format!("could not write {}", path.display());
        let mut out = BufWriter::new(File::create(path).with_context(context)?);
        for (inode, (name, node)) in self.nodes.iter().enumerate() {
            let (mode, data): (u32, &[u8]) = match node {
                Node::Directory => (DIRECTORY | 0o755, &[]),
                Node::File { data, mode } => (REGULAR | mode, data),
                Node::Link(target) => (LINK | 0o777, target),
            };
            let size = u32::try_from(data.len())
                .with_context(|| format!("{name} is larger than 4 GiB"))?;
            let mut entry = newc::Builder::new(name)
                .ino(u32::try_from(inode)? + 1)
                .mode(mode)
                .nlink(1)
                .write(&mut out, size);
            entry.write_all(data).with_context(context)?;
            entry.finish().with_context(context)?;
        }
        newc::trailer(&mut out)
            .and_then(|out| out.flush())
            .with_context(context)
    }
}

fn library_path(rootfs: &Path, name: &str) -> Result<PathBuf> {
    for directory in ["usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib"] {
        let path = Path::new(directory).join(name);
        if rootfs.join(&path).exists() {
            return Ok(path);
        }
    }
    bail!("the root file system lacks the library {name}")
}

/// Splits `SRC:DEST` of `--file`.
pub(crate) fn parse_placement(text: &str) -> Result<(PathBuf, String)> {
    let (source, destination) = text.rsplit_once(':').context("expected SRC:DEST")?;
    ensure!(
        !source.is_empty() && destination.starts_with('/'),
        "expected SRC:DEST with an absolute DEST"
    );
    ensure!(Path::new(source).exists(), "{source} does not exist");
    Ok((PathBuf::from(source), destination.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn read_back(path: &Path) -> Vec<(String, u32, Vec<u8>)> {
        let mut cursor = Cursor::new(fs::read(path).unwrap());
        let mut entries = Vec::new();
        loop {
            let mut reader = newc::Reader::new(cursor).unwrap();
            if reader.entry().is_trailer() {
                return entries;
            }
            let mut data = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut data).unwrap();
            entries.push((
                reader.entry().name().to_owned(),
                reader.entry().mode(),
                data,
            ));
            cursor = reader.finish().unwrap();
        }
    }

    #[test]
    fn parents_come_first_and_modes_stay() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("initrd");
        let mut initramfs = Initramfs::default();
        initramfs.file("/vm/agent", "#!", 0o755);
        initramfs.link("/sbin/modprobe", "kmod");
        initramfs.directory("/proc");
        initramfs.write(&archive).unwrap();
        let expected = [
            ("proc", DIRECTORY | 0o755, ""),
            ("sbin", DIRECTORY | 0o755, ""),
            ("sbin/modprobe", LINK | 0o777, "kmod"),
            ("vm", DIRECTORY | 0o755, ""),
            ("vm/agent", REGULAR | 0o755, "#!"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, mode, data)| ((*name).to_owned(), *mode, data.as_bytes().to_vec()))
            .collect();
        assert_eq!(read_back(&archive), expected);
    }

    #[test]
    fn directories_are_copied_whole() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("src/sub")).unwrap();
        fs::write(dir.path().join("src/sub/run.sh"), "echo").unwrap();
        fs::set_permissions(
            dir.path().join("src/sub/run.sh"),
            fs::Permissions::from_mode(0o750),
        )
        .unwrap();
        std::os::unix::fs::symlink("run.sh", dir.path().join("src/sub/link")).unwrap();
        let mut initramfs = Initramfs::default();
        initramfs.copy(&dir.path().join("src"), "/root/t").unwrap();
        initramfs
            .copy(&dir.path().join("src/sub/run.sh"), "/bin/run")
            .unwrap();
        let archive = dir.path().join("initrd");
        initramfs.write(&archive).unwrap();
        let entries = read_back(&archive);
        let find = |name: &str| entries.iter().find(|(entry, ..)| entry == name).unwrap();
        assert_eq!(find("root/t/sub/run.sh").1, REGULAR | 0o750);
        assert_eq!(
            find("root/t/sub/link"),
            &(
                "root/t/sub/link".to_owned(),
                LINK | 0o777,
                b"run.sh".to_vec()
            )
        );
        assert_eq!(find("bin/run").2, b"echo");
        assert!(initramfs.copy(&dir.path().join("none"), "/x").is_err());
    }

    #[test]
    fn placements() {
        assert_eq!(
            parse_placement("/etc/passwd:/p").unwrap(),
            (PathBuf::from("/etc/passwd"), "/p".to_owned())
        );
        for bad in ["/etc/passwd", ":/p", "/etc/passwd:p", "/no/such/file:/p"] {
            assert!(parse_placement(bad).is_err(), "{bad}");
        }
    }
}
