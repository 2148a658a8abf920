// SPDX-License-Identifier: GPL-2.0
//! What belongs to the engine and not to a connection: identity and measurements.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::algorithms::{Asym, Hash, Version};
use super::chain::{Chain, Defects, Plan};
use super::measurements::Measurements;
use super::settings::{Capability, Settings};

/// Chains that are kept.
const KEPT: usize = 32;
/// Bytes of a chain's header besides the hash of the root.
const CHAIN_HEADER: usize = 4;

/// Identity and measurements.
pub struct Engine {
    /// What is measured.
    pub measurements: Measurements,
    given: BTreeMap<u8, Arc<Chain>>,
    made: Vec<(Plan, Arc<Chain>)>,
}

/// Which chain of a slot is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) slot: u8,
    pub(super) version: Version,
    pub(super) asym: Asym,
    pub(super) hash: Hash,
    pub(super) defects: &'a Defects,
}

impl Engine {
    /// An engine with firmware of this version.
    pub fn new(version: [u16; 4]) -> Self {
        Self {
            measurements: Measurements::new(version),
            given: BTreeMap::new(),
            made: Vec::new(),
        }
    }

    /// Puts a chain that was given into a slot, in place of those that are made.
    pub fn give(&mut self, slot: u8, chain: Chain) {
        self.given.insert(slot, Arc::new(chain));
    }

    /// The slots that have a chain for `asym`.
    pub(super) fn provisioned(&self, settings: &Settings, asym: Asym) -> Vec<u8> {
        let provisioned = |slot: &u8| match self.given.get(slot) {
            Some(chain) => chain.key.serves(asym),
            None => settings.slots.contains(slot),
        };
        (0..8).filter(provisioned).collect()
    }

    /// The chain of a slot that is provisioned.
    ///
    /// # Errors
    ///
    /// A text for people: it cannot be made.
    pub(super) fn chain(
        &mut self,
        settings: &Settings,
        wanted: Wanted<'_>,
    ) -> Result<Arc<Chain>, String> {
        if let Some(chain) = self.given.get(&wanted.slot) {
            return Ok(Arc::clone(chain));
        }
        let alias = settings.can(Capability::AliasCert) && wanted.version >= Version::V12;
        let header = CHAIN_HEADER + wanted.hash.size();
        let plan = Plan {
            slot: wanted.slot,
            asym: wanted.asym,
            length: settings.chain_length,
            size: settings.chain_size.saturating_sub(header),
            omit_root: settings.omit_root,
            seed: settings.seed.clone(),
            alias: alias.then(|| self.measurements.firmware()),
            defects: wanted.defects.clone(),
        };
        if let Some((_, chain)) = self.made.iter().find(|(made, _)| *made == plan) {
            return Ok(Arc::clone(chain));
        }
        let chain = Arc::new(plan.build()?);
        if self.made.len() >= KEPT {
            self.made.remove(0);
        }
        self.made.push((plan, Arc::clone(&chain)));
        Ok(chain)
    }

    /// The chain of a slot, as a connection with the newest version has it.
    ///
    /// # Errors
    ///
    /// A text for people: the slot has no such chain, or it cannot be made.
    pub fn wanted(
        &mut self,
        settings: &Settings,
        slot: u8,
        asym: Asym,
    ) -> Result<Arc<Chain>, String> {
        if !self.provisioned(settings, asym).contains(&slot) {
            return Err(format!("slot {slot} has no chain for this algorithm"));
        }
        let version = settings.versions.iter().max().copied();
        let wanted = Wanted {
            slot,
            asym,
            version: version.unwrap_or(Version::V10),
            hash: settings.hash.first().copied().unwrap_or(Hash::Sha384),
            defects: &Defects::default(),
        };
        self.chain(settings, wanted)
    }
}
