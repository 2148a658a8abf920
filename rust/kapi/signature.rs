// SPDX-License-Identifier: GPL-2.0

//! Verification of signatures with public keys.
//!
//! C headers: [`include/crypto/sig.h`](srctree/include/crypto/sig.h),
//! [`include/crypto/akcipher.h`](srctree/include/crypto/akcipher.h)

use super::{
    hash,
    shim, //
};
use kernel::{
    error::to_result,
    prelude::*,
    str::CString, //
};

/// What a public key is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RSA with 2048, 3072 or 4096 bits.
    Rsa,
    /// ECDSA on the curve NIST P-256.
    P256,
    /// ECDSA on the curve NIST P-384.
    P384,
    /// ECDSA on the curve NIST P-521.
    P521,
}

impl Kind {
    /// All of them.
    const ALL: [Self; 4] = [Self::Rsa, Self::P256, Self::P384, Self::P521];

    /// The name, as the kernel has it.
    const fn name(self) -> &'static CStr {
        match self {
            Self::Rsa => c"rsa",
            Self::P256 => c"ecdsa-nist-p256",
            Self::P384 => c"ecdsa-nist-p384",
            Self::P521 => c"ecdsa-nist-p521",
        }
    }

    /// Finds a kind by its name.
    pub(super) fn from_name(name: &CStr) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The size of a coordinate of a point on the curve, in bytes.
    const fn coordinate_size(self) -> Option<usize> {
        match self {
            Self::Rsa => None,
            Self::P256 => Some(32),
            Self::P384 => Some(48),
            Self::P521 => Some(66),
        }
    }
}

/// A public key. That the bytes make sense shows when it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PublicKey<'a> {
    /// What it is for.
    pub(crate) kind: Kind,
    /// The content of the BIT STRING in a SubjectPublicKeyInfo: a DER `RSAPublicKey` (RFC 8017,
    /// A.1.1), or a point as 0x04, x and y (RFC 5480, 2.2).
    pub(crate) bytes: &'a [u8],
}

impl PublicKey<'_> {
    /// Whether `signature` is one by this key over a message with this digest: RSASSA-PKCS1-v1_5,
    /// or ECDSA.
    ///
    /// All numbers are big endian. An RSA signature is as long as the modulus; one of ECDSA is r
    /// and s, each as long as a coordinate. Another length is a wrong signature.
    ///
    /// Process context, may sleep.
    ///
    /// # Errors
    ///
    /// The signature could not be checked:
    ///
    /// - `EINVAL`: the digest is not of this algorithm; or this is no public key of its kind, or an
    ///   RSA key with another number of bits.
    /// - `ENOPKG`: the kernel does not have the algorithm.
    /// - `ENOMEM`
    pub(crate) fn verify(
        &self,
        hash: hash::Algorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool> {
        self.check_size()?;
        if digest.len() != hash.size() {
            return Err(EINVAL);
        }

        let algorithm = match self.kind {
            Kind::Rsa => CString::try_from_fmt(fmt!("pkcs1(rsa,{})", hash.name()))?,
            kind => CString::try_from_fmt(fmt!("p1363({})", kind.name()))?,
        };
        judge(|| {
            let mut verdict = 0;

            // SAFETY:
            // - The name is a string, and the pointers are valid for as many bytes as follow them.
            // - `verdict` is valid for writes.
            to_result(unsafe {
                shim::rust_kapi_verify(
                    algorithm.as_char_ptr(),
                    self.bytes.as_ptr().cast(),
                    self.bytes.len().try_into()?,
                    digest.as_ptr().cast(),
                    digest.len().try_into()?,
                    signature.as_ptr().cast(),
                    signature.len().try_into()?,
                    &mut verdict,
                )
            })
            .map_err(unusable)?;
            Ok(verdict)
        })
    }

    /// Applies an RSA key to a signature, as long as the modulus, which gives an encoded message of
    /// the same length (RSAVP1, RFC 8017, 5.2.2). What that is worth is for the caller to check.
    ///
    /// Returns false if the signature is not as long as the modulus, or not a number below it: then
    /// it is wrong under any encoding.
    ///
    /// Process context, may sleep.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: this is no RSA key, or one with another number of bits than RSA keys may have;
    ///   or `encoded` is not as long as the signature.
    /// - `ENOPKG`: the kernel does not have RSA.
    /// - `ENOMEM`
    pub(crate) fn recover(&self, signature: &[u8], encoded: &mut [u8]) -> Result<bool> {
        if self.kind != Kind::Rsa || encoded.len() != signature.len() {
            return Err(EINVAL);
        }

        judge(|| {
            let mut verdict = 0;

            // SAFETY:
            // - The key is valid for as many bytes as follow it, and so are the two others, as was
            //   checked.
            // - `verdict` is valid for writes.
            to_result(unsafe {
                shim::rust_kapi_rsa_recover(
                    self.bytes.as_ptr().cast(),
                    self.bytes.len().try_into()?,
                    signature.as_ptr().cast(),
                    encoded.as_mut_ptr().cast(),
                    signature.len().try_into()?,
                    &mut verdict,
                )
            })
            .map_err(unusable)?;
            Ok(verdict)
        })
    }

    /// The kernel takes shorter points for such with zeros in front; they have no place here.
    fn check_size(&self) -> Result {
        match self.kind.coordinate_size() {
            Some(size) if self.bytes.len() != 1 + 2 * size => Err(EINVAL),
            _ => Ok(()),
        }
    }
}

/// Gives the errors of looking up an algorithm and of setting a key the meaning they have here.
fn unusable(error: Error) -> Error {
    match error {
        ENOENT => ENOPKG,
        EBADMSG => EINVAL,
        error => error,
    }
}

/// Tells a wrong signature from one that could not be checked, by the verdict that `ask` gets.
///
/// `EINVAL` is asked for twice: RSA answers that to a number out of range, and to a lack of memory
/// (`_rsa_enc` in crypto/rsa.c), which may be over then.
fn judge(mut ask: impl FnMut() -> Result<c_int>) -> Result<bool> {
    let mut verdict = to_result(ask()?);
    if verdict == Err(EINVAL) {
        verdict = to_result(ask()?);
    }
    match verdict {
        Ok(()) => Ok(true),
        // Length or range, encoding, value.
        Err(EINVAL | EBADMSG | EKEYREJECTED) => Ok(false),
        Err(error) => Err(error),
    }
}
