// SPDX-License-Identifier: GPL-2.0
//! What the `openssl` program says about chains and signatures.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use tempfile::TempDir;

use crate::crypto::split;
use crate::requester::*;

fn openssl(directory: &Path, arguments: &str) -> Output {
    let arguments = arguments.split_whitespace();
    let openssl = Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .output();
    openssl.expect("openssl is not installed: it is needed for this test")
}

fn succeeds(directory: &Path, arguments: &str) {
    let output = openssl(directory, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {error}");
}

/// Writes the certificates of a chain as PEM: 0.pem is the root.
fn unpack(chain: &[u8], hash_size: usize) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for (number, certificate) in split(&chain[4 + hash_size..]).iter().enumerate() {
        fs::write(path.join("der"), certificate).unwrap();
        succeeds(path, &format!("x509 -inform der -in der -out {number}.pem"));
    }
    directory
}

#[test]
fn it_verifies_chains_of_every_kind_of_key() {
    for asym in [0x10, 0x80, 0x100, 0x01, 0x04, 0x20] {
        for capabilities in [json!(["cert"]), json!(["cert", "alias-cert"])] {
            let wish = Wish {
                asym,
                ..Wish::version(0x13)
            };
            let changes = json!({"capabilities": capabilities, "chain_length": 4});
            let mut r = Requester::connected(wish, changes);
            let chain = r.chain(0, 4000);
            let directory = unpack(&chain, 48);
            let path = directory.path();
            succeeds(
                path,
                "verify -x509_strict -CAfile 0.pem -untrusted 1.pem -untrusted 2.pem 3.pem",
            );
            let text = openssl(path, "x509 -noout -text -in 3.pem");
            let text = String::from_utf8_lossy(&text.stdout).into_owned();
            assert!(text.contains("1.3.6.1.4.1.412.274.3"), "{text}");
            assert!(text.contains("1.3.6.1.4.1.412.274.6"), "{text}");
        }
    }
}

#[test]
fn it_verifies_signed_measurements() {
    for (asym, options) in [
        (0x80, ""),
        (0x04, ""),
        (
            0x08,
            "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest",
        ),
    ] {
        let wish = Wish {
            asym,
            ..Wish::version(0x12)
        };
        let mut r = Requester::connected(wish, json!({}));
        let chain = r.chain(0, 4000);
        let directory = unpack(&chain, 48);
        let path = directory.path();
        let request = r.get_measurements(1, 0xff, 0);
        let response = r.ask(&request);
        let size = if asym == 0x80 { 96 } else { 384 };
        let (body, signature) = response.split_at(response.len() - size);
        fs::write(path.join("transcript"), [&r.vca, &request, body].concat()).unwrap();
        succeeds(path, "dgst -sha384 -binary -out hash transcript");
        let mut message = b"dmtf-spdm-v1.2.*".repeat(4);
        message.extend([0; 6]);
        message.extend(b"responder-measurements signing");
        message.extend(fs::read(path.join("hash")).unwrap());
        fs::write(path.join("message"), message).unwrap();
        let signature = match asym {
            0x80 => {
                let raw = p384::ecdsa::Signature::from_slice(signature).unwrap();
                raw.to_der().as_bytes().to_vec()
            }
            _ => signature.to_vec(),
        };
        fs::write(path.join("signature"), signature).unwrap();
        succeeds(path, "x509 -in 2.pem -noout -pubkey -out key");
        let verify = format!("dgst -sha384 -verify key -signature signature {options} message");
        succeeds(path, &verify);
    }
}
