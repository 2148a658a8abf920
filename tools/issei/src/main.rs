// SPDX-License-Identifier: GPL-2.0

//! `isseictl`: shows the Silicon Security Engine, collects signed evidence from it and checks it.

#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use clap::Parser;
use isseictl::args::Cli;
use isseictl::commands::{self, Context};
use isseictl::console::{say, Form};
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = match cli.verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(false)
        .without_time()
        .init();
    let result = Context::new(&cli).and_then(|context| commands::run(&context, &cli.command));
    let form = match (cli.json, cli.quiet) {
        (true, _) => Form::Json,
        (_, true) => Form::Quiet,
        _ => Form::Text,
    };
    ExitCode::from(say(cli.command.name(), &result, form) as u8)
}
