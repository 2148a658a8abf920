// SPDX-License-Identifier: GPL-2.0

//! GET_VERSION, GET_CAPABILITIES, NEGOTIATE_ALGORITHMS.

use core::ops::DerefMut;

use super::super::capabilities::{Capabilities, GetCapabilities};
use super::super::code::Code;
use super::super::config::Connection;
use super::super::crypto::{Hash, Verify};
use super::super::error::{Error, Field, Reason};
use super::super::exchange::Rules;
use super::super::negotiate::{Offer, Selection};
use super::super::transcript::Sink;
use super::super::version::{get_version, Version, VersionResponse};
use super::super::wire::Reader;
use super::{size, Requester, Task};

impl<C, B, S> Requester<C, B, S>
where
    C: Hash + Verify,
    B: DerefMut<Target = [u8]>,
    S: Sink,
{
    /// Begins a connection: GET_VERSION, GET_CAPABILITIES, NEGOTIATE_ALGORITHMS. A connection or
    /// an operation that there was is over. Keys of slots are kept as long as the algorithms stay
    /// the same, so that their chains need not be read again.
    ///
    /// # Errors
    ///
    /// None here; see [`Requester::received`].
    pub fn connect(&mut self) -> Result<(), Error> {
        self.disconnect();
        let rules = self.first_rules(Version::V10);
        self.exchange.begin(rules, get_version)?;
        self.task = Task::Version;
        Ok(())
    }

    /// What holds before the responder has said what it can do.
    fn first_rules(&self, version: Version) -> Rules {
        Rules {
            version,
            chunks: false,
            not_ready: false,
            request_size: usize::MAX,
            response_size: size(self.config.data_transfer_size),
            response_max: size(self.config.longest()),
            answer_time: self.config.timing.plain(),
            timing: self.config.timing,
            padding: self.config.padding,
        }
    }

    /// Appends the exchange that is complete to the transcript.
    fn append_vca(&mut self, code: Code, length: usize) -> Result<(), Error> {
        self.transcripts.append_vca(code, self.exchange.request())?;
        self.transcripts
            .append_vca(code, self.exchange.response(length))
    }

    pub(super) fn version(&mut self, length: usize) -> Result<(), Error> {
        let mut reader = Reader::new(Code::VERSION, self.exchange.response(length));
        let response = VersionResponse::read(&mut reader)?;
        let length = reader.end(self.config.padding)?;
        let version = response.select(
            self.config.lowest,
            self.config.highest,
            self.config.floor.version,
        )?;
        self.append_vca(Code::VERSION, length)?;

        let mut rules = self.first_rules(version);
        // The only response before ALGORITHMS that may be long, if its optional part is.
        rules.chunks = self.asks_for_algorithms(version);
        let message = GetCapabilities {
            supported_algorithms: self.asks_for_algorithms(version),
            ct_exponent: self.config.ct_exponent,
            flags: self.config.flags(),
            data_transfer_size: self.config.data_transfer_size,
            max_spdm_msg_size: self.config.longest(),
        };
        self.exchange
            .begin(rules, |buffer| message.write(version, buffer))?;
        self.task = Task::Capabilities(version);
        Ok(())
    }

    fn asks_for_algorithms(&self, version: Version) -> bool {
        version >= Version::V13 && self.config.chunks && self.config.supported_algorithms
    }

    pub(super) fn capabilities(&mut self, version: Version, length: usize) -> Result<(), Error> {
        let mut reader = Reader::new(Code::CAPABILITIES, self.exchange.response(length));
        let asked = self.asks_for_algorithms(version);
        let capabilities = Capabilities::read(&mut reader, version, asked)?;
        let length = reader.end(self.config.padding)?;
        let offer = self.offer();
        if let Some(supported) = &capabilities.supported {
            check_common(&offer, supported, &capabilities)?;
        }
        self.append_vca(Code::CAPABILITIES, length)?;

        let connection = Connection {
            version,
            capabilities,
            selection: Selection::none(),
            multi_key: false,
        };
        let rules = Rules {
            not_ready: false,
            answer_time: self.config.timing.plain(),
            ..self.rules(&connection)
        };
        let multi_key = capabilities.flags.is_multi_key();
        self.exchange
            .begin(rules, |buffer| offer.write(version, multi_key, buffer))?;
        self.task = Task::Algorithms(version, capabilities);
        Ok(())
    }

    /// What is offered: nothing below the floor.
    fn offer(&self) -> Offer {
        let floor = &self.config.floor;
        self.config.offer.at_least(floor.asym, floor.hash)
    }

    pub(super) fn algorithms(
        &mut self,
        version: Version,
        capabilities: &Capabilities,
        length: usize,
    ) -> Result<(), Error> {
        let mut reader = Reader::new(Code::ALGORITHMS, self.exchange.response(length));
        let selection = Selection::read(
            &mut reader,
            version,
            capabilities.flags,
            &self.offer(),
            capabilities.supported.as_ref(),
        )?;
        self.config
            .floor
            .check(&selection)
            .map_err(|(field, reason)| reader.error(field, reason))?;
        let length = reader.end(self.config.padding)?;
        self.append_vca(Code::ALGORITHMS, length)?;

        let algorithms = selection.hash.zip(selection.asym);
        if self.slots_for != algorithms {
            self.forget();
            self.slots_for = algorithms;
        }
        self.connection = Some(Connection {
            version,
            capabilities: *capabilities,
            selection,
            multi_key: capabilities.flags.is_multi_key(),
        });
        Ok(())
    }
}

/// Whether there is anything to agree on, before it is tried.
fn check_common(offer: &Offer, supported: &Offer, found: &Capabilities) -> Result<(), Error> {
    let error = |field| Error::new(Code::CAPABILITIES, field, Reason::NothingInCommon);
    if found.flags.signs() {
        if offer.base_asym & supported.base_asym == 0 {
            return Err(error(Field::BaseAsymAlgo));
        }
        if offer.base_hash & supported.base_hash == 0 {
            return Err(error(Field::BaseHashAlgo));
        }
    }
    Ok(())
}
