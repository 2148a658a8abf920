// SPDX-License-Identifier: GPL-2.0

//! Inputs to begin with: those that the recorded exchanges of `rust/spdm` make, and those that were
//! found.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use spdm::algorithms::{AsymAlgorithm, HashAlgorithm};
use spdm::chain::Chain;
use spdm::code::Code;
use spdm::config::Connection;
use spdm::evidence::read_vca;

use crate::message::{signature_bits, Message};

/// The file of the inputs that were found for a target.
pub fn file(target: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    folder.join(target).with_extension("txt")
}

/// All inputs of a target.
///
/// # Errors
///
/// A file cannot be read, or is not what it should be.
pub fn inputs(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let mut inputs = recorded(target)?;
    if file(target).exists() {
        let text = fs::read_to_string(file(target))?;
        for line in text.lines() {
            inputs.push(unhex(line)?);
        }
    }
    inputs.sort();
    inputs.dedup();
    Ok(inputs)
}

fn unhex(text: &str) -> io::Result<Vec<u8>> {
    let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, "not hexadecimal");
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            u8::from_str_radix(pair, 16).map_err(wrong)
        })
        .collect()
}

/// A recorded request and its response.
struct Exchange {
    request: Vec<u8>,
    response: Vec<u8>,
}

/// The inputs that the recorded exchanges make for a target.
///
/// # Errors
///
/// As [`inputs`].
pub fn recorded(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spdm/tests/vectors");
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let mut messages = fs::read_to_string(path)?
                .lines()
                .map(|line| unhex(line.get(2..).unwrap_or_default()))
                .collect::<io::Result<Vec<_>>>()?
                .into_iter();
            let mut exchanges = Vec::new();
            while let (Some(request), Some(response)) = (messages.next(), messages.next()) {
                exchanges.push(Exchange { request, response });
            }
            of_recording(&exchanges, &mut inputs).ok_or(io::ErrorKind::InvalidData)?;
        }
    }
    inputs.retain(|(name, _)| *name == target);
    Ok(inputs.into_iter().map(|(_, input)| input).collect())
}

fn of_recording(exchanges: &[Exchange], inputs: &mut Vec<(&'static str, Vec<u8>)>) -> Option<()> {
    let whole = |exchange: &Exchange| [&exchange.request[..], &exchange.response].concat();
    let vca: Vec<_> = exchanges.get(..3)?.iter().flat_map(whole).collect();
    let (connection, _) = read_vca(&vca).ok()?;
    let version = connection.version;
    let (hash, asym) = (connection.selection.hash?, connection.selection.asym?);

    let mut chain = Vec::new();
    let mut measured = vca.clone();
    for exchange in exchanges {
        let request = &exchange.request;
        inputs.push(("requests", Message::join(version, 0, request)));
        let response = &exchange.response;
        if let Some((target, layout)) = of_response(exchange, &connection) {
            inputs.push((target, Message::join(version, layout, response)));
        }
        match Code(*response.get(1)?) {
            Code::CERTIFICATE if request.get(2) == Some(&0) => {
                if request.get(4..6)? == [0, 0] {
                    chain.clear();
                }
                chain.extend(response.get(8..)?);
            }
            Code::MEASUREMENTS => {
                let signed = request.get(2)? & 1 != 0;
                let signature = if signed { asym.signature_size() } else { 0 };
                measured.extend(request);
                measured.extend(response.get(..response.len().checked_sub(signature)?)?);
            }
            Code::ERROR => measured.truncate(vca.len()),
            _ => {}
        }
    }
    inputs.push(("evidence", measured));

    let hash_bits = position(&HashAlgorithm::ALL, hash)?;
    let layout = 0x80 | position(&AsymAlgorithm::ALL, asym)? << 3 | hash_bits;
    inputs.push(("chain", Message::join(version, layout, &chain)));
    let chain = Chain::parse(&chain, version, hash.size()).ok()?;
    for certificate in chain.certificates() {
        inputs.push(("x509", certificate.ok()?.der.to_vec()));
    }
    Some(())
}

/// The target of a response, and what it is to be read as there.
fn of_response(exchange: &Exchange, connection: &Connection) -> Option<(&'static str, u8)> {
    let request = &exchange.request;
    let selection = &connection.selection;
    let digest = match selection.hash?.size() {
        32 => 0,
        48 => 1,
        _ => 2,
    };
    let opaque = u8::from(selection.opaque) << 3;
    let signature = signature_bits(selection.asym);
    Some(match Code(*exchange.response.get(1)?) {
        Code::VERSION => ("version", 0),
        Code::CAPABILITIES => ("capabilities", request.get(2)? & 1),
        Code::ALGORITHMS => ("algorithms", 1),
        Code::DIGESTS => ("digests", digest),
        Code::CERTIFICATE => ("certificate", 0),
        Code::CHALLENGE_AUTH => {
            let summary = u8::from(*request.get(3)? != 0) << 2;
            ("challenge-auth", signature | opaque | summary | digest)
        }
        Code::MEASUREMENTS => {
            let signature = if request.get(2)? & 1 != 0 {
                signature
            } else {
                0xf0
            };
            let operation = match request.get(3)? {
                0 => 0,
                0xff => 2,
                _ => 1,
            };
            ("measurements", signature | opaque | operation)
        }
        Code::ERROR => ("error", 0),
        _ => return None,
    })
}

fn position<T: PartialEq>(all: &[T], one: T) -> Option<u8> {
    let position = all.iter().position(|other| *other == one)?;
    u8::try_from(position).ok()
}
