// SPDX-License-Identifier: GPL-2.0

//! What was collected from the engine in one sequence, byte for byte.

use super::{
    crypto,
    protocol::{
        config::Connection,
        digests::SLOTS, //
    }, //
};
use crate::kapi::{
    blob::Content,
    hash, //
};
use core::ops::Deref;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Type of the transcript from GET_VERSION to ALGORITHMS. Types below 8 are the chains of the slots.
const VCA: u32 = 8;

/// Type of the exchanges from GET_MEASUREMENTS to the signature.
const MEASUREMENTS: u32 = 9;

/// Bytes in front of the root hash of a chain.
const CHAIN_HEADER: usize = 4;

/// Bytes that do not change, shared.
pub(crate) struct Octets(KVVec<u8>);

impl Octets {
    /// Takes bytes.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`
    pub(crate) fn new(bytes: KVVec<u8>) -> Result<Arc<Self>> {
        Ok(Arc::new(Self(bytes), GFP_KERNEL)?)
    }

    /// Copies bytes that lie in several places.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`
    pub(crate) fn copy(parts: &[&[u8]]) -> Result<Arc<Self>> {
        let length = parts.iter().map(|part| part.len()).sum();
        let mut bytes = KVVec::with_capacity(length, GFP_KERNEL)?;
        for part in parts {
            bytes.extend_from_slice(part, GFP_KERNEL)?;
        }
        Self::new(bytes)
    }
}

impl Deref for Octets {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// The end of shared bytes.
#[derive(Clone)]
pub(crate) struct Part {
    octets: Arc<Octets>,
    start: usize,
}

impl Part {
    /// Whether the memory is shared with another one.
    pub(super) fn shares(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.octets, &other.octets)
    }
}

impl From<Arc<Octets>> for Part {
    fn from(octets: Arc<Octets>) -> Self {
        Self { octets, start: 0 }
    }
}

impl Deref for Part {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }
}

impl Content for Part {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// Evidence. The numbers of its objects are those of the `device-evidence` interface.
pub(crate) struct Evidence {
    /// What was negotiated.
    pub(super) connection: Connection,
    /// Counts results of the agent: which one was current when this was collected.
    pub(super) generation: u32,
    /// The slot whose key signed.
    pub(super) slot: u8,
    /// SupportedSlotMask and ProvisionedSlotMask.
    pub(super) supported: u8,
    pub(super) provisioned: u8,
    /// The chains with their headers.
    pub(super) chains: [Option<Arc<Octets>>; SLOTS],
    pub(super) vca: Arc<Octets>,
    /// Empty if the engine does not measure.
    pub(super) measurements: Arc<Octets>,
}

impl Evidence {
    /// Counts results of the agent: which one was current when this was collected.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// The slot whose key signed.
    pub(crate) fn slot(&self) -> u8 {
        self.slot
    }

    /// The hash algorithm of the connection.
    pub(crate) fn hash(&self) -> hash::Algorithm {
        let selected = self.connection.selection.hash;
        selected.map_or(hash::Algorithm::Sha256, crypto::algorithm)
    }

    /// An object: 0 to 7 are the chains of the slots with their headers, 8 is what precedes all
    /// transcripts, 9 are the exchanges for measurements with the signature at the end. [`None`]
    /// if there is no such object.
    pub(crate) fn object(&self, kind: u32) -> Option<&[u8]> {
        let object = match kind {
            VCA => &self.vca,
            MEASUREMENTS if self.measurements.is_empty() => return None,
            MEASUREMENTS => &self.measurements,
            slot => self.chains.get(usize::try_from(slot).ok()?)?.as_ref()?,
        };
        Some(object)
    }

    /// The certificates of a slot in DER, root to leaf, without the header of the chain; empty if
    /// there are none, [`None`] if the engine has no such slot.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`
    pub(super) fn certificates(&self, slot: u8) -> Result<Option<Part>> {
        let bit = 1_u8.checked_shl(slot.into()).unwrap_or(0);
        if (self.supported | self.provisioned) & bit == 0 {
            return Ok(None);
        }
        let chain = self.chains.get(usize::from(slot)).and_then(Option::as_ref);
        Ok(Some(match chain {
            Some(chain) => Part {
                octets: chain.clone(),
                start: CHAIN_HEADER.saturating_add(self.hash().size()),
            },
            None => Octets::copy(&[])?.into(),
        }))
    }

    /// Bytes of memory that the chains take.
    pub(super) fn chain_memory(&self) -> usize {
        self.chains.iter().flatten().map(|chain| chain.len()).sum()
    }
}
