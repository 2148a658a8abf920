// SPDX-License-Identifier: GPL-2.0
//! A chain and a key that are given in files, for one slot.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{anyhow, ensure, Context, Result};
use x509_cert::der::Encode;
use x509_cert::Certificate;

use super::chain::Chain;
use super::key::Key;

/// Largest chain in bytes, with room for its length and the largest hash.
const SIZE_MAX: usize = 0xffff - 4 - 64;

/// Slot, certificates and key, as an option of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 0 to 7.
    pub slot: u8,
    chain: PathBuf,
    key: PathBuf,
}

impl FromStr for Identity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let (Some(slot), Some(chain), Some(key)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("SLOT:CHAIN:KEY, a number and two files".into());
        };
        let slot = slot.parse().ok().filter(|slot| *slot < 8);
        Ok(Self {
            slot: slot.ok_or("the slot is a number from 0 to 7")?,
            chain: chain.into(),
            key: key.into(),
        })
    }
}

impl Identity {
    /// The chain that the files hold.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, that is not what it should be, or a key that is not the last
    /// certificate's.
    pub fn load(&self) -> Result<Chain> {
        let chain = Certificate::load_pem_chain(read(&self.chain)?.as_bytes())
            .with_context(|| format!("PEM certificates in {}", self.chain.display()))?;
        let key = Key::from_pem(&read(&self.key)?)
            .map_err(|error| anyhow!("key in {}: {error}", self.key.display()))?;
        let public = key.public().map_err(|error| anyhow!(error))?;
        let certified = chain.last().map(|last| &last.tbs_certificate);
        ensure!(
            certified.is_some_and(|last| last.subject_public_key_info == public),
            "the key in {} does not belong to the last certificate in {}",
            self.key.display(),
            self.chain.display(),
        );
        let certificates: Result<_, _> = chain.iter().map(Encode::to_der).collect();
        let chain = Chain::given(certificates?, key);
        ensure!(
            chain.size() <= SIZE_MAX,
            "the certificates in {} are {} bytes, SPDM has room for {SIZE_MAX}",
            self.chain.display(),
            chain.size(),
        );
        Ok(chain)
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
