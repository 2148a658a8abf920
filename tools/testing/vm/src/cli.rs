// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;

use anyhow::{ensure, Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::check;
use crate::env::Env;
use crate::initramfs;
use crate::run::{self, Guest, Request};
use crate::soak;

#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "\
The environment (a Debian root file system with compilers and QEMU, a stock kernel and its prepared source) is set up in \
${XDG_CACHE_HOME:-~/.cache}/issei when a subcommand first needs it; from then on no network is used."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Sub,
}

#[derive(Subcommand)]
pub(crate) enum Sub {
    /// Set up the environment now
    Setup {
        /// Look for newer packages even if the environment is complete
        #[arg(long)]
        update: bool,
    },
    /// Set up, build and show the driver at work in a guest, step by step
    Demo,
    /// Run all tests; the last line counts them
    #[command(after_help = check::list())]
    Check {
        /// On the debug kernel
        #[arg(long)]
        debug: bool,
        /// Only these suites
        #[arg(value_name = "SUITE")]
        suites: Vec<String>,
    },
    /// Measure the driver beside Intel's C driver and mei_me: a table, and build/bench.json
    Bench {
        /// Options of the program `bench run`, see its README
        #[arg(last = true, value_name = "OPTION")]
        options: Vec<String>,
    },
    /// Fuzz the user interface, and the firmware while programs use it, in a guest each
    Fuzz {
        /// How long each of them
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Where chance begins; another one each time if not given
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Use the driver for a long time and watch what is left behind: a table, and build/soak.json
    Soak(soak::Options),
    /// Put together what the long tests have found: build/trust.json; fails if any has not been run
    Trust,
    /// Build the driver: build/issei_rust.ko
    Modules {
        /// A prepared kernel tree to build for, instead of the stock kernel's
        #[arg(long, value_name = "DIR")]
        kernel: Option<PathBuf>,
    },
    /// Build a kernel module directory for the stock kernel, or in another prepared tree
    Build(BuildArgs),
    /// Boot a guest, run a command as root in it and exit with its status
    #[command(after_help = "\
Exit status: that of COMMAND; 120 if the kernel log has a splat (BUG, WARNING, Oops, ...), 121 if the guest ended without a \
status, 122 if a time limit was over, 125 if something failed on the host.

In the guest: modules and what they need below /lib/modules (for modprobe) and the given ones as /root/FILE.ko, none loaded; \
/dev/virtio-ports/heci<i> is the control socket of model i, /dev/virtio-ports/qmp is QEMU's QMP.")]
    Run(RunArgs),
    /// Boot a guest with a shell to play in
    Shell(GuestArgs),
    /// Run a command in the root file system of the environment
    Exec {
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "COMMAND"
        )]
        command: Vec<String>,
    },
}

#[derive(Args)]
pub(crate) struct BuildArgs {
    /// Directory with the module's Makefile
    pub(crate) source: PathBuf,
    /// A prepared kernel tree instead of the stock kernel's
    #[arg(long, value_name = "DIR")]
    pub(crate) kernel: Option<PathBuf>,
    /// Where objects and modules go [default: build/modules/NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// More arguments for make (CONFIG_X=m, CLIPPY=1, W=e)
    #[arg(last = true)]
    pub(crate) arguments: Vec<String>,
}

#[derive(Args)]
pub(crate) struct GuestArgs {
    /// What the guest runs on
    #[arg(long, value_enum, default_value_t)]
    pub(crate) guest: Guest,
    /// A boot image instead of the stock kernel
    #[arg(long, value_name = "IMAGE")]
    pub(crate) kernel: Option<PathBuf>,
    /// A module for the guest
    #[arg(long = "module", value_name = "FILE.ko")]
    pub(crate) modules: Vec<PathBuf>,
    /// A module of the stock kernel for the guest
    #[arg(long = "stock-module", value_name = "NAME")]
    pub(crate) stock_modules: Vec<String>,
    /// A file or directory for the guest
    #[arg(long = "file", value_name = "SRC:DEST", value_parser = initramfs::parse_placement)]
    pub(crate) files: Vec<(PathBuf, String)>,
    /// A device model with these options (of heci-model); may be repeated [default: one without options]
    #[arg(long = "model", value_name = "ARGS", allow_hyphen_values = true)]
    pub(crate) models: Vec<String>,
    /// No device model
    #[arg(long, conflicts_with = "models")]
    pub(crate) no_model: bool,
    /// The socket of another vfio-user device, instead of the default model
    #[arg(long, value_name = "SOCKET")]
    pub(crate) vfio_user: Vec<PathBuf>,
    /// A virtio port, connected to a listening unix socket
    #[arg(long = "port", value_name = "NAME=SOCKET", value_parser = parse_port)]
    pub(crate) ports: Vec<(String, PathBuf)>,
    /// Put each device behind a PCIe root port rp<i> (the devices are heci<i>)
    #[arg(long)]
    pub(crate) root_port: bool,
    /// More kernel parameters
    #[arg(
        long,
        value_name = "CMDLINE",
        default_value = "",
        allow_hyphen_values = true
    )]
    pub(crate) append: String,
    /// Where logs and traces are kept [default: build/runs/TIME-PID]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) guest: GuestArgs,
    /// How many seconds the command may take
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub(crate) timeout: u64,
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

fn parse_port(text: &str) -> Result<(String, PathBuf)> {
    let (name, socket) = text.split_once('=').context("expected NAME=SOCKET")?;
    ensure!(
        !name.is_empty() && !name.contains('/'),
        "a port's name has at least one character and no slash"
    );
    ensure!(
        PathBuf::from(socket).exists(),
        "there is no socket {socket}"
    );
    Ok((name.to_owned(), PathBuf::from(socket)))
}

/// [`GuestArgs`] alone.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct Options {
    #[command(flatten)]
    guest: GuestArgs,
}

impl GuestArgs {
    /// Parses the options of a guest as `vm run` takes them.
    pub(crate) fn parse_options(options: &[String]) -> Result<Self> {
        Ok(Options::try_parse_from(options)?.guest)
    }

    /// The request that these options describe, without a command.
    pub(crate) fn request(self, env: &Env) -> Request {
        let models = match (
            self.no_model || !self.vfio_user.is_empty(),
            self.models.is_empty(),
        ) {
            (false, true) => vec![String::new()],
            _ => self.models,
        };
        Request {
            guest: self.guest,
            kernel: self.kernel,
            modules: self.modules,
            stock_modules: self.stock_modules,
            files: self.files,
            models,
            vfio_user: self.vfio_user,
            ports: self.ports,
            root_ports: self.root_port,
            append: self.append,
            out: self.out.unwrap_or_else(|| run::default_out(env)),
            ..Request::default()
        }
    }
}
