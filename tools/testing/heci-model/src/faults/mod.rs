// SPDX-License-Identifier: GPL-2.0
//! Faults by name: what can go wrong, where, and which of it is armed.
//!
//! A fault is armed with a start and a count: it fires from the `start`-th time on that its hook
//! is reached, `count` times. [`apply`] holds what the faults do to messages; those of registers,
//! interrupts and resets sit where these are handled.

pub mod apply;

use serde::{Deserialize, Serialize};

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
    HeaderChanges "header-changes" Publish ("times" = 1000) "the length in the header changes every 20 us after publication"
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

    MmioAllOnes "mmio-all-ones" Mmio "the register reads as all ones"
    ResetStuck "reset-stuck" Mmio "H_CSR.RST cannot be cleared by this write"
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
    /// A start of 0, or a value for a fault that takes none.
    pub fn arm(
        &mut self,
        fault: Fault,
        start: u64,
        count: u64,
        value: Option<u64>,
    ) -> Result<(), String> {
        if start == 0 {
            return Err("start counts from 1".into());
        }
        let info = fault.info();
        if value.is_some() && info.value.is_none() {
            return Err(format!("{} takes no value", info.name));
        }
        self.armed.retain(|armed| armed.fault != fault);
        self.armed.push(Armed {
            fault,
            start,
            count,
            value: value
                .or(info.value.map(|argument| argument.default))
                .unwrap_or(0),
            seen: 0,
            fired: 0,
        });
        Ok(())
    }

    /// Disarms all.
    pub fn clear(&mut self) {
        self.armed.clear();
    }

    /// An occurrence of `fault`: its value if it fires now.
    pub fn fires(&mut self, fault: Fault) -> Option<u64> {
        let armed = self.armed.iter_mut().find(|armed| armed.fault == fault)?;
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
        faults.arm(Fault::SetupShort, 2, 3, None).unwrap();
        let fired: Vec<bool> = (0..6)
            .map(|_| faults.fires(Fault::SetupShort).is_some())
            .collect();
        assert_eq!(fired, [false, true, true, true, false, false]);
        assert_eq!(faults.fires(Fault::SetupLong), None);
    }

    #[test]
    fn a_count_of_zero_fires_for_ever() {
        let mut faults = Faults::default();
        faults.arm(Fault::SetupStatus, 1, 0, Some(5)).unwrap();
        assert!((0..1000).all(|_| faults.fires(Fault::SetupStatus) == Some(5)));
    }

    #[test]
    fn arming_is_checked() {
        let mut faults = Faults::default();
        assert!(faults.arm(Fault::SetupShort, 0, 1, None).is_err());
        assert!(faults.arm(Fault::SetupShort, 1, 1, Some(1)).is_err());
        assert!(faults.arm(Fault::SetupStatus, 1, 1, None).is_ok());
        assert_eq!(faults.fires(Fault::SetupStatus), Some(0xff));
    }
}
