// SPDX-License-Identifier: GPL-2.0
//! Faults by name: what can go wrong, where, and which of it is armed.
//!
//! A fault is armed with a start and a count: it fires from the `start`-th time on that its hook
//! is reached, `count` times. [`apply`] holds what the faults do to messages; those of registers,
//! interrupts and resets sit where these are handled.

pub mod apply;

use serde::{Deserialize, Serialize};

use crate::spdm::Response;

/// The point at which a fault is looked for; each arrival there is one occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// Each setup request.
    Setup,
    /// Each start request.
    Start,
    /// Each clients request.
    Clients,
    /// Each message of a firmware client.
    Message,
    /// Each message that is published, bus messages included.
    Publish,
    /// Each message taken from the host, bus messages included.
    Consume,
    /// Each interrupt message.
    Interrupt,
    /// Each time the firmware would become ready.
    Ready,
    /// Each register read, or write of `H_CSR`.
    Mmio,
    /// Each doorbell while the firmware is ready.
    Doorbell,
    /// Each SPDM response, or each of one kind.
    Spdm,
    /// Each SPDM connection: its ALGORITHMS; the chains stay as they are until the next.
    SpdmChain,
    /// Each SPDM response of the kind that the name says.
    SpdmMessage,
    /// Each SPDM signature.
    SpdmSignature,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Info {
    /// What to call it.
    pub name: &'static str,
    /// Where it is looked for.
    pub hook: Hook,
    /// The number that it takes, if it takes one.
    pub value: Option<Argument>,
    /// What it does.
    pub description: &'static str,
}

/// What an occurrence belongs to, for faults that can be told on which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum On {
    /// The firmware client with this id; 0 for bus messages.
    Client(u16),
    /// A kind of SPDM response.
    Response(Response),
}

impl From<Response> for On {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

impl On {
    /// Whether the occurrences of this hook belong to one of these.
    fn is_at(self, hook: Hook) -> bool {
        match self {
            Self::Client(_) => matches!(hook, Hook::Message | Hook::Publish | Hook::Consume),
            Self::Response(_) => hook == Hook::Spdm,
        }
    }
}

/// The number that a fault takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Argument {
    /// What it is.
    pub meaning: &'static str,
    /// What it is if it is not given.
    pub default: u64,
}

macro_rules! faults {
    ($($fault:ident $name:literal $hook:ident $(($meaning:literal = $default:literal))? $text:literal)*) => {
        /// A fault that can be armed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Fault {
            $(#[doc = $text] #[serde(rename = $name)] $fault,)*
        }

        impl Fault {
            /// Every fault, in the order of the table.
            pub const ALL: &'static [Fault] = &[$(Fault::$fault),*];

            /// Its row of the table.
            pub fn info(self) -> Info {
                match self {
                    $(Fault::$fault => Info {
                        name: $name,
                        hook: Hook::$hook,
                        value: [$(Argument { meaning: $meaning, default: $default })?].first().copied(),
                        description: $text,
                    },)*
                }
            }
        }
    };
}

faults! {
    SetupWrongId "setup-wrong-id" Setup ("identifier" = 0xcafe_8087) "the setup response has a wrong identifier"
    SetupStatus "setup-status" Setup ("status" = 0xff) "the setup response has a status that is not 0"
    SetupShort "setup-short" Setup "the setup response has 1 dword"
    SetupLong "setup-long" Setup "the setup response has 3 dwords"
    SetupNever "setup-never" Setup "no setup response"
    SetupOverflow "setup-overflow" Setup "more dwords follow the setup response than the buffer holds"
    ResetAtHostReady "reset-at-host-ready" Setup ("ms until ready" = 10) "the firmware resets itself at the doorbell before the setup request"
    ResetAtSetup "reset-at-setup" Setup ("ms until ready" = 10) "the firmware resets itself instead of answering the setup request"

    StartShort "start-short" Start ("bytes" = 1) "the start response lacks its last bytes"
    StartLong "start-long" Start ("bytes" = 1) "more bytes follow the start response"
    StartCapabilities "start-capabilities" Start ("length" = 255) "the start response claims capabilities that it does not carry"
    StartWrongCommand "start-wrong-command" Start ("command" = 0x82) "the start response has another command"
    StartWrongVersion "start-wrong-version" Start ("version" = 2) "the start response names another protocol version"
    StartStatus "start-status" Start ("status" = 0xff) "the start response has a status that is not 0"
    StartFlags "start-flags" Start ("flags" = 0xffff_ffff) "the start response has flags and a reserved field that are not 0"
    StartTwice "start-twice" Start "the start response comes twice"
    StartNever "start-never" Start "no start response"
    ResetAtStart "reset-at-start" Start ("ms until ready" = 10) "the firmware resets itself instead of answering the start request"

    ClientsMore "clients-more" Clients ("rows" = 1) "the clients response counts more rows than it carries"
    ClientsFewer "clients-fewer" Clients ("rows" = 1) "the clients response counts fewer rows than it carries"
    Clients65535 "clients-65535" Clients "the clients response counts 65535 rows"
    ClientsNone "clients-none" Clients "the clients response has no row"
    ClientsShort "clients-short" Clients ("bytes" = 1) "the clients response lacks its last bytes"
    ClientsLong "clients-long" Clients ("bytes" = 1) "more bytes follow the clients response"
    ClientsWrongCommand "clients-wrong-command" Clients ("command" = 0x82) "the clients response has another command"
    ClientsDuplicateId "clients-duplicate-id" Clients "the second client has the id of the first"
    ClientsDuplicateUuid "clients-duplicate-uuid" Clients "the second client has the UUID of the first"
    ClientsZeroId "clients-zero-id" Clients "the second client has the id 0"
    ClientsZeroMtu "clients-zero-mtu" Clients "the second client has the MTU 0"
    ClientsGiantMtu "clients-giant-mtu" Clients ("MTU" = 0xffff_ffff) "the second client has an MTU that no section can carry"
    ClientsFlags "clients-flags" Clients ("flags" = 0xffff_ffff) "the second client has flags that nobody knows"
    ClientsReserved "clients-reserved" Clients ("value" = 0xff) "the reserved fields of the clients response and of its rows are not 0"
    ClientsTwice "clients-twice" Clients "the clients response comes twice"
    ClientsStatus "clients-status" Clients ("status" = 0xff) "the clients response has a status that is not 0"
    ClientsNever "clients-never" Clients "no clients response"
    ResetAtClients "reset-at-clients" Clients ("ms until ready" = 10) "the firmware resets itself instead of answering the clients request"

    MessageLengthOver "message-length-over" Message "the header's length is 1 more than the section holds"
    MessageLengthMax "message-length-max" Message ("length" = 0xffff_ffff) "the header's length is far beyond the section"
    MessageOverMtu "message-over-mtu" Message "the message is 1 byte larger than the client's MTU, or the section if that is less"
    MessageEmpty "message-empty" Message "the message has no payload"
    MessageWrongHost "message-wrong-host" Message ("host id" = 0xffff) "the message is for another host client"
    MessageWrongFirmware "message-wrong-firmware" Message ("firmware id" = 0xffff) "the message is from another firmware client"
    MessageZeroHost "message-zero-host" Message "the message has the host id 0 and a firmware id"
    MessageZeroFirmware "message-zero-firmware" Message "the message has the firmware id 0 and a host id"
    MessageBus "message-bus" Message "the message has the ids of a bus message and a payload that is none"
    MessageStatus "message-status" Message ("status" = 0xff) "the message has a status that is not 0"
    MessageFlags "message-flags" Message ("flags" = 0xffff_ffff) "the message has flags and a reserved field that are not 0"
    MessageSwallowed "message-swallowed" Message "the message is never published"
    MessageDuplicated "message-duplicated" Message "the message is published twice"

    CounterF2hJump "counter-f2h-jump" Publish ("step" = 2) "f2h_wr advances by more than 1"
    CounterF2hBack "counter-f2h-back" Publish "f2h_wr runs back by 1"
    CounterF2hStuck "counter-f2h-stuck" Publish "f2h_wr stays where it is, the interrupt comes"
    HeaderChanges "header-changes" Publish ("times" = 1000) "the length in the header changes every 20 us until the host has taken the message"
    ResetAfterResponse "reset-after-response" Publish ("ms until ready" = 10) "the firmware resets itself right after publishing"

    CounterH2fJump "counter-h2f-jump" Consume ("step" = 2) "h2f_rd advances beyond h2f_wr"
    CounterH2fBack "counter-h2f-back" Consume "h2f_rd runs back by 1"
    NotConsumed "not-consumed" Consume "the firmware takes no message any more until the next reset"
    ResetAfterConsumption "reset-after-consumption" Consume ("ms until ready" = 10) "the firmware resets itself between taking a message and answering it"

    InterruptLost "interrupt-lost" Interrupt "IS is set, the interrupt message does not come"
    InterruptLate "interrupt-late" Interrupt ("us" = 50_000) "the interrupt message comes late"
    InterruptStorm "interrupt-storm" Interrupt ("messages" = 1000) "the interrupt message comes again and again, every 20 us"

    ReadyNever "ready-never" Ready "the firmware does not become ready after this reset"
    ReadyLate "ready-late" Ready ("ms" = 3000) "the firmware becomes ready late"
    ReadyReset "ready-reset" Ready ("ms until ready" = 10) "the firmware resets itself right after its ready interrupt"

    DoorbellLost "doorbell-lost" Doorbell "the firmware does not look what there is to do"

    MmioAllOnes "mmio-all-ones" Mmio "the register reads as all ones"
    ResetStuck "reset-stuck" Mmio "H_CSR.RST cannot be cleared by this write"

    SpdmSilent "spdm-silent" Spdm "the request is neither answered nor acted upon"
    SpdmLate "spdm-late" Spdm ("ms" = 3000) "the response comes late"
    SpdmDuplicated "spdm-duplicated" Spdm "the response comes twice"
    SpdmReplayed "spdm-replayed" Spdm "the response is the one of this kind before; counts only if there was one"
    SpdmBusy "spdm-busy" Spdm "ERROR Busy"
    SpdmError "spdm-error" Spdm ("code" = 0x05) "an ERROR with this code, Unspecified by default"
    SpdmResynch "spdm-resynch" Spdm "ERROR RequestResynch; the responder has forgotten the connection"
    SpdmNotReady "spdm-not-ready" Spdm ("RDTExponent" = 10) "ERROR ResponseNotReady; RESPOND_IF_READY gets the response"
    SpdmNotReadyCode "spdm-not-ready-code" SpdmMessage ("request code" = 0x84) "ResponseNotReady names another request"
    SpdmNotReadyRdtm "spdm-not-ready-rdtm" SpdmMessage ("RDTM" = 1) "ResponseNotReady has this RDTM"
    SpdmNotReadyShort "spdm-not-ready-short" SpdmMessage "ResponseNotReady lacks the last byte of its extended data"
    SpdmWrongVersion "spdm-wrong-version" Spdm ("version" = 0x1f) "the header has another version"
    SpdmWrongCode "spdm-wrong-code" Spdm ("code" = 0x7e) "the header has another code"
    SpdmFlipped "spdm-flipped" Spdm ("bit" = 8) "this bit of the response is flipped, counted from the lowest of its first byte"
    SpdmShort "spdm-short" Spdm ("bytes" = 1) "the response lacks its last bytes"
    SpdmTruncated "spdm-truncated" Spdm ("bytes" = 0) "only so many bytes of the response are left"
    SpdmLong "spdm-long" Spdm ("bytes" = 1) "more bytes follow the response"

    SpdmVersionNone "spdm-version-none" SpdmMessage "VERSION lists none"
    SpdmVersionOnly "spdm-version-only" SpdmMessage ("entry" = 0x1000) "VERSION lists only this entry"
    SpdmVersionCount "spdm-version-count" SpdmMessage ("count" = 255) "VERSION counts other entries than it carries"

    SpdmCapabilitiesFlags "spdm-capabilities-flags" SpdmMessage ("flags" = 0x36) "CAPABILITIES has these flags"
    SpdmCapabilitiesExponent "spdm-capabilities-exponent" SpdmMessage ("CTExponent" = 32) "CAPABILITIES has this CTExponent"
    SpdmCapabilitiesTransfer "spdm-capabilities-transfer" SpdmMessage ("bytes" = 41) "CAPABILITIES has this DataTransferSize"
    SpdmCapabilitiesMessage "spdm-capabilities-message" SpdmMessage ("bytes" = 41) "CAPABILITIES has this MaxSPDMmsgSize"
    SpdmCapabilitiesUnasked "spdm-capabilities-unasked" SpdmMessage "CAPABILITIES has the algorithms block that nobody asked for"
    SpdmCapabilitiesNoBlock "spdm-capabilities-no-block" SpdmMessage "CAPABILITIES says that the algorithms block is there, if it was asked for, but it is not"

    SpdmAlgorithmsAsym "spdm-algorithms-asym" SpdmMessage ("bits" = 0x90) "ALGORITHMS selects these signature algorithms, two by default"
    SpdmAlgorithmsHash "spdm-algorithms-hash" SpdmMessage ("bits" = 0x03) "ALGORITHMS selects these hash algorithms, two by default"
    SpdmAlgorithmsMeasurementHash "spdm-algorithms-measurement-hash" SpdmMessage ("bits" = 0x06) "ALGORITHMS selects these measurement hashes, two by default"
    SpdmAlgorithmsSpecification "spdm-algorithms-specification" SpdmMessage ("bits" = 0x03) "ALGORITHMS selects these measurement specifications, two by default"
    SpdmAlgorithmsOther "spdm-algorithms-other" SpdmMessage ("bits" = 0x03) "ALGORITHMS selects these other parameters, two opaque data formats by default"
    SpdmAlgorithmsPostQuantum "spdm-algorithms-post-quantum" SpdmMessage ("bits" = 0x01) "ALGORITHMS selects a post-quantum algorithm (before SPDM 1.4: reserved)"
    SpdmAlgorithmsExtended "spdm-algorithms-extended" SpdmMessage ("count" = 1) "ALGORITHMS counts extended algorithms that it does not carry"
    SpdmAlgorithmsTable "spdm-algorithms-table" SpdmMessage ("bits" = 0x03) "ALGORITHMS selects these algorithms in every table, two by default"
    SpdmAlgorithmsUnasked "spdm-algorithms-unasked" SpdmMessage "ALGORITHMS has a table that nobody asked for"
    SpdmAlgorithmsLength "spdm-algorithms-length" SpdmMessage ("length" = 0xffff) "ALGORITHMS has another Length than it is long"

    SpdmChainLength "spdm-chain-length" SpdmChain ("length" = 0xffff) "the chain has this Length"
    SpdmChainReserved "spdm-chain-reserved" SpdmChain ("value" = 0xffff) "the chain's reserved field is not 0"
    SpdmChainRootHash "spdm-chain-root-hash" SpdmChain "the chain has a wrong RootHash"
    SpdmChainBroken "spdm-chain-broken" SpdmChain ("certificate" = 1) "the signature of this certificate is wrong (0 is the root)"
    SpdmChainEndEntity "spdm-chain-end-entity" SpdmChain ("certificate" = 1) "this certificate is no certificate authority"
    SpdmChainNoCertSign "spdm-chain-no-cert-sign" SpdmChain ("certificate" = 1) "this certificate's key may not sign certificates"
    SpdmChainLeafAuthority "spdm-chain-leaf-authority" SpdmChain "the last certificate is a certificate authority"
    SpdmChainLeafUsage "spdm-chain-leaf-usage" SpdmChain "the last certificate's key may not sign"
    SpdmChainSha1 "spdm-chain-sha1" SpdmChain ("certificate" = 1) "this certificate is signed with SHA-1"
    SpdmChainRsa1024 "spdm-chain-rsa1024" SpdmChain ("certificate" = 1) "this certificate has an RSA key of 1024 bits (not the last)"
    SpdmChainExpired "spdm-chain-expired" SpdmChain ("certificate" = 2) "this certificate has expired"
    SpdmChainOtherRoot "spdm-chain-other-root" SpdmChain "the chain is good and ends at another vendor's root"
    SpdmChainOtherKey "spdm-chain-other-key" SpdmChain "the last certificate is for another key than the one that signs"
    SpdmChainOtherAlgorithm "spdm-chain-other-algorithm" SpdmChain "the last certificate has a key of another algorithm than was negotiated"
    SpdmChainReversed "spdm-chain-reversed" SpdmChain "the chain begins with the last certificate and ends with the root"
    SpdmChainTrailing "spdm-chain-trailing" SpdmChain ("bytes" = 1) "more bytes follow the last certificate, within the chain"
    SpdmChainCut "spdm-chain-cut" SpdmChain ("bytes" = 1) "the last certificate lacks its last bytes"
    SpdmChainEmpty "spdm-chain-empty" SpdmChain "the chain has no certificate"

    SpdmDigestsMask "spdm-digests-mask" SpdmMessage ("mask" = 0xff) "DIGESTS says that these slots are provisioned"
    SpdmDigestsSupported "spdm-digests-supported" SpdmMessage ("mask" = 0) "DIGESTS says that these slots are supported"
    SpdmDigestsWrong "spdm-digests-wrong" SpdmMessage ("slot" = 0) "the digest of this slot is wrong"

    SpdmCertificateSlot "spdm-certificate-slot" SpdmMessage ("slot" = 7) "CERTIFICATE is for this slot"
    SpdmCertificatePortion "spdm-certificate-portion" SpdmMessage ("length" = 0xffff) "CERTIFICATE has this PortionLength"
    SpdmCertificateRemainder "spdm-certificate-remainder" SpdmMessage ("length" = 0xffff) "CERTIFICATE has this RemainderLength"
    SpdmCertificateMore "spdm-certificate-more" SpdmMessage ("bytes" = 1) "CERTIFICATE carries more of the chain than was asked for"
    SpdmCertificateEmpty "spdm-certificate-empty" SpdmMessage "CERTIFICATE carries nothing of the chain"
    SpdmCertificateChanged "spdm-certificate-changed" SpdmMessage ("bit" = 0) "this bit of the portion is flipped, in the transcript too"

    SpdmChallengeSlot "spdm-challenge-slot" SpdmMessage ("slot" = 7) "CHALLENGE_AUTH is for this slot"
    SpdmChallengeMask "spdm-challenge-mask" SpdmMessage ("mask" = 0) "CHALLENGE_AUTH says that these slots are provisioned"
    SpdmChallengeChainHash "spdm-challenge-chain-hash" SpdmMessage "CHALLENGE_AUTH has a wrong CertChainHash"
    SpdmChallengeSummary "spdm-challenge-summary" SpdmMessage "CHALLENGE_AUTH has a wrong measurement summary, if one was asked for"
    SpdmChallengeContext "spdm-challenge-context" SpdmMessage "CHALLENGE_AUTH does not echo the context (SPDM 1.3)"
    SpdmChallengeOpaque "spdm-challenge-opaque" SpdmMessage ("bytes" = 1025) "CHALLENGE_AUTH carries opaque data"
    SpdmChallengeOpaqueLength "spdm-challenge-opaque-length" SpdmMessage ("length" = 1024) "CHALLENGE_AUTH has this OpaqueDataLength"

    SpdmMeasurementsTotal "spdm-measurements-total" SpdmMessage ("total" = 255) "MEASUREMENTS says that there are so many"
    SpdmMeasurementsCount "spdm-measurements-count" SpdmMessage ("blocks" = 255) "MEASUREMENTS has this NumberOfBlocks"
    SpdmMeasurementsLength "spdm-measurements-length" SpdmMessage ("length" = 0xff_ffff) "MEASUREMENTS has this MeasurementRecordLength"
    SpdmMeasurementsSlot "spdm-measurements-slot" SpdmMessage ("slot" = 7) "MEASUREMENTS is for this slot"
    SpdmMeasurementsChanged "spdm-measurements-changed" SpdmMessage ("value" = 1) "MEASUREMENTS says 0: not looked at, 1: changed, 2: unchanged, 3: reserved"
    SpdmMeasurementsMissing "spdm-measurements-missing" SpdmMessage "the last block is missing"
    SpdmMeasurementsTwice "spdm-measurements-twice" SpdmMessage "the first block comes again after the last"
    SpdmMeasurementsReversed "spdm-measurements-reversed" SpdmMessage "the blocks come in the reverse order"
    SpdmMeasurementsIndex "spdm-measurements-index" SpdmMessage ("index" = 0xef) "the first block has this index"
    SpdmMeasurementsSpecification "spdm-measurements-specification" SpdmMessage ("specification" = 2) "the first block has this measurement specification"
    SpdmMeasurementsBlockSize "spdm-measurements-block-size" SpdmMessage ("size" = 0xffff) "the first block has this MeasurementSize"
    SpdmMeasurementsType "spdm-measurements-type" SpdmMessage ("type" = 0x7f) "the first block has this type"
    SpdmMeasurementsValueSize "spdm-measurements-value-size" SpdmMessage ("size" = 0xffff) "the first block has this value size"
    SpdmMeasurementsValue "spdm-measurements-value" SpdmMessage ("byte" = 0) "the first block's value begins with this byte"
    SpdmMeasurementsContext "spdm-measurements-context" SpdmMessage "MEASUREMENTS does not echo the context (SPDM 1.3)"
    SpdmMeasurementsOpaque "spdm-measurements-opaque" SpdmMessage ("bytes" = 1025) "MEASUREMENTS carries opaque data"
    SpdmMeasurementsOpaqueLength "spdm-measurements-opaque-length" SpdmMessage ("length" = 1024) "MEASUREMENTS has this OpaqueDataLength"

    SpdmSignatureFlipped "spdm-signature-flipped" SpdmSignature ("bit" = 0) "this bit of the signature is flipped"
    SpdmSignatureZero "spdm-signature-zero" SpdmSignature "the signature is all zeros"
    SpdmSignatureReversed "spdm-signature-reversed" SpdmSignature "the numbers of the signature are little endian"
    SpdmSignatureKey "spdm-signature-key" SpdmSignature "another key has signed"
    SpdmSignatureTranscript "spdm-signature-transcript" SpdmSignature "the signature is over VERSION to ALGORITHMS only"
    SpdmSignatureContext "spdm-signature-context" SpdmSignature "the signature is that of the other message (from SPDM 1.2 on)"
    SpdmSignatureVersion "spdm-signature-version" SpdmSignature "the signature is that of another version (1.3 for 1.2, otherwise 1.2)"
    SpdmSignatureBare "spdm-signature-bare" SpdmSignature "the signature has no prefix, as before SPDM 1.2"

    SpdmChunkSequence "spdm-chunk-sequence" SpdmMessage ("number" = 9) "CHUNK_RESPONSE has this sequence number"
    SpdmChunkHandle "spdm-chunk-handle" SpdmMessage ("handle" = 0xee) "CHUNK_RESPONSE has this handle"
    SpdmChunkSize "spdm-chunk-size" SpdmMessage ("size" = 0xffff_ffff) "CHUNK_RESPONSE has this ChunkSize"
    SpdmChunkLargeSize "spdm-chunk-large-size" SpdmMessage ("size" = 0xffff_ffff) "the first CHUNK_RESPONSE has this LargeMessageSize"
    SpdmChunkShort "spdm-chunk-short" SpdmMessage "CHUNK_RESPONSE carries one byte less than it could"
    SpdmChunkLastEarly "spdm-chunk-last-early" SpdmMessage "CHUNK_RESPONSE says that it is the last, and it is"
    SpdmChunkLastNever "spdm-chunk-last-never" SpdmMessage "CHUNK_RESPONSE says that more will come; after the end they are empty"
    SpdmAckSequence "spdm-ack-sequence" SpdmMessage ("number" = 9) "CHUNK_SEND_ACK has this sequence number"
    SpdmAckHandle "spdm-ack-handle" SpdmMessage ("handle" = 0xee) "CHUNK_SEND_ACK has this handle"
    SpdmAckEarlyError "spdm-ack-early-error" SpdmMessage "CHUNK_SEND_ACK refuses the request before its end"
}

impl Fault {
    /// The fault with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.info().name == name)
    }
}

/// One armed fault.
#[derive(Clone, Debug, Serialize)]
pub struct Armed {
    fault: Fault,
    /// First occurrence that fires, 1 for the next.
    start: u64,
    /// How often it fires, 0 for ever.
    count: u64,
    /// Its argument.
    value: u64,
    /// The only occurrences that count.
    on: Option<On>,
    /// Occurrences since it was armed.
    seen: u64,
    /// How often it fired.
    fired: u64,
}

/// The faults that are armed, or were until they had fired often enough.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Faults {
    armed: Vec<Armed>,
}

impl Faults {
    /// Arms `fault`, in place of an earlier arming of the same.
    ///
    /// # Errors
    ///
    /// A start of 0, a value for a fault that takes none, or occurrences that its hook does not
    /// tell apart.
    pub fn arm(
        &mut self,
        fault: Fault,
        start: u64,
        count: u64,
        value: Option<u64>,
        on: Option<On>,
    ) -> Result<(), String> {
        if start == 0 {
            return Err("start counts from 1".into());
        }
        let info = fault.info();
        if value.is_some() && info.value.is_none() {
            return Err(format!("{} takes no value", info.name));
        }
        if on.is_some_and(|on| !on.is_at(info.hook)) {
            return Err(format!("{} cannot be told on which", info.name));
        }
        self.armed.retain(|armed| armed.fault != fault);
        self.armed.push(Armed {
            fault,
            start,
            count,
            value: value
                .or(info.value.map(|argument| argument.default))
                .unwrap_or(0),
            on,
            seen: 0,
            fired: 0,
        });
        Ok(())
    }

    /// Disarms all.
    pub fn clear(&mut self) {
        self.armed.clear();
    }

    /// An occurrence of `fault`, and what it belongs to if its hook tells that: its value if it
    /// fires now.
    pub fn fires(&mut self, fault: Fault, at: Option<On>) -> Option<u64> {
        let armed = self.armed.iter_mut().find(|armed| armed.fault == fault)?;
        if armed.on.is_some() && armed.on != at {
            return None;
        }
        armed.seen += 1;
        let over = armed.count != 0 && armed.fired >= armed.count;
        if armed.seen < armed.start || over {
            return None;
        }
        armed.fired += 1;
        Some(armed.value)
    }

    /// Arming of `fault`, if it has one.
    pub fn armed(&self, fault: Fault) -> Option<&Armed> {
        self.armed.iter().find(|armed| armed.fault == fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_in_kebab_case() {
        let names: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.info().name).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(names.iter().all(|name| name.chars().all(kebab)));
    }

    #[test]
    fn every_name_finds_its_fault() {
        for fault in Fault::ALL {
            assert_eq!(Fault::named(fault.info().name), Some(*fault));
        }
        assert_eq!(Fault::named("no-such-fault"), None);
    }

    #[test]
    fn a_fault_fires_from_start_on_count_times() {
        let mut faults = Faults::default();
        faults.arm(Fault::SetupShort, 2, 3, None, None).unwrap();
        let fired: Vec<bool> = (0..6)
            .map(|_| faults.fires(Fault::SetupShort, None).is_some())
            .collect();
        assert_eq!(fired, [false, true, true, true, false, false]);
        assert_eq!(faults.fires(Fault::SetupLong, None), None);
    }

    #[test]
    fn a_count_of_zero_fires_for_ever() {
        let mut faults = Faults::default();
        faults.arm(Fault::SetupStatus, 1, 0, Some(5), None).unwrap();
        assert!((0..1000).all(|_| faults.fires(Fault::SetupStatus, None) == Some(5)));
    }

    #[test]
    fn arming_is_checked() {
        let mut faults = Faults::default();
        assert!(faults.arm(Fault::SetupShort, 0, 1, None, None).is_err());
        assert!(faults.arm(Fault::SetupShort, 1, 1, Some(1), None).is_err());
        assert!(faults.arm(Fault::SetupStatus, 1, 1, None, None).is_ok());
        assert_eq!(faults.fires(Fault::SetupStatus, None), Some(0xff));
    }

    #[test]
    fn a_fault_of_all_spdm_responses_can_be_told_on_which() {
        let mut faults = Faults::default();
        let on = Some(On::Response(Response::Digests));
        assert!(faults.arm(Fault::SetupShort, 1, 1, None, on).is_err());
        faults.arm(Fault::SpdmBusy, 2, 1, None, on).unwrap();
        let kinds = [Response::Digests, Response::Version, Response::Digests];
        let fired = kinds.map(|kind| {
            let at = Some(On::Response(kind));
            faults.fires(Fault::SpdmBusy, at).is_some()
        });
        assert_eq!(fired, [false, false, true]);
    }

    #[test]
    fn a_fault_of_messages_can_be_told_of_which_client() {
        let mut faults = Faults::default();
        let on = Some(On::Client(3));
        assert!(faults.arm(Fault::SetupShort, 1, 1, None, on).is_err());
        assert!(faults.arm(Fault::SpdmBusy, 1, 1, None, on).is_err());
        faults.arm(Fault::MessageEmpty, 2, 1, None, on).unwrap();
        let fired = [3, 2, 3, 3].map(|id| {
            let at = Some(On::Client(id));
            faults.fires(Fault::MessageEmpty, at).is_some()
        });
        assert_eq!(fired, [false, false, true, false]);
    }
}
