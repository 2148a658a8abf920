// SPDX-License-Identifier: GPL-2.0

//! The verifier of the demonstration: on the host, outside of the guest, with `openssl` alone. It knows the vendor's root from the
//! vendor, draws the nonce, and takes the evidence.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;

use anyhow::{bail, ensure, Context, Result};
use serde_json::Value;

use crate::env::Env;
use crate::model::Model;
use crate::process::{self, SocketDir};
use crate::progress::say;

/// The verifier, before it has the evidence.
pub(crate) struct Verifier {
    directory: PathBuf,
    /// The nonce, in hexadecimal.
    pub nonce: String,
    socket: PathBuf,
    evidence: JoinHandle<Result<Vec<u8>>>,
    _sockets: SocketDir,
}

impl Verifier {
    /// Gets the root, draws a nonce, and listens for the evidence.
    pub(crate) fn new(env: &Env) -> Result<Self> {
        let directory = env.build().join("demo");
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        let sockets = SocketDir::new()?;
        fs::write(directory.join("root.der"), root(&sockets, &directory)?)?;
        shell(
            &directory,
            "openssl x509 -inform der -in root.der -out root.pem",
        )?;
        let nonce = shell(&directory, "openssl rand -hex 32")?.trim().to_owned();
        fs::write(directory.join("nonce.hex"), &nonce)?;

        let socket = sockets.join("evidence");
        let listener = UnixListener::bind(&socket)?;
        let evidence = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            listener.accept()?.0.read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        Ok(Self {
            directory,
            nonce,
            socket,
            evidence,
            _sockets: sockets,
        })
    }

    /// The port that the evidence comes from.
    pub(crate) fn port(&self) -> (String, PathBuf) {
        ("evidence".to_owned(), self.socket.clone())
    }

    /// The vendor's root, for the guest.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.join("root.der")
    }

    /// Verifies the evidence, after the guest's end.
    pub(crate) fn verify(self) -> Result<()> {
        let Ok(evidence) = self.evidence.join() else {
            bail!("the thread that takes the evidence panicked");
        };
        fs::write(self.directory.join("evidence.tar"), evidence?)?;
        shell(&self.directory, "tar -xf evidence.tar")?;
        let directory = self.directory.join("evidence");
        let description = fs::read_to_string(directory.join("evidence.json"))?;
        let description: Value = serde_json::from_str(&description)?;
        let offset = description["nonce_offset"].as_u64();
        let offset = offset.context("evidence.json has no nonce_offset")?;
        let version = description["spdm"]["version"].as_str();
        let version = version.context("evidence.json has no version")?;

        say(&format!(
            "the host has the evidence in {}, the vendor's root beside it, and checks:",
            directory.display()
        ));
        let nonce = format!(
            "tail -c +{} transcript.bin | head -c 32 | od -An -v -tx1 | tr -d ' \\n' | cmp - ../nonce.hex",
            offset + 1
        );
        let prefix = format!(
            "{{ printf 'dmtf-spdm-v{version}.*%.0s' 1 2 3 4; head -c 6 /dev/zero; printf 'responder-measurements signing'; \
             openssl dgst -sha384 -binary transcript.bin; }} | cmp - signed.bin"
        );
        for command in [
            "openssl verify -CAfile ../root.pem -untrusted chain.pem leaf.pem",
            "openssl x509 -in leaf.pem -noout -pubkey -out ../key.pem",
            "openssl dgst -sha384 -verify ../key.pem -signature signature.der signed.bin",
            &prefix,
            &nonce,
        ] {
            say(&format!("  $ {command}"));
            for line in shell(&directory, command)?.lines() {
                say(&format!("  {line}"));
            }
        }
        say("the host has verified: the engine of this vendor signed these measurements, for the host's own nonce");
        Ok(())
    }
}

/// The root of the vendor of emulated engines: another one than the guest's is asked for it.
fn root(sockets: &SocketDir, out: &Path) -> Result<Vec<u8>> {
    const VENDOR: usize = 9;
    let model = Model::start(VENDOR, "", sockets, out)?;
    let mut control = UnixStream::connect(&model.control)?;
    control.write_all(b"{\"cmd\":\"spdm\",\"slot\":0}\n")?;
    let mut line = String::new();
    BufReader::new(control).read_line(&mut line)?;
    let answer: Value = serde_json::from_str(&line)?;
    let digits = answer["root"].as_str().context("the model has no root")?;
    ensure!(digits.len() % 2 == 0, "the root is cut short");
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.context("the root is not hexadecimal")
}

/// Runs a command of the shell on the host, which has to succeed, and returns what it says.
fn shell(directory: &Path, command: &str) -> Result<String> {
    let what = format!("`{command}` on the host");
    process::capture(
        Command::new("sh")
            .args(["-e", "-c", command])
            .current_dir(directory),
        &what,
    )
}
