// SPDX-License-Identifier: GPL-2.0
//! What the responder offers; changeable while the model runs, from the next GET_VERSION on.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::algorithms::{Asym, Hash, Version};
use super::wire::TRANSFER_MIN;

/// The MTU of the SPDM client in bytes: the largest message in one piece.
pub const MTU: u32 = 4096;
/// Bytes of the largest chain: its length is 16 bits wide.
const CHAIN_MAX: usize = 0xffff;

/// Something that the responder can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// DIGESTS and CERTIFICATE
    Cert,
    /// CHALLENGE_AUTH
    Chal,
    /// MEASUREMENTS without signatures
    Meas,
    /// MEASUREMENTS with signatures
    MeasSig,
    /// Fresh measurements
    MeasFresh,
    /// Messages in chunks (SPDM 1.2)
    Chunk,
    /// An alias certificate, whose key follows the firmware (SPDM 1.2)
    AliasCert,
    /// Several key pairs, if the requester asks for it (SPDM 1.3)
    MultiKey,
}

impl Capability {
    /// Its bits in `Flags`, and the version that they are there from.
    pub(super) fn flags(self) -> (u32, Version) {
        match self {
            Self::Cert => (1 << 1, Version::V10),
            Self::Chal => (1 << 2, Version::V10),
            Self::Meas => (0b01 << 3, Version::V10),
            Self::MeasSig => (0b10 << 3, Version::V10),
            Self::MeasFresh => (1 << 5, Version::V10),
            Self::Chunk => (1 << 17, Version::V12),
            Self::AliasCert => (1 << 18, Version::V12),
            Self::MultiKey => (0b10 << 26, Version::V13),
        }
    }
}

/// How measurements are digested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum MeasurementHash {
    /// With the hash that was negotiated
    #[default]
    Base,
    /// Not at all: raw bit streams only
    Raw,
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
}

/// What the responder offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
#[group(id = "spdm")]
pub struct Settings {
    /// SPDM versions
    #[arg(long = "spdm-versions", value_name = "LIST", value_enum, value_delimiter = ',',
        default_values_t = Settings::default().versions)]
    pub versions: Vec<Version>,
    /// SPDM hash algorithms, the preferred first
    #[arg(long = "spdm-hash", value_name = "LIST", value_enum, value_delimiter = ',',
        default_values_t = Settings::default().hash)]
    pub hash: Vec<Hash>,
    /// SPDM signature algorithms, the preferred first
    #[arg(long = "spdm-asym", value_name = "LIST", value_enum, value_delimiter = ',',
        default_values_t = Settings::default().asym)]
    pub asym: Vec<Asym>,
    /// SPDM measurement hash
    #[arg(
        long = "spdm-measurement-hash",
        value_name = "HASH",
        value_enum,
        default_value_t
    )]
    pub measurement_hash: MeasurementHash,
    /// SPDM capabilities
    #[arg(long = "spdm-capabilities", value_name = "LIST", value_enum, value_delimiter = ',',
        default_values_t = Settings::default().capabilities)]
    pub capabilities: Vec<Capability>,
    /// Certificate slots that are provisioned, 0 to 7
    #[arg(long = "spdm-slots", value_name = "LIST", value_delimiter = ',',
        default_values_t = Settings::default().slots)]
    pub slots: Vec<u8>,
    /// Certificates of a chain, 2 to 16
    #[arg(long = "spdm-chain-length", value_name = "N",
        default_value_t = Settings::default().chain_length)]
    pub chain_length: usize,
    /// Fill a chain up to so many bytes, at most 65535
    #[arg(long = "spdm-chain-size", value_name = "BYTES", default_value_t = 0)]
    pub chain_size: usize,
    /// Leave the root out of the chain; its hash stays
    #[arg(long = "spdm-omit-root")]
    pub omit_root: bool,
    /// Which device this is: its keys follow from it (letters, digits, `-` and `_`)
    #[arg(long = "spdm-seed", value_name = "TEXT", default_value_t = Settings::default().seed)]
    pub seed: String,
    /// CTExponent: signatures take at most 2^N us
    #[arg(long = "spdm-ct-exponent", value_name = "N",
        default_value_t = Settings::default().ct_exponent)]
    pub ct_exponent: u8,
    /// DataTransferSize: the largest request in one piece, 42 to 4096
    #[arg(long = "spdm-data-transfer-size", value_name = "BYTES",
        default_value_t = Settings::default().data_transfer_size)]
    pub data_transfer_size: u32,
    /// MaxSPDMmsgSize: the largest request, in chunks
    #[arg(long = "spdm-max-message-size", value_name = "BYTES",
        default_value_t = Settings::default().max_message_size)]
    pub max_message_size: u32,
}

impl Default for Settings {
    fn default() -> Self {
        use Capability::*;
        use Version::*;
        Self {
            versions: vec![V10, V11, V12, V13],
            hash: vec![
                Hash::Sha384,
                Hash::Sha512,
                Hash::Sha256,
                Hash::Sha3_384,
                Hash::Sha3_512,
                Hash::Sha3_256,
            ],
            asym: vec![
                Asym::EcdsaP384,
                Asym::EcdsaP521,
                Asym::EcdsaP256,
                Asym::Rsassa4096,
                Asym::Rsassa3072,
                Asym::Rsassa2048,
                Asym::Rsapss4096,
                Asym::Rsapss3072,
                Asym::Rsapss2048,
            ],
            measurement_hash: MeasurementHash::Base,
            capabilities: vec![Cert, Chal, MeasSig, MeasFresh, Chunk],
            slots: vec![0, 1],
            chain_length: 3,
            chain_size: 0,
            omit_root: false,
            seed: "0001".into(),
            ct_exponent: 20,
            data_transfer_size: MTU,
            max_message_size: 0x1_2000,
        }
    }
}

impl Settings {
    /// Whether the responder can do `what`.
    pub(super) fn can(&self, what: Capability) -> bool {
        self.capabilities.contains(&what)
    }

    /// These settings with those of `change` in their place, by the names of the fields.
    ///
    /// # Errors
    ///
    /// A text for people: an unknown name, or a value that [`Settings::check`] refuses.
    pub fn changed(&self, change: Map<String, Value>) -> Result<Self, String> {
        let mut value = serde_json::to_value(self).map_err(|error| error.to_string())?;
        if let Value::Object(fields) = &mut value {
            fields.extend(change);
        }
        let settings: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        settings.check()?;
        Ok(settings)
    }

    /// Whether a responder can be made of them.
    ///
    /// # Errors
    ///
    /// A text for people, which names the setting and its range.
    pub fn check(&self) -> Result<(), String> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let rules = [
            (!self.versions.is_empty(), "versions: at least one"),
            (!self.hash.is_empty(), "hash: at least one"),
            (!self.asym.is_empty(), "asym: at least one"),
            (
                !(self.can(Capability::Meas) && self.can(Capability::MeasSig)),
                "capabilities: either meas or meas-sig",
            ),
            (
                self.slots.iter().all(|slot| *slot < 8),
                "slots: from 0 to 7",
            ),
            (
                (2..=16).contains(&self.chain_length),
                "chain_length: 2 to 16",
            ),
            (
                self.chain_size <= CHAIN_MAX,
                "chain_size: at most 65535 bytes",
            ),
            (
                !self.seed.is_empty() && self.seed.len() <= 32 && self.seed.chars().all(word),
                "seed: 1 to 32 letters, digits, - and _",
            ),
            (
                (TRANSFER_MIN..=MTU).contains(&self.data_transfer_size),
                "data_transfer_size: 42 to 4096 bytes",
            ),
            (
                (self.data_transfer_size..=1 << 20).contains(&self.max_message_size),
                "max_message_size: from data_transfer_size to 1 MiB",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, rule)) => Err((*rule).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::json;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        settings: Settings,
    }

    fn parse(arguments: &[&str]) -> Settings {
        let arguments = ["program"].iter().chain(arguments);
        Program::try_parse_from(arguments).unwrap().settings
    }

    fn change(change: Value) -> Result<Settings, String> {
        let Value::Object(change) = change else {
            panic!("not an object");
        };
        Settings::default().changed(change)
    }

    #[test]
    fn no_option_gives_the_default() {
        assert_eq!(parse(&[]), Settings::default());
        Settings::default().check().unwrap();
    }

    #[test]
    fn options_and_changes_use_the_same_names() {
        let options = parse(&[
            "--spdm-versions=1.2,1.4",
            "--spdm-hash=sha3-256",
            "--spdm-asym=rsapss-2048",
            "--spdm-capabilities=cert,alias-cert",
            "--spdm-measurement-hash=raw",
            "--spdm-slots=0,7",
        ]);
        let changes = change(json!({"versions": ["1.2", "1.4"], "hash": ["sha3-256"],
            "asym": ["rsapss-2048"], "capabilities": ["cert", "alias-cert"],
            "measurement_hash": "raw", "slots": [0, 7]}));
        assert_eq!(Ok(options), changes);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (bad, name) in [
            (json!({"versions": []}), "versions"),
            (json!({"slots": [8]}), "slots"),
            (json!({"chain_length": 1}), "chain_length"),
            (json!({"chain_size": 65536}), "chain_size"),
            (json!({"seed": "a,b"}), "seed"),
            (json!({"data_transfer_size": 41}), "data_transfer_size"),
            (json!({"max_message_size": 100}), "max_message_size"),
            (
                json!({"capabilities": ["meas", "meas-sig"]}),
                "capabilities",
            ),
            (json!({"sead": "x"}), "sead"),
            (json!({"hash": ["sha1"]}), "sha1"),
        ] {
            let error = change(bad).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }
}
