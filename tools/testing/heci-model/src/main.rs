// SPDX-License-Identifier: GPL-2.0
//! `heci-model`: one process is one emulated HECI function.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Write};
use std::num::ParseIntError;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, Context, Result};
use clap::Parser;

use heci_model::clients;
use heci_model::control;
use heci_model::device::Device;
use heci_model::server::{self, Backend, Clock, Shared};
use heci_model::settings::Settings;
use heci_model::trace::Trace;

/// An emulated HECI function with a Silicon Security Engine behind it, for QEMU's vfio-user-pci
#[derive(Parser)]
struct Options {
    /// Socket for the vfio-user client; made here, must not exist
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// Socket for commands (JSON lines); made here, must not exist
    #[arg(long, value_name = "PATH")]
    control: PathBuf,
    /// File for a trace (JSON lines)
    #[arg(long, value_name = "PATH")]
    trace: Option<PathBuf>,
    /// PCI device ID, hexadecimal
    #[arg(long, value_name = "ID", default_value = "a85d", value_parser = device_id)]
    device_id: u16,
    /// Firmware version
    #[arg(long, value_name = "A.B.C.D", default_value = "1.2.3.4", value_parser = fw_version)]
    fw_version: FirmwareVersion,
    /// How long the late client takes for an answer, in milliseconds
    #[arg(long, value_name = "N", default_value_t = 300)]
    late_ms: u64,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone)]
struct FirmwareVersion([u16; 4]);

fn device_id(text: &str) -> Result<u16, ParseIntError> {
    u16::from_str_radix(text.trim_start_matches("0x"), 16)
}

fn fw_version(text: &str) -> Result<FirmwareVersion, String> {
    let parts: Result<Vec<u16>, _> = text.split('.').map(str::parse).collect();
    let parts = parts.map_err(|error| error.to_string())?;
    let version = parts.try_into();
    version
        .map(FirmwareVersion)
        .map_err(|_| "four numbers, separated by dots".into())
}

fn main() -> Result<()> {
    env_logger::init();
    let options = Options::parse();
    let check = options.settings.spdm.check();
    check.map_err(|error| anyhow!("--spdm-{}", error.replace('_', "-")))?;

    let trace = match &options.trace {
        None => Trace::default(),
        Some(path) => {
            let file = File::create(path);
            Trace::new(Box::new(file.with_context(|| {
                format!("cannot write the trace {}", path.display())
            })?))
        }
    };
    let device = Device::new(
        options.device_id,
        options.fw_version.0,
        clients::all(Duration::from_millis(options.late_ms)),
        options.settings,
        trace,
    );
    let shared = Shared::new(device, Clock::Wall(Instant::now()));

    let control = UnixListener::bind(&options.control)
        .with_context(|| format!("cannot listen on {}", options.control.display()))?;
    let server = server::listen(&options.socket)
        .with_context(|| format!("cannot listen on {}", options.socket.display()))?;

    let timer = Arc::clone(&shared);
    thread::spawn(move || timer.run_timer());
    let commands = Arc::clone(&shared);
    thread::spawn(move || {
        if let Err(error) = control::serve(&control, &commands, || process::exit(0)) {
            eprintln!("heci-model: no more commands: {error}");
        }
    });

    println!("ready");
    io::stdout().flush()?;

    let served = server.run(&mut Backend(shared));
    std::fs::remove_file(&options.control).context("cannot remove the control socket")?;
    match served {
        // A client that is killed may leave a message half sent.
        Err(
            gone @ (vfio_user::Error::StreamRead(_)
            | vfio_user::Error::StreamWrite(_)
            | vfio_user::Error::ReceiveWithFd(_)),
        ) => {
            log::info!("the client is gone: {gone}");
            Ok(())
        }
        result => result.context("vfio-user"),
    }
}
