// SPDX-License-Identifier: GPL-2.0

//! Checks the certificate chain of a slot.

use der::{DateTime, Decode};
use spdm::algorithms::HashAlgorithm;
use spdm::chain::{Chain, RootHash};
use spdm::crypto::{Hash, Verify};
use spdm::host::RustCrypto;
use spdm::version::Version;
use spdm::x509::Certificate;
use x509_cert::certificate::{CertificateInner, Raw};

use super::{depends, unreadable, Expected, ANCHORED, CHAIN, DATES};
use crate::check::{Check, Gap};
use crate::evidence::files::split;
use crate::evidence::Negotiated;
use crate::roots::Root;

type Key = <RustCrypto as Verify>::Key;

/// Checks a chain and returns the key of its leaf, if the chain holds together.
pub(super) fn check(
    checks: &mut Vec<Check>,
    slot: u8,
    bytes: &[u8],
    negotiated: &Negotiated,
    expected: &Expected<'_>,
) -> Option<Key> {
    let Negotiated { hash, asym, .. } = *negotiated;
    let parsed = Chain::parse(bytes, negotiated.version(), hash.size());
    let result = parsed.and_then(|chain| Ok((chain, chain.verify(&RustCrypto, hash, asym)?)));
    let (chain, verified) = match result {
        Ok(verified) => verified,
        Err(error) => {
            let text = format!("slot {slot}: {error}");
            checks.push(unreadable(CHAIN, &text, error.could_not_check()));
            checks.push(depends(DATES, "the chain does not hold together"));
            checks.push(depends(ANCHORED, "the chain does not hold together"));
            return None;
        }
    };
    let root = match verified.root {
        RootHash::First => "the root is among them",
        RootHash::Elsewhere => "the root is not among them",
    };
    let count = verified.count;
    let text = format!("slot {slot}: {count} certificates, each signed by the one before; {root}");
    checks.push(Check::pass(CHAIN, text));

    let anchor = find_anchor(&chain, negotiated, expected.roots);
    let mut dated: Vec<&[u8]> = certificates(&chain).map(|found| found.der).collect();
    if let Ok(anchor) = &anchor {
        dated.push(&anchor.der);
    }
    checks.push(check_dates(&dated, expected.now));
    checks.push(match anchor {
        Ok(anchor) => Check::pass(ANCHORED, format!("to {}", anchor.source)),
        Err(check) => check,
    });
    Some(verified.key)
}

fn certificates<'a>(chain: &Chain<'a>) -> impl Iterator<Item = Certificate<'a>> {
    chain.certificates().filter_map(Result::ok)
}

/// The root that the chain ends in.
fn find_anchor<'r>(
    chain: &Chain<'_>,
    negotiated: &Negotiated,
    roots: &'r [Root],
) -> Result<&'r Root, Check> {
    if roots.is_empty() {
        let reason = "no root was given (--root): anybody can make such a chain";
        return Err(Check::not_checked(ANCHORED, Gap::NothingToCompare, reason));
    }
    let mut reason = "it ends in none of the roots given".to_owned();
    for root in roots {
        match ends_in(chain, negotiated, root) {
            Ok(true) => return Ok(root),
            Ok(false) => {}
            Err(why) => reason = why,
        }
    }
    Err(Check::fail(ANCHORED, reason))
}

/// Whether a root is the first certificate of the chain, or another one for the same key and name,
/// or signed the first one.
fn ends_in(chain: &Chain<'_>, negotiated: &Negotiated, root: &Root) -> Result<bool, String> {
    let Some(first) = certificates(chain).next() else {
        return Ok(false);
    };
    let source = &root.source;
    let trusted = Certificate::parse(&root.der).map_err(|fault| format!("{source}: {fault}"))?;
    let Negotiated { hash, asym, .. } = *negotiated;
    let digest = RustCrypto.digest(hash, &root.der);
    let is_named = digest.is_ok_and(|digest| *digest == *chain.root_hash());
    if trusted.spki == first.spki && trusted.subject == first.subject {
        if is_named && root.der != first.der {
            return Err(format!(
                "the first certificate is a changed copy of {source}"
            ));
        }
        return Ok(true);
    }
    if trusted.subject != first.issuer {
        return Ok(false);
    }
    // One more link at the top, with all rules for links.
    let longer = with_header(&[&root.der, chain.der()].concat(), hash);
    Chain::parse(&longer, HEADER, hash.size())
        .and_then(|whole| whole.verify(&RustCrypto, hash, asym))
        .map_err(|error| format!("{source} has the name of the issuer, but: {error}"))?;
    if trusted.is_self_issued() && !is_named {
        return Err(format!(
            "{source} signed it, but is not the root whose hash the chain names"
        ));
    }
    Ok(true)
}

/// The version whose header [`with_header`] writes: lengths of 32 bits.
pub const HEADER: Version = Version::V14;

/// Certificates with a header, as they lie in a slot.
pub fn with_header(certificates: &[u8], hash: HashAlgorithm) -> Vec<u8> {
    let first = split(certificates).first().copied().unwrap_or_default();
    let digest = RustCrypto.digest(hash, first);
    let digest = digest.as_deref().unwrap_or_default();
    let length = 4_usize
        .saturating_add(digest.len())
        .saturating_add(certificates.len());
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    [&length, digest, certificates].concat()
}

fn check_dates(certificates: &[&[u8]], now: DateTime) -> Check {
    for (index, der) in certificates.iter().enumerate() {
        let certificate = match CertificateInner::<Raw>::from_der(der) {
            Ok(certificate) => certificate,
            Err(error) => {
                let reason = format!("certificate {index}: {error}");
                return Check::not_checked(DATES, Gap::Unsupported, reason);
            }
        };
        let validity = certificate.tbs_certificate.validity;
        let (begin, end) = (
            validity.not_before.to_date_time(),
            validity.not_after.to_date_time(),
        );
        if now < begin {
            let reason = format!("certificate {index} is valid from {begin} on, it is {now}");
            return Check::fail(DATES, reason);
        }
        if now > end {
            let reason = format!("certificate {index} was valid until {end}, it is {now}");
            return Check::fail(DATES, reason);
        }
    }
    Check::pass(DATES, format!("all are valid at {now}"))
}
