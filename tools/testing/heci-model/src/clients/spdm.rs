// SPDX-License-Identifier: GPL-2.0
//! The engine's SPDM responder, as far as its versions (DSP0274 1.3, clauses 10.3 and 10.18).

use super::{uuid, FirmwareClient, Properties, Reply};

const UUID: [u8; 16] = uuid(0xe85149df_9447_4c9a_8367_c4e33464f1b4);
const MTU: u32 = 4096;

const GET_VERSION: u8 = 0x84;
const VERSION: u8 = 0x04;
const ERROR: u8 = 0x7f;
const INVALID_REQUEST: u8 = 0x01;
const UNSUPPORTED_REQUEST: u8 = 0x07;
const VERSION_MISMATCH: u8 = 0x41;
/// Major and minor version in the high and the low nibble.
const VERSIONS: [u8; 4] = [0x10, 0x11, 0x12, 0x13];

/// The responder.
#[derive(Debug)]
pub struct Spdm;

impl FirmwareClient for Spdm {
    fn properties(&self) -> Properties {
        Properties {
            uuid: UUID,
            version: 1,
            mtu: MTU,
        }
    }

    fn message(&mut self, payload: &[u8]) -> Vec<Reply> {
        Reply::now(respond(payload))
    }
}

fn respond(request: &[u8]) -> Vec<u8> {
    match *request {
        [version, GET_VERSION, _, _, ..] if version == VERSIONS[0] => {
            let mut response = vec![VERSIONS[0], VERSION, 0, 0, 0, VERSIONS.len() as u8];
            response.extend(VERSIONS.iter().flat_map(|version| [0, *version]));
            response
        }
        [version, GET_VERSION, _, _, ..] => error(version, VERSION_MISMATCH, 0),
        [version, code, _, _, ..] if VERSIONS.contains(&version) => {
            error(version, UNSUPPORTED_REQUEST, code)
        }
        [version, _, _, _, ..] => error(version, VERSION_MISMATCH, 0),
        _ => error(VERSIONS[0], INVALID_REQUEST, 0),
    }
}

fn error(version: u8, code: u8, data: u8) -> Vec<u8> {
    let known = VERSIONS.contains(&version);
    let version = if known { version } else { VERSIONS[0] };
    vec![version, ERROR, code, data]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_version_is_answered_with_1_0_to_1_3() {
        let version = [
            0x10, 0x04, 0, 0, 0, 4, 0x00, 0x10, 0x00, 0x11, 0x00, 0x12, 0x00, 0x13,
        ];
        assert_eq!(respond(&[0x10, 0x84, 0, 0]), version);
    }

    #[test]
    fn get_version_in_another_version_is_a_mismatch() {
        assert_eq!(respond(&[0x12, 0x84, 0, 0]), [0x12, 0x7f, 0x41, 0]);
    }

    #[test]
    fn an_unknown_version_is_a_mismatch() {
        assert_eq!(respond(&[0x20, 0xe1, 0, 0]), [0x10, 0x7f, 0x41, 0]);
    }

    #[test]
    fn other_requests_are_unsupported() {
        assert_eq!(respond(&[0x12, 0xe1, 0, 0]), [0x12, 0x7f, 0x07, 0xe1]);
    }

    #[test]
    fn a_truncated_request_is_invalid() {
        for length in 0..4 {
            let request = &[0x10, 0x84, 0, 0][..length];
            assert_eq!(respond(request), [0x10, 0x7f, 0x01, 0]);
        }
    }
}
