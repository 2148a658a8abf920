// SPDX-License-Identifier: GPL-2.0
//! The drivers: how to load and unload them, and how a program reaches a firmware client.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use clap::ValueEnum;
use elf::abi::SHF_EXECINSTR;
use elf::endian::AnyEndian;
use elf::ElfBytes;
use guest::{run, Client, Function};
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
            match self.connect(Client::More(1)) {
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
        guest::ioctl::connect(&file, uuid)?;
        Ok(file)
    }

    /// Whether a line of the kernel's trace names a function of this driver.
    pub(crate) fn is_named(self, line: &str) -> bool {
        let named = |module| line.contains(&format!("[{module}]"));
        self.modules().iter().any(named)
    }

    /// The first function that it is bound to.
    pub(crate) fn function(self) -> Result<Function> {
        let driver = match self {
            Self::IsseiRust => "issei_rust",
            Self::Issei => "issei_heci",
            Self::MeiMe => "mei_me",
        };
        let directory = Path::new("/sys/bus/pci/drivers").join(driver);
        for entry in std::fs::read_dir(directory).context("the driver is not loaded")? {
            let address = entry?.file_name().to_string_lossy().into_owned();
            if address.starts_with("0000:") {
                let driver = driver.to_owned();
                return Ok(Function { address, driver });
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

/// Refuses to go on where a driver is loaded already: what it did before would count.
pub(crate) fn none_loaded(drivers: &[Driver]) -> Result<()> {
    for driver in drivers {
        ensure!(!driver.device().exists(), "{driver} is loaded: unload it");
    }
    Ok(())
}
