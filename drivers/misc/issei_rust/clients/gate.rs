// SPDX-License-Identifier: GPL-2.0

//! What the SPDM agent has to say about connections: the SPDM client is its own for a while, and
//! under the policy `enforce` nobody connects to any other before the engine is accepted.

use super::{
    Clients,
    Endpoint,
    FwClient,
    AGENT, //
};
use crate::spdm;
use kernel::prelude::*;

impl FwClient {
    /// Whether this is the client that speaks SPDM.
    pub(super) fn is_spdm(&self) -> bool {
        self.properties.uuid == spdm::UUID
    }
}

/// The state of the gate.
#[derive(Clone, Copy, Default)]
pub(super) struct Gate {
    /// The agent comes first whenever the link comes up.
    agent_first: bool,
    /// The SPDM client is kept for the agent.
    reserved: bool,
    /// Connections to other clients are refused, unless `lifted`.
    enforced: bool,
    lifted: bool,
    /// The agent has to stop what it does.
    halted: bool,
    /// The agent has found the SPDM client in use, and wants to know when it is free.
    pub(super) wanted: bool,
}

impl Gate {
    /// The link goes down: what was found out is void.
    pub(super) fn link_lost(&mut self) {
        self.lifted = false;
        self.wanted = false;
        self.reserved = self.agent_first;
    }
}

impl Clients {
    /// Takes in the endpoint of the agent, which stays.
    pub(crate) fn add_agent(&mut self, endpoint: KBox<Endpoint>) {
        if let Some(slot) = self.endpoints.get_mut(AGENT) {
            *slot = Some(endpoint);
        }
    }

    /// Whether the endpoint in `slot` may connect to this client.
    ///
    /// # Errors
    ///
    /// - `EKEYREJECTED`: the policy does not allow it.
    /// - `EBUSY`: another endpoint is connected to it, or it is kept for the agent.
    pub(super) fn admit(&self, slot: usize, client: &FwClient) -> Result {
        if slot != AGENT && !client.is_spdm() && self.is_fenced() {
            return Err(EKEYREJECTED);
        }
        if client.is_connected() || slot != AGENT && client.is_spdm() && self.gate.reserved {
            return Err(EBUSY);
        }
        Ok(())
    }

    fn is_fenced(&self) -> bool {
        self.gate.enforced && !self.gate.lifted
    }

    /// Whether the client with this UUID is the agent's, who will not keep it for long.
    pub(crate) fn is_agents(&self, uuid: &[u8; 16]) -> bool {
        let owner = self
            .table
            .iter()
            .find(|client| client.is_spdm())
            .and_then(|client| client.owner);
        *uuid == spdm::UUID && (owner == Some(AGENT) || owner.is_none() && self.gate.reserved)
    }

    /// Whether the SPDM client is kept for the agent.
    pub(crate) fn is_reserved(&self) -> bool {
        self.gate.reserved
    }

    /// The agent is through with the SPDM client. `wanted`: because somebody else has it; the
    /// agent, if it works by itself, is to be called when it is free.
    pub(crate) fn release(&mut self, wanted: bool) {
        self.gate.reserved = false;
        self.gate.wanted = wanted && self.gate.agent_first;
    }

    /// Whether the agent waits for the SPDM client and it is free. Then it is kept for the agent.
    pub(crate) fn take_wanted(&mut self) -> bool {
        if !self.gate.wanted {
            return false;
        }
        let client = self.table.iter().find(|client| client.is_spdm());
        let free = client.is_some_and(|client| !client.is_connected());
        if free {
            self.gate.wanted = false;
            self.gate.reserved = true;
        }
        free
    }

    /// Sets whether the agent comes first when the link comes up, which it is or not.
    pub(crate) fn set_agent_first(&mut self, first: bool, up: bool) {
        self.gate.agent_first = first;
        // Before the link is up, nobody has had a chance yet.
        self.gate.reserved |= !up;
        self.gate.reserved &= first;
        self.gate.wanted &= first;
    }

    /// Sets whether the agent has to stop what it does.
    pub(crate) fn set_halted(&mut self, halted: bool) {
        self.gate.halted = halted;
    }

    /// Whether the agent has to stop what it does.
    pub(crate) fn is_halted(&self) -> bool {
        self.gate.halted
    }

    /// Raises or lifts the fence around all clients but that of SPDM. Connections that are on the
    /// wrong side of it end.
    pub(crate) fn set_fence(&mut self, enforced: bool, lifted: bool) {
        self.gate.enforced = enforced;
        self.gate.lifted = lifted;
        if !self.is_fenced() {
            return;
        }
        for at in 0.. {
            let Some(client) = self.table.get(at) else {
                break;
            };
            if let (false, Some(slot)) = (client.is_spdm(), client.owner) {
                self.end(slot);
            }
        }
    }
}
