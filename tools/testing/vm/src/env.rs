// SPDX-License-Identifier: GPL-2.0

//! The environment as a whole: found in the cache, or set up.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::apt::{Apt, Package};
use crate::cache::{self, Cache};
use crate::kernel::{self, Kernel};
use crate::native::{self, is_native};
use crate::progress::say;
use crate::rootfs;
use crate::tools::Tools;

/// Everything that a build or a run needs.
#[derive(Clone, Debug)]
pub(crate) struct Env {
    /// The root of the checkout.
    pub checkout: PathBuf,
    pub tools: Tools,
    pub kernel: Kernel,
    /// The package with the kernel's source.
    pub source: PathBuf,
}

/// Which parts of the cache make up the environment of one recipe.
#[derive(Debug, Deserialize, Serialize)]
struct Manifest {
    rootfs: String,
    kernel: String,
    release: String,
    source: String,
}

impl Env {
    /// The environment of the cache, without a look at the network; set up first if it is not complete, or if `update` asks.
    pub(crate) fn get(update: bool) -> Result<Self> {
        let cache = Cache::open()?;
        let manifest_path = cache.path(&format!("env-{}.json", recipe()));
        if !update {
            if let Some(manifest) = Manifest::read(&cache, &manifest_path) {
                return Self::assemble(&cache, &manifest);
            }
        }
        let lock = cache.lock()?;
        if !update {
            // Another set-up may have finished meanwhile.
            if let Some(manifest) = Manifest::read(&cache, &manifest_path) {
                return Self::assemble(&cache, &manifest);
            }
            say(&format!(
                "setting up the environment in {} (once)",
                cache.path("").display()
            ));
        }
        let manifest = set_up(&cache, &lock)?;
        let text = serde_json::to_string_pretty(&manifest)?;
        let aside = manifest_path.with_extension("part");
        fs::write(&aside, text).with_context(|| format!("could not write {}", aside.display()))?;
        fs::rename(&aside, &manifest_path)
            .with_context(|| format!("could not rename {}", aside.display()))?;
        Self::assemble(&cache, &manifest)
    }

    fn assemble(cache: &Cache, manifest: &Manifest) -> Result<Self> {
        let kernel = Kernel::at(cache.path(&manifest.kernel), manifest.release.clone());
        let tools = Tools::new(cache.path(&manifest.rootfs), cache.mount_point()?);
        Ok(Self {
            checkout: checkout()?,
            tools: tools.with_tree(kernel.tree()),
            kernel,
            source: cache.path("apt/archives").join(&manifest.source),
        })
    }

    /// Where builds and runs of this checkout go.
    pub(crate) fn build(&self) -> PathBuf {
        self.checkout.join("build")
    }
}

impl Manifest {
    /// The manifest, if it is there and so are its parts; a host that was used as it is must still have its tools.
    fn read(cache: &Cache, path: &Path) -> Option<Self> {
        let manifest: Self = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
        [&manifest.rootfs, &manifest.kernel]
            .iter()
            .all(|part| cache.path(part).is_dir())
            .then_some(manifest)
            .filter(|manifest| manifest.rootfs != native::ROOT || is_native())
    }
}

/// Counts the changes of the steps that build the parts; a new number makes new parts.
const RECIPE: &str = "2";

/// The root of the checkout that this program was built from.
pub(crate) fn checkout() -> Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../..")
        .canonicalize()
        .context("the checkout has moved since vm was built: build it again")
}

/// Names what the parts are made of, as far as it stands in this source.
fn recipe() -> String {
    cache::key(
        [
            rootfs::PACKAGES,
            rootfs::EXCLUDED,
            kernel::EXCLUDED,
            &[RECIPE],
        ]
        .concat(),
    )
}

fn set_up(cache: &Cache, lock: &cache::Lock) -> Result<Manifest> {
    let mount_point = cache.mount_point()?;
    let apt = Apt::new(cache.path("apt"))?;
    apt.update()?;
    let kernel = kernel::Packages::newest(&apt)?;
    let rootfs = if is_native() {
        say("this host has all the tools: it is used as it is");
        native::ROOT.to_owned()
    } else {
        let system = apt.resolve(rootfs::PACKAGES)?;
        let name = format!("rootfs-{}", part_key(&system, ""));
        if !cache.path(&name).exists() {
            apt.download("the root file system", &system)?;
        }
        cache.part(lock, &name, |dir| {
            rootfs::build(&apt, &system, dir, &mount_point)
        })?;
        name
    };
    let release = kernel.release.clone();
    let part = format!("kernel-{release}-{}", part_key(&kernel.all(), &rootfs));
    if !cache.path(&part).exists() {
        apt.download("the kernel", &kernel.all())?;
    }
    let tools = Tools::new(cache.path(&rootfs), mount_point);
    cache.part(lock, &part, |dir| kernel::build(&apt, &kernel, &tools, dir))?;
    Ok(Manifest {
        rootfs,
        kernel: part,
        release,
        source: kernel.source.file_name(),
    })
}

/// Names what a part is made of: its packages, the recipe, and what it is built with.
fn part_key(packages: &[Package], tools: &str) -> String {
    let mut parts: Vec<String> = packages.iter().map(Package::file_name).collect();
    parts.extend([recipe(), tools.to_owned()]);
    cache::key(parts)
}
