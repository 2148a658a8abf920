// SPDX-License-Identifier: GPL-2.0
//! The firmware clients of the model, as the table in its README.md has them.

/// A firmware client of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The SPDM responder.
    Spdm,
    /// Echoes.
    EchoA,
    /// Echoes as well.
    EchoB,
    /// Echoes the largest messages that there can be.
    Bulk,
    /// Echoes late.
    Late,
    /// Speaks unasked.
    Unasked,
    /// One of those that `--more-echo` adds, from 1 on. They are as [`Self::Bulk`] is.
    More(u16),
    /// None: a UUID that the model does not have.
    Nobody(u128),
}

impl Client {
    /// UUID in the order in which it is printed.
    pub fn uuid(self) -> [u8; 16] {
        let number = match self {
            Self::Spdm => 0xe85149df_9447_4c9a_8367_c4e33464f1b4,
            Self::EchoA => 0x44444444_4444_4444_4444_444444444444,
            Self::EchoB => 0x11111111_1111_1111_1111_111111111111,
            Self::Bulk => 0x62756c6b_6563_686f_8000_000000000001,
            Self::Late => 0x6c617465_6563_686f_8000_000000000002,
            Self::Unasked => 0x756e6173_6b65_6421_8000_000000000003,
            Self::More(number) => 0x62756c6b_6563_686f_8001_000000000000 + u128::from(number),
            Self::Nobody(number) => number,
        };
        number.to_be_bytes()
    }

    /// Id on the link: the model counts in the order of its list. Nobody has 0, the id of the bus.
    pub fn id(self) -> u16 {
        match self {
            Self::Nobody(_) => 0,
            Self::Spdm => 1,
            Self::EchoA => 2,
            Self::EchoB => 3,
            Self::Bulk => 4,
            Self::Late => 5,
            Self::Unasked => 6,
            Self::More(number) => 6 + number,
        }
    }

    /// Longest message in bytes. Nobody has the least of them.
    pub const fn mtu(self) -> usize {
        match self {
            Self::Bulk | Self::More(_) => 65_516,
            Self::EchoA | Self::EchoB | Self::Late => 5120,
            Self::Spdm | Self::Unasked | Self::Nobody(_) => 4096,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use heci_model::clients;

    use super::*;

    #[test]
    fn the_model_has_them() {
        use Client::*;
        let all = [
            Spdm,
            EchoA,
            EchoB,
            Bulk,
            Late,
            Unasked,
            More(1),
            More(2),
            More(3),
        ];
        let model = clients::all(Some(clients::spdm()), Duration::ZERO);
        let model: Vec<_> = model.into_iter().chain(clients::echoes(3)).collect();
        assert_eq!(model.len(), all.len());
        for ((id, client), model) in (1..).zip(all).zip(model) {
            let properties = model.properties();
            assert_eq!(client.uuid(), properties.uuid, "{client:?}");
            assert_eq!(client.id(), id, "{client:?}");
            assert_eq!(client.mtu(), properties.mtu as usize, "{client:?}");
        }
    }
}
