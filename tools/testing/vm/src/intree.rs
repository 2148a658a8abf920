// SPDX-License-Identifier: GPL-2.0

//! The driver as a part of a kernel tree: laid over a copy of the stock kernel's tree, configured, built, and taken back.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::env::Env;
use crate::kernel;
use crate::module;
use crate::process;
use crate::progress::Step;
use crate::symbols;
use crate::tap::Results;

const OPTION: &str = "CONFIG_INTEL_SSEI_RUST";
const LIMIT: Duration = Duration::from_secs(300);

/// Builds the driver in tree; the tests are the configuration, the module and the undoing.
pub(crate) fn check(env: &Env, logs: &Path) -> Result<Results> {
    let step = Step::begin("lay the driver over a kernel tree");
    let stock = env.kernel.tree();
    let copy = tempfile::tempdir_in(env.build())?;
    let tree = copy.path().join("linux");
    let mut cp = Command::new("cp");
    cp.args(["-a", "--reflink=auto"]).args([&stock, &tree]);
    process::run(&mut cp, &step, LIMIT, &logs.join("intree-copy.log"))?;
    let overlay = |arguments: &[&str]| {
        let mut script = Command::new(env.checkout.join("scripts/overlay.sh"));
        script.args(arguments).arg(&tree);
        process::run(&mut script, &step, LIMIT, &logs.join("intree-overlay.log"))
    };
    overlay(&[])?;

    let mut results = Results::default();
    let mut note = |result: Result<()>| {
        results += match result {
            Ok(()) => Results::pass(),
            Err(error) => Results::fail(format!("{error:#}")),
        }
    };
    let tools = env.tools.with_tree(tree.clone());
    note(configure(&tree, &tools, &step, logs));
    note(build(env, &tree, &tools, &step, logs));
    note(overlay(&["--undo"]).and_then(|()| same_as_before(&stock, &tree)));
    step.done("built and taken back");
    Ok(results)
}

/// Kconfig must offer the option, and take it as a module.
fn configure(tree: &Path, tools: &crate::tools::Tools, step: &Step, logs: &Path) -> Result<()> {
    let config = tree.join(".config-rust");
    let text = fs::read_to_string(tree.join(".config"))?;
    fs::write(&config, format!("{text}{OPTION}=m\n"))?;
    let mut make = kernel::make(tools, "olddefconfig");
    make.arg(format!("KCONFIG_CONFIG={}", config.display()));
    process::run(&mut make, step, LIMIT, &logs.join("intree-config.log"))?;
    let text = fs::read_to_string(&config)?;
    fs::remove_file(&config)?;
    ensure!(
        text.lines().any(|line| line == format!("{OPTION}=m")),
        "Kconfig does not take {OPTION}=m"
    );
    Ok(())
}

/// Builds the one module. There is no vmlinux to link against, so `Module.symvers` says what the kernel exports.
fn build(
    env: &Env,
    tree: &Path,
    tools: &crate::tools::Tools,
    step: &Step,
    logs: &Path,
) -> Result<()> {
    let path = format!("{}/issei_rust.ko", module::DRIVER);
    let mut make = kernel::make(tools, &path);
    make.args([&format!("{OPTION}=m"), "KBUILD_MODPOST_WARN=1"]);
    process::run(&mut make, step, LIMIT, &logs.join("intree-build.log"))?;
    let module = tree.join(&path);
    module::check_symbols(&module, &[&tree.join("Module.symvers")])?;
    let read = |path: &Path| fs::read(path).with_context(|| format!("no {}", path.display()));
    let aliases = |object: &[u8]| symbols::modinfo(object, "alias");
    let intree = read(&module)?;
    ensure!(
        symbols::modinfo(&intree, "intree")? == ["Y"],
        "the module of the tree is not marked as intree"
    );
    let outside = read(&module::driver(env, None)?)?;
    ensure!(
        !aliases(&intree)?.is_empty() && aliases(&intree)? == aliases(&outside)?,
        "the module of the tree has other aliases than build/issei_rust.ko"
    );
    Ok(())
}

/// Nothing of ours may be left, and the two files with our lines are as they were.
fn same_as_before(stock: &Path, tree: &Path) -> Result<()> {
    for file in ["drivers/misc/Kconfig", "drivers/misc/Makefile"] {
        ensure!(
            fs::read(stock.join(file))? == fs::read(tree.join(file))?,
            "{file} is not as it was before"
        );
    }
    ensure!(
        !tree.join(module::DRIVER).join("issei_main.rs").exists(),
        "{} is still there",
        module::DRIVER
    );
    Ok(())
}
