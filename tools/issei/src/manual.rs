// SPDX-License-Identifier: GPL-2.0

//! Manual pages and completions, made of the command line's definition.

use std::fs;
use std::path::Path;

use clap::builder::Resettable;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::roff::{roman, Roff};
use clap_mangen::Man;
use serde_json::json;

use crate::args::{Cli, EXAMPLES, EXIT_STATUS, FILES, OPENSSL};
use crate::console::{Output, Text};
use crate::exit::{Exit, Failure};

const NAME: &str = "isseictl";

/// Writes the first page to standard output, or all into a directory.
pub(crate) fn man(directory: Option<&Path>) -> Result<Output, Failure> {
    let mut text = Text::default();
    match directory {
        None => text.raw(&first().map_err(|error| Failure::file(Path::new(NAME), &error))?),
        Some(directory) => {
            fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
            for (name, page) in pages().map_err(|error| Failure::file(directory, &error))? {
                let path = directory.join(name);
                fs::write(&path, page).map_err(|error| Failure::file(&path, &error))?;
            }
        }
    }
    Ok(Output::new(text, json!({})))
}

/// The pages with their file names.
///
/// # Errors
///
/// None that is known.
pub fn pages() -> std::io::Result<Vec<(String, String)>> {
    let mut pages = vec![(format!("{NAME}.1"), first()?)];
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    for subcommand in command.get_subcommands() {
        if subcommand.is_hide_set() {
            continue;
        }
        let mut bytes = Vec::new();
        Man::new(subcommand.clone().after_long_help(Resettable::Reset))
            .section("1")
            .render(&mut bytes)?;
        if matches!(subcommand.get_name(), "attest" | "verify") {
            section("FILES", FILES).to_writer(&mut bytes)?;
            section("VERIFICATION WITH OPENSSL", OPENSSL).to_writer(&mut bytes)?;
        }
        section("SEE ALSO", "isseictl(1)").to_writer(&mut bytes)?;
        let name = format!("{NAME}-{}.1", subcommand.get_name());
        pages.push((name, lossy(bytes)));
    }
    Ok(pages)
}

fn first() -> std::io::Result<String> {
    let command = Cli::command()
        .after_long_help(Resettable::Reset)
        .disable_help_subcommand(true);
    let mut bytes = Vec::new();
    Man::new(command).section("1").render(&mut bytes)?;
    for (title, text) in [
        ("EXIT STATUS", EXIT_STATUS),
        ("FILES", FILES),
        ("VERIFICATION WITH OPENSSL", OPENSSL),
        ("EXAMPLES", EXAMPLES),
    ] {
        section(title, text).to_writer(&mut bytes)?;
    }
    Ok(lossy(bytes))
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A section whose lines stay as they are.
fn section(title: &str, text: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}

/// The completion for a shell.
pub(crate) fn completions(shell: Shell) -> Output {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut bytes);
    let mut text = Text::default();
    text.raw(&lossy(bytes));
    let mut output = Output::new(text, json!({}));
    output.exit = Exit::Ok;
    output
}
