// SPDX-License-Identifier: GPL-2.0

//! The test environment: sets it up, builds modules for its kernel, boots guests and runs commands in them.

mod apt;
mod bench;
mod cache;
mod channel;
mod check;
mod cli;
mod debug;
mod demo;
mod env;
mod faults;
mod fuzz;
mod host;
mod initramfs;
mod intree;
mod isseictl;
mod kapi;
mod kernel;
mod kselftests;
mod licences;
mod model;
mod module;
mod native;
mod netlink;
mod process;
mod progress;
mod qemu;
mod rootfs;
mod run;
mod soak;
mod splat;
mod stock;
mod symbols;
mod tap;
mod tools;
mod trust;
mod verifier;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use cli::{BuildArgs, Cli, Sub};
use env::Env;
use module::Target;
use run::End;
use tap::Results;

/// Exit status where the kernel log has a splat.
const EXIT_SPLAT: u8 = 120;
/// Exit status where the guest ended before the command.
const EXIT_NO_STATUS: u8 = 121;
/// Exit status where a time limit was over.
const EXIT_TIME_LIMIT: u8 = 122;
/// Exit status where something on the host failed.
const EXIT_HOST: u8 = 125;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match process::install_signal_handler().and_then(|()| dispatch(cli.command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vm: {error:#}");
            ExitCode::from(EXIT_HOST)
        }
    }
}

fn dispatch(command: Sub) -> Result<ExitCode> {
    match command {
        Sub::Setup { update } => {
            let env = Env::get(update)?;
            println!(
                "kernel {} in {}",
                env.kernel.release,
                env.kernel.tree().display()
            );
            Ok(ExitCode::SUCCESS)
        }
        Sub::Demo => {
            let (end, out) = demo::demo()?;
            Ok(report(&end, &out))
        }
        Sub::Check { debug, suites } => {
            let results = check::check(debug, &suites)?;
            Ok(sum_up(&results))
        }
        Sub::Bench { options } => {
            let env = host::while_building("heci-model", || Env::get(false))?;
            print!("{}", bench::measure(&env, &options)?);
            Ok(ExitCode::SUCCESS)
        }
        Sub::Fuzz { seconds, seed } => {
            let env = host::while_building("heci-model", || Env::get(false))?;
            let results = fuzz::fuzz(&env, seconds, seed)?;
            results
                .failed
                .iter()
                .for_each(|failure| println!("FAILED {failure}"));
            Ok(sum_up(&results))
        }
        Sub::Soak(options) => {
            let env = host::while_building("heci-model", || Env::get(false))?;
            let results = soak::soak(&env, &options)?;
            print!("{}", soak::table(&env)?);
            Ok(sum_up(&results))
        }
        Sub::Trust => {
            let (lines, complete) = trust::trust()?;
            print!("{lines}");
            Ok(ExitCode::from(u8::from(!complete)))
        }
        Sub::Modules { kernel } => {
            println!("{}", module::driver(&target(kernel.as_deref())?)?.display());
            Ok(ExitCode::SUCCESS)
        }
        Sub::Build(args) => {
            for module in build(&args)? {
                println!("{}", module.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Sub::Run(args) => {
            let env = Env::get(false)?;
            let mut request = args.guest.request(&env);
            request.timeout = Duration::from_secs(args.timeout);
            request.command = args.command;
            let end = run::run(&env, &request, Box::new(std::io::stdout()))?;
            Ok(report(&end, &request.out))
        }
        Sub::Shell(args) => {
            let env = Env::get(false)?;
            let mut request = args.request(&env);
            request.interactive = true;
            request.command = vec!["sh".to_owned(), "-l".to_owned()];
            let end = run::run(&env, &request, Box::new(std::io::sink()))?;
            Ok(report(&end, &request.out))
        }
        Sub::Exec { command } => {
            let env = Env::get(false)?;
            let (program, arguments) = command.split_first().context("no command")?;
            let mut child = process::Running::start_in_foreground(
                env.tools.command(program).args(arguments),
                program,
            )?;
            let status = child.child().wait()?;
            Ok(ExitCode::from(
                status
                    .code()
                    .and_then(|code| u8::try_from(code).ok())
                    .unwrap_or(EXIT_HOST),
            ))
        }
    }
}

/// Prints results and gives the exit status for them.
fn sum_up(results: &Results) -> ExitCode {
    println!("{results}");
    ExitCode::from(u8::from(!results.failed.is_empty()))
}

fn target(kernel: Option<&Path>) -> Result<Target> {
    match kernel {
        Some(path) => Target::of_tree(path),
        None => Target::stock(&Env::get(false)?),
    }
}

fn build(args: &BuildArgs) -> Result<Vec<PathBuf>> {
    let name = args
        .source
        .file_name()
        .context("the source directory has no name")?;
    let output = match &args.output {
        Some(output) => output.clone(),
        None => env::checkout()?.join("build/modules").join(name),
    };
    let arguments: Vec<&str> = args.arguments.iter().map(String::as_str).collect();
    let what = module::Build {
        source: &args.source,
        output: &output,
        arguments: &arguments,
    };
    module::build(&target(args.kernel.as_deref())?, &what)
}

/// Says what went wrong in a run, and the exit status for it.
fn report(end: &End, out: &Path) -> ExitCode {
    let (code, text) = match end {
        End::Status(status) => return ExitCode::from(u8::try_from(*status).unwrap_or(EXIT_HOST)),
        End::Splat(lines) => (EXIT_SPLAT, format!("the kernel log has a splat:\n{lines}")),
        End::NoStatus(lines) => (
            EXIT_NO_STATUS,
            format!("the guest ended without a status\n{lines}"),
        ),
        End::TimeLimit(text) => (EXIT_TIME_LIMIT, text.clone()),
    };
    eprintln!("vm: {text}\nvm: all logs are in {}", out.display());
    ExitCode::from(code)
}
