// SPDX-License-Identifier: GPL-2.0

//! What the driver shows in sysfs. Source: Documentation/ABI/testing/sysfs-class-issei and
//! sysfs-class-issei-rust.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

pub mod diagnosis;
pub mod spdm;

/// A mounted sysfs.
#[derive(Clone, Debug)]
pub struct Sysfs {
    root: PathBuf,
}

/// A device of the class `issei`.
#[derive(Clone, Debug)]
pub struct Device {
    /// `issei<N>`
    pub name: String,
    path: PathBuf,
}

/// A firmware client.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Client {
    /// Its number.
    pub id: u32,
    /// Its UUID.
    pub uuid: String,
    /// Who it is, if the UUID is known.
    pub name: Option<&'static str>,
    /// The version of its protocol.
    pub version: String,
    /// The longest message, in bytes.
    pub mtu: u32,
    /// Its flags; only this project's driver shows them.
    pub flags: Option<u32>,
}

/// UUIDs that are known.
const CLIENTS: &[(&str, &str)] = &[("e85149df-9447-4c9a-8367-c4e33464f1b4", "SPDM")];

impl Sysfs {
    /// The sysfs that is mounted at `root`, usually `/sys`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn class(&self) -> PathBuf {
        self.root.join("class/issei")
    }

    /// The names of all devices, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// The class cannot be read.
    pub fn devices(&self) -> Result<Vec<String>, Failure> {
        let mut names = names(&self.class())?.unwrap_or_default();
        let number = |name: &str| name.strip_prefix("issei")?.parse::<u32>().ok();
        names.retain(|name| number(name).is_some());
        names.sort_by_key(|name| number(name));
        Ok(names)
    }

    /// The device `name`, which may be a path below `/dev`, or the first one.
    ///
    /// # Errors
    ///
    /// There is none. The advice says what is in the way.
    pub fn device(&self, name: Option<&str>) -> Result<Device, Failure> {
        let devices = self.devices()?;
        let wanted = name.map(|name| name.strip_prefix("/dev/").unwrap_or(name));
        let found = match wanted {
            Some(wanted) => devices.iter().find(|name| *name == wanted),
            None => devices.first(),
        };
        match (found, wanted) {
            (Some(name), _) => Ok(Device {
                name: name.clone(),
                path: self.class().join(name),
            }),
            (None, Some(wanted)) if !devices.is_empty() => {
                let failure = Failure::new(Exit::NoDevice, format!("there is no device {wanted}"));
                Err(failure.advise(format!("there is: {}", devices.join(", "))))
            }
            (None, _) => Err(diagnosis::no_device(&self.root)),
        }
    }
}

impl Device {
    /// An attribute without the newline. `None` if it does not exist or has no value now.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn attribute(&self, name: &str) -> Result<Option<String>, Failure> {
        text(&self.path.join(name))
    }

    /// The same, for an attribute that every driver has.
    ///
    /// # Errors
    ///
    /// It cannot be read, or there is none.
    pub fn needed(&self, name: &str) -> Result<String, Failure> {
        self.attribute(name)?.ok_or_else(|| {
            let message = format!("{}: {name} is missing", self.name);
            Failure::new(Exit::NoDevice, message).advise("was the driver unloaded just now?")
        })
    }

    /// A binary attribute, or `None` as above.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn binary(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        read(&self.path.join(name))
    }

    /// The names in a directory, sorted. `None` if there is no such directory.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn list(&self, directory: &str) -> Result<Option<Vec<String>>, Failure> {
        names(&self.path.join(directory))
    }

    /// The address of the PCI function and its `vendor:device`.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn pci(&self) -> Result<Option<(String, String)>, Failure> {
        let path = self.path.join("device");
        let (Some(vendor), Some(device)) = (id(&path.join("vendor"))?, id(&path.join("device"))?)
        else {
            return Ok(None);
        };
        let target = fs::canonicalize(&path).ok();
        let address = target.as_deref().and_then(file_name).unwrap_or_default();
        Ok(Some((address, format!("{vendor}:{device}"))))
    }

    /// The driver's name.
    pub fn driver(&self) -> Option<String> {
        link_name(&self.path.join("device/driver"))
    }

    /// The firmware clients, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn clients(&self) -> Result<Vec<Client>, Failure> {
        let mut clients = Vec::new();
        for name in self.list("fw_clients")?.unwrap_or_default() {
            // One that goes while it is read was not there.
            clients.extend(self.client(&format!("fw_clients/{name}"))?);
        }
        clients.sort_by_key(|client| client.id);
        Ok(clients)
    }

    fn client(&self, path: &str) -> Result<Option<Client>, Failure> {
        let attribute = |name: &str| self.attribute(&format!("{path}/{name}"));
        let number = |name: &str| -> Result<Option<u32>, Failure> {
            Ok(attribute(name)?.and_then(|text| text.parse().ok()))
        };
        let (Some(id), Some(uuid), Some(mtu)) = (number("id")?, attribute("uuid")?, number("mtu")?)
        else {
            return Ok(None);
        };
        let known = CLIENTS.iter().find(|(known, _)| *known == uuid);
        Ok(Some(Client {
            id,
            uuid,
            name: known.map(|(_, name)| *name),
            version: attribute("ver")?.unwrap_or_default(),
            mtu,
            flags: number("flags")?,
        }))
    }
}

/// A PCI identification without `0x`.
fn id(path: &Path) -> Result<Option<String>, Failure> {
    let text = text(path)?;
    Ok(text.map(|text| text.trim_start_matches("0x").to_owned()))
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// The last part of what a symbolic link points to.
fn link_name(path: &Path) -> Option<String> {
    file_name(&fs::read_link(path).ok()?)
}

fn text(path: &Path) -> Result<Option<String>, Failure> {
    let bytes = read(path)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes.trim_ascii()).into_owned()))
}

/// Linux `ENODATA`: the attribute has no value now.
const ENODATA: i32 = nix::errno::Errno::ENODATA as i32;
/// Linux `ENODEV`: the device went while its attribute was open.
const ENODEV: i32 = nix::errno::Errno::ENODEV as i32;

fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    absent(path, fs::read(path))
}

fn names(path: &Path) -> Result<Option<Vec<String>>, Failure> {
    let entries = fs::read_dir(path).and_then(|entries| {
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    });
    absent(path, entries)
}

/// Makes `None` of what is not there.
fn absent<T>(path: &Path, result: io::Result<T>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => match error.raw_os_error() {
            Some(ENODATA | ENODEV) => Ok(None),
            _ if error.kind() == io::ErrorKind::PermissionDenied => {
                let message = format!("{}: permission denied", path.display());
                Err(Failure::new(Exit::Permission, message).advise("run this as root"))
            }
            _ => Err(Failure::new(
                Exit::NotReady,
                format!("{}: {error}", path.display()),
            )),
        },
    }
}
