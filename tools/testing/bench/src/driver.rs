// SPDX-License-Identifier: GPL-2.0
//! The drivers: how to load and unload them, and how a program reaches a firmware client.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use clap::ValueEnum;
use elf::abi::SHF_EXECINSTR;
use elf::endian::AnyEndian;
use elf::ElfBytes;
use serde::Serialize;

use crate::model::Model;

/// How long a driver may take until a program can use it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A driver to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Driver {
    /// The driver of this project
    #[value(name = "issei_rust")]
    IsseiRust,
    /// Intel's driver for the same function
    #[value(name = "issei")]
    Issei,
    /// The kernel's driver for a management engine
    #[value(name = "mei_me")]
    MeiMe,
}

/// A firmware client of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// One of those that `--more-echo` adds, from 1 on.
    Echo(u16),
    /// The SPDM responder.
    Spdm,
}

mod connect {
    nix::ioctl_readwrite!(
        /// `IOCTL_ISSEI_CONNECT_CLIENT` and `IOCTL_MEI_CONNECT_CLIENT`: takes a UUID, gives
        /// properties.
        client,
        b'H',
        1,
        [u8; 16]
    );
}

impl Driver {
    /// The modules, the one to load first; unloaded in this order.
    fn modules(self) -> &'static [&'static str] {
        match self {
            Self::IsseiRust => &["issei_rust"],
            Self::Issei => &["issei_heci", "issei"],
            Self::MeiMe => &["mei_me", "mei"],
        }
    }

    /// The first of its character devices.
    pub(crate) fn device(self) -> &'static Path {
        Path::new(match self {
            Self::IsseiRust | Self::Issei => "/dev/issei0",
            Self::MeiMe => "/dev/mei0",
        })
    }

    /// Which of the models it drives: the first is a HECI function, the second a MEI function.
    pub(crate) fn model(self) -> Result<Model> {
        Model::open(match self {
            Self::IsseiRust | Self::Issei => 0,
            Self::MeiMe => 1,
        })
    }

    /// Loads it and waits until a program can connect; returns how long that took.
    pub(crate) fn load(self) -> Result<Duration> {
        let start = Instant::now();
        if let [first, ..] = self.modules() {
            run("modprobe", &[first])?;
        }
        self.wait_until_usable()?;
        Ok(start.elapsed())
    }

    /// Waits until a program can connect.
    pub(crate) fn wait_until_usable(self) -> Result<()> {
        let start = Instant::now();
        loop {
            match self.connect(Client::Echo(1)) {
                Ok(_) => return Ok(()),
                Err(error) if start.elapsed() > PATIENCE => {
                    return Err(error).with_context(|| format!("{self} is not usable"))
                }
                Err(_) => thread::sleep(Duration::from_micros(200)),
            }
        }
    }

    /// Unloads it.
    pub(crate) fn unload(self) -> Result<()> {
        self.modules()
            .iter()
            .try_for_each(|module| run("rmmod", &[module]).map(drop))
    }

    /// Connects to a client. The file reads and writes whole messages.
    pub(crate) fn connect(self, client: Client) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.device())?;
        let mut uuid = client.uuid();
        if self == Self::MeiMe {
            for field in [0..4, 4..6, 6..8] {
                uuid[field].reverse();
            }
        }
        // SAFETY: The kernel reads and writes 16 bytes, which is what the reference points to.
        unsafe { connect::client(file.as_raw_fd(), &mut uuid) }?;
        Ok(file)
    }

    /// Whether a line of the kernel's trace names a function of this driver.
    pub(crate) fn is_named(self, line: &str) -> bool {
        let named = |module| line.contains(&format!("[{module}]"));
        self.modules().iter().any(named)
    }

    /// The first function that it is bound to, and how it is named there.
    pub(crate) fn function(self) -> Result<Function> {
        let name = match self {
            Self::IsseiRust => "issei_rust",
            Self::Issei => "issei_heci",
            Self::MeiMe => "mei_me",
        };
        let driver = Path::new("/sys/bus/pci/drivers").join(name);
        for entry in std::fs::read_dir(&driver).context("the driver is not loaded")? {
            let address = entry?.file_name().to_string_lossy().into_owned();
            if address.starts_with("0000:") {
                return Ok(Function { driver, address });
            }
        }
        bail!("{self} is bound to no function")
    }

    /// Bytes of code in the modules.
    pub(crate) fn text(self) -> Result<u64> {
        let texts = self.modules().iter().map(|module| {
            let path = run("modinfo", &["-n", module])?;
            let path = Path::new(OsStr::from_bytes(path.trim_ascii()));
            let object = match path.extension() {
                Some(extension) if extension == "xz" => run("xzcat", &[&path.to_string_lossy()])?,
                _ => std::fs::read(path)?,
            };
            let file = ElfBytes::<AnyEndian>::minimal_parse(&object)?;
            let sections = file.section_headers().context("a module has no sections")?;
            let code = sections
                .iter()
                .filter(|section| section.sh_flags & u64::from(SHF_EXECINSTR) != 0);
            Ok(code.map(|section| section.sh_size).sum::<u64>())
        });
        texts.sum()
    }

    /// Bytes that the modules take in the kernel: code, data and what is freed after loading.
    pub(crate) fn memory(self) -> Result<u64> {
        let modules = std::fs::read_to_string("/proc/modules")?;
        let mut sum = 0;
        for module in self.modules() {
            let mut fields = modules
                .lines()
                .map(str::split_whitespace)
                .find_map(|mut line| (line.next() == Some(module)).then_some(line))
                .with_context(|| format!("{module} is not loaded"))?;
            let size = fields.next().context("/proc/modules has no sizes")?;
            sum += size.parse::<u64>()?;
        }
        Ok(sum)
    }
}

impl Display for Driver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().ok_or(fmt::Error)?;
        formatter.write_str(value.get_name())
    }
}

impl Client {
    fn uuid(self) -> [u8; 16] {
        let number: u128 = match self {
            Self::Echo(number) => 0x62756c6b_6563_686f_8001_000000000000 + u128::from(number),
            Self::Spdm => 0xe85149df_9447_4c9a_8367_c4e33464f1b4,
        };
        number.to_be_bytes()
    }
}

/// A function on the PCI bus, bound to a driver.
pub(crate) struct Function {
    driver: PathBuf,
    address: String,
}

impl Function {
    /// Takes the driver away.
    pub(crate) fn unbind(&self) -> Result<()> {
        self.write("unbind")
    }

    /// Gives it back. Returns when its probe has ended.
    pub(crate) fn bind(&self) -> Result<()> {
        self.write("bind")
    }

    fn write(&self, file: &str) -> Result<()> {
        let path = self.driver.join(file);
        std::fs::write(&path, &self.address)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Runs a program, which must succeed; returns its output.
fn run(program: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}", arguments.join(" "), error.trim());
    }
    Ok(output.stdout)
}

/// Refuses to go on where a driver is loaded already: what it did before would count.
pub(crate) fn none_loaded(drivers: &[Driver]) -> Result<()> {
    for driver in drivers {
        ensure!(!driver.device().exists(), "{driver} is loaded: unload it");
    }
    Ok(())
}
