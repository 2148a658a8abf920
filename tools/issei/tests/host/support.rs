// SPDX-License-Identifier: GPL-2.0

//! Evidence for tests: collected from the emulated engine, or taken from recorded exchanges.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ::spdm::config::Config;
use ::spdm::host::RustCrypto;
use ::spdm::measurements::{GetMeasurements, Operation, Signed};
use ::spdm::requester::{Buffers, Requester};
use ::spdm::signing::Purpose;
use ::spdm::transcript::{Sink, VCA_MAX};
use ::spdm::transport::{Dialogue, Transport};
use ::spdm::version::Version;
use der::DateTime;
use heci_model::clients;
use heci_model::device::Device;
use heci_model::faults::Fault;
use heci_model::settings::Settings;
use heci_model::spdm;
use heci_model::trace::Trace;
use isseictl::evidence::description::{self, Occasion};
use isseictl::evidence::Evidence;
use isseictl::nonce::Nonce;
use isseictl::roots::Root;
use serde_json::Value;

pub(crate) const NONCE: Nonce = [0x5a; 32];

/// Keeps the transcript of measurements.
#[derive(Default)]
struct Keep(Vec<u8>);

impl Sink for Keep {
    fn begin(&mut self, purpose: Purpose) {
        if purpose == Purpose::Measurements {
            self.0.clear();
        }
    }

    fn append(&mut self, purpose: Purpose, bytes: &[u8]) {
        if purpose == Purpose::Measurements {
            self.0.extend(bytes);
        }
    }
}

/// An emulated engine, and a connection to its SPDM responder.
pub(crate) struct Engine {
    device: Device,
    connection: spdm::Connection,
}

impl Engine {
    /// An engine with changes to its settings, by the names of the control socket.
    pub(crate) fn new(changes: Value) -> Self {
        let clients = clients::all(Some(clients::spdm()), Duration::ZERO);
        let settings = Settings::default();
        let mut device = Device::new(0xa85d, [1, 2, 3, 4], clients, settings, Trace::default());
        let Value::Object(changes) = changes else {
            panic!("settings are an object");
        };
        let spdm = device.spdm_settings();
        *spdm = spdm.changed(changes).expect("settings");
        Self {
            device,
            connection: spdm::Connection::new(4096),
        }
    }

    /// Arms a fault for its first occurrence.
    pub(crate) fn arm(mut self, fault: &str) -> Self {
        let fault = Fault::named(fault).expect("a fault");
        let armed = self.device.faults().arm(fault, 1, 1, None, None);
        armed.expect("it is armed");
        self
    }

    /// Collects evidence with [`NONCE`], in one exchange.
    pub(crate) fn evidence(&mut self, slot: u8) -> Evidence {
        self.collect(slot, &[Operation::All])
    }

    /// Collects evidence; the last operation is signed.
    pub(crate) fn collect(&mut self, slot: u8, operations: &[Operation]) -> Evidence {
        let requests = operations.iter().map(|operation| request(*operation));
        self.ask(slot, requests.collect())
    }

    /// Collects evidence of what measurements will be after the next reset.
    pub(crate) fn collect_new(&mut self, slot: u8) -> Evidence {
        let mut request = request(Operation::All);
        request.new = true;
        self.ask(slot, vec![request])
    }

    fn ask(&mut self, slot: u8, mut requests: Vec<GetMeasurements>) -> Evidence {
        let mut requester = requester();
        let mut dialogue = Dialogue {
            requester: &mut requester,
            transport: self,
        };
        let chains = read_chains(&mut dialogue);
        let last = requests.last_mut().expect("a request");
        last.signed = Some(Signed { nonce: NONCE, slot });
        for request in requests {
            dialogue.get_measurements(request).expect("measurements");
        }
        let response = dialogue.requester.measurements().expect("measurements");
        let signature = response.signature.to_vec();
        let vca = requester.vca().to_vec();
        let version = requester.connection().expect("connected").version;
        let mut measurements = requester.sink().0.clone();
        if version >= Version::V12 {
            measurements.drain(..vca.len());
        }
        measurements.extend(signature);
        Evidence {
            vca,
            measurements,
            chains,
        }
    }

    /// The chains of both slots, however bad.
    pub(crate) fn chains(&mut self) -> BTreeMap<u8, Vec<u8>> {
        read_chains(&mut Dialogue {
            requester: &mut requester(),
            transport: self,
        })
    }

    /// The root of a slot, as the vendor would publish it.
    pub(crate) fn root(&self, evidence: &Evidence, slot: u8) -> Root {
        let chain = &evidence.chains[&slot];
        let hash = isseictl::evidence::Negotiated::read(&evidence.vca);
        let hash = hash.expect("the negotiation").hash;
        Root {
            source: "root.pem".into(),
            der: first_certificate(&chain[4 + hash.size()..]),
        }
    }
}

type TestRequester = Requester<RustCrypto, Vec<u8>, Keep>;

fn requester() -> TestRequester {
    let mut config = Config::new(4096, 0x1_0000);
    config.supported_algorithms = true;
    let buffers = Buffers {
        vca: vec![0; VCA_MAX],
        message: vec![0; Buffers::<Vec<u8>>::message_size(&config)],
        chain: vec![0; 0x1_0000],
    };
    Requester::new(RustCrypto, Keep::default(), config, buffers).expect("a requester")
}

fn read_chains(
    dialogue: &mut Dialogue<'_, RustCrypto, Vec<u8>, Keep, Engine>,
) -> BTreeMap<u8, Vec<u8>> {
    dialogue.connect().expect("connected");
    dialogue.get_digests().expect("digests");
    let mut chains = BTreeMap::new();
    for slot in [0, 1] {
        // What is wrong with a chain is for the verifier.
        let _ = dialogue.get_certificate(slot);
        let (read, chain) = dialogue.requester.chain().expect("a chain");
        assert_eq!(read, slot);
        chains.insert(slot, chain.expect("a chain").bytes().to_vec());
    }
    chains
}

/// The first of the certificates that lie one after the other.
pub(crate) fn first_certificate(certificates: &[u8]) -> Vec<u8> {
    isseictl::evidence::files::split(certificates)[0].to_vec()
}

fn request(operation: Operation) -> GetMeasurements {
    GetMeasurements {
        operation,
        signed: None,
        raw: false,
        new: false,
        context: [0x7c; 8],
    }
}

impl Transport for Engine {
    type Error = &'static str;

    fn exchange(
        &mut self,
        request: &[u8],
        response: &mut [u8],
        _: u64,
    ) -> Result<usize, Self::Error> {
        let device = &mut self.device;
        let replies = device.spdm(Duration::ZERO, &mut self.connection, request);
        let reply = replies.first().ok_or("no answer")?;
        let room = response.get_mut(..reply.payload.len()).ok_or("no room")?;
        room.copy_from_slice(&reply.payload);
        Ok(reply.payload.len())
    }

    fn now(&mut self) -> u64 {
        0
    }

    fn wait(&mut self, _: u64) -> Result<(), Self::Error> {
        Err("nothing to wait for")
    }
}

/// A recorded exchange of an independent implementation, as evidence, with its nonce and its root.
pub(crate) fn recorded(name: &str) -> (Evidence, Nonce, Root) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rust/spdm/tests/vectors");
    let text = std::fs::read_to_string(folder.join(name)).expect("a vector");
    let messages: Vec<Vec<u8>> = text
        .lines()
        .map(|line| hex::decode(&line[2..]).expect("hexadecimal"))
        .collect();
    let vca = messages[..6].concat();
    let chain: Vec<u8> = messages
        .chunks(2)
        .skip_while(|pair| pair[0][1] != 0x82)
        .take_while(|pair| pair[0][1] == 0x82 && pair[0][2] == 0)
        .flat_map(|pair| pair[1][8..].to_vec())
        .collect();
    let last = &messages[messages.len() - 2..];
    assert_eq!(last[0][1], 0xe0, "GET_MEASUREMENTS");
    let nonce = last[0][4..36].try_into().expect("a nonce");
    let hash = isseictl::evidence::Negotiated::read(&vca).expect("the negotiation");
    let root = Root {
        source: "root.pem".into(),
        der: first_certificate(&chain[4 + hash.hash.size()..]),
    };
    let evidence = Evidence {
        vca,
        measurements: last.concat(),
        chains: [(0, chain)].into(),
    };
    (evidence, nonce, root)
}

/// The occasion on which evidence of tests is collected.
pub(crate) fn occasion() -> Occasion {
    Occasion {
        device: description::Device {
            name: "issei0".into(),
            pci_id: Some("8086:a85d".into()),
            firmware_version: None,
        },
        generation: 3,
        now: now(),
    }
}

/// The time of tests.
pub(crate) fn now() -> DateTime {
    DateTime::new(2026, 11, 1, 0, 0, 0).expect("a date")
}
