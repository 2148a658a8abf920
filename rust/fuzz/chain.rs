// SPDX-License-Identifier: GPL-2.0

//! Certificates, alone and in chains.

use spdm::algorithms::{AsymAlgorithm, HashAlgorithm, Scheme};
use spdm::chain::{Chain, RootHash};
use spdm::crypto::{Digest, Hash, Refusal, Verify};
use spdm::der::Der;
use spdm::host::{HashContext, RustCrypto};
use spdm::x509::{Certificate, PublicKey};

use crate::message::Message;

/// A crypto layer that believes every signature, so that no change of a certificate ends at it.
struct Believer;

impl Hash for Believer {
    type Context = HashContext;

    fn start(&self, algorithm: HashAlgorithm) -> Result<HashContext, Refusal> {
        RustCrypto.start(algorithm)
    }

    fn digest(&self, algorithm: HashAlgorithm, bytes: &[u8]) -> Result<Digest, Refusal> {
        RustCrypto.digest(algorithm, bytes)
    }
}

impl Verify for Believer {
    type Key = ();

    fn key(&self, _: &Certificate<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn verify(
        &self,
        (): &(),
        scheme: Scheme,
        hash: HashAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        assert_eq!(digest.len(), hash.size());
        let sizes: &[usize] = match scheme {
            Scheme::Ecdsa => &[64, 96, 132],
            Scheme::Pkcs1 => &[],
            Scheme::Pss => panic!("certificates with RSA-PSS are not read"),
        };
        assert!(sizes.is_empty() || sizes.contains(&signature.len()));
        Ok(())
    }
}

/// Reads elements within elements. All of them lie one after the other in what holds them.
fn elements(bytes: &[u8], depth: u32) {
    let mut der = Der::new(bytes);
    let mut rest = bytes;
    while let Some(element) = der.element() {
        assert!(rest.starts_with(element.whole) && element.whole.ends_with(element.value));
        rest = &rest[element.whole.len()..];
        if depth > 0 {
            elements(element.value, depth - 1);
        }
    }
    assert_eq!(der.is_empty(), rest.is_empty());
    for read in [Der::unsigned, Der::octets] {
        let part = read(&mut Der::new(bytes));
        assert!(part.is_none_or(|part| part.len() < bytes.len()));
    }
    Der::new(bytes).boolean();
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}

fn check(certificate: &Certificate<'_>) {
    let der = certificate.der;
    for part in [
        certificate.tbs,
        certificate.issuer,
        certificate.subject,
        certificate.spki,
        certificate.signature,
    ] {
        assert!(contains(der, part));
    }
    assert!(certificate.scheme != Scheme::Pss);
    match certificate.key {
        PublicKey::Rsa {
            modulus, exponent, ..
        } => assert!((256..=512).contains(&modulus.len()) && !exponent.is_empty()),
        PublicKey::Ec { curve, point } => assert_eq!(point.len(), 1 + 2 * curve.size()),
    }
    assert!(certificate.path_length.is_none() || certificate.ca);
    for asym in AsymAlgorithm::ALL {
        let is_leaf = certificate.check_leaf(asym).is_ok();
        assert!(!(is_leaf && certificate.check_signer().is_ok()));
        assert!(!is_leaf || certificate.key.fits(asym));
    }
    certificate.is_hardware_identity();
}

/// A certificate, or anything else in DER.
pub(crate) fn x509(input: &[u8]) {
    elements(input, 8);
    match Certificate::parse(input) {
        Ok(certificate) => check(&certificate),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}

/// A chain. In the layout are the hash (bits 2:0), the signature algorithm (bits 6:3), and whether
/// length and root hash are made right (bit 7), so that something comes of changed certificates.
pub(crate) fn chain(input: &[u8]) {
    let Some(message) = Message::split(input) else {
        return;
    };
    let layout = usize::from(message.layout);
    let hash = HashAlgorithm::ALL[(layout & 7) % HashAlgorithm::ALL.len()];
    let asym = AsymAlgorithm::ALL[(layout >> 3 & 15) % AsymAlgorithm::ALL.len()];
    let mut bytes = message.bytes.to_vec();
    if message.bit(7) {
        mend(&mut bytes, hash);
    }
    let Ok(chain) = Chain::parse(&bytes, message.version, hash.size()) else {
        return;
    };
    assert_eq!(chain.bytes(), bytes);
    assert_eq!(chain.der(), &bytes[4 + hash.size()..]);
    for alias in [false, true] {
        let identity = chain.identity(alias);
        assert!(chain.der().starts_with(identity) && !identity.is_empty());
        assert!(alias || identity == chain.der());
    }
    let certificates: Vec<_> = chain.certificates().collect();
    let Ok(verified) = chain.verify(&Believer, hash, asym) else {
        // RustCrypto believes less.
        assert!(chain.verify(&RustCrypto, hash, asym).is_err());
        return;
    };
    assert_eq!(verified.count, certificates.len());
    let certificates: Vec<_> = certificates
        .into_iter()
        .map(|certificate| certificate.expect("it was verified"))
        .collect();
    let wholes: Vec<_> = certificates.iter().map(|one| one.der).collect();
    assert_eq!(wholes.concat(), chain.der());
    for pair in certificates.windows(2) {
        assert!(pair[0].check_signer().is_ok() && pair[0].subject == pair[1].issuer);
    }
    let last = certificates.last().expect("there is one");
    assert!(last.check_leaf(asym).is_ok());
    let is_first = RustCrypto.digest(hash, certificates[0].der).as_deref() == Ok(chain.root_hash());
    assert_eq!(verified.root == RootHash::First, is_first);
    for certificate in &certificates {
        check(certificate);
    }
    if let Ok(really) = chain.verify(&RustCrypto, hash, asym) {
        assert_eq!((really.count, really.root), (verified.count, verified.root));
    }
}

/// Writes the length into the header of a chain, and the hash of its first certificate.
fn mend(bytes: &mut [u8], hash: HashAlgorithm) {
    let Ok(length) = u16::try_from(bytes.len()) else {
        return;
    };
    let Some((header, rest)) = bytes.split_at_mut_checked(4 + hash.size()) else {
        return;
    };
    header[..4].copy_from_slice(&u32::from(length).to_le_bytes());
    if let Some(first) = Der::new(rest).element() {
        let digest = RustCrypto.digest(hash, first.whole).expect("a digest");
        header[4..].copy_from_slice(&digest);
    }
}
