// SPDX-License-Identifier: GPL-2.0
//! What all processes of a run share: who is in which call since when, what the calls returned, and
//! when something last happened that any of them may notice.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::mman::{mmap_anonymous, MapFlags, ProtFlags};

/// Callers: each worker has one for itself, one for its thread, one for its child.
pub(crate) const CALLERS: usize = 64;

/// Results of a call that are counted apart: success, and each error number.
const RESULTS: usize = 160;

/// How long the link may take to be up again after something was done to it.
const RECOVERY: Duration = Duration::from_secs(5);

macro_rules! kinds {
    ($($kind:ident $name:literal $limit:literal,)+) => {
        /// A kind of call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind,)+ }

        impl Kind {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$kind,)+];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// Seconds that it may take. Far more than any should: the guest is slow.
            fn limit(self) -> u64 {
                match self { $(Self::$kind => $limit,)+ }
            }
        }
    };
}

kinds! {
    Open "open" 10,
    Close "close" 10,
    Connect "connect" 20,
    Disconnect "disconnect" 10,
    Status "status" 10,
    OtherIoctl "other-ioctl" 10,
    Read "read" 10,
    Write "write" 10,
    Poll "poll" 10,
    Other "other" 10,
    Child "child" 100,
    SysfsRead "sysfs-read" 10,
    SysfsWrite "sysfs-write" 20,
    DebugfsRead "debugfs-read" 10,
    Netlink "netlink" 10,
    Evidence "evidence" 80,
    Bind "bind" 30,
}

/// A caller in a call.
struct Current {
    /// Milliseconds from the start, and one; 0 if it is in none.
    since: AtomicU64,
    kind: AtomicU64,
    process: AtomicU64,
}

/// See the module. All zeros is a value.
pub(crate) struct Shared {
    pub(crate) stop: AtomicBool,
    /// The policy may refuse connections, or did.
    pub(crate) enforced: AtomicBool,
    /// Things that end connections: how many were begun, and how many have ended.
    begun: AtomicU64,
    ended: AtomicU64,
    /// When the last was begun or has ended, in milliseconds from the start.
    last: AtomicU64,
    /// How often the driver was taken from the device.
    pub(crate) unbound: AtomicU64,
    next: AtomicU64,
    wrong_results: AtomicU64,
    wrong_messages: AtomicU64,
    late: AtomicU64,
    counts: [[AtomicU64; RESULTS]; 32],
    current: [Current; CALLERS],
}

static START: OnceLock<Instant> = OnceLock::new();

/// Milliseconds since the start, in every process.
fn now() -> u64 {
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

impl Shared {
    /// For this process and those that it makes.
    pub(crate) fn new() -> Result<&'static Self> {
        now();
        let length = NonZero::new(size_of::<Self>()).ok_or(Errno::EINVAL)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: Memory of its own.
        let memory = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_SHARED) }?;
        // SAFETY: It is long enough, aligned to a page, and never unmapped. It is zero, which is a
        // value of each of the atomics, of which there is nothing else in it.
        Ok(unsafe { memory.cast::<Self>().as_ref() })
    }

    /// A number that nobody else gets.
    pub(crate) fn unique(&self) -> u64 {
        self.next.fetch_add(1, SeqCst) + 1
    }

    /// Does something that ends connections.
    pub(crate) fn disturb<T>(&self, disturb: impl FnOnce() -> T) -> T {
        self.begun.fetch_add(1, SeqCst);
        self.last.store(now(), SeqCst);
        let result = disturb();
        self.last.store(now(), SeqCst);
        self.ended.fetch_add(1, SeqCst);
        result
    }

    /// What [`Self::undisturbed`] compares with: none while a disturbance goes on.
    pub(crate) fn quiet(&self) -> Option<u64> {
        let begun = self.begun.load(SeqCst);
        (self.ended.load(SeqCst) == begun).then_some(begun)
    }

    /// Whether nothing has ended connections since then.
    pub(crate) fn undisturbed(&self, since: Option<u64>) -> bool {
        since == Some(self.begun.load(SeqCst))
    }

    /// Whether the link may be down.
    pub(crate) fn may_be_down(&self) -> bool {
        let quiet = now().saturating_sub(self.last.load(SeqCst));
        self.quiet().is_none() || quiet < RECOVERY.as_millis() as u64
    }

    /// Makes a call, which is counted and watched.
    pub(crate) fn call<T>(
        &self,
        caller: usize,
        kind: Kind,
        call: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let current = &self.current[caller % CALLERS];
        current.kind.store(kind as u64, SeqCst);
        current.process.store(u64::from(std::process::id()), SeqCst);
        let since = now();
        current.since.store(since + 1, SeqCst);
        let result = call();
        current.since.store(0, SeqCst);
        if now() - since > kind.limit() * 1000 {
            self.late.fetch_add(1, SeqCst);
            println!("# {} took {} ms", kind.name(), now() - since);
        }
        let result_number = result.as_ref().err().map_or(0, |errno| *errno as usize);
        self.counts[kind as usize][result_number.min(RESULTS - 1)].fetch_add(1, SeqCst);
        result
    }

    /// A caller was killed.
    pub(crate) fn forget(&self, caller: usize) {
        self.current[caller % CALLERS].since.store(0, SeqCst);
    }

    /// A call has returned what it may not.
    pub(crate) fn wrong_result(&self, what: &str) {
        self.wrong_results.fetch_add(1, SeqCst);
        println!("# wrong result: {what}");
    }

    /// A message is not what it should be.
    pub(crate) fn wrong_message(&self, what: &str) {
        self.wrong_messages.fetch_add(1, SeqCst);
        println!("# wrong message: {what}");
    }

    /// Calls that have not returned in time: what, and in which process.
    pub(crate) fn overdue(&self) -> Vec<(Kind, u64)> {
        let now = now();
        let mut overdue = Vec::new();
        for current in &self.current {
            let since = current.since.load(SeqCst);
            let kind = Kind::ALL.get(current.kind.load(SeqCst) as usize);
            let kind = *kind.unwrap_or(&Kind::Other);
            if since > 0 && now.saturating_sub(since) > kind.limit() * 1000 {
                overdue.push((kind, current.process.load(SeqCst)));
            }
        }
        overdue
    }

    /// Wrong results, wrong messages, and calls that took too long.
    pub(crate) fn wrong(&self) -> [u64; 3] {
        [&self.wrong_results, &self.wrong_messages, &self.late].map(|count| count.load(SeqCst))
    }

    /// How often a call succeeded.
    pub(crate) fn succeeded(&self, kind: Kind) -> u64 {
        self.counts[kind as usize][0].load(SeqCst)
    }

    /// Prints what was called how often and what came of it. Returns the number of calls.
    pub(crate) fn print(&self) -> u64 {
        let mut all = 0;
        for kind in Kind::ALL {
            let mut line = format!("# {}:", kind.name());
            for (number, count) in self.counts[*kind as usize].iter().enumerate() {
                let count = count.load(SeqCst);
                all += count;
                if count > 0 {
                    let name = match number {
                        0 => "ok".to_owned(),
                        number => format!("{:?}", Errno::from_raw(number as i32)),
                    };
                    line.push_str(&format!(" {count} {name},"));
                }
            }
            println!("{}", line.trim_end_matches(','));
        }
        all
    }
}
