// SPDX-License-Identifier: GPL-2.0

//! The crypto layer of the host, and chains of OpenSSL.

use super::support::vectors::{folder, unhex};
use crate::algorithms::{AsymAlgorithm, HashAlgorithm};
use crate::chain::{verify_signature, Chain};
use crate::crypto::{Hash, Refusal, Verify};
use crate::error::Reason;
use crate::host::RustCrypto;
use crate::version::Version;
use crate::x509::{Certificate, CertificateFault};

/// Algorithm, hash, certificate and signature of each line.
pub(super) fn signatures() -> Vec<(AsymAlgorithm, HashAlgorithm, Vec<u8>, Vec<u8>)> {
    let text = std::fs::read_to_string(folder().join("chains/signatures.txt"))
        .expect("the signatures are there");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split(' ');
            let mut word = || words.next().expect("a word");
            let (asym, hash) = (word(), word());
            let asym = AsymAlgorithm::ALL
                .into_iter()
                .find(|one| one.name() == asym);
            let hash = HashAlgorithm::ALL
                .into_iter()
                .find(|one| one.name() == hash);
            (
                asym.expect("an algorithm"),
                hash.expect("a hash"),
                unhex(word()),
                unhex(word()),
            )
        })
        .collect()
}

#[test]
fn signatures_of_openssl() {
    let mut seen = Vec::new();
    for (asym, hash, certificate, signature) in signatures() {
        let certificate = Certificate::parse(&certificate).expect("a certificate");
        assert!(certificate.check_leaf(asym).is_ok());
        let key = RustCrypto.key(&certificate).expect("a key");
        assert!(verify_signature(&RustCrypto, certificate.key.curve(), &key, &certificate).is_ok());

        assert_eq!(signature.len(), asym.signature_size());
        let digest = RustCrypto.digest(hash, b"issei").expect("a digest");
        let verify = |digest: &[u8], signature: &[u8]| {
            RustCrypto.verify(&key, asym.scheme(), hash, digest, signature)
        };
        assert_eq!(verify(&digest, &signature), Ok(()), "{asym} {hash}");
        let other = RustCrypto.digest(hash, b"other").expect("a digest");
        assert_eq!(verify(&other, &signature), Err(Refusal::Wrong));
        let mut changed = signature.clone();
        changed[signature.len() / 2] ^= 1;
        assert_eq!(verify(&digest, &changed), Err(Refusal::Wrong));
        for length in [0, 1, signature.len() - 1] {
            assert_eq!(verify(&digest, &signature[..length]), Err(Refusal::Wrong));
        }
        for other in AsymAlgorithm::ALL {
            if other.scheme() != asym.scheme() {
                let refusal = RustCrypto.verify(&key, other.scheme(), hash, &digest, &signature);
                assert!(refusal.is_err(), "{asym} with the scheme of {other}");
            }
        }
        seen.push(asym);
    }
    for asym in AsymAlgorithm::ALL {
        assert!(seen.contains(&asym), "{asym} is tested");
    }
}

#[test]
fn chains_of_openssl() {
    let refused = |index, fault| Err(Reason::Certificate { index, fault });
    for (name, expected) in [
        ("good", Ok(())),
        ("end-entity-signs", refused(1, CertificateFault::NotCa)),
        ("sha1", refused(2, CertificateFault::SignatureAlgorithm)),
        ("rsa1024", refused(1, CertificateFault::PublicKey)),
    ] {
        let path = folder().join(format!("chains/{name}.der"));
        let certificates = std::fs::read(path).expect("the chain is there");
        let root = 4 + usize::from(u16::from_be_bytes([certificates[2], certificates[3]]));
        let hash = HashAlgorithm::Sha384;
        let digest = RustCrypto
            .digest(hash, &certificates[..root])
            .expect("a digest");
        let length = (4 + digest.len() + certificates.len()) as u16;
        let chain = [&length.to_le_bytes(), &[0; 2][..], &digest, &certificates].concat();
        let chain = Chain::parse(&chain, Version::V13, digest.len()).expect("a header");
        let result = chain.verify(&RustCrypto, hash, AsymAlgorithm::EcdsaP256);
        let result = result.map(|_| ()).map_err(|error| error.reason);
        assert_eq!(result, expected, "{name}");
    }
}
