// SPDX-License-Identifier: GPL-2.0

//! The driver as a part of a kernel tree: laid over the stock kernel's tree, configured, built, and taken back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::env::Env;
use crate::kernel;
use crate::module::{self, Target};
use crate::process;
use crate::progress::Step;
use crate::symbols;
use crate::tap::Results;
use crate::tools::{Tools, TREE};

const OPTION: &str = module::DRIVER_OPTION;
const LIMIT: Duration = Duration::from_secs(300);

/// Builds the driver in tree; the tests are the configuration, the module and the undoing.
pub(crate) fn check(env: &Env, logs: &Path) -> Result<Results> {
    let scratch = tempfile::tempdir_in(env.build())?;
    let intree = InTree {
        env,
        tools: env.tools.with_scratch(scratch.path().to_owned()),
        tree: scratch.path().join("upper"),
        step: Step::begin("lay the driver over a kernel tree"),
        logs,
    };
    intree.overlay(&[])?;
    let mut results = Results::default();
    for result in [intree.configure(), intree.build(), intree.undo()] {
        results += match result {
            Ok(()) => Results::pass(),
            Err(error) => Results::fail(format!("{error:#}")),
        };
    }
    intree.step.done("built and taken back");
    Ok(results)
}

struct InTree<'a> {
    env: &'a Env,
    /// They see the tree at [`TREE`], and write to a layer over it.
    tools: Tools,
    /// That layer.
    tree: PathBuf,
    step: Step,
    logs: &'a Path,
}

impl InTree<'_> {
    fn run(&self, command: &mut Command, log: &str) -> Result<()> {
        process::run(command, &self.step, LIMIT, &self.logs.join(log))
    }

    fn overlay(&self, arguments: &[&str]) -> Result<()> {
        let script = self.env.checkout.join("scripts/overlay.sh");
        let mut command = self.tools.command(&script.to_string_lossy());
        self.run(command.args(arguments).arg(TREE), "intree-overlay.log")
    }

    /// Kconfig must offer the option, and take it as a module.
    fn configure(&self) -> Result<()> {
        let config = self.tree.join(".config-rust");
        let text = fs::read_to_string(self.env.kernel.tree().join(".config"))?;
        fs::write(&config, format!("{text}{OPTION}=m\n"))?;
        let mut make = kernel::make(&self.tools, "olddefconfig");
        make.arg("KCONFIG_CONFIG=.config-rust");
        self.run(&mut make, "intree-config.log")?;
        let text = fs::read_to_string(&config)?;
        ensure!(
            text.lines().any(|line| line == format!("{OPTION}=m")),
            "Kconfig does not take {OPTION}=m"
        );
        Ok(())
    }

    /// Builds the one module. There is no vmlinux to link against, so `Module.symvers` says what the kernel exports.
    fn build(&self) -> Result<()> {
        let path = format!("{}/issei_rust.ko", module::DRIVER);
        let mut make = kernel::make(&self.tools, &path);
        make.args([
            &format!("{OPTION}=m"),
            "KBUILD_MODPOST_WARN=1",
            "KBUILD_BUILTIN=",
        ]);
        self.run(&mut make, "intree-build.log")?;
        let module = self.tree.join(&path);
        module::check_symbols(&module, &[&self.env.kernel.tree().join("Module.symvers")])?;
        let read = |path: &Path| fs::read(path).with_context(|| format!("no {}", path.display()));
        let (inside, outside) = (
            read(&module)?,
            read(&module::driver(&Target::stock(self.env)?)?)?,
        );
        ensure!(
            symbols::modinfo(&inside, "intree")? == ["Y"],
            "the module of the tree is not marked as intree"
        );
        let aliases = symbols::modinfo(&inside, "alias")?;
        ensure!(
            !aliases.is_empty() && aliases == symbols::modinfo(&outside, "alias")?,
            "the module of the tree has other aliases than build/issei_rust.ko"
        );
        Ok(())
    }

    /// Nothing of ours may be left but objects, and the two files with our lines are as they were.
    fn undo(&self) -> Result<()> {
        self.overlay(&["--undo"])?;
        for file in ["drivers/misc/Kconfig", "drivers/misc/Makefile"] {
            ensure!(
                fs::read(self.tree.join(file))? == fs::read(self.env.kernel.tree().join(file))?,
                "{file} is not as it was before"
            );
        }
        let main = self.tree.join(module::DRIVER).join("issei_main.rs");
        ensure!(!main.exists(), "{} is still there", main.display());
        Ok(())
    }
}
