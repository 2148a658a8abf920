// SPDX-License-Identifier: GPL-2.0

//! The debug kernel: the stock kernel's source, built with everything on that looks for faults, and the driver as a module of it.
//!
//! The kernel is a part of the cache. The driver lies over its tree when it is configured, so that Kconfig knows what the driver
//! selects, but the driver itself is built for each checkout, in a layer over that tree.

pub(crate) mod coverage;
pub(crate) mod suites;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::cache::{self, Cache};
use crate::env::Env;
use crate::kernel::{self, Kernel};
use crate::module;
use crate::process;
use crate::progress::{say, Step};
use crate::tools::{Tools, TREE};

/// What is on beside the least that a kernel can be.
const CONFIG: &str = include_str!("../debug.config");

/// What of the source no build of this kernel looks at.
const EXCLUDED: &[&str] = &[
    "*/Documentation/*/*",
    "linux-source-?.?/arch/[!x]*/*.[chS]",
    "linux-source-?.?/arch/*.dts*",
    "linux-source-?.?/drivers/gpu/*.[ch]",
    "linux-source-?.?/drivers/media/*.[ch]",
    "linux-source-?.?/drivers/net/*/*.[ch]",
    "linux-source-?.?/drivers/scsi/*.[ch]",
    "linux-source-?.?/drivers/staging/*.[ch]",
    "linux-source-?.?/sound/*.[ch]",
    "*/tools/perf/*",
    "*/tools/testing/selftests/bpf/*",
];

/// Counts the changes of the steps below; a new number makes a new kernel.
const RECIPE: &str = "1";

/// How many times slower than the stock kernel it may be: every time limit in its guests, and every limit that a test sets for
/// something to happen, is so many times as long.
const SLOWNESS: u32 = 4;

const CONFIGURE_LIMIT: Duration = Duration::from_secs(300);
const BUILD_LIMIT: Duration = Duration::from_secs(4 * 3600);
const MODULE_LIMIT: Duration = Duration::from_secs(900);

/// The environment with the debug kernel instead of the stock one; the kernel is built first if the cache does not have it.
pub(crate) fn environment(env: &Env) -> Result<Env> {
    let cache = Cache::open()?;
    let source = env.source.file_name().unwrap_or_default();
    let kconfig = env.checkout.join(module::DRIVER).join("Kconfig");
    let kconfig = fs::read_to_string(&kconfig)
        .with_context(|| format!("could not read {}", kconfig.display()))?;
    let parts = [
        RECIPE,
        CONFIG,
        &kconfig,
        &EXCLUDED.join(" "),
        &source.to_string_lossy(),
        &env.tools.rootfs().to_string_lossy(),
    ];
    let name = format!("debug-{}", cache::key(parts));
    let dir = cache.path(&name);
    if !dir.exists() {
        say("the debug kernel is built (once; a quarter of an hour on two processors)");
        let lock = cache.lock()?;
        cache.part(&lock, &name, |dir| build(env, dir))?;
    }
    let tree = dir.join("tree");
    let release = release(&tree)?;
    let kernel = Kernel::at(dir, release).slower(SLOWNESS);
    Ok(Env {
        tools: env.tools.with_tree(tree).with_llvm(),
        kernel,
        ..env.clone()
    })
}

fn release(tree: &Path) -> Result<String> {
    let path = tree.join("include/config/kernel.release");
    let release =
        fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    Ok(release.trim().to_owned())
}

/// Unpacks, configures and builds the kernel in `dir`, laid out as [`Kernel`] wants it.
fn build(env: &Env, dir: &Path) -> Result<()> {
    let tree = dir.join("tree");
    let tools = env.tools.with_tree(tree.clone()).with_llvm();
    let step = Step::begin("configure the debug kernel");
    kernel::unpack_source(
        &tools,
        &step,
        &env.source,
        &tree,
        EXCLUDED,
        &dir.join("source.log"),
    )?;
    overlay(env, &tools, &step, &dir.join("overlay.log"))?;
    fs::write(tree.join("debug.config"), CONFIG)?;
    let mut make = kernel::make(&tools, "allnoconfig");
    make.arg("KCONFIG_ALLCONFIG=debug.config");
    process::run(&mut make, &step, CONFIGURE_LIMIT, &dir.join("config.log"))?;
    let config = fs::read_to_string(tree.join(".config"))?;
    let missing = not_taken(CONFIG, &config);
    ensure!(
        missing.is_empty(),
        "Kconfig does not take these lines of debug.config: {}",
        missing.join(", ")
    );
    step.done(&format!("{} options", config.matches("=").count()));

    let step = Step::begin("build the debug kernel");
    // Of the driver only the options that it selects are wanted here.
    let without = format!("{}=", module::DRIVER_OPTION);
    let run = |targets: &[&str], log: &str| {
        let mut make = kernel::make(&tools, targets[0]);
        make.args(&targets[1..]).arg(&without);
        process::run(&mut make, &step, BUILD_LIMIT, &dir.join(log))
    };
    run(&["bzImage", "modules"], "build.log")?;
    let install = format!("INSTALL_MOD_PATH={}", dir.join("usr").display());
    run(&["modules_install", &install], "install.log")?;
    let kernel = Kernel::at(dir.to_owned(), release(&tree)?);
    fs::copy(tree.join("arch/x86/boot/bzImage"), kernel.image())
        .context("the build made no bzImage")?;
    step.done(&kernel.release);
    Ok(())
}

fn overlay(env: &Env, tools: &Tools, step: &Step, log: &Path) -> Result<()> {
    let script = env.checkout.join("scripts/overlay.sh");
    let mut command = tools.command(&script.to_string_lossy());
    process::run(command.arg(TREE), step, CONFIGURE_LIMIT, log)
}

/// The lines of `wanted` that are not in a `.config`.
fn not_taken(wanted: &str, config: &str) -> Vec<String> {
    wanted
        .lines()
        .filter(|line| line.starts_with("CONFIG_") || line.starts_with("# CONFIG_"))
        .filter(|line| !config.lines().any(|taken| taken == *line))
        .map(str::to_owned)
        .collect()
}

/// Where [`driver`] puts the module.
fn module_path(debug: &Env) -> PathBuf {
    debug.build().join("debug/issei_rust.ko")
}

/// Builds the driver of this checkout in the tree of the debug kernel, with the counters of [`coverage`]:
/// `build/debug/issei_rust.ko`.
pub(crate) fn driver(debug: &Env) -> Result<PathBuf> {
    let step = Step::begin(format!("build the driver for {}", debug.kernel.release));
    let directory = debug.build().join("debug");
    let key = cache::key([debug.kernel.tree().as_os_str().as_encoded_bytes()]);
    let layer = directory.join(format!("layer-{key}"));
    fs::create_dir_all(&layer)?;
    let tools = debug.tools.with_scratch(layer.clone());
    overlay(debug, &tools, &step, &directory.join("overlay.log"))?;
    let path = format!("{}/issei_rust.ko", module::DRIVER);
    let log = directory.join("driver.log");
    let mut make = kernel::make(&tools, &path);
    make.args(coverage::arguments(&layer)?);
    process::run(&mut make, &step, MODULE_LIMIT, &log)?;
    let module = module_path(debug);
    fs::copy(layer.join("upper").join(&path), &module)
        .with_context(|| format!("the build made no {path}"))?;
    module::check_symbols(&module, &[&debug.kernel.tree().join("Module.symvers")])?;
    step.done("issei_rust.ko");
    Ok(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kselftests_find_what_they_need() {
        let needed = include_str!("../../selftests/drivers/issei/config");
        // What is built in is there as well.
        let there = CONFIG.replace("=y\n", "=m\n");
        let missing = not_taken(&needed.replace("=y\n", "=m\n"), &there);
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn a_line_that_kconfig_drops_is_named() {
        let wanted = "# A comment.\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\n";
        let config = "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\n";
        assert_eq!(
            not_taken(wanted, config),
            ["# CONFIG_B is not set", "CONFIG_C=m"]
        );
        assert!(not_taken("CONFIG_A=y\n", config).is_empty());
    }
}
