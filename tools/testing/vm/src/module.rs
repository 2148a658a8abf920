// SPDX-License-Identifier: GPL-2.0

//! Builds of external modules, and the checks around them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};

use crate::cache;
use crate::env::{self, Env};
use crate::kernel;
use crate::process;
use crate::progress::Step;
use crate::stock;
use crate::symbols;
use crate::tools::Tools;

/// Where the driver's source lies, and how it is switched on.
pub(crate) const DRIVER: &str = "drivers/misc/issei_rust";
pub(crate) const DRIVER_OPTION: &str = "CONFIG_INTEL_SSEI_RUST";
pub(crate) const DRIVER_CONFIG: &[&str] = &["CONFIG_INTEL_SSEI_RUST=m"];

const BUILD_LIMIT: Duration = Duration::from_secs(600);

/// A kernel tree in which `make modules_prepare` has been run.
#[derive(Debug)]
struct Tree {
    path: PathBuf,
    release: String,
    /// `CONFIG_RUSTC_VERSION_TEXT`, if the kernel was configured with Rust.
    rustc: Option<String>,
    symvers: PathBuf,
}

impl Tree {
    /// Opens a tree and checks that modules can be built in it.
    fn open(path: &Path) -> Result<Self> {
        let path = path
            .canonicalize()
            .with_context(|| format!("no kernel tree at {}", path.display()))?;
        let read = |file: &str| fs::read_to_string(path.join(file));
        let release = read("include/config/kernel.release").map_err(|_| {
            anyhow::anyhow!(
                "{0} is not a prepared kernel tree (no include/config/kernel.release): \
                 run `make -C {0} modules_prepare` with the kernel's own .config first",
                path.display()
            )
        })?;
        let config = read(".config")
            .with_context(|| format!("no .config in the kernel tree {}", path.display()))?;
        let tree = Self {
            release: release.trim().to_owned(),
            rustc: config_string(&config, "CONFIG_RUSTC_VERSION_TEXT"),
            symvers: path.join("Module.symvers"),
            path,
        };
        ensure!(
            tree.symvers.exists(),
            "{} is missing: take it from the headers package of kernel {}, or build that kernel",
            tree.symvers.display(),
            tree.release
        );
        tree.check_symvers()?;
        Ok(tree)
    }

    /// The tree's `Module.symvers` must be of the same build as its Rust metadata: every Rust symbol that the tree exports
    /// stands in it, crate hashes included.
    fn check_symvers(&self) -> Result<()> {
        let exported = symbols::exported(&self.symvers)?;
        let mut of_tree = BTreeSet::new();
        for krate in ["core", "bindings", "kernel"] {
            let header = self.path.join(format!("rust/exports_{krate}_generated.h"));
            if let Ok(text) = fs::read_to_string(&header) {
                of_tree.extend(rust_exports(&text).map(str::to_owned));
            }
        }
        let missing: Vec<&String> = of_tree.difference(&exported).collect();
        if let Some(example) = missing.first() {
            bail!(
                "{} is of another kernel than the tree ({}): {} of the tree's {} Rust symbols are not in it, {example} for one",
                self.symvers.display(),
                self.release,
                missing.len(),
                of_tree.len()
            );
        }
        Ok(())
    }

    /// The tree must be of the kernel that the module is for.
    fn check_release(&self, image: &str) -> Result<()> {
        ensure!(
            self.release == image,
            "the kernel tree {} is {}, but the kernel to run is {image}",
            self.path.display(),
            self.release
        );
        Ok(())
    }

    /// A name for what is built of `what` in this tree.
    fn name(&self, what: &str) -> String {
        let key = cache::key([self.path.as_os_str().as_encoded_bytes()]);
        format!("{what}-{}-{key}", self.release)
    }

    fn check_rustc(&self, rustc: &str) -> Result<()> {
        let Some(wanted) = &self.rustc else {
            bail!("kernel {} is configured without Rust (CONFIG_RUST): a Rust module cannot be built for it", self.release)
        };
        ensure!(
            wanted == rustc,
            "kernel {} was built by `{wanted}`, but the compiler here is `{rustc}`: a Rust module must be built by the \
             compiler that built its kernel",
            self.release
        );
        Ok(())
    }
}

/// A kernel to build modules for, and the tools to do it with.
pub(crate) struct Target {
    tree: Tree,
    tools: Tools,
}

impl Target {
    /// The stock kernel.
    pub(crate) fn stock(env: &Env) -> Result<Self> {
        let tree = Tree::open(&env.kernel.tree())?;
        tree.check_release(&stock::image_release(&env.kernel.image())?)?;
        let tools = env.tools.clone();
        Ok(Self { tree, tools })
    }

    /// The kernel of a tree of the user's: with the host's own tools if their rustc has built it, else with the environment's.
    pub(crate) fn of_tree(path: &Path) -> Result<Self> {
        let tree = Tree::open(path)?;
        let host = Tools::of_host()?;
        let fits = rustc_version(&host).is_ok_and(|version| tree.check_rustc(&version).is_ok());
        let tools = if fits { host } else { Env::get(false)?.tools };
        Ok(Self { tree, tools })
    }
}

fn rustc_version(tools: &Tools) -> Result<String> {
    let version = process::capture(tools.command("rustc").arg("--version"), "rustc --version")?;
    Ok(version.trim().to_owned())
}

/// Builds the driver of this checkout as `build/issei_rust.ko`, without debug information, which stays in the objects.
pub(crate) fn driver(target: &Target) -> Result<PathBuf> {
    let checkout = env::checkout()?;
    let directory = checkout.join("build");
    let what = Build {
        source: &checkout.join(DRIVER),
        output: &directory
            .join("modules")
            .join(target.tree.name("issei_rust")),
        arguments: DRIVER_CONFIG,
    };
    let modules = build(target, &what)?;
    let [module] = &modules[..] else {
        bail!(
            "{DRIVER} is one module, but its build made {}",
            modules.len()
        )
    };
    let to = directory.join("issei_rust.ko");
    fs::copy(module, &to).with_context(|| format!("could not write {}", to.display()))?;
    strip(&target.tools, &to)?;
    Ok(to)
}

/// Takes the debug information out of a module, as distributions do: it is ten times the rest, and loading reads all of it.
pub(crate) fn strip(tools: &Tools, module: &Path) -> Result<()> {
    process::capture(
        tools.command("strip").arg("--strip-debug").arg(module),
        "strip",
    )?;
    Ok(())
}

/// What to build.
pub(crate) struct Build<'a> {
    /// The directory with the module's Makefile; nothing is written into it.
    pub source: &'a Path,
    /// Where objects go.
    pub output: &'a Path,
    /// More arguments for make: configuration symbols, `CLIPPY=1`.
    pub arguments: &'a [&'a str],
}

/// Builds a module directory and returns the modules.
pub(crate) fn build(target: &Target, what: &Build<'_>) -> Result<Vec<PathBuf>> {
    let source = what
        .source
        .canonicalize()
        .with_context(|| format!("there is no module source at {}", what.source.display()))?;
    let name = source
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let Target { tree, tools } = target;
    if has_rust(&source) {
        tree.check_rustc(&rustc_version(tools)?)?;
    }
    fs::create_dir_all(what.output)
        .with_context(|| format!("could not create {}", what.output.display()))?;
    let output = what.output.canonicalize()?;

    let step = Step::begin(format!("build {name} for {}", tree.release));
    let log = output.join("build.log");
    let result = process::run(
        kernel::make(&tools.with_tree(tree.path.clone()), "modules")
            .arg(format!("M={}", source.display()))
            .arg(format!("MO={}", output.display()))
            .args(what.arguments),
        &step,
        BUILD_LIMIT,
        &log,
    );
    if result.is_err() {
        eprint!("{}", fs::read_to_string(&log).unwrap_or_default());
    }
    result?;
    let modules = modules_in(&output)?;
    ensure!(
        !modules.is_empty(),
        "the build of {name} made no module: see {}",
        log.display()
    );
    for module in &modules {
        check_symbols(module, &[&tree.symvers, &output.join("Module.symvers")])?;
    }
    let names: Vec<_> = modules
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .collect();
    step.done(&names.join(", "));
    Ok(modules)
}

/// Builds a module of the tests, of a directory of the checkout, for the kernel of `env`.
pub(crate) fn of_tests(env: &Env, source: &str, name: &str) -> Result<Vec<PathBuf>> {
    let what = Build {
        source: &env.checkout.join(source),
        output: &env
            .build()
            .join("modules")
            .join(name)
            .join(&env.kernel.release),
        arguments: &[],
    };
    build(&Target::stock(env)?, &what)
}

/// What kbuild has listed in `modules.order`, as paths.
fn modules_in(output: &Path) -> Result<Vec<PathBuf>> {
    let order = output.join("modules.order");
    let text = fs::read_to_string(&order)
        .with_context(|| format!("could not read {}", order.display()))?;
    Ok(text
        .lines()
        .map(|line| output.join(line).with_extension("ko"))
        .collect())
}

/// Refuses a module that needs what its kernel does not export.
pub(crate) fn check_symbols(module: &Path, symvers: &[&Path]) -> Result<()> {
    let object =
        fs::read(module).with_context(|| format!("could not read {}", module.display()))?;
    let mut missing = symbols::undefined(&object)
        .with_context(|| format!("could not read {}", module.display()))?;
    for path in symvers {
        let exported = symbols::exported(path)?;
        missing.retain(|name| !exported.contains(name));
    }
    ensure!(
        missing.is_empty(),
        "{} needs what its kernel does not export: {}",
        module.display(),
        missing.into_iter().collect::<Vec<_>>().join(", ")
    );
    Ok(())
}

fn has_rust(source: &Path) -> bool {
    let Ok(entries) = fs::read_dir(source) else {
        return false;
    };
    entries.flatten().any(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "rs")
    })
}

/// The value of a string option, without its quotes.
fn config_string(config: &str, name: &str) -> Option<String> {
    let value = config
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

/// The names in `EXPORT_SYMBOL_RUST_GPL(name);` lines.
fn rust_exports(header: &str) -> impl Iterator<Item = &str> {
    header.lines().filter_map(|line| {
        line.strip_prefix("EXPORT_SYMBOL_RUST_GPL(")?
            .strip_suffix(");")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(dir: &Path) {
        for sub in ["include/config", "rust"] {
            fs::create_dir_all(dir.join(sub)).unwrap();
        }
        fs::write(
            dir.join("include/config/kernel.release"),
            "7.3.4+deb13-amd64\n",
        )
        .unwrap();
        fs::write(
            dir.join(".config"),
            "CONFIG_RUST=y\nCONFIG_RUSTC_VERSION_TEXT=\"rustc 1.85.1 (4eb16 2025-03-15)\"\n",
        )
        .unwrap();
        fs::write(
            dir.join("rust/exports_kernel_generated.h"),
            "EXPORT_SYMBOL_RUST_GPL(_RNv_kernel);\n",
        )
        .unwrap();
        fs::write(
            dir.join("Module.symvers"),
            "0x0\t_RNv_kernel\tvmlinux\tEXPORT_SYMBOL_GPL\t\n",
        )
        .unwrap();
    }

    #[test]
    fn a_tree_that_fits_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path());
        let tree = Tree::open(dir.path()).unwrap();
        tree.check_release("7.3.4+deb13-amd64").unwrap();
        tree.check_rustc("rustc 1.85.1 (4eb16 2025-03-15)").unwrap();
    }

    #[test]
    fn refusals_name_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path());
        let tree = Tree::open(dir.path()).unwrap();
        let error = tree
            .check_rustc("rustc 1.95.0 (59807616e 2026-04-14)")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("1.85.1") && error.contains("1.95.0"),
            "{error}"
        );
        let error = tree
            .check_release("7.3.5+deb13-amd64")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("7.3.4") && error.contains("7.3.5"),
            "{error}"
        );
    }

    #[test]
    fn trees_that_cannot_build_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = Tree::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("modules_prepare"), "{error}");

        tree(dir.path());
        fs::write(
            dir.path().join("Module.symvers"),
            "0x0\t_RNv_other\tvmlinux\tEXPORT_SYMBOL_GPL\t\n",
        )
        .unwrap();
        let error = Tree::open(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("another kernel")
                && error.contains("7.3.4")
                && error.contains("_RNv_kernel"),
            "{error}"
        );

        fs::remove_file(dir.path().join("Module.symvers")).unwrap();
        let error = Tree::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("Module.symvers is missing"), "{error}");
    }

    #[test]
    fn a_kernel_without_rust_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path());
        fs::write(dir.path().join(".config"), "# CONFIG_RUST is not set\n").unwrap();
        let error = Tree::open(dir.path())
            .unwrap()
            .check_rustc("rustc 1.85.1")
            .unwrap_err()
            .to_string();
        assert!(error.contains("without Rust"), "{error}");
    }
}
