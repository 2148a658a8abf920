// SPDX-License-Identifier: GPL-2.0

//! Debian packages, fetched by the host's own apt with lists, state and archives of its own.
//!
//! Nothing is installed on the host: apt resolves against an empty dpkg status and only downloads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};

use crate::process;
use crate::progress::Step;

/// The Debian release of the environment; kernel and QEMU come from its backports.
pub(crate) const SUITE: &str = "trixie";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What is taken from backports although the release has it too: QEMU with vfio-user.
const PINS: &str =
    "Package: src:qemu src:seabios\nPin: release n=trixie-backports\nPin-Priority: 600\n";

const UPDATE_LIMIT: Duration = Duration::from_secs(180);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(1800);

/// A private apt below one directory.
pub(crate) struct Apt {
    dir: PathBuf,
}

/// One package of a resolved set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub name: String,
    pub version: String,
    pub arch: String,
}

impl Package {
    /// The file apt stores it in; a colon of the version is escaped there.
    pub(crate) fn file_name(&self) -> String {
        format!(
            "{}_{}_{}.deb",
            self.name,
            self.version.replace(':', "%3a"),
            self.arch
        )
    }
}

impl Apt {
    /// Writes the configuration below `dir`. The host's `Acquire` settings (proxies) hold.
    pub(crate) fn new(dir: PathBuf) -> Result<Self> {
        ensure!(
            Path::new(KEYRING).exists(),
            "{KEYRING} is missing: install the package debian-archive-keyring"
        );
        for sub in [
            "etc/preferences.d",
            "etc/parts",
            "state/lists/partial",
            "archives/partial",
        ] {
            let path = dir.join(sub);
            fs::create_dir_all(&path)
                .with_context(|| format!("could not create {}", path.display()))?;
        }
        let acquire = process::capture(
            Command::new("apt-config").args(["dump", "--no-empty", "Acquire"]),
            "reading the host's apt configuration",
        )
        .context("apt-get is needed to fetch packages (Debian, or a system derived from it)")?;
        let acquire: String = acquire
            .lines()
            .filter(|line| !line.contains("IndexTargets"))
            .map(|line| format!("{line}\n"))
            .collect();
        let path = dir.display();
        let sources = format!(
            "deb [signed-by={KEYRING}] http://deb.debian.org/debian {SUITE} main\n\
             deb [signed-by={KEYRING}] http://deb.debian.org/debian {SUITE}-backports main\n"
        );
        let configuration = format!(
            "Dir::Etc::Parts \"{path}/etc/parts\";\n\
             Dir::Etc::Main \"/dev/null\";\n\
             Dir::Etc::SourceList \"{path}/etc/sources.list\";\n\
             Dir::Etc::SourceParts \"/dev/null\";\n\
             Dir::Etc::Preferences \"/dev/null\";\n\
             Dir::Etc::PreferencesParts \"{path}/etc/preferences.d\";\n\
             Dir::State \"{path}/state\";\n\
             Dir::State::status \"{path}/etc/status\";\n\
             Dir::Cache \"{path}\";\n\
             Dir::Cache::archives \"{path}/archives\";\n\
             APT::Architecture \"amd64\";\n\
             APT::Architectures {{ \"amd64\"; }};\n\
             APT::Install-Recommends \"false\";\n\
             APT::Sandbox::User \"\";\n\
             APT::Update::Error-Mode \"any\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::Retries \"2\";\n\
             Acquire::http::Timeout \"30\";\n"
        );
        for (file, text) in [
            ("etc/parts/acquire", acquire.as_str()),
            ("etc/sources.list", &sources),
            ("etc/preferences.d/backports", PINS),
            ("etc/status", ""),
            ("etc/apt.conf", &configuration),
        ] {
            let path = dir.join(file);
            fs::write(&path, text)
                .with_context(|| format!("could not write {}", path.display()))?;
        }
        Ok(Self { dir })
    }

    /// Fetches the package lists.
    pub(crate) fn update(&self) -> Result<()> {
        let step = Step::begin("fetch the package lists");
        self.apt_get(&["update", "-q"], &step, UPDATE_LIMIT, &self.dir)?;
        step.done(&format!("Debian {SUITE} and {SUITE}-backports"));
        Ok(())
    }

    /// The set that holds `packages` and everything they depend on, in the order in which apt would install it.
    pub(crate) fn resolve(&self, packages: &[&str]) -> Result<Vec<Package>> {
        let output = self
            .command("apt-get")
            .args(["--simulate", "install"])
            .args(packages)
            .output()
            .context("could not start apt-get")?;
        if !output.status.success() {
            bail!(
                "resolve the packages: {}",
                explain(&String::from_utf8_lossy(&output.stderr))
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(parse_inst)
            .collect())
    }

    /// The versions of a package, newest first; none if the package is unknown.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = process::capture(
            self.command("apt-cache").args(["madison", package]),
            "apt-cache madison",
        )?;
        Ok(table
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(|version| version.trim().to_owned())
            .collect())
    }

    /// The names of all packages that begin with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let names = process::capture(
            self.command("apt-cache").args(["pkgnames", prefix]),
            "apt-cache pkgnames",
        )?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Downloads exactly these packages. What an earlier, interrupted run has fetched is kept.
    pub(crate) fn download(&self, what: &str, packages: &[Package]) -> Result<()> {
        let step = Step::begin(format!("download {what}"));
        let wanted: Vec<String> = packages
            .iter()
            .map(|package| format!("{}={}", package.name, package.version))
            .collect();
        let mut arguments = vec!["download", "-q"];
        arguments.extend(wanted.iter().map(String::as_str));
        self.apt_get(
            &arguments,
            &step,
            DOWNLOAD_LIMIT,
            &self.dir.join("archives"),
        )?;
        for package in packages {
            ensure!(
                self.deb(package).exists(),
                "download {what}: package {} did not arrive",
                package.name
            );
        }
        step.done(&format!("{} packages", packages.len()));
        Ok(())
    }

    /// The file of a downloaded package.
    pub(crate) fn deb(&self, package: &Package) -> PathBuf {
        self.dir.join("archives").join(package.file_name())
    }

    fn apt_get(
        &self,
        arguments: &[&str],
        step: &Step,
        limit: Duration,
        directory: &Path,
    ) -> Result<()> {
        let log = self.dir.join("log");
        let status = process::status(
            self.command("apt-get")
                .args(arguments)
                .current_dir(directory),
            step,
            limit,
            &log,
        )?;
        if !status.success() {
            let text = fs::read_to_string(&log).unwrap_or_default();
            bail!(
                "{}: {}; run it again once that works, what was fetched is kept",
                step.name(),
                explain(&text)
            );
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", self.dir.join("etc/apt.conf"))
            .env("LC_ALL", "C.UTF-8");
        command
    }
}

/// `Inst libc6 (2.41-12 Debian:13.1/stable [amd64]) []`, or with an earlier version in brackets after the name.
fn parse_inst(line: &str) -> Option<Package> {
    let (head, tail) = line.strip_prefix("Inst ")?.split_once(" (")?;
    let inside = tail.split_once(')')?.0;
    let name = head.split_whitespace().next()?;
    let version = inside.split_whitespace().next()?;
    let arch = inside.rsplit_once('[')?.1.trim_end_matches(']');
    Some(Package {
        name: name.to_owned(),
        version: version.to_owned(),
        arch: arch.to_owned(),
    })
}

/// One sentence out of what apt says, with the package's name where there is one.
fn explain(text: &str) -> String {
    let errors: Vec<&str> = text
        .lines()
        .filter(|line| {
            ["E: ", "Err:", "W: "]
                .iter()
                .any(|mark| line.starts_with(mark))
        })
        .collect();
    let first = |mark: &str| errors.iter().find(|line| line.contains(mark));
    if let Some(line) = first("Unable to locate package ") {
        let name = line.rsplit(' ').next().unwrap_or_default();
        return format!("package {name} is not in Debian {SUITE} or {SUITE}-backports");
    }
    if let Some(line) = first("Failed to fetch ") {
        let mut words = line
            .split("Failed to fetch ")
            .nth(1)
            .unwrap_or_default()
            .split_whitespace();
        let url = words.next().unwrap_or_default();
        let why = words.collect::<Vec<_>>().join(" ");
        let file = url.rsplit('/').next().unwrap_or_default();
        return match file
            .strip_suffix(".deb")
            .and_then(|file| file.split('_').next())
        {
            Some(package) => format!("could not fetch package {package} from {url} ({why})"),
            None => format!("could not fetch {url} ({why})"),
        };
    }
    if let Some(line) = text.lines().find(|line| line.contains("Depends:")) {
        return format!("a package cannot be resolved: {}", line.trim());
    }
    errors.first().map_or_else(
        || "apt-get failed and did not say why".to_owned(),
        |line| (*line).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inst_lines() {
        let package = |name: &str, version: &str, arch: &str| Package {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: arch.to_owned(),
        };
        assert_eq!(
            parse_inst("Inst libc6 (2.41-12+deb13u4 Debian:13.7/stable [amd64]) []"),
            Some(package("libc6", "2.41-12+deb13u4", "amd64"))
        );
        assert_eq!(
            parse_inst("Inst rust-src (1.85.1+dfsg1-1+deb13u1 Debian:13.7/stable [all])"),
            Some(package("rust-src", "1.85.1+dfsg1-1+deb13u1", "all"))
        );
        assert_eq!(
            parse_inst("Conf libc6 (2.41-12 Debian:13.7/stable [amd64])"),
            None
        );
        assert_eq!(
            package("make", "1:4.4-1", "amd64").file_name(),
            "make_1%3a4.4-1_amd64.deb"
        );
    }

    #[test]
    fn errors_name_the_package() {
        assert_eq!(
            explain("Reading package lists...\nE: Unable to locate package linux-source-7.3\n"),
            "package linux-source-7.3 is not in Debian trixie or trixie-backports"
        );
        let gone = explain(
            "E: Failed to fetch http://deb.debian.org/debian/pool/main/b/bc/bc_1.07.1-4_amd64.deb  404  Not Found [IP: 1.2.3.4 80]\n",
        );
        assert!(
            gone.contains("could not fetch package bc from") && gone.contains("404 Not Found"),
            "{gone}"
        );
    }

    #[test]
    fn errors_without_a_network() {
        let text = explain(
            "Ign:1 http://deb.debian.org/debian trixie InRelease\n\
             E: Failed to fetch http://deb.debian.org/debian/dists/trixie/InRelease  Could not resolve 'deb.debian.org'\n",
        );
        assert!(
            text.contains("dists/trixie/InRelease (Could not resolve 'deb.debian.org')"),
            "{text}"
        );
    }
}
