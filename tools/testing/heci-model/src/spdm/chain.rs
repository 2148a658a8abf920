// SPDX-License-Identifier: GPL-2.0
//! Certificate chains: a root, certificate authorities, the responder; and what faults do to them.

use super::algorithms::{Asym, Hash};
use super::certificate::{Role, Template};
use super::key::{Key, TestKey};

/// What lengths and signatures of a certificate may grow by, in bytes.
const MARGIN: usize = 16;

/// A chain and the private key of its last certificate.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Certificates in DER, from the root down.
    pub certificates: Vec<Vec<u8>>,
    /// The key that signs responses.
    pub key: Key,
    /// The root, which the chain may leave out.
    pub root: Vec<u8>,
}

/// What a chain is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) slot: u8,
    pub(super) asym: Asym,
    /// Certificates, root and responder included.
    pub(super) length: usize,
    /// Bytes to be filled with comments, 0 for no comment.
    pub(super) size: usize,
    pub(super) omit_root: bool,
    /// Which device this is.
    pub(super) seed: String,
    /// With an alias certificate: what its key follows from.
    pub(super) alias: Option<Vec<u8>>,
    pub(super) defects: Defects,
}

/// Defects of a chain. Numbers count certificates from 0, the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Defects {
    pub(super) length: Option<u64>,
    pub(super) reserved: Option<u64>,
    pub(super) root_hash: bool,
    pub(super) broken: Option<u64>,
    pub(super) no_authority: Option<u64>,
    pub(super) no_cert_sign: Option<u64>,
    pub(super) leaf_authority: bool,
    pub(super) leaf_usage: bool,
    pub(super) sha1: Option<u64>,
    pub(super) rsa1024: Option<u64>,
    pub(super) expired: Option<u64>,
    pub(super) other_root: bool,
    pub(super) other_key: bool,
    pub(super) other_algorithm: bool,
    pub(super) reversed: bool,
    pub(super) trailing: Option<u64>,
    pub(super) cut: Option<u64>,
    pub(super) none: bool,
}

impl Plan {
    /// The chain.
    ///
    /// # Errors
    ///
    /// A text for people: something cannot be encoded, or the size cannot be reached.
    pub(super) fn build(&self) -> Result<Chain, String> {
        let plain = self.with_comments(0)?;
        if self.size <= plain.size() {
            return Ok(plain);
        }
        let authorities = self.length.saturating_sub(1).max(1);
        let least = self.with_comments(1)?.size() + MARGIN * self.length;
        match self.size.checked_sub(least) {
            None => Ok(plain),
            Some(free) => self.with_comments(1 + free / authorities),
        }
    }

    fn with_comments(&self, comment: usize) -> Result<Chain, String> {
        let key = self.responder_key()?;
        let mut templates: Vec<Template> = Vec::new();
        for index in 0..self.length {
            let role = self.role(index);
            let own = match role {
                Role::Authority => self.authority_key(index)?,
                Role::Device => self.device_key()?,
                Role::Responder | Role::Alias => key.clone(),
            };
            let above = templates.last();
            let subject = self.name(index, role);
            templates.push(Template {
                issuer: above.map_or(&subject, |above| &above.subject).clone(),
                signer: above.map_or(&own, |above| &above.key).clone(),
                subject,
                role,
                key: own,
                hash: self.hash(),
                comment: if index + 1 < self.length { comment } else { 0 },
                expired: false,
                wrong_constraints: false,
                wrong_usage: false,
            });
        }
        self.spoil(&mut templates)?;
        let certificates: Result<Vec<_>, String> =
            templates.iter().map(Template::certificate).collect();
        let mut certificates = certificates?;
        if let Some(certificate) = self.defects.broken.and_then(|n| at(&mut certificates, n)) {
            flip_last(certificate);
        }
        if self.defects.reversed {
            certificates.reverse();
        }
        let root = certificates.first().cloned().unwrap_or_default();
        if self.omit_root && certificates.len() > 1 {
            certificates.remove(0);
        }
        if self.defects.none {
            certificates.clear();
        }
        if let (Some(bytes), Some(last)) = (self.defects.cut, certificates.last_mut()) {
            last.truncate(last.len().saturating_sub(bytes as usize));
        }
        if let Some(bytes) = self.defects.trailing {
            certificates.push(vec![0; bytes.min(1024) as usize]);
        }
        Ok(Chain {
            certificates,
            key,
            root,
        })
    }

    fn role(&self, index: usize) -> Role {
        let below = self.length - 1 - index;
        match (below, self.alias.is_some()) {
            (0, false) => Role::Responder,
            (0, true) => Role::Alias,
            (1, true) if index > 0 => Role::Device,
            _ => Role::Authority,
        }
    }

    fn name(&self, index: usize, role: Role) -> String {
        let (slot, root) = (self.slot, self.vendor());
        match role {
            Role::Authority if index == 0 => format!("{root} {slot} root"),
            Role::Authority => format!("{root} {slot} authority {index}"),
            Role::Device => format!("Device {}", self.seed),
            Role::Responder => format!("Responder {}", self.seed),
            Role::Alias => format!("Firmware of {}", self.seed),
        }
    }

    fn vendor(&self) -> &'static str {
        match self.defects.other_root {
            false => "Vendor",
            true => "Another vendor",
        }
    }

    /// The hash that signs the certificates.
    fn hash(&self) -> Hash {
        match self.asym {
            Asym::EcdsaP384 | Asym::Rsassa3072 | Asym::Rsapss3072 => Hash::Sha384,
            Asym::EcdsaP521 | Asym::Rsassa4096 | Asym::Rsapss4096 => Hash::Sha512,
            _ => Hash::Sha256,
        }
    }

    fn authority_key(&self, index: usize) -> Result<Key, String> {
        let elliptic = match (self.asym, index) {
            (asym @ (Asym::EcdsaP256 | Asym::EcdsaP384 | Asym::EcdsaP521), _) => asym,
            (_, 0) if !self.defects.other_root => return Key::test(TestKey::Root),
            (_, 1) => return Key::test(TestKey::Authority),
            _ => Asym::EcdsaP384,
        };
        let secret = format!("{} {} {index}", self.vendor(), self.slot);
        Key::derive(elliptic, &[secret.as_bytes()])
    }

    fn device_key(&self) -> Result<Key, String> {
        let elliptic = match self.asym {
            asym @ (Asym::EcdsaP256 | Asym::EcdsaP384 | Asym::EcdsaP521) => asym,
            _ => Asym::EcdsaP384,
        };
        Key::derive(elliptic, &[b"device", self.seed.as_bytes(), &[self.slot]])
    }

    fn responder_key(&self) -> Result<Key, String> {
        let secret: &[&[u8]] = &[
            b"responder",
            self.seed.as_bytes(),
            &[self.slot],
            self.alias.as_deref().unwrap_or_default(),
        ];
        Key::derive(self.asym, secret)
    }

    /// Applies the defects that certificates have before they are signed.
    fn spoil(&self, templates: &mut [Template]) -> Result<(), String> {
        let defects = &self.defects;
        if let Some(template) = defects.no_authority.and_then(|n| at(templates, n)) {
            template.wrong_constraints = true;
        }
        if let Some(template) = defects.no_cert_sign.and_then(|n| at(templates, n)) {
            template.wrong_usage = true;
        }
        if let Some(template) = defects.sha1.and_then(|n| at(templates, n)) {
            template.hash = Hash::Sha1;
        }
        if let Some(template) = defects.expired.and_then(|n| at(templates, n)) {
            template.expired = true;
        }
        if let Some(number) = defects.rsa1024 {
            let short = Key::test(TestKey::Rsa1024)?;
            if let Some(template) = at(templates, number) {
                template.key = short.clone();
                if number == 0 {
                    template.signer = short.clone();
                }
            }
            if let Some(below) = at(templates, number.saturating_add(1)) {
                below.signer = short;
            }
        }
        if let Some(leaf) = templates.last_mut() {
            leaf.wrong_constraints |= defects.leaf_authority;
            leaf.wrong_usage |= defects.leaf_usage;
            if defects.other_key {
                leaf.key = Key::other(self.asym)?;
            }
            if defects.other_algorithm {
                let other = match self.asym {
                    Asym::EcdsaP256 => Asym::EcdsaP384,
                    _ => Asym::EcdsaP256,
                };
                leaf.key = Key::other(other)?;
            }
        }
        Ok(())
    }
}

fn at<T>(items: &mut [T], number: u64) -> Option<&mut T> {
    usize::try_from(number).ok().and_then(|n| items.get_mut(n))
}

fn flip_last(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
}

impl Chain {
    /// A chain that is given: certificates in DER from the root down, and the key of the last.
    pub fn given(certificates: Vec<Vec<u8>>, key: Key) -> Self {
        let root = certificates.first().cloned().unwrap_or_default();
        Self {
            certificates,
            key,
            root,
        }
    }

    /// Bytes of the certificates together.
    pub fn size(&self) -> usize {
        self.certificates.iter().map(Vec::len).sum()
    }

    /// The chain as SPDM hands it out: length, reserved, hash of the root, certificates.
    pub(super) fn encode(&self, hash: Hash, defects: &Defects) -> Vec<u8> {
        let mut root_hash = hash.digest(&[&self.root]);
        if defects.root_hash {
            flip_last(&mut root_hash);
        }
        let length = 4 + root_hash.len() + self.size();
        let length = defects.length.map_or(length as u16, |length| length as u16);
        let reserved = defects.reserved.unwrap_or(0) as u16;
        let header = [length.to_le_bytes(), reserved.to_le_bytes()].concat();
        [header, root_hash, self.certificates.concat()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            slot: 0,
            asym: Asym::EcdsaP256,
            length: 3,
            size: 0,
            omit_root: false,
            seed: "test".into(),
            alias: None,
            defects: Defects::default(),
        }
    }

    #[test]
    fn the_same_plan_gives_the_same_chain() {
        let certificates = plan().build().unwrap().certificates;
        assert_eq!(certificates, plan().build().unwrap().certificates);
        assert_eq!(certificates.len(), 3);
    }

    #[test]
    fn chains_come_close_to_their_size_and_stay_below() {
        for (size, length) in [(5000, 3), (60_000, 3), (65_400, 2), (60_000, 12)] {
            let plan = Plan {
                size,
                length,
                ..plan()
            };
            let reached = plan.build().unwrap().size();
            assert!(reached <= size, "{reached} {size}");
            assert!(reached + 2 * MARGIN * length > size, "{reached} {size}");
        }
    }

    #[test]
    fn an_alias_key_follows_the_firmware_and_the_device_key_does_not() {
        let alias = |firmware: &[u8]| Plan {
            length: 4,
            alias: Some(firmware.into()),
            ..plan()
        };
        let one = alias(b"one").build().unwrap().certificates;
        let two = alias(b"two").build().unwrap().certificates;
        assert_eq!(one[..3], two[..3]);
        assert_ne!(one[3], two[3]);
    }

    #[test]
    fn without_its_root_a_chain_still_names_it() {
        let whole = plan().build().unwrap();
        let plan = Plan {
            omit_root: true,
            ..plan()
        };
        let chain = plan.build().unwrap();
        assert_eq!(chain.certificates, whole.certificates[1..]);
        let none = Defects::default();
        let hash = |chain: &Chain| chain.encode(Hash::Sha256, &none)[4..36].to_vec();
        assert_eq!(hash(&chain), hash(&whole));
    }
}
