// SPDX-License-Identifier: GPL-2.0

//! The recorded exchanges of `vectors/`, and their replay through a requester.

use std::path::PathBuf;

use crate::capabilities::{Flags, GetCapabilities};
use crate::certificate::GetCertificate;
use crate::challenge::Challenge;
use crate::code::Code;
use crate::config::Config;
use crate::error::Reason;
use crate::measurements::GetMeasurements;
use crate::negotiate::Offer;
use crate::requester::{Buffers, Requester};
use crate::transport::{Dialogue, Failure};
use crate::version::{Version, VersionResponse};
use crate::wire::Reader;

use super::crypto::Memory;
use super::script::{Departure, Line, Script};

/// A file of `vectors/`.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) version: Version,
}

/// Where the files are.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// All files.
pub(crate) fn all() -> Vec<Vector> {
    let mut vectors: Vec<_> = std::fs::read_dir(folder())
        .expect("the folder of vectors is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| Vector::read(&path))
        .collect();
    vectors.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(vectors.len(), 9, "all vectors are there");
    vectors
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("a line is hexadecimal"))
        .collect()
}

impl Vector {
    fn read(path: &std::path::Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a vector can be read");
        let mut lines = Vec::new();
        let mut request = None;
        for line in text.lines() {
            match line.split_at(2) {
                ("> ", hex) => request = Some(unhex(hex)),
                ("< ", hex) => lines.push(Line {
                    request: request.take().expect("a response follows a request"),
                    response: unhex(hex),
                }),
                _ => panic!("a line is a request or a response"),
            }
        }
        let version = {
            let mut reader = Reader::new(Code::VERSION, &lines[0].response);
            let response = VersionResponse::read(&mut reader).expect("VERSION is first");
            response
                .select(Version::V10, Version::V14, Version::V10)
                .expect("the version is known")
        };
        let name = path.file_stem().expect("a name").to_string_lossy();
        Self {
            name: name.into_owned(),
            lines,
            version,
        }
    }

    /// The configuration that makes a requester send the same requests.
    pub(crate) fn config(&self) -> Config {
        let line = |code: Code| {
            let is = |line: &&Line| line.request[1] == code.0;
            &self
                .lines
                .iter()
                .find(is)
                .expect("the request is there")
                .request
        };
        let capabilities = line(Code::GET_CAPABILITIES);
        let mut reader = Reader::new(Code::GET_CAPABILITIES, capabilities);
        let capabilities =
            GetCapabilities::read(&mut reader, self.version).expect("GET_CAPABILITIES is well");
        let mut reader = Reader::new(Code::NEGOTIATE_ALGORITHMS, line(Code::NEGOTIATE_ALGORITHMS));
        let (offer, _) =
            Offer::read(&mut reader, self.version).expect("NEGOTIATE_ALGORITHMS is well");
        let mut reader = Reader::new(Code::GET_CERTIFICATE, line(Code::GET_CERTIFICATE));
        let certificate =
            GetCertificate::read(&mut reader, self.version).expect("GET_CERTIFICATE is well");
        let size = match capabilities.data_transfer_size {
            0 => 0x1200,
            size => size,
        };
        let mut config = Config::new(size, size);
        config.chunks = capabilities.flags.has(Flags::CHUNK);
        config.offer = offer;
        config.portion = certificate.length;
        config
    }
}

/// A requester for vectors.
pub(crate) type Replayer = Requester<Memory, Vec<u8>, ()>;

/// A requester that is not connected.
pub(crate) fn requester(config: Config, crypto: &Memory) -> Replayer {
    let buffers = Buffers {
        vca: vec![0; crate::transcript::VCA_MAX],
        message: vec![0; Buffers::<Vec<u8>>::message_size(&config)],
        chain: vec![0; 0x4000],
    };
    Requester::new(crypto.clone(), (), config, buffers).expect("the buffers are large enough")
}

/// Replays the lines: every operation that the requests stand for. An operation that was answered
/// with ERROR has to fail for that reason, and no other.
pub(crate) fn replay(
    config: Config,
    version: Version,
    recorded: &[Line],
    played: &[Line],
    crypto: &Memory,
) -> Result<Replayer, Failure<Departure>> {
    let mut requester = requester(config, crypto);
    let mut script = Script::new(played);
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut script,
    };
    while let Some(line) = recorded.get(dialogue.transport.position()) {
        let code = Code(line.request[1]);
        let mut reader = Reader::new(code, &line.request);
        let result = match code {
            Code::GET_VERSION => dialogue.connect(),
            Code::GET_DIGESTS => dialogue.get_digests(),
            Code::GET_CERTIFICATE => {
                let message = GetCertificate::read(&mut reader, version)?;
                dialogue.get_certificate(message.slot)
            }
            Code::CHALLENGE => {
                let message = Challenge::read(&mut reader, version)?;
                dialogue.challenge(message)
            }
            Code::GET_MEASUREMENTS => {
                let message = GetMeasurements::read(&mut reader, version)?;
                dialogue.get_measurements(message)
            }
            code => panic!("{code} begins no operation"),
        };
        match result {
            Err(Failure::Protocol(error))
                if line.response[1] == Code::ERROR.0
                    && matches!(error.reason, Reason::Refused { .. }) => {}
            result => result?,
        }
    }
    Ok(requester)
}
