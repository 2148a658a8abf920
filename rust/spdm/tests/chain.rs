// SPDX-License-Identifier: GPL-2.0

//! Chains with one thing wrong.

use super::support::crypto::Memory;
use super::support::der::{
    good, spki, tlv, Template, CA_TRUE, DIGITAL_SIGNATURE, DMTF, KEY_CERT_SIGN,
};
use crate::algorithms::{AsymAlgorithm, HashAlgorithm, Scheme};
use crate::chain::{Chain, RootHash};
use crate::crypto::Hash;
use crate::error::{Error, Field, Reason};
use crate::host::RustCrypto;
use crate::version::Version;
use crate::x509::{Certificate, CertificateFault, Curve, PublicKey};

const SHA256: HashAlgorithm = HashAlgorithm::Sha256;

pub(super) fn chain_of(root: &[u8], certificates: &[Vec<u8>]) -> Vec<u8> {
    let mut chain = vec![0; 4];
    chain.extend(&*RustCrypto.digest(SHA256, root).expect("a digest"));
    chain.extend(certificates.concat());
    let length = u16::try_from(chain.len()).expect("a length").to_le_bytes();
    chain[..2].copy_from_slice(&length);
    chain
}

fn verify_bytes(chain: &[u8], asym: AsymAlgorithm) -> Result<(RootHash, usize), Error> {
    let chain = Chain::parse(chain, Version::V12, 32)?;
    let verified = chain.verify(&Memory::shared(), SHA256, asym)?;
    Ok((verified.root, verified.count))
}

fn verify(certificates: &[Template]) -> Result<(RootHash, usize), Error> {
    let certificates: Vec<_> = certificates.iter().map(Template::build).collect();
    let chain = chain_of(&certificates[0], &certificates);
    verify_bytes(&chain, AsymAlgorithm::EcdsaP256)
}

/// Changes a good chain, and expects this fault in that certificate.
#[track_caller]
fn refused(at: usize, fault: CertificateFault, change: impl FnOnce(&mut [Template; 3])) {
    let mut chain = good();
    change(&mut chain);
    let error = verify(&chain).expect_err("the chain is wrong");
    let reason = Reason::Certificate { index: at, fault };
    assert_eq!(
        (error.field, error.reason),
        (Field::CertificateChain, reason)
    );
}

#[test]
fn a_good_chain() {
    assert_eq!(verify(&good()), Ok((RootHash::First, 3)));
}

#[test]
fn signers() {
    refused(1, CertificateFault::NotCa, |chain| {
        chain[1].constraints = None
    });
    refused(1, CertificateFault::NotCa, |chain| {
        chain[1].constraints = Some(Vec::new());
    });
    refused(1, CertificateFault::NotCa, |chain| {
        chain[1].constraints = Some(vec![0x01, 0x01, 0x00]);
    });
    refused(1, CertificateFault::NoKeyCertSign, |chain| {
        chain[1].usage = None
    });
    refused(1, CertificateFault::NoKeyCertSign, |chain| {
        chain[1].usage = Some(!KEY_CERT_SIGN);
    });
    refused(0, CertificateFault::NoKeyCertSign, |chain| {
        chain[0].usage = Some(DIGITAL_SIGNATURE);
    });
    let mut anchor = good();
    anchor[0].usage = None;
    assert!(verify(&anchor).is_ok(), "a trust anchor need not say it");
    // An end entity that signs another.
    refused(1, CertificateFault::NotCa, |chain| {
        chain[1] = Template::leaf(("root", 1), ("middle", 2));
    });
}

#[test]
fn leaves() {
    refused(2, CertificateFault::LeafIsCa, |chain| {
        chain[2].constraints = Some(CA_TRUE.into());
    });
    refused(2, CertificateFault::NoDigitalSignature, |chain| {
        chain[2].usage = None
    });
    refused(2, CertificateFault::NoDigitalSignature, |chain| {
        chain[2].usage = Some(!DIGITAL_SIGNATURE);
    });
    let usage = |last: &[u8]| {
        let ids: Vec<_> = last
            .iter()
            .map(|last| tlv(0x06, &[DMTF, &[*last]]))
            .collect();
        tlv(0x30, &[&ids.concat()])
    };
    let with = |last: &'static [u8]| {
        move |chain: &mut [Template; 3]| {
            chain[2] = chain[2]
                .clone()
                .with_extension(&[0x55, 0x1d, 0x25], &usage(last));
        }
    };
    refused(2, CertificateFault::RequesterOnly, with(&[4]));
    let mut both = good();
    with(&[4, 3])(&mut both);
    assert!(verify(&both).is_ok());
}

#[test]
fn links() {
    let wrong = CertificateFault::Signature(crate::crypto::Refusal::Wrong);
    refused(2, CertificateFault::Issuer, |chain| {
        chain[2].issuer = "other".into()
    });
    refused(2, wrong, |chain| chain[2].signer = 9);
    refused(1, wrong, |chain| chain[1].signer = 9);
    refused(0, wrong, |chain| chain[0].signer = 9);
    refused(0, wrong, |chain| chain[0].key = 9);
    refused(1, wrong, |chain| {
        chain[0].key = 9;
        chain[0].signer = 9;
    });
    let mut twice = good().to_vec();
    twice.swap(1, 2);
    assert!(verify(&twice).is_err());
}

#[test]
fn path_lengths() {
    let long = |limits: [Option<u8>; 3]| {
        let mut chain = vec![
            Template::authority(("a", 1), ("a", 1)),
            Template::authority(("a", 1), ("b", 2)),
            Template::authority(("b", 2), ("c", 3)),
            Template::leaf(("c", 3), ("d", 4)),
        ];
        for (certificate, limit) in chain.iter_mut().zip(limits) {
            let limit = limit.map(|limit| vec![0x02, 0x01, limit]);
            let constraints = [CA_TRUE.to_vec(), limit.unwrap_or_default()].concat();
            certificate.constraints = Some(constraints);
        }
        verify(&chain).map_err(|error| error.reason)
    };
    let refused = |index| {
        Err(Reason::Certificate {
            index,
            fault: CertificateFault::PathLength,
        })
    };
    assert!(long([Some(2), Some(1), Some(0)]).is_ok());
    assert!(long([None, Some(1), None]).is_ok());
    assert_eq!(long([Some(1), None, None]), refused(2));
    assert_eq!(long([Some(0), Some(9), None]), refused(1));
    assert_eq!(long([None, Some(0), None]), refused(2));

    // One that a certificate authority has issued to itself, as for a new key, does not count.
    let mut root = Template::authority(("a", 1), ("a", 1));
    root.constraints = Some([CA_TRUE, &[0x02, 0x01, 0]].concat());
    let own = Template::authority(("a", 1), ("a", 2));
    let leaf = Template::leaf(("a", 2), ("b", 3));
    assert!(verify(&[root, own, leaf]).is_ok());
}

#[test]
fn signature_algorithms() {
    use HashAlgorithm::*;
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    const NIST: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03];
    let read = |arc: &[u8], last: u8, parameters: &[u8]| {
        let [_, _, mut leaf] = good();
        leaf.algorithm = [tlv(0x06, &[arc, &[last]]), parameters.to_vec()].concat();
        let leaf = leaf.build();
        let certificate = Certificate::parse(&leaf);
        certificate.map(|certificate| (certificate.scheme, certificate.hash))
    };
    let refused = Err(CertificateFault::SignatureAlgorithm);
    let null = tlv(0x05, &[]);
    for (arc, last, scheme, hash) in [
        (RSA, 11, Scheme::Pkcs1, Sha256),
        (RSA, 12, Scheme::Pkcs1, Sha384),
        (RSA, 13, Scheme::Pkcs1, Sha512),
        (ECDSA, 2, Scheme::Ecdsa, Sha256),
        (ECDSA, 3, Scheme::Ecdsa, Sha384),
        (ECDSA, 4, Scheme::Ecdsa, Sha512),
        (NIST, 10, Scheme::Ecdsa, Sha3_256),
        (NIST, 11, Scheme::Ecdsa, Sha3_384),
        (NIST, 12, Scheme::Ecdsa, Sha3_512),
        (NIST, 14, Scheme::Pkcs1, Sha3_256),
        (NIST, 15, Scheme::Pkcs1, Sha3_384),
        (NIST, 16, Scheme::Pkcs1, Sha3_512),
    ] {
        assert_eq!(read(arc, last, &[]), Ok((scheme, hash)));
        // RSA has parameters, which say nothing; ECDSA has none.
        let with_null = match scheme {
            Scheme::Pkcs1 => Ok((scheme, hash)),
            _ => refused,
        };
        assert_eq!(read(arc, last, &null), with_null);
        assert_eq!(read(arc, last, &tlv(0x05, &[&[0]])), refused);
    }
}

#[test]
fn long_path_lengths() {
    let with = |digits: &[u8]| {
        let limit = tlv(0x02, &[digits]);
        let mut root = Template::authority(("a", 1), ("a", 1));
        root.constraints = Some([CA_TRUE, &limit].concat());
        let middle = Template::authority(("a", 1), ("b", 2));
        let chain = [root, middle, Template::leaf(("b", 2), ("c", 3))];
        verify(&chain).map_err(|error| error.reason)
    };
    assert!(with(&[1, 0]).is_ok());
    assert!(with(&[1, 0, 0]).is_ok());
    for digits in [&[1, 0, 0, 0][..], &[1, 0, 0, 0, 0]] {
        let fault = CertificateFault::Encoding;
        assert_eq!(with(digits), Err(Reason::Certificate { index: 0, fault }));
    }
}

#[test]
fn public_keys() {
    let id = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let rsa = |first: u8, last: u8, exponent: &[u8]| {
        let mut modulus = vec![0; usize::from(first >= 0x80)];
        modulus.push(first);
        modulus.extend([0; 254]);
        modulus.push(last);
        let numbers = [tlv(0x02, &[&modulus]), tlv(0x02, &[exponent])].concat();
        let key = tlv(0x03, &[&[0], &tlv(0x30, &[&numbers])]);
        tlv(0x30, &[&tlv(0x30, &[&tlv(0x06, &[&id])]), &key])
    };
    let point = |curve: &[u8], form: u8, size: usize| {
        let id = tlv(0x06, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]]);
        let algorithm = tlv(0x30, &[&id, &tlv(0x06, &[curve])]);
        let key = tlv(0x03, &[&[0, form], &vec![7; size]]);
        tlv(0x30, &[&algorithm, &key])
    };
    let p256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let [p384, p521] = [0x22, 0x23].map(|last| [0x2b, 0x81, 0x04, 0x00, last]);
    for (spki, is_good) in [
        (rsa(0x80, 1, &[1, 0, 1]), true),
        (rsa(0xff, 0xff, &[3]), true),
        (rsa(0x81, 2, &[3]), false),
        (rsa(0x7f, 1, &[3]), false),
        (rsa(0x80, 1, &[1]), false),
        (rsa(0x80, 1, &[1, 0]), false),
        (rsa(0x80, 1, &[2]), false),
        (point(&p256, 4, 64), true),
        (point(&p384, 4, 96), true),
        (point(&p521, 4, 132), true),
        (point(&p256, 3, 64), false),
        (point(&p256, 4, 63), false),
        (point(&p256, 4, 65), false),
        (point(&p384, 4, 64), false),
        (point(&p521, 4, 96), false),
    ] {
        let [_, _, mut leaf] = good();
        leaf.spki = Some(spki);
        let leaf = leaf.build();
        let read = Certificate::parse(&leaf).map(|_| ());
        let expected = match is_good {
            true => Ok(()),
            false => Err(CertificateFault::PublicKey),
        };
        assert_eq!(read, expected, "{:02x?}", leaf);
    }
}

#[test]
fn keys_fit_algorithms() {
    use AsymAlgorithm::*;
    let modulus = [0x80; 512];
    let rsa = |size: usize| PublicKey::Rsa {
        modulus: &modulus[..size],
        key: &[],
        exponent: &[],
    };
    let point = |curve| PublicKey::Ec { curve, point: &[] };
    for (key, fitting) in [
        (rsa(256), &[RsaSsa2048, RsaPss2048][..]),
        (rsa(384), &[RsaSsa3072, RsaPss3072]),
        (rsa(512), &[RsaSsa4096, RsaPss4096]),
        (rsa(64), &[]),
        (point(Curve::P256), &[EcdsaP256]),
        (point(Curve::P384), &[EcdsaP384]),
        (point(Curve::P521), &[EcdsaP521]),
    ] {
        for algorithm in AsymAlgorithm::ALL {
            let fits = fitting.contains(&algorithm);
            assert_eq!(key.fits(algorithm), fits, "{key:?} {algorithm:?}");
        }
    }
}

/// An RSA key of so many bits, which nobody has.
fn rsa(bits: usize) -> Vec<u8> {
    let id = tlv(
        0x06,
        &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]],
    );
    let mut modulus = vec![0; bits / 8 + 1];
    modulus[1] = 0x80;
    modulus[bits / 8] = 1;
    let key = tlv(0x30, &[&tlv(0x02, &[&modulus]), &tlv(0x02, &[&[1, 0, 1]])]);
    tlv(0x30, &[&tlv(0x30, &[&id]), &tlv(0x03, &[&[0], &key])])
}

#[test]
fn weak_algorithms() {
    for bits in [1024, 2040, 4104] {
        refused(1, CertificateFault::PublicKey, |chain| {
            chain[1].spki = Some(rsa(bits));
        });
    }
    // ecdsa-with-SHA1, ecdsa-with-SHA224, sha1WithRSAEncryption, id-RSASSA-PSS, Ed25519
    for oid in [
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01][..],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x01],
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a],
        &[0x2b, 0x65, 0x70],
        // One between those with SHA-3, and one of another arc.
        &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x0d],
        &[0x55, 0x1d, 0x0f],
    ] {
        refused(2, CertificateFault::SignatureAlgorithm, |chain| {
            chain[2].algorithm = tlv(0x06, &[oid]);
        });
    }
    refused(2, CertificateFault::SignatureAlgorithm, |chain| {
        let sha384 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
        chain[2].inner_algorithm = Some(tlv(0x06, &[&sha384]));
    });
    let p224 = {
        let mut key = spki(3);
        let at = key.windows(3).position(|part| part == [0x03, 0x01, 0x07]);
        key[at.expect("the curve") + 2] = 0x09;
        key
    };
    refused(2, CertificateFault::PublicKey, |chain| {
        chain[2].spki = Some(p224)
    });
}

#[test]
fn a_signature_that_does_not_fit_the_key() {
    let wrong = CertificateFault::Signature(crate::crypto::Refusal::Wrong);
    refused(2, wrong, |chain| {
        chain[1].spki = Some(rsa(2048));
    });
}

#[test]
fn key_usage() {
    let refused_or_not = |bits: &'static [u8]| {
        let mut chain = good();
        chain[2].usage = None;
        chain[2] = chain[2]
            .clone()
            .with_extension(&[0x55, 0x1d, 0x0f], &tlv(0x03, &[bits]));
        verify(&chain).map_err(|error| error.reason)
    };
    let refused = |fault| Err(Reason::Certificate { index: 2, fault });
    // digitalSignature is bit 0, the first; decipherOnly is bit 8, in the second byte.
    assert!(refused_or_not(&[7, 0x80]).is_ok());
    assert!(refused_or_not(&[7, 0x80, 0x80]).is_ok());
    let other = refused(CertificateFault::NoDigitalSignature);
    assert_eq!(refused_or_not(&[7, 0x08, 0x80]), other);
    for bits in [&[8, 0x80][..], &[8, 0x80, 0x80], &[7], &[7, 0x80, 0, 0]] {
        assert_eq!(refused_or_not(bits), refused(CertificateFault::Encoding));
    }
}

#[test]
fn a_leaf_for_another_algorithm() {
    let certificates = good().map(|template| template.build());
    let chain = chain_of(&certificates[0], &certificates);
    for asym in AsymAlgorithm::ALL {
        let result = verify_bytes(&chain, asym);
        if asym == AsymAlgorithm::EcdsaP256 {
            assert!(result.is_ok());
            continue;
        }
        let reason = Reason::Certificate {
            index: 2,
            fault: CertificateFault::KeyMismatch,
        };
        assert_eq!(result.expect_err("another key").reason, reason);
    }
}

#[test]
fn roots() {
    let [root, middle, leaf] = good().map(|template| template.build());
    let asym = AsymAlgorithm::EcdsaP256;
    let without = chain_of(&root, &[middle.clone(), leaf.clone()]);
    assert_eq!(verify_bytes(&without, asym), Ok((RootHash::Elsewhere, 2)));
    let alone = chain_of(&middle, &[middle.clone(), leaf.clone()]);
    assert_eq!(verify_bytes(&alone, asym), Ok((RootHash::First, 2)));
    let wrong = chain_of(&middle, &[root, middle.clone(), leaf.clone()]);
    let error = verify_bytes(&wrong, asym).expect_err("another root");
    assert_eq!(
        (error.field, error.reason),
        (Field::RootHash, Reason::Differs)
    );
    let only = chain_of(&leaf, std::slice::from_ref(&leaf));
    assert_eq!(verify_bytes(&only, asym), Ok((RootHash::First, 1)));
}

#[test]
fn headers() {
    let certificates = good().map(|template| template.build());
    let good = chain_of(&certificates[0], &certificates);
    let length = good.len();
    for change in [1_u8, 0x80] {
        let mut chain = good.clone();
        chain[0] ^= change;
        let error = Chain::parse(&chain, Version::V12, 32).expect_err("a wrong length");
        let is_length =
            matches!(error.reason, Reason::Length { expected, .. } if expected == length);
        assert!(error.field == Field::Length && is_length);
    }
    // The upper half of the length is reserved before 1.4.
    let mut chain = good.clone();
    chain[2] = 1;
    assert!(Chain::parse(&chain, Version::V13, 32).is_ok());
    assert!(Chain::parse(&chain, Version::V14, 32).is_err());
    assert!(Chain::parse(&good, Version::V14, 32).is_ok());
    for length in 0..37 {
        let mut chain = good[..length].to_vec();
        if length >= 4 {
            chain[0] = length as u8;
            chain[1] = 0;
        }
        assert!(Chain::parse(&chain, Version::V12, 32).is_err());
    }
}

#[test]
fn hardware_identity() {
    let identity = tlv(0x30, &[&tlv(0x30, &[&tlv(0x06, &[DMTF, &[2]])])]);
    let extension = [DMTF, &[6]].concat();
    let [_, middle, leaf] = good();
    let marked = middle.with_extension(&extension, &identity).build();
    let certificate = Certificate::parse(&marked).expect("a certificate");
    assert!(certificate.is_hardware_identity());
    let leaf = leaf.build();
    let certificate = Certificate::parse(&leaf).expect("a certificate");
    assert!(!certificate.is_hardware_identity());
}

#[test]
fn encodings() {
    let encoding = CertificateFault::Encoding;
    refused(2, encoding, |chain| chain[2].version = vec![1]);
    refused(2, encoding, |chain| {
        // BasicConstraints twice, keyUsage twice, and so on.
        let empty = tlv(0x30, &[]);
        chain[2] = chain[2].clone().with_extension(&[0x55, 0x1d, 0x13], &empty);
    });
    refused(2, encoding, |chain| {
        let usage = tlv(0x03, &[&[7, 0x80]]);
        chain[2] = chain[2].clone().with_extension(&[0x55, 0x1d, 0x0f], &usage);
    });
    for id in [vec![0x55, 0x1d, 0x25], [DMTF, &[6]].concat()] {
        refused(2, encoding, |chain| {
            let usage = tlv(0x30, &[&tlv(0x06, &[&[0x2a, 0x03]])]);
            let once = chain[2].clone().with_extension(&id, &usage);
            chain[2] = once.with_extension(&id, &usage);
        });
    }
    refused(2, encoding, |chain| {
        chain[2].constraints = Some(vec![0x02, 0x01, 0x00]);
    });
    let leaf = good()[2].build();
    for length in 0..leaf.len() {
        assert!(Certificate::parse(&leaf[..length]).is_err());
    }
    let longer = [&leaf[..], &[0]].concat();
    assert_eq!(Certificate::parse(&longer).err(), Some(encoding));
    // Whatever one byte becomes, it is refused or something else is wrong, but nothing panics.
    for at in 0..leaf.len() {
        for value in 0..=u8::MAX {
            let mut changed = leaf.clone();
            changed[at] = value;
            if let Ok(certificate) = Certificate::parse(&changed) {
                assert_eq!(certificate.der.len(), leaf.len());
            }
        }
    }
}
