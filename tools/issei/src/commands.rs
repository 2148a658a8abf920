// SPDX-License-Identifier: GPL-2.0

//! What the commands do.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use der::DateTime;

use crate::args::{Against, Cli, Command};
use crate::check::{self, Check, Gap, Outcome};
use crate::console::Output;
use crate::exit::{Exit, Failure};
use crate::nonce::{self, Nonce};
use crate::roots::{self, Root};
use crate::sysfs::Sysfs;

pub mod attest;
pub mod certs;
pub mod info;
pub mod log;
pub mod measurements;
pub mod verify;

/// What commands work on.
#[derive(Clone, Debug)]
pub struct Context {
    /// The machine.
    pub sysfs: Sysfs,
    /// The device that the user named.
    pub device: Option<String>,
    /// Longest wait for the engine.
    pub timeout: Duration,
    /// The time.
    pub now: DateTime,
}

impl Context {
    /// This machine, now.
    ///
    /// # Errors
    ///
    /// The clock is wrong by decades.
    pub fn new(cli: &Cli) -> Result<Self, Failure> {
        let now = DateTime::from_system_time(SystemTime::now()).map_err(|error| {
            Failure::new(Exit::NotReady, format!("the clock: {error}")).advise("set the clock")
        })?;
        Ok(Self {
            sysfs: Sysfs::new("/sys"),
            device: cli.device.clone(),
            timeout: cli.timeout,
            now,
        })
    }
}

/// Does what the command line says.
///
/// # Errors
///
/// What kept it from being done.
pub fn run(context: &Context, command: &Command) -> Result<Output, Failure> {
    match command {
        Command::Info => info::info(context),
        Command::Clients => info::clients(context),
        Command::Attest(args) => attest::attest(context, args),
        Command::Measurements(args) => measurements::measurements(context, args),
        Command::Certs(args) => certs::certs(context, args),
        Command::Log(args) => log::log(context, args),
        Command::Verify(args) => verify::verify(context, args),
        Command::Man { directory } => crate::manual::man(directory.as_deref()),
        Command::Completions { shell } => Ok(crate::manual::completions(*shell)),
    }
}

/// Roots and nonce as the user gave them.
#[derive(Clone, Debug)]
struct Given {
    nonce: Option<Nonce>,
    roots: Vec<Root>,
}

impl Given {
    fn read(against: &Against) -> Result<Self, Failure> {
        let nonce = against.nonce.as_deref().map(nonce::read).transpose()?;
        let roots = against.roots.iter().map(PathBuf::as_path);
        let roots = roots.map(roots::load).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            nonce,
            roots: roots.concat(),
        })
    }
}

/// The exit status for evidence that was collected just now: what the user gave no root for is for
/// the verifier elsewhere to check.
fn exit_of_collected(checks: &[Check]) -> Exit {
    match check::verdict(checks) {
        Outcome::NotChecked(Gap::NothingToCompare) => Exit::Ok,
        verdict => check::exit(verdict),
    }
}
