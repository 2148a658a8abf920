// SPDX-License-Identifier: GPL-2.0

//! Every check of a response: one thing is wrong, and the error says in which message, which field
//! and why.

mod attest;
mod connect;
mod identity;

use super::support::responder::Responder;
use super::support::wire::{config, error_of};
use crate::code::Code;
use crate::crypto::Refusal;
use crate::error::{Error, Field, Reason};
use crate::version::Version;
use crate::x509::CertificateFault;

const VERSION: u8 = 0x84;
const CAPABILITIES: u8 = 0xe1;
const ALGORITHMS: u8 = 0xe3;
const DIGESTS: u8 = 0x81;
const CERTIFICATE: u8 = 0x82;
const AUTH: u8 = 0x83;
const MEASUREMENTS: u8 = 0xe0;

/// Changes the response to a request in a version, and compares the error.
#[track_caller]
fn refused(version: u8, request: u8, change: impl FnMut(&mut Vec<u8>), expected: &str) {
    refused_of(Responder::new(version), request, change, expected);
}

#[track_caller]
fn refused_of(responder: Responder, request: u8, change: impl FnMut(&mut Vec<u8>), expected: &str) {
    let mut config = config();
    config.supported_algorithms = true;
    let error = error_of(config, responder, request, change);
    assert_eq!(error.to_string(), expected);
}

/// Sets bytes from a place on.
fn set<'a>(at: usize, bytes: &'a [u8]) -> impl FnMut(&mut Vec<u8>) + 'a {
    move |response| response[at..at + bytes.len()].copy_from_slice(bytes)
}

#[test]
fn header() {
    for (request, name) in [
        (VERSION, "VERSION"),
        (CAPABILITIES, "CAPABILITIES"),
        (ALGORITHMS, "ALGORITHMS"),
        (DIGESTS, "DIGESTS"),
        (CERTIFICATE, "CERTIFICATE"),
        (AUTH, "CHALLENGE_AUTH"),
        (MEASUREMENTS, "MEASUREMENTS"),
    ] {
        refused(
            0x12,
            request,
            set(0, &[0x15]),
            &format!("{name}: SPDMVersion: 0x15 is not allowed"),
        );
        refused(
            0x12,
            request,
            set(1, &[0x08]),
            &format!("{name}: RequestResponseCode: 0x8 is not allowed"),
        );
        refused(
            0x12,
            request,
            |response| response.truncate(3),
            &format!("{name}: message of 3 bytes ends before byte 4"),
        );
        refused(
            0x12,
            request,
            Vec::clear,
            &format!("{name}: message of 0 bytes ends before byte 4"),
        );
    }
}

#[test]
fn every_message_one_byte_too_long_or_too_short() {
    for version in Version::ALL {
        for request in [
            VERSION,
            CAPABILITIES,
            ALGORITHMS,
            DIGESTS,
            CERTIFICATE,
            AUTH,
            MEASUREMENTS,
        ] {
            let mut full = 0;
            let responder = Responder::new(version.byte());
            let error = error_of(config(), responder.clone(), request, |response| {
                full = response.len();
                response.push(0);
            });
            let reason = Reason::Length {
                expected: full,
                actual: full + 1,
            };
            assert_eq!((error.message.0, error.reason), (request & 0x7f, reason));
            let error = error_of(config(), responder, request, |response| {
                response.pop();
            });
            let short = matches!(error.reason, Reason::Short { expected, actual }
                if expected == actual + 1 && actual == full - 1);
            assert!(short, "{error}");
        }
    }
}

#[test]
fn fields_have_the_names_of_the_specification() {
    for field in [
        Field::ErrorCode,
        Field::KeyUsageMask,
        Field::Nonce,
        Field::OpaqueData,
        Field::Param2,
        Field::SupportedAlgorithms,
    ] {
        assert_eq!(field.to_string(), format!("{field:?}"));
    }
    assert_eq!(Field::Message.to_string(), "message");
    assert_eq!(Code(0).to_string(), "message 0x00");
}

#[test]
fn a_certificate_says_what_is_wrong_with_it() {
    for (fault, expected) in [
        (CertificateFault::Encoding, "not an X.509 certificate"),
        (
            CertificateFault::SignatureAlgorithm,
            "too weak or not known",
        ),
        (CertificateFault::PublicKey, "key too short"),
        (CertificateFault::KeyMismatch, "negotiated algorithm"),
        (CertificateFault::NotCa, "is no certificate authority"),
        (CertificateFault::NoKeyCertSign, "lacks keyCertSign"),
        (CertificateFault::PathLength, "more certificate authorities"),
        (CertificateFault::LeafIsCa, "but a certificate authority"),
        (
            CertificateFault::NoDigitalSignature,
            "lacks digitalSignature",
        ),
        (CertificateFault::RequesterOnly, "for requesters only"),
        (CertificateFault::Issuer, "not issued by the one before"),
        (
            CertificateFault::Signature(Refusal::Blacklisted),
            "signature: blacklisted",
        ),
        (
            CertificateFault::Signature(Refusal::Unsupported),
            "signature: algorithm not supported here",
        ),
        (
            CertificateFault::Signature(Refusal::Failed(-5)),
            "signature: could not be checked, error -5",
        ),
    ] {
        let text = fault.to_string();
        assert!(text.contains(expected), "{fault:?}: {text}");
    }
}

#[test]
fn what_could_not_be_checked_has_not_failed() {
    let could_not =
        |reason| Error::new(Code::CERTIFICATE, Field::Signature, reason).could_not_check();
    let fault = |fault| Reason::Certificate { index: 1, fault };
    for (refusal, expected) in [
        (Refusal::Wrong, false),
        (Refusal::Unsupported, true),
        (Refusal::Failed(-12), true),
    ] {
        assert_eq!(could_not(Reason::Crypto(refusal)), expected, "{refusal:?}");
        let of_certificate = fault(CertificateFault::Signature(refusal));
        assert_eq!(could_not(of_certificate), expected, "{refusal:?}");
    }
    assert!(!could_not(fault(CertificateFault::Issuer)));
    assert!(!could_not(Reason::Differs));
    assert!(could_not(Reason::Order));
}
