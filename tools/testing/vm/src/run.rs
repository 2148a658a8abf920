// SPDX-License-Identifier: GPL-2.0

//! One run: boots a guest with device models, runs a command in it and brings its exit status back.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::channel::{Channel, Event};
use crate::env::Env;
use crate::initramfs::Initramfs;
use crate::model::Model;
use crate::process::{last_lines, Running, SocketDir};
use crate::progress::say;
use crate::qemu::Machine;
use crate::splat;
use crate::stock;

const INIT: &str = include_str!("../guest/init");
const AGENT: &str = include_str!("../guest/agent");

const KMOD_NAMES: &[&str] = &["depmod", "insmod", "lsmod", "modinfo", "modprobe", "rmmod"];

/// What every kernel gets: warnings and worse on the console, and an end to the run after an Oops.
const APPEND: &str =
    "console=ttyS0 loglevel=5 panic=-1 oops=panic printk.devkmsg=on log_buf_len=4M";

const KERNEL_LOG: &str = "kernel.log";

const BOOT_LIMIT: Duration = Duration::from_secs(120);
/// How long the streams may take to arrive after the command's end, and QEMU to end after that.
const END_LIMIT: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(50);

/// What file system the guest runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Guest {
    /// busybox and kmod in memory: boots fastest
    #[default]
    Initramfs,
    /// the root file system with its tools (python3, keyctl, openssl, ...), changes go to memory
    Rootfs,
}

/// A run to make.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub guest: Guest,
    /// A boot image other than the stock kernel's.
    pub kernel: Option<PathBuf>,
    pub modules: Vec<PathBuf>,
    pub stock_modules: Vec<String>,
    /// Files and directories of the host, and where they lie in the guest.
    pub files: Vec<(PathBuf, String)>,
    /// One device model each, with these arguments.
    pub models: Vec<String>,
    /// The models write no trace, which takes them time.
    pub untraced: bool,
    /// Sockets of further vfio-user devices.
    pub vfio_user: Vec<PathBuf>,
    pub ports: Vec<(String, PathBuf)>,
    pub root_ports: bool,
    /// More kernel parameters.
    pub append: String,
    /// How long the command may take.
    pub timeout: Duration,
    /// Where logs and traces are kept.
    pub out: PathBuf,
    pub command: Vec<String>,
    /// The command talks to the terminal instead of a log, without a time limit.
    pub interactive: bool,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The command ended with this status, and the kernel log is clean.
    Status(i32),
    /// The kernel log has a splat; these are its lines.
    Splat(String),
    /// The guest ended, the command did not; with the last lines of the kernel's console.
    NoStatus(String),
    /// A step took too long; with its name and the last lines.
    TimeLimit(String),
}

/// A directory below `build/runs` for a run that did not ask for another.
pub(crate) fn default_out(env: &Env) -> PathBuf {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    env.build().join(format!(
        "runs/{}.{:03}-{}",
        seconds.as_secs(),
        seconds.subsec_millis(),
        std::process::id()
    ))
}

/// Makes a run. The command's output goes to `sink` as it comes.
///
/// QEMU's emulated processors now and then do not see in time that another one has patched the kernel's code. A guest that
/// this has stopped before it began with anything is booted once more.
///
/// An error means that the run could not be made; what the guest did is the [`End`].
pub(crate) fn run(env: &Env, request: &Request, sink: Box<dyn Write + Send>) -> Result<End> {
    let sink = Arc::new(Mutex::new(sink));
    let end = attempt(env, request, Box::new(Shared(sink.clone())))?;
    match &end {
        End::Splat(lines) if is_patch_race(lines) && !has_begun(request) => {
            say("QEMU's processors disagree about the kernel's code: boot once more");
            attempt(env, request, Box::new(Shared(sink)))
        }
        _ => Ok(end),
    }
}

/// A breakpoint that code has while it is patched, and that a processor met when it was patched already.
fn is_patch_race(lines: &str) -> bool {
    lines.contains("Oops: int3:")
}

/// Whether the guest's first program has sent something of the kernel's log.
fn has_begun(request: &Request) -> bool {
    fs::metadata(request.out.join(KERNEL_LOG)).is_ok_and(|log| log.len() > 0)
}

/// What two attempts write to.
struct Shared(Arc<Mutex<Box<dyn Write + Send>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .flush()
    }
}

fn attempt(env: &Env, request: &Request, sink: Box<dyn Write + Send>) -> Result<End> {
    let out = &request.out;
    fs::create_dir_all(out).with_context(|| format!("could not create {}", out.display()))?;
    let out = &out.canonicalize()?;
    let sockets = SocketDir::new()?;
    let token = cryptic()?;
    let initramfs = sockets.join("initrd");
    let image = request.kernel.clone().unwrap_or_else(|| env.kernel.image());
    let image = image
        .canonicalize()
        .with_context(|| format!("there is no kernel image {}", image.display()))?;
    pack(
        env,
        request,
        &image,
        &token,
        &sockets.join("staging"),
        &initramfs,
    )?;

    let mut models = Vec::new();
    for (index, arguments) in request.models.iter().enumerate() {
        let model = match request.untraced {
            true => Model::start_with(index, arguments, &sockets, out, None),
            false => Model::start(index, arguments, &sockets, out),
        };
        models.push(model?);
    }

    let (sender, events) = mpsc::channel();
    let log = Logs {
        output: out.join("output.log"),
        kernel: out.join(KERNEL_LOG),
        serial: out.join("serial.log"),
    };
    let path = |name: &str| sockets.join(name);
    let mut streams = vec![
        Channel::status(path("status"), &token, sender.clone())?,
        Channel::kernel_log(path("log"), &token, &log.kernel, sender.clone())?,
    ];
    let mut channels = vec![path("status"), path("log")];
    if !request.interactive {
        channels.push(path("output"));
        streams.push(Channel::output(
            path("output"),
            &token,
            &log.output,
            sink,
            sender,
        )?);
    }
    let mut ports: Vec<(String, PathBuf)> = models
        .iter()
        .enumerate()
        .map(|(index, model)| (format!("heci{index}"), model.control.clone()))
        .collect();
    ports.extend(request.ports.iter().cloned());

    let machine = Machine {
        image: &image,
        initramfs: &initramfs,
        append: format!("{APPEND} {}", request.append),
        devices: models
            .iter()
            .map(|model| model.socket.clone())
            .chain(request.vfio_user.iter().cloned())
            .collect(),
        root_ports: request.root_ports,
        ports,
        qmp: path("qmp"),
        share: (request.guest == Guest::Rootfs).then(|| env.tools.rootfs().as_path()),
        serial: &log.serial,
        channels,
        interactive: request.interactive,
    };
    let qemu_log = out.join("qemu.log");
    let mut command = env.tools.command("qemu-system-x86_64");
    command
        .args(machine.arguments())
        .stderr(fs::File::create(&qemu_log)?);
    let mut qemu = if request.interactive {
        Running::start_in_foreground(&mut command, "QEMU")?
    } else {
        Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()), "QEMU")?
    };

    let boot_limit = BOOT_LIMIT * env.kernel.slowness;
    let end = follow(request, boot_limit, &mut qemu, &events, &log)?;
    drop(qemu);
    for stream in streams {
        stream.finish()?;
    }
    for model in &mut models {
        model.check()?;
    }
    let end = match end {
        End::NoStatus(_) => match last_lines(&qemu_log, 20) {
            said if said.is_empty() => end,
            said => End::NoStatus(format!("QEMU says: {said}\n{}", log.console())),
        },
        end => end,
    };
    Ok(log.splat().map_or(end, End::Splat))
}

/// The files of a run.
struct Logs {
    output: PathBuf,
    kernel: PathBuf,
    serial: PathBuf,
}

impl Logs {
    /// A splat in the kernel log, or on the console if the log ended before.
    fn splat(&self) -> Option<String> {
        [&self.kernel, &self.serial].into_iter().find_map(|path| {
            splat::find(&String::from_utf8_lossy(
                &fs::read(path).unwrap_or_default(),
            ))
        })
    }

    fn console(&self) -> String {
        format!(
            "--- last lines of {}\n{}\n--- last lines of {}\n{}",
            self.kernel.display(),
            last_lines(&self.kernel, 10),
            self.serial.display(),
            last_lines(&self.serial, 20)
        )
    }
}

/// Follows a run from QEMU's start to its end.
fn follow(
    request: &Request,
    boot_limit: Duration,
    qemu: &mut Running,
    events: &mpsc::Receiver<Event>,
    log: &Logs,
) -> Result<End> {
    let mut step = "boot the guest";
    let mut deadline = Some(Instant::now() + boot_limit);
    let mut limit = boot_limit;
    let (mut answer, mut status) = (None, None);
    let mut waiting = if request.interactive { 1 } else { 2 };
    let mut ended = false;
    loop {
        match events.recv_timeout(TICK) {
            Ok(Event::Ready(stream)) => {
                answer = Some(stream);
                step = "run the command";
                limit = request.timeout;
                deadline = (!request.interactive).then(|| Instant::now() + limit);
            }
            Ok(Event::Status(value)) => {
                status = Some(value);
                step = "end the guest";
                limit = END_LIMIT;
                deadline = Some(Instant::now() + limit);
            }
            Ok(Event::OutputEnd | Event::LogEnd) => waiting -= 1,
            Err(RecvTimeoutError::Timeout) => {}
            // Every port is at its end: QEMU is ending.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
        }
        if status.is_some() && waiting == 0 {
            if let Some(mut stream) = answer.take() {
                // A guest that is gone needs no answer.
                let _ = stream.write_all(b"bye\n");
            }
        }
        if ended {
            return Ok(status.map_or_else(|| End::NoStatus(log.console()), End::Status));
        }
        // One more look at the events after QEMU's end: the status may have come with it.
        ended = qemu.ended()?.is_some();
        if !ended && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(End::TimeLimit(format!(
                "{step}: the time limit of {} s is over\n--- last lines of {}\n{}\n{}",
                limit.as_secs(),
                log.output.display(),
                last_lines(&log.output, 20),
                log.console()
            )));
        }
    }
}

/// Writes the guest's initramfs.
fn pack(
    env: &Env,
    request: &Request,
    image: &Path,
    token: &str,
    staging: &Path,
    to: &Path,
) -> Result<()> {
    let mut initramfs = Initramfs::default();
    for directory in [
        "dev", "proc", "sys", "tmp", "run", "root", "bin", "sbin", "usr/bin", "usr/sbin", "etc",
    ] {
        initramfs.directory(directory);
    }
    let rootfs = env.tools.rootfs();
    initramfs.copy(&rootfs.join("usr/bin/busybox"), "bin/busybox")?;
    initramfs.program(rootfs, "usr/bin/kmod")?;
    for name in KMOD_NAMES {
        initramfs.link(&format!("sbin/{name}"), "../bin/kmod");
    }
    let mut stock_modules = request.stock_modules.clone();
    if request.guest == Guest::Rootfs && request.kernel.is_none() {
        stock_modules.extend(["9p", "9pnet_virtio", "overlay"].map(str::to_owned));
    }
    let release = stock::image_release(image)?;
    stock::place(
        &mut initramfs,
        &env.tools,
        &env.kernel,
        &release,
        &request.modules,
        &stock_modules,
        staging,
    )?;
    let mut placed = Vec::new();
    for (source, destination) in &request.files {
        initramfs.copy(source, destination)?;
        placed.push(destination.as_str());
    }
    let quote = |words: &[&str]| {
        shlex::try_join(words.iter().copied()).context("an argument has a NUL byte")
    };
    let command: Vec<&str> = request.command.iter().map(String::as_str).collect();
    initramfs.file(
        "vm/command",
        format!("#!/bin/sh\nexec {}\n", quote(&command)?),
        0o755,
    );
    let guest = match request.guest {
        Guest::Initramfs => "initramfs",
        Guest::Rootfs => "rootfs",
    };
    let variables = format!(
        "VM_GUEST={guest}\nVM_TOKEN={token}\nVM_INTERACTIVE={}\nset -- {}\n",
        u8::from(request.interactive),
        quote(&placed)?
    );
    initramfs.file("vm/env", variables, 0o644);
    initramfs.file("vm/agent", AGENT, 0o755);
    initramfs.file("init", INIT, 0o755);
    initramfs.write(to)
}

/// 128 random bits in hexadecimal digits.
fn cryptic() -> Result<String> {
    let mut bytes = [0; 16];
    std::io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_breakpoint_is_a_race_of_the_emulator() {
        assert!(is_patch_race("[    3.4] Oops: int3: 0000 [#1] SMP NOPTI"));
        assert!(!is_patch_race(
            "[    3.4] Oops: general protection fault: 0000 [#1]"
        ));
        assert!(!is_patch_race("[    3.4] Oops: 0002 [#1]\nCode: int3"));
    }

    #[test]
    fn a_guest_has_begun_when_there_is_something_of_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let request = Request {
            out: dir.path().to_owned(),
            ..Request::default()
        };
        assert!(!has_begun(&request));
        fs::write(dir.path().join(KERNEL_LOG), "").unwrap();
        assert!(!has_begun(&request));
        fs::write(dir.path().join(KERNEL_LOG), "Linux version").unwrap();
        assert!(has_begun(&request));
    }
}
