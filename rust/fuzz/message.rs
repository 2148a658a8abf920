// SPDX-License-Identifier: GPL-2.0

//! The form of inputs that hold one message: the version, what else decides on the layout, the
//! message.

use spdm::algorithms::AsymAlgorithm;
use spdm::version::Version;

/// A message, and what it is to be read as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) version: Version,
    /// What else decides on the layout; each target has its own bits.
    pub(crate) layout: u8,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Message<'a> {
    pub(crate) fn split(input: &'a [u8]) -> Option<Self> {
        let [version, layout, bytes @ ..] = input else {
            return None;
        };
        Some(Self {
            version: Version::ALL[usize::from(*version) % Version::ALL.len()],
            layout: *layout,
            bytes,
        })
    }

    /// The input of a message.
    pub(crate) fn join(version: Version, layout: u8, bytes: &[u8]) -> Vec<u8> {
        [&[version.byte() & 0xf, layout], bytes].concat()
    }

    pub(crate) fn bit(&self, number: u8) -> bool {
        self.layout >> number & 1 != 0
    }

    /// Bytes of a digest, from bits 1:0.
    pub(crate) fn digest(&self) -> usize {
        [32, 48, 64, 20][usize::from(self.layout & 3)]
    }

    /// Bytes of a signature, from bits 7:4; 0 for none.
    pub(crate) fn signature(&self) -> usize {
        AsymAlgorithm::ALL
            .get(usize::from(self.layout >> 4))
            .map_or(0, |algorithm| algorithm.signature_size())
    }
}

/// The upper half of the layout for a signature algorithm.
pub(crate) fn signature_bits(algorithm: Option<AsymAlgorithm>) -> u8 {
    let position = AsymAlgorithm::ALL
        .iter()
        .position(|other| Some(*other) == algorithm);
    position.map_or(0xf0, |position| (position as u8) << 4)
}
