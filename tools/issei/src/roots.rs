// SPDX-License-Identifier: GPL-2.0

//! Roots that the user trusts.

use std::fs;
use std::path::Path;

use der::pem;
use spdm::der::Der;
use spdm::x509::Certificate;

use crate::exit::{Exit, Failure};

/// A certificate that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Where it comes from, for people.
    pub source: String,
    /// The certificate.
    pub der: Vec<u8>,
}

/// What begins a certificate in PEM.
const PEM: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";

/// Reads the certificates of a file, in PEM or DER.
///
/// # Errors
///
/// The file cannot be read, or holds something else or nothing.
pub fn load(path: &Path) -> Result<Vec<Root>, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, &error))?;
    let roots = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains(PEM) => of_pem(text),
        _ => of_der(&bytes),
    };
    let roots: Result<Vec<_>, String> =
        roots.and_then(|all| all.into_iter().map(checked).collect());
    match roots {
        Ok(roots) if !roots.is_empty() => {
            let source = path.display().to_string();
            let with_source = |der| Root {
                source: source.clone(),
                der,
            };
            Ok(roots.into_iter().map(with_source).collect())
        }
        Ok(_) => Err(no_certificate(path, "it holds none")),
        Err(why) => Err(no_certificate(path, &why)),
    }
}

fn no_certificate(path: &Path, why: &str) -> Failure {
    let message = format!("{}: not a certificate: {why}", path.display());
    Failure::new(Exit::Usage, message)
        .advise("--root takes X.509 certificates of version 3 in PEM or DER")
}

fn checked(der: Vec<u8>) -> Result<Vec<u8>, String> {
    match Certificate::parse(&der) {
        Ok(_) => Ok(der),
        Err(fault) => Err(fault.to_string()),
    }
}

fn of_pem(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut roots = Vec::new();
    let mut rest = text;
    while let Some((_, block)) = rest
        .find(PEM)
        .and_then(|start| rest.split_at_checked(start))
    {
        let end = block.find(PEM_END).ok_or("it is cut short")?;
        let line = block.get(end..).and_then(|block| block.find('\n'));
        let end = line.map_or(block.len(), |line| end + line);
        let (block, after) = block.split_at_checked(end).ok_or("it is cut short")?;
        let (label, der) =
            pem::decode_vec(block.as_bytes()).map_err(|why| format!("PEM: {why}"))?;
        if label == "CERTIFICATE" {
            roots.push(der);
        }
        rest = after;
    }
    Ok(roots)
}

fn of_der(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut rest = Der::new(bytes);
    let mut roots = Vec::new();
    while !rest.is_empty() {
        let element = rest.element().ok_or("neither PEM nor DER")?;
        roots.push(element.whole.to_vec());
    }
    Ok(roots)
}
