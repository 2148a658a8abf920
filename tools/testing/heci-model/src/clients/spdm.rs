// SPDX-License-Identifier: GPL-2.0
//! The client that speaks SPDM.

use serde_json::Value;

use super::{uuid, FirmwareClient, Properties, Reply};
use crate::hw::Hw;
use crate::spdm::settings::MTU;
use crate::spdm::Connection;
use crate::wire::Message;

const UUID: [u8; 16] = uuid(0xe85149df_9447_4c9a_8367_c4e33464f1b4);

/// What the SPDM client says of itself.
pub const PROPERTIES: Properties = Properties {
    uuid: UUID,
    version: 1,
    mtu: MTU,
};

/// The client: one connection to the model's responder.
pub struct Spdm(Connection);

impl Default for Spdm {
    fn default() -> Self {
        Self(Connection::new(MTU))
    }
}

impl FirmwareClient for Spdm {
    fn properties(&self) -> Properties {
        PROPERTIES
    }

    fn message(&mut self, hw: &mut Hw, request: &Message) -> Vec<Reply> {
        self.0.message(hw, &request.payload)
    }

    fn reset(&mut self) {
        self.0.lose();
    }

    fn state(&self) -> Value {
        self.0.state()
    }
}
