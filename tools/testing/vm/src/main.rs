// SPDX-License-Identifier: GPL-2.0

//! The test environment: sets it up, builds modules for its kernel, boots guests and runs commands in them.

mod apt;
mod cache;
mod channel;
mod demo;
mod env;
mod host;
mod initramfs;
mod kernel;
mod model;
mod module;
mod process;
mod progress;
mod qemu;
mod rootfs;
mod run;
mod splat;
mod stock;
mod symbols;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use clap::{Args, Parser, Subcommand};

use env::Env;
use run::{End, Guest, Request};

/// Exit status where the kernel log has a splat.
const EXIT_SPLAT: u8 = 120;
/// Exit status where the guest ended before the command.
const EXIT_NO_STATUS: u8 = 121;
/// Exit status where a time limit was over.
const EXIT_TIME_LIMIT: u8 = 122;
/// Exit status where something on the host failed.
const EXIT_HOST: u8 = 125;

#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "\
The environment (a Debian root file system with compilers and QEMU, a stock kernel and its prepared source) is set up in \
${XDG_CACHE_HOME:-~/.cache}/issei when a subcommand first needs it; from then on no network is used."
)]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// Set up the environment now
    Setup {
        /// Look for newer packages even if the environment is complete
        #[arg(long)]
        update: bool,
    },
    /// Set up, build and show the driver at work in a guest, step by step
    Demo,
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
struct BuildArgs {
    /// Directory with the module's Makefile
    source: PathBuf,
    /// A prepared kernel tree instead of the stock kernel's
    #[arg(long, value_name = "DIR")]
    kernel: Option<PathBuf>,
    /// Where objects and modules go [default: build/modules/NAME]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// More arguments for make (CONFIG_X=m, CLIPPY=1, W=e)
    #[arg(last = true)]
    arguments: Vec<String>,
}

#[derive(Args)]
struct GuestArgs {
    /// What the guest runs on
    #[arg(long, value_enum, default_value_t)]
    guest: Guest,
    /// A boot image instead of the stock kernel
    #[arg(long, value_name = "IMAGE")]
    kernel: Option<PathBuf>,
    /// A module for the guest
    #[arg(long = "module", value_name = "FILE.ko")]
    modules: Vec<PathBuf>,
    /// A module of the stock kernel for the guest
    #[arg(long = "stock-module", value_name = "NAME")]
    stock_modules: Vec<String>,
    /// A file or directory for the guest
    #[arg(long = "file", value_name = "SRC:DEST", value_parser = initramfs::parse_placement)]
    files: Vec<(PathBuf, String)>,
    /// A device model with these options (of heci-model); may be repeated [default: one without options]
    #[arg(long = "model", value_name = "ARGS", allow_hyphen_values = true)]
    models: Vec<String>,
    /// No device model
    #[arg(long, conflicts_with = "models")]
    no_model: bool,
    /// The socket of another vfio-user device, instead of the default model
    #[arg(long, value_name = "SOCKET")]
    vfio_user: Vec<PathBuf>,
    /// A virtio port, connected to a listening unix socket
    #[arg(long = "port", value_name = "NAME=SOCKET", value_parser = parse_port)]
    ports: Vec<(String, PathBuf)>,
    /// Put each device behind a PCIe root port rp<i> (the devices are heci<i>)
    #[arg(long)]
    root_port: bool,
    /// More kernel parameters
    #[arg(
        long,
        value_name = "CMDLINE",
        default_value = "",
        allow_hyphen_values = true
    )]
    append: String,
    /// Where logs and traces are kept [default: build/runs/TIME-PID]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    guest: GuestArgs,
    /// How many seconds the command may take
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    timeout: u64,
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<String>,
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

impl GuestArgs {
    fn request(self, env: &Env) -> Request {
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
        Sub::Modules { kernel } => {
            println!(
                "{}",
                module::driver(&Env::get(false)?, kernel.as_deref())?.display()
            );
            Ok(ExitCode::SUCCESS)
        }
        Sub::Build(args) => {
            let env = Env::get(false)?;
            for module in build(&env, &args)? {
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

fn build(env: &Env, args: &BuildArgs) -> Result<Vec<PathBuf>> {
    let tree = match &args.kernel {
        Some(path) => module::Tree::open(path)?,
        None => module::Tree::stock(env)?,
    };
    let name = args
        .source
        .file_name()
        .context("the source directory has no name")?;
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| env.build().join("modules").join(name));
    let arguments: Vec<&str> = args.arguments.iter().map(String::as_str).collect();
    module::build(
        &env.tools,
        &tree,
        &module::Build {
            source: &args.source,
            output: &output,
            arguments: &arguments,
        },
    )
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
