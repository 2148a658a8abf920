// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::log::Seen;

/// Exit statuses, for help and manual.
pub const EXIT_STATUS: &str = include_str!("../help/exit.txt");
/// How to verify without this program.
pub const OPENSSL: &str = include_str!("../help/openssl.txt");
/// The files of an evidence directory.
pub const FILES: &str = include_str!("../help/files.txt");
/// Examples.
pub const EXAMPLES: &str = include_str!("../help/examples.txt");

/// Show the Silicon Security Engine, collect signed evidence from it, and check it
///
/// isseictl talks to the engine through the driver issei_rust. What only shows works for everybody;
/// collecting evidence needs root. Evidence is checked without the engine, on any machine.
#[derive(Debug, Parser)]
#[command(name = "isseictl", version, after_long_help = EXIT_STATUS)]
pub struct Cli {
    /// The device: issei0 or /dev/issei0 [default: the first]
    #[arg(short, long, global = true, value_name = "DEV")]
    pub device: Option<String>,

    /// Say it in one JSON object, of the schema isseictl/1
    #[arg(long, global = true, conflicts_with = "quiet")]
    pub json: bool,

    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Say on standard error what is being done; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    /// Longest wait for the engine, in seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value = "90", value_parser = seconds)]
    pub timeout: Duration,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("from 1 to 3600 seconds".into()),
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the device, and what the driver has found out about it
    Info,
    /// List the firmware clients
    Clients,
    /// Collect signed evidence into a directory, for a verifier elsewhere
    #[command(after_long_help = [FILES, "\n", OPENSSL].concat())]
    Attest(Attest),
    /// Ask for the measurements, check and list them
    Measurements(Measurements),
    /// Show the certificates of the engine
    Certs(Certs),
    /// Show the log of what the engine has signed, or check it
    Log(Log),
    /// Check an evidence directory, without an engine
    ///
    /// Ends with 0 only if every check was made and held. Without a root or a nonce to compare with,
    /// what they are needed for is not checked, and the exit status is 9: anybody can make a chain
    /// of certificates, and old evidence stays well signed.
    #[command(after_long_help = [FILES, "\n", OPENSSL].concat())]
    Verify(Verify),
    /// Write the manual pages into a directory, or the first of them to standard output
    #[command(hide = true)]
    Man {
        /// The directory
        directory: Option<PathBuf>,
    },
    /// Write a completion for a shell to standard output
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Roots and nonce.
#[derive(Clone, Debug, Default, Args)]
pub struct Against {
    /// The nonce: 64 hexadecimal digits, @FILE, or - for standard input
    #[arg(long, value_name = "NONCE")]
    pub nonce: Option<String>,
    /// A certificate that is trusted, PEM or DER; may be repeated
    #[arg(long = "root", value_name = "FILE")]
    pub roots: Vec<PathBuf>,
}

/// `attest`
#[derive(Debug, Args)]
pub struct Attest {
    /// What to ask with and to check against; without a nonce one is drawn
    #[command(flatten)]
    pub against: Against,
    /// The certificate slot whose key signs [default: the lowest that there is]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..8))]
    pub slot: Option<u8>,
    /// The directory for the evidence; made, or empty
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Replace evidence that is in the directory
    #[arg(long)]
    pub force: bool,
}

/// `measurements`
#[derive(Debug, Args)]
pub struct Measurements {
    /// What to ask with and to check against; without a nonce one is drawn
    #[command(flatten)]
    pub against: Against,
    /// The certificate slot whose key signs [default: the lowest that there is]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..8))]
    pub slot: Option<u8>,
}

/// `certs`
#[derive(Debug, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("encoding").args(["pem", "der"])))]
pub struct Certs {
    /// This slot only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..8))]
    pub slot: Option<u8>,
    /// The certificates themselves, in PEM
    #[arg(long, conflicts_with = "json")]
    pub pem: bool,
    /// The certificates themselves, in DER one after the other
    #[arg(long, conflicts_with = "json", requires = "slot")]
    pub der: bool,
    /// Write them to a file
    #[arg(short, long, value_name = "FILE", requires = "encoding")]
    pub output: Option<PathBuf>,
}

/// `log`
#[derive(Debug, Args)]
pub struct Log {
    /// This entry only
    pub number: Option<u64>,
    /// Check the chain of the entries, and their signatures
    #[arg(long)]
    pub verify: bool,
    /// A head that was seen earlier, which the log has to go on from: implies --verify
    #[arg(long, value_name = "NUMBER:HEAD")]
    pub seen: Option<Seen>,
}

/// `verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// The evidence
    pub directory: PathBuf,
    /// What to check against
    #[command(flatten)]
    pub against: Against,
}

impl Command {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Clients => "clients",
            Self::Attest(_) => "attest",
            Self::Measurements(_) => "measurements",
            Self::Certs(_) => "certs",
            Self::Log(_) => "log",
            Self::Verify(_) => "verify",
            Self::Man { .. } => "man",
            Self::Completions { .. } => "completions",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for line in [
            "isseictl",
            "isseictl attest",
            "isseictl attest -o d --slot 8",
            "isseictl --timeout 0 info",
            "isseictl --json -q info",
            "isseictl certs --der",
            "isseictl certs --pem --json",
            "isseictl certs --pem --der --slot 0",
            "isseictl certs -o x",
            "isseictl log --seen 3",
            "isseictl log --seen 3:00",
            "isseictl verify",
        ] {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
        let head = "0".repeat(64);
        let seen = format!("isseictl log --seen 3:{head}");
        assert!(Cli::try_parse_from(seen.split(' ')).is_ok());
        assert!(Cli::try_parse_from("isseictl certs --slot 1 --der -o x".split(' ')).is_ok());
    }
}
