// SPDX-License-Identifier: GPL-2.0

//! Kernel modules for a guest: the caller's and the stock ones that they need.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};

use crate::initramfs::Initramfs;
use crate::kernel::Kernel;
use crate::module;
use crate::process;
use crate::symbols;
use crate::tools::Tools;

/// The stock modules of a kernel and what they depend on, from `modules.dep`.
struct StockModules {
    /// Module name to its path below `…/modules/RELEASE`.
    paths: BTreeMap<String, String>,
    /// Path to the paths of everything it needs.
    needs: BTreeMap<String, Vec<String>>,
    /// Names of modules that are part of the image.
    builtin: BTreeSet<String>,
}

impl StockModules {
    fn parse(dep: &str, builtin: &str) -> Self {
        let mut modules = Self {
            paths: BTreeMap::new(),
            needs: BTreeMap::new(),
            builtin: BTreeSet::new(),
        };
        for (path, needs) in dep.lines().filter_map(|line| line.split_once(':')) {
            modules.paths.insert(name_of(path), path.to_owned());
            modules.needs.insert(
                path.to_owned(),
                needs.split_whitespace().map(str::to_owned).collect(),
            );
        }
        modules.builtin.extend(builtin.lines().map(name_of));
        modules
    }

    /// Adds the paths of the module `name` and of everything it needs to `chosen`.
    fn choose(&self, name: &str, chosen: &mut BTreeSet<String>) -> Result<()> {
        let name = name.replace('-', "_");
        let Some(path) = self.paths.get(&name) else {
            if self.builtin.contains(&name) {
                return Ok(());
            }
            bail!("the stock kernel has no module {name}")
        };
        chosen.insert(path.clone());
        chosen.extend(self.needs.get(path).into_iter().flatten().cloned());
        Ok(())
    }
}

/// The name as the kernel knows it: without directory and suffixes, `-` as `_`.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

/// Puts `modules` (also at /root/FILE) and the stock modules `stock` into the guest, with what they need, and runs depmod.
///
/// `release` is that of the kernel that will run; stock modules come from `kernel`. `staging` is a directory to work in.
pub(crate) fn place(
    initramfs: &mut Initramfs,
    tools: &Tools,
    kernel: &Kernel,
    release: &str,
    modules: &[PathBuf],
    stock: &[String],
    staging: &Path,
) -> Result<()> {
    let read = |name: &str| {
        let path = kernel.modules().join(name);
        fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
    };
    let available = StockModules::parse(&read("modules.dep")?, &read("modules.builtin")?);
    let given: BTreeSet<String> = modules
        .iter()
        .map(|path| name_of(&path.to_string_lossy()))
        .collect();
    let directory = staging.join("lib/modules").join(release);
    let updates = directory.join("updates");
    fs::create_dir_all(&updates)?;

    let mut chosen = BTreeSet::new();
    for name in stock {
        available.choose(name, &mut chosen)?;
    }
    for module in modules {
        let context = || format!("could not read the module {}", module.display());
        let file = module.file_name().with_context(context)?;
        let object = fs::read(module).with_context(context)?;
        for depends in symbols::modinfo(&object, "depends").with_context(context)? {
            for name in depends
                .split(',')
                .filter(|name| !name.is_empty() && !given.contains(&name.replace('-', "_")))
            {
                available.choose(name, &mut chosen)?;
            }
        }
        let to = updates.join(file);
        fs::write(&to, &object)?;
        module::strip(tools, &to)?;
        let object = fs::read(&to)?;
        initramfs.file(&format!("root/{}", file.to_string_lossy()), object, 0o644);
    }
    for path in &chosen {
        let to = directory.join(path);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(kernel.modules().join(path), &to)
            .with_context(|| format!("could not copy the stock module {path}"))?;
    }
    for file in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        fs::copy(kernel.modules().join(file), directory.join(file))
            .with_context(|| format!("could not copy {file}"))?;
    }
    process::capture(
        tools.command("depmod").arg("-b").arg(staging).arg(release),
        "depmod",
    )?;
    initramfs.copy(&directory, &format!("lib/modules/{release}"))
}

/// The release of a kernel image, from its boot header (x86 boot protocol, `kernel_version` at 0x20e).
pub(crate) fn image_release(image: &Path) -> Result<String> {
    let context = || format!("{} is not a bootable x86 kernel image", image.display());
    let data = fs::read(image).with_context(|| format!("could not read {}", image.display()))?;
    let pointer = data
        .get(0x20e..0x210)
        .and_then(|bytes| <[u8; 2]>::try_from(bytes).ok())
        .with_context(context)?;
    let start = usize::from(u16::from_le_bytes(pointer)) + 0x200;
    let text = data.get(start..).with_context(context)?;
    let end = text
        .iter()
        .take(256)
        .position(|byte| *byte == b' ' || *byte == 0)
        .with_context(context)?;
    let release = String::from_utf8_lossy(&text[..end]).into_owned();
    if data.get(0x202..0x206) != Some(b"HdrS") || release.is_empty() {
        bail!(context());
    }
    Ok(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str =
        "kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n\
                       kernel/net/9p/9pnet.ko.xz:\n\
                       kernel/fs/netfs/netfs.ko.xz:\n\
                       kernel/drivers/pci/pcie/aer-inject.ko.xz:\n";

    #[test]
    fn modules_come_with_what_they_need() {
        let modules = StockModules::parse(DEP, "kernel/drivers/virtio/virtio_pci.ko\n");
        let mut chosen = BTreeSet::new();
        modules.choose("9p", &mut chosen).unwrap();
        assert_eq!(
            chosen.iter().map(String::as_str).collect::<Vec<_>>(),
            [
                "kernel/fs/9p/9p.ko.xz",
                "kernel/fs/netfs/netfs.ko.xz",
                "kernel/net/9p/9pnet.ko.xz"
            ]
        );
        modules.choose("aer-inject", &mut chosen).unwrap();
        modules.choose("aer_inject", &mut chosen).unwrap();
        modules.choose("virtio_pci", &mut chosen).unwrap();
        assert_eq!(chosen.len(), 4);
        let error = modules.choose("warp", &mut chosen).unwrap_err().to_string();
        assert!(error.contains("no module warp"), "{error}");
    }

    #[test]
    fn release_from_the_boot_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmlinuz");
        let mut image = vec![0u8; 0x800];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x300u16.to_le_bytes());
        image[0x500..0x516].copy_from_slice(b"7.3.4+deb13 (builder) ");
        fs::write(&path, &image).unwrap();
        assert_eq!(image_release(&path).unwrap(), "7.3.4+deb13");
        for bad in [&image[..0x100], &[0u8; 0x800][..]] {
            fs::write(&path, bad).unwrap();
            assert!(image_release(&path).is_err());
        }
    }
}
