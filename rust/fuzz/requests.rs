// SPDX-License-Identifier: GPL-2.0

//! Requests: what can be read and written is the same when it is read again.

use std::fmt::Debug;

use spdm::capabilities::GetCapabilities;
use spdm::certificate::GetCertificate;
use spdm::challenge::Challenge;
use spdm::chunk::{Chunk, ChunkGet};
use spdm::code::Code;
use spdm::error::Error;
use spdm::measurements::GetMeasurements;
use spdm::negotiate::Offer;
use spdm::wire::Reader;

use crate::message::Message;

/// Any request, by its code.
pub(crate) fn any(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let version = message.version;
    let code = Code(message.bytes.get(1).copied().unwrap_or_default());
    match code {
        Code::GET_CAPABILITIES => again(
            &message,
            code,
            |reader| GetCapabilities::read(reader, version),
            |request, buffer| request.write(version, buffer),
        ),
        Code::NEGOTIATE_ALGORITHMS => again(
            &message,
            code,
            |reader| Offer::read(reader, version),
            |(offer, multi_key), buffer| offer.write(version, *multi_key, buffer),
        ),
        Code::GET_CERTIFICATE => again(
            &message,
            code,
            |reader| GetCertificate::read(reader, version),
            |request, buffer| request.write(version, buffer),
        ),
        Code::CHALLENGE => again(
            &message,
            code,
            |reader| Challenge::read(reader, version),
            |request, buffer| request.write(version, buffer),
        ),
        Code::GET_MEASUREMENTS => again(
            &message,
            code,
            |reader| GetMeasurements::read(reader, version),
            |request, buffer| request.write(version, buffer),
        ),
        Code::CHUNK_GET => again(
            &message,
            code,
            |reader| ChunkGet::read(reader, version),
            |request, buffer| request.write(version, buffer),
        ),
        Code::CHUNK_SEND => {
            let mut reader = Reader::new(code, message.bytes);
            if let Ok(chunk) = Chunk::read(&mut reader, version) {
                let mut buffer = vec![0; message.bytes.len() + 16];
                let length = chunk.write(version, &mut buffer).expect("there is room");
                let mut reader = Reader::new(code, &buffer[..length]);
                assert_eq!(Chunk::read(&mut reader, version), Ok(chunk));
            }
        }
        _ => {}
    }
}

fn again<T: PartialEq + Debug>(
    message: &Message<'_>,
    code: Code,
    read: impl Fn(&mut Reader<'_>) -> Result<T, Error>,
    write: impl Fn(&T, &mut [u8]) -> Result<usize, Error>,
) {
    let mut reader = Reader::new(code, message.bytes);
    let Ok(request) = read(&mut reader) else {
        return;
    };
    let mut buffer = [0; 64];
    let length = write(&request, &mut buffer).expect("there is room");
    let mut reader = Reader::new(code, &buffer[..length]);
    assert_eq!(read(&mut reader), Ok(request));
    assert_eq!(reader.end(0), Ok(length));
}
