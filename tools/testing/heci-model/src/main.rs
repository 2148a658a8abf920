// SPDX-License-Identifier: GPL-2.0
//! `heci-model`: one process is one emulated HECI or MEI function.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Write};
use std::net::TcpListener;
use std::num::ParseIntError;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, Context, Result};
use clap::{Parser, ValueEnum};

use heci_model::clients::{self, FirmwareClient};
use heci_model::control;
use heci_model::device::Device;
use heci_model::firmware::Firmware;
use heci_model::fuzz;
use heci_model::mei::{self, Mei};
use heci_model::personality::Personality;
use heci_model::server::{self, Backend, Clock, Shared};
use heci_model::settings::Settings;
use heci_model::spdm::identity::Identity;
use heci_model::spdm::socket::{self, Line, Remote};
use heci_model::trace::Trace;

/// An emulated HECI (or MEI) function with a Silicon Security Engine behind it, for QEMU's vfio-user-pci
#[derive(Parser)]
struct Options {
    /// Socket for the vfio-user client; made here, must not exist
    #[arg(long, value_name = "PATH", required_unless_present = "no_device")]
    socket: Option<PathBuf>,
    /// Socket for commands (JSON lines); made here, must not exist
    #[arg(long, value_name = "PATH", required_unless_present = "no_device")]
    control: Option<PathBuf>,
    /// Be an SPDM responder only, without a device
    #[arg(long, requires = "spdm_listen", conflicts_with_all = ["socket", "spdm_connect"])]
    no_device: bool,
    /// File for a trace (JSON lines)
    #[arg(long, value_name = "PATH")]
    trace: Option<PathBuf>,
    /// What kind of function to be
    #[arg(long, value_enum, default_value_t)]
    personality: Kind,
    /// PCI device ID, hexadecimal [default: a85d; mei: a870]
    #[arg(long, value_name = "ID", value_parser = device_id)]
    device_id: Option<u16>,
    /// Refuse the DMA ring of MEI
    #[arg(long)]
    no_dma_ring: bool,
    /// Firmware version
    #[arg(long, value_name = "A.B.C.D", default_value = "1.2.3.4", value_parser = fw_version)]
    fw_version: FirmwareVersion,
    /// How long the late client takes for an answer, in milliseconds
    #[arg(long, value_name = "N", default_value_t = 300)]
    late_ms: u64,
    /// So many more clients that echo
    #[arg(long, value_name = "N", default_value_t = 0)]
    more_echo: u8,
    /// Serve SPDM requesters at this TCP address, in the socket protocol of DMTF's emulators
    #[arg(long, value_name = "HOST:PORT")]
    spdm_listen: Option<String>,
    /// Let the guest speak SPDM to the responder at this TCP address (the same protocol)
    #[arg(long, value_name = "HOST:PORT")]
    spdm_connect: Option<String>,
    /// Be an engine without an SPDM client
    #[arg(long, conflicts_with = "spdm_connect")]
    no_spdm: bool,
    /// Certificates (PEM, root first) and key (PKCS #8, PEM) of a slot; may be repeated
    #[arg(long, value_name = "SLOT:CHAIN:KEY")]
    spdm_identity: Vec<Identity>,
    /// Let chance, of this seed, break what the firmware does
    #[arg(long, value_name = "SEED")]
    fuzz: Option<u64>,
    /// At one of so many occasions
    #[arg(long, value_name = "N", default_value_t = fuzz::ONE_IN, requires = "fuzz")]
    fuzz_one_in: u64,
    #[command(flatten)]
    settings: Settings,
}

/// A personality.
#[derive(Clone, Copy, Default, ValueEnum)]
enum Kind {
    /// The HECI function of a Silicon Security Engine
    #[default]
    Heci,
    /// The MEI function of a management engine
    Mei,
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
    let (spdm, line) = spdm_client(&options)?;
    let mut clients = clients::all(spdm, Duration::from_millis(options.late_ms));
    clients.extend(clients::echoes(options.more_echo));
    let version = options.fw_version.0;
    let (firmware, device_id): (Box<dyn Personality>, u16) = match options.personality {
        Kind::Heci => (Box::new(Firmware::new(version, clients)), 0xa85d),
        Kind::Mei => (
            Box::new(Mei::new(clients, options.no_dma_ring)),
            mei::DEVICE_ID,
        ),
    };
    let device_id = options.device_id.unwrap_or(device_id);
    let mut device = Device::with(firmware, device_id, version, options.settings, trace);
    if let Some(seed) = options.fuzz {
        device.fuzz().restart(seed, options.fuzz_one_in);
    }
    for identity in &options.spdm_identity {
        device.engine().give(identity.slot, identity.load()?);
    }
    let shared = Shared::new(device, Clock::Wall(Instant::now()));

    let control = options.control.as_ref().map(|path| {
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))
    });
    let control = control.transpose()?;
    let server = options.socket.as_ref().map(|path| {
        server::listen(path).with_context(|| format!("cannot listen on {}", path.display()))
    });
    let server = server.transpose()?;
    let port = options.spdm_listen.as_ref().map(|address| {
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
    });
    let port = port.transpose()?;

    let timer = Arc::clone(&shared);
    thread::spawn(move || timer.run_timer());
    if let Some(control) = control {
        let commands = Arc::clone(&shared);
        thread::spawn(move || {
            if let Err(error) = control::serve(&control, &commands, || process::exit(0)) {
                eprintln!("heci-model: no more commands: {error}");
            }
        });
    }
    if let Some(line) = line {
        let shared = Arc::clone(&shared);
        thread::spawn(move || line.run(&shared));
    }

    println!("ready");
    io::stdout().flush()?;

    let Some(server) = server else {
        return match port {
            Some(port) => socket::serve(&port, &shared, || process::exit(0)).context("SPDM port"),
            None => Ok(()),
        };
    };
    if let Some(port) = port {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            if let Err(error) = socket::serve(&port, &shared, || ()) {
                eprintln!("heci-model: no more SPDM requesters: {error}");
            }
        });
    }
    let served = server.run(&mut Backend(shared));
    if let Some(control) = &options.control {
        std::fs::remove_file(control).context("cannot remove the control socket")?;
    }
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

type SpdmClient = Option<Box<dyn FirmwareClient>>;

/// The client that speaks SPDM, if there is one, and the line behind it, if there is one.
fn spdm_client(options: &Options) -> Result<(SpdmClient, Option<Line>)> {
    if options.no_spdm {
        return Ok((None, None));
    }
    let Some(address) = &options.spdm_connect else {
        return Ok((Some(clients::spdm()), None));
    };
    let (remote, line) = Remote::connect(address)
        .with_context(|| format!("cannot connect to an SPDM responder at {address}"))?;
    Ok((Some(Box::new(remote)), Some(line)))
}
