// SPDX-License-Identifier: GPL-2.0

//! `vm demo`: everything from an empty cache to a talk with the emulated engine, step by step.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::env::Env;
use crate::host;
use crate::isseictl;
use crate::module::{self, Target};
use crate::process;
use crate::progress::{say, Lines, Step};
use crate::run::{self, End, Guest, Request};
use crate::tools::TREE;
use crate::verifier::Verifier;

const SCRIPT: &str = "tools/testing/vm/guest/demo";
const EXCHANGE: &str = "tools/testing/vm/guest/exchange.c";
const SAMPLE: &str = "samples/issei/spdm_versions.c";
const LIMIT: Duration = Duration::from_secs(120);
const COMPILE_LIMIT: Duration = Duration::from_secs(60);

/// Sets up, builds and runs the demonstration in a guest.
pub(crate) fn demo() -> Result<(End, PathBuf)> {
    let env = host::while_building("heci-model", || Env::get(false))?;
    let module = module::driver(&Target::stock(&env)?)?;
    let out = run::default_out(&env);
    let exchange = env.build().join("exchange");
    compile(&env, EXCHANGE, &exchange)?;
    let sample = env.build().join("spdm_versions");
    compile(&env, SAMPLE, &sample)?;
    let program = isseictl::build(&env)?;
    let verifier = Verifier::new(&env)?;
    let request = Request {
        guest: Guest::Rootfs,
        modules: vec![module],
        files: vec![
            (env.checkout.join(SCRIPT), "/root/demo".to_owned()),
            (exchange, "/root/exchange".to_owned()),
            (sample, "/root/spdm_versions".to_owned()),
            (program, "/root/isseictl".to_owned()),
            (verifier.root(), "/root/root.der".to_owned()),
        ],
        models: vec![String::new()],
        ports: vec![verifier.port()],
        timeout: LIMIT,
        out: out.clone(),
        command: vec!["/root/demo".to_owned(), verifier.nonce.clone()],
        ..Request::default()
    };
    say("boot the stock kernel with an emulated engine");
    let end = run::run(&env, &request, Box::new(Lines::new(say)))?;
    if end == End::Status(0) {
        verifier.verify()?;
        say("every step held");
    }
    Ok((end, out))
}

/// Compiles one C file of the checkout to a static program for guests.
pub(crate) fn compile(env: &Env, source: &str, output: &Path) -> Result<()> {
    let step = Step::begin(format!("compile {source}"));
    let mut gcc = env.tools.command("gcc");
    gcc.args(["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-isystem"])
        .arg(format!("{TREE}/usr/include"))
        .arg("-o")
        .args([output, &env.checkout.join(source)]);
    process::run(
        &mut gcc,
        &step,
        COMPILE_LIMIT,
        &output.with_extension("log"),
    )
    .with_context(|| format!("compiling {source}"))
}
