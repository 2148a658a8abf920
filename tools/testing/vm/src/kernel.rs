// SPDX-License-Identifier: GPL-2.0

//! The stock kernel: its image and modules, and its source prepared so that Rust modules can be built for it.
//!
//! Debian's headers lack what a Rust module needs, so the source is prepared with the distribution's own configuration,
//! release string and `Module.symvers`; the result loads in the unmodified kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::apt::{Apt, Package, SUITE};
use crate::process;
use crate::progress::Step;
use crate::rootfs::unpack;
use crate::tools::{Tools, TREE};

/// The kernel series; the newest release of it that backports has is taken.
const SERIES: &str = "7.3";
const FLAVOUR: &str = "-amd64";

/// What of the source no module build, Kconfig run, selftest or check looks at. (Of the documentation, the schemas of netlink
/// are looked at.)
pub(crate) const EXCLUDED: &[&str] = &[
    "*/Documentation/[!n]*/*",
    "*/Documentation/net[!l]*/*",
    "*/Documentation/netlink/*/*",
    "linux-source-?.?/arch/[!x]*/*.[chS]",
    "linux-source-?.?/arch/*.dts*",
    "linux-source-?.?/drivers/[!m]*/*.c",
    "linux-source-?.?/drivers/gpu/*.h",
    "linux-source-?.?/drivers/media/*.[ch]",
    "linux-source-?.?/drivers/net/*.h",
    "linux-source-?.?/drivers/scsi/*.h",
    "linux-source-?.?/drivers/staging/*.h",
    "linux-source-?.?/fs/*.c",
    "linux-source-?.?/net/*.c",
    "linux-source-?.?/sound/*.[ch]",
    "*/tools/perf/*",
    "*/tools/testing/selftests/bpf/*",
];

const SOURCE_LIMIT: Duration = Duration::from_secs(600);
const PREPARE_LIMIT: Duration = Duration::from_secs(1800);

/// The packages of one kernel release, all built from the same source.
pub(crate) struct Packages {
    pub release: String,
    pub source: Package,
    headers: Package,
    others: Vec<Package>,
}

impl Packages {
    /// The newest release of the series of which every package is there in the same version.
    pub(crate) fn newest(apt: &Apt) -> Result<Self> {
        let source = format!("linux-source-{SERIES}");
        let versions = apt.versions(&source)?;
        ensure!(
            !versions.is_empty(),
            "choose the kernel: package {source} is not in Debian {SUITE}-backports"
        );
        let prefix = format!("linux-headers-{SERIES}.");
        let releases: Vec<String> = apt
            .names(&prefix)?
            .iter()
            .filter_map(|name| name.strip_prefix("linux-headers-"))
            .filter(|release| is_stock(release))
            .map(str::to_owned)
            .collect();
        for version in &versions {
            for release in &releases {
                let package = |kind: &str| Package {
                    name: format!("linux-{kind}-{release}"),
                    version: version.clone(),
                    arch: "amd64".to_owned(),
                };
                let headers = package("headers");
                let others = ["binary", "modules", "base"].map(package).to_vec();
                let mut complete = true;
                for package in others.iter().chain([&headers]) {
                    complete &= apt.versions(&package.name)?.contains(version);
                }
                if complete {
                    let source = Package {
                        name: source,
                        version: version.clone(),
                        arch: "all".to_owned(),
                    };
                    return Ok(Self {
                        release: release.clone(),
                        source,
                        headers,
                        others,
                    });
                }
            }
        }
        anyhow::bail!(
            "choose the kernel: {source} is there in version {}, but linux-headers, linux-binary, linux-modules and \
             linux-base of one {SERIES} release are not all there in that version",
            versions.join(", ")
        )
    }

    /// All of them, for the download.
    pub(crate) fn all(&self) -> Vec<Package> {
        self.others
            .iter()
            .chain([&self.headers, &self.source])
            .cloned()
            .collect()
    }
}

/// `7.3.4+deb13-amd64`, but neither `7.3.4+deb13-cloud-amd64` nor `7.3.4+deb13-rt-amd64`.
fn is_stock(release: &str) -> bool {
    release
        .strip_suffix(FLAVOUR)
        .is_some_and(|head| !head.contains('-'))
}

/// An unpacked kernel in the cache.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub release: String,
    /// How many times slower than the stock kernel it may be.
    pub slowness: u32,
    dir: PathBuf,
}

impl Kernel {
    /// The kernel that [`build`] has put into `dir`.
    pub(crate) fn at(dir: PathBuf, release: String) -> Self {
        Self {
            release,
            slowness: 1,
            dir,
        }
    }

    /// The same, but so many times slower than the stock kernel.
    pub(crate) fn slower(self, slowness: u32) -> Self {
        Self { slowness, ..self }
    }

    /// The boot image.
    pub(crate) fn image(&self) -> PathBuf {
        self.modules().join("vmlinuz")
    }

    /// `…/lib/modules/RELEASE`, with what depmod writes.
    pub(crate) fn modules(&self) -> PathBuf {
        self.dir.join("usr/lib/modules").join(&self.release)
    }

    /// The prepared source.
    pub(crate) fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }
}

/// Unpacks and prepares a kernel in `dir`.
pub(crate) fn build(apt: &Apt, packages: &Packages, tools: &Tools, dir: &Path) -> Result<()> {
    let step = Step::begin("unpack the kernel");
    for package in &packages.others {
        step.tick(&package.name);
        unpack(&apt.deb(package), dir, &["./usr/share/*"])?;
    }
    let headers = dir.join("headers");
    fs::create_dir(&headers)?;
    unpack(&apt.deb(&packages.headers), &headers, &["./usr/share/*"])?;
    step.tick("depmod");
    let mut depmod = tools.command("depmod");
    depmod.arg("-b").arg(dir.join("usr")).arg(&packages.release);
    process::run(&mut depmod, &step, SOURCE_LIMIT, &dir.join("depmod.log"))?;

    step.tick("source");
    let tree = dir.join("tree");
    unpack_source(
        tools,
        &step,
        &apt.deb(&packages.source),
        &tree,
        EXCLUDED,
        &dir.join("source.log"),
    )?;
    let headers = headers
        .join("usr/src")
        .join(format!("linux-headers-{}", packages.release));
    for file in [".config", "Module.symvers"] {
        let from = headers.join(file);
        fs::copy(&from, tree.join(file))
            .with_context(|| format!("could not copy {}", from.display()))?;
    }
    step.done(&packages.release);

    let step = Step::begin("prepare the kernel's Rust metadata");
    let tools = tools.with_tree(tree.clone());
    let version = process::capture(
        make(&tools, "kernelversion").arg("-s"),
        "make kernelversion",
    )?;
    let local = packages
        .release
        .strip_prefix(version.trim())
        .with_context(|| {
            format!(
                "the kernel source is {}, the image is {}: they must be of one release",
                version.trim(),
                packages.release
            )
        })?;
    fs::write(tree.join("localversion"), format!("{local}\n"))?;
    let run = |target: &str| {
        process::run(
            &mut make(&tools, target),
            &step,
            PREPARE_LIMIT,
            &dir.join(format!("{target}.log")),
        )
    };
    run("olddefconfig")?;
    same_configuration(&headers.join(".config"), &tree.join(".config"))?;
    run("modules_prepare")?;
    // The selftests and samples are built against the kernel's own headers.
    run("headers")?;
    step.done(&packages.release);
    Ok(())
}

/// `make` in the tree that `tools` see at [`TREE`].
pub(crate) fn make(tools: &Tools, target: &str) -> Command {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut make = tools.command("make");
    make.args(["-C", TREE, target]).arg(format!("-j{jobs}"));
    make
}

/// Unpacks the source without what matches `excluded`.
pub(crate) fn unpack_source(
    tools: &Tools,
    step: &Step,
    deb: &Path,
    tree: &Path,
    excluded: &[&str],
    log: &Path,
) -> Result<()> {
    fs::create_dir(tree)?;
    let script = format!(
        "dpkg-deb --fsys-tarfile \"$1\" | tar -xO './usr/src/linux-source-{SERIES}.tar.xz' | xz -dc -T0 | \
         tar -x -C \"$2\" --strip-components=1 --no-same-owner \"${{@:3}}\""
    );
    let mut command = tools.command("bash");
    command
        .args(["-o", "pipefail", "-c", &script, "unpack"])
        .args([deb, tree])
        .args(
            excluded
                .iter()
                .map(|pattern| format!("--exclude={pattern}")),
        );
    process::run(&mut command, step, SOURCE_LIMIT, log)
}

/// A changed option could change the layout of a structure, and nothing would notice when the module is loaded.
fn same_configuration(distribution: &Path, prepared: &Path) -> Result<()> {
    let read = |path: &Path| {
        fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
    };
    let changes = changed_options(&read(distribution)?, &read(prepared)?);
    ensure!(
        changes.is_empty(),
        "the tools of the root file system do not fit the kernel's configuration, these options changed: {}",
        changes.join(", ")
    );
    Ok(())
}

/// The lines of a `.config` that differ, but for the compiler's name.
fn changed_options(before: &str, after: &str) -> Vec<String> {
    let options = |text: &str| -> std::collections::BTreeSet<String> {
        text.lines()
            .filter(|line| line.contains("CONFIG_") && !line.starts_with("CONFIG_CC_VERSION_TEXT="))
            .map(str::to_owned)
            .collect()
    };
    options(before)
        .symmetric_difference(&options(after))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stock_flavour() {
        assert!(is_stock("7.3.4+deb13-amd64"));
        assert!(!is_stock("7.3.4+deb13-cloud-amd64"));
        assert!(!is_stock("7.3.4+deb13-rt-amd64"));
        assert!(!is_stock("7.3.4+deb13-common"));
    }

    #[test]
    fn a_changed_option_is_named() {
        let before =
            "# comment\nCONFIG_CC_VERSION_TEXT=\"a\"\nCONFIG_DEBUG_INFO_BTF=y\nCONFIG_RUST=y\n";
        let after =
            "CONFIG_CC_VERSION_TEXT=\"b\"\n# CONFIG_DEBUG_INFO_BTF is not set\nCONFIG_RUST=y\n";
        assert_eq!(
            changed_options(before, after),
            [
                "# CONFIG_DEBUG_INFO_BTF is not set",
                "CONFIG_DEBUG_INFO_BTF=y"
            ]
        );
        assert!(changed_options(before, before).is_empty());
    }
}
