// SPDX-License-Identifier: GPL-2.0

//! Inputs of the targets in the form that libFuzzer takes: a folder with a file for each.
//!
//! ```text
//! corpus list                    names of all targets
//! corpus unpack TARGET FOLDER    writes all inputs of a target into a folder
//! corpus pack TARGET FOLDER      keeps what is in a folder and no recorded exchange makes, the shortest
//! corpus run TARGET FILE         runs one input
//! corpus blind SECONDS SEED      runs each target for so long on changes of its inputs
//! ```

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use fuzz::{blind, corpus, Target, TARGETS};

const USAGE: &str =
    "usage: corpus list | corpus unpack|pack TARGET FOLDER | corpus run TARGET FILE | \
                     corpus blind SECONDS SEED";

/// Longest file of inputs, in bytes.
const MOST: usize = 16 << 10;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["list"] => {
            TARGETS
                .iter()
                .for_each(|target| println!("{}", target.name));
            Ok(())
        }
        ["unpack", target, folder] => unpack(target, Path::new(folder)),
        ["pack", target, folder] => pack(target, Path::new(folder)),
        ["run", target, file] => run(target, Path::new(file)),
        ["blind", seconds, seed] => run_blind(seconds, seed),
        _ => Err(io::Error::other(USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn named(target: &str) -> io::Result<Target> {
    Target::named(target).ok_or_else(|| io::Error::other(format!("there is no target {target}")))
}

fn unpack(target: &str, folder: &Path) -> io::Result<()> {
    named(target)?;
    fs::create_dir_all(folder)?;
    for (number, input) in corpus::inputs(target)?.iter().enumerate() {
        fs::write(folder.join(format!("{number:04}")), input)?;
    }
    Ok(())
}

fn pack(target: &str, folder: &Path) -> io::Result<()> {
    named(target)?;
    let recorded = corpus::recorded(target)?;
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let input = fs::read(entry?.path())?;
        if !input.is_empty() && !recorded.contains(&input) {
            lines.push(hexadecimal(&input) + "\n");
        }
    }
    lines.sort_by_key(|line| (line.len(), line.clone()));
    let mut text = lines.concat();
    if let Some(cut) = text.as_bytes().get(..MOST) {
        let end = cut.iter().rposition(|byte| *byte == b'\n');
        text.truncate(end.map_or(0, |end| end + 1));
    }
    fs::write(corpus::file(target), text)
}

fn run(target: &str, file: &Path) -> io::Result<()> {
    let target = named(target)?;
    (target.run)(&fs::read(file)?);
    Ok(())
}

fn hexadecimal(input: &[u8]) -> String {
    input.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn run_blind(seconds: &str, seed: &str) -> io::Result<()> {
    let (Ok(seconds), Ok(seed)) = (seconds.parse(), seed.parse()) else {
        return Err(io::Error::other(USAGE));
    };
    let mut all = 0;
    for target in TARGETS {
        let outcome = blind::run(*target, seed, Duration::from_secs(seconds))?;
        println!("{}: {} executions", target.name, outcome.runs);
        all += outcome.runs;
        if let Some(input) = outcome.found {
            let input = hexadecimal(&input);
            let text = format!("{} breaks a rule with {input}", target.name);
            return Err(io::Error::other(text));
        }
    }
    println!("all: {all} executions, seed {seed}");
    Ok(())
}
