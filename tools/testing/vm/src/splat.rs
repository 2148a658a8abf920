// SPDX-License-Identifier: GPL-2.0

//! The kernel log: its records, and what in it fails a run.

/// A message that begins with one of these is a splat.
const BEGINNINGS: &[&str] = &[
    "BUG ",
    "BUG: ",
    "[ BUG: ",
    "WARNING: ",
    "Oops: ",
    "Oops:",
    "Kernel panic",
    "kernel BUG at",
    "INFO: task ",
    "INFO: possible ",
    "INFO: trying to register non-static key",
    "INFO: rcu",
    "INFO: NMI handler",
    "INFO: suspicious",
    "INFO: lockdep is turned off",
    "turning off the locking correctness validator",
    "general protection fault",
    "unregister_netdevice: waiting",
    "watchdog: BUG",
    "rcu: INFO:",
    "kmemleak: ",
    "UBSAN: ",
    "refcount_t: ",
    "sysfs: cannot create duplicate filename",
    "list_add corruption",
    "list_del corruption",
    "DMA-API: ",
    "ODEBUG: ",
    "Bad page",
    "double fault",
    "rust_kernel: panicked at",
];

/// A message with one of these anywhere is a splat.
const ANYWHERE: &[&str] = &[
    "KASAN: ",
    "KCSAN: ",
    "KFENCE: ",
    "kernel BUG at",
    "blocked for more than",
    "soft lockup",
    "hard LOCKUP",
    "detected stalls",
    "self-detected stall",
    "general protection fault",
    "nobody cared",
    "tried to free",
    "possible circular locking dependency",
    "possible recursive locking",
    "inconsistent lock state",
    "detected stack overflow",
    "kobject_add_internal failed",
    "still has locks held",
    "-----[ cut here ]-----",
];

/// Messages that only look like splats: greetings at boot, and lack of memory for somebody who does without.
const HARMLESS: &[&str] = &[
    "kmemleak: Cannot allocate a scan area",
    "kmemleak: Kernel memory leak detector initialized",
    "kmemleak: Automatic memory scanning",
    "DMA-API: preallocated",
    "DMA-API: debugging enabled by kernel config",
];

/// What a kobject says that could not be added for lack of memory. Other errors are mistakes of its owner.
const NO_MEMORY: &str = "(error: -12 parent: ";

/// How many lines after a splat are shown with it.
const CONTEXT: usize = 25;

/// The text of a record without `[ time ]`, and without the caller's id that follows it where the kernel prints one.
fn message(line: &str) -> &str {
    let mut rest = line.trim_start();
    while let Some(inner) = rest.strip_prefix('[') {
        match inner.split_once(']') {
            Some((stamp, tail))
                if stamp
                    .trim()
                    .starts_with(|c: char| c.is_ascii_digit() || c == 'T' || c == 'C') =>
            {
                rest = tail.trim_start();
            }
            _ => break,
        }
    }
    rest
}

/// Whether a line of the kernel log is (the beginning of) a splat.
pub(crate) fn is_splat(line: &str) -> bool {
    let text = message(line);
    if HARMLESS.iter().any(|harmless| text.starts_with(harmless)) || text.contains(NO_MEMORY) {
        return false;
    }
    BEGINNINGS
        .iter()
        .any(|beginning| text.starts_with(beginning))
        || ANYWHERE.iter().any(|part| text.contains(part))
}

/// The first splat in a kernel log with the lines that follow it.
pub(crate) fn find(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    let first = lines.iter().position(|line| is_splat(line))?;
    let end = lines.len().min(first + CONTEXT);
    Some(lines[first..end].join("\n"))
}

/// One record of /dev/kmsg: `priority,sequence,microseconds,flags[,…];text`, then lines with a leading space.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub sequence: u64,
    microseconds: u64,
    pub text: &'a str,
}

impl<'a> Record<'a> {
    /// Parses the first line of a record; `None` for a continuation line or anything else.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let (head, text) = line.split_once(';')?;
        let mut fields = head.split(',');
        fields.next()?.parse::<u32>().ok()?;
        let sequence = fields.next()?.parse().ok()?;
        let microseconds = fields.next()?.parse().ok()?;
        Some(Self {
            sequence,
            microseconds,
            text,
        })
    }

    /// The line as dmesg prints it.
    pub(crate) fn line(&self) -> String {
        format!(
            "[{:5}.{:06}] {}",
            self.microseconds / 1_000_000,
            self.microseconds % 1_000_000,
            self.text
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lack_of_memory_is_no_splat() {
        let kobject = |error| {
            format!("kobject: kobject_add_internal failed for 26 (error: {error} parent: irq)")
        };
        assert!(!is_splat(&kobject(-12)));
        assert!(is_splat(&kobject(-17)));
        assert!(!is_splat(
            "kmemleak: Cannot allocate a scan area, scanning the full object"
        ));
        assert!(is_splat("kmemleak: 1 new suspected memory leaks"));
    }

    #[test]
    fn splats_are_seen() {
        for line in [
            "[    3.141592] WARNING: CPU: 1 PID: 77 at drivers/misc/x.c:12 probe+0x10/0x20 [x]",
            "[    3.141592] WARNING: drivers/misc/x.c:12 at probe+0x10/0x20 [x], CPU#1: insmod/77",
            "[    3.141592] ------------[ cut here ]------------",
            "[    3.141592][   T77] BUG: unable to handle page fault for address: ffff88",
            "[    3.141592] BUG: kernel NULL pointer dereference, address: 0000000000000010",
            "[    3.141592] Oops: 0002 [#1] SMP NOPTI",
            "[    3.141592] Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
            "[    3.141592] kernel BUG at mm/slub.c:4000!",
            "[    3.141592] WARNING: possible circular locking dependency detected",
            "[    3.141592] WARNING: suspicious RCU usage",
            "[    3.141592] INFO: task cat:88 blocked for more than 120 seconds.",
            "[    3.141592] INFO: trying to register non-static key.",
            "[    3.141592] BUG: KASAN: slab-use-after-free in read+0x1/0x2",
            "[    3.141592] BUG: sleeping function called from invalid context at kernel/locking/mutex.c:1",
            "[    3.141592] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "[    3.141592] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [cat:88]",
            "[    3.141592] unregister_netdevice: waiting for lo to become free. Usage count = 2",
            "[    3.141592] Kernel panic - not syncing: Attempted to kill init!",
            "[    3.141592] sysfs: cannot create duplicate filename '/class/issei'",
            "[    3.141592] irq 24: nobody cared (try booting with the \"irqpoll\" option)",
            "[    3.141592] refcount_t: underflow; use-after-free.",
            "[    3.141592] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "[    3.141592] kmemleak: Kernel memory leak detector disabled",
            "[    3.141592] kmemleak: Cannot allocate a kmemleak_object structure",
            "[    3.141592] [ BUG: Invalid wait context ]",
            "[    3.141592] BUG kmalloc-64 (Not tainted): Redzone overwritten",
            "[    3.141592] INFO: lockdep is turned off.",
            "[    3.141592] turning off the locking correctness validator.",
            "[    3.141592] ODEBUG: Out of memory. ODEBUG disabled",
            "[    3.141592] DMA-API: debugging out of memory - disabling",
            "[    3.141592] DMA-API: issei_rust 0000:00:03.0: device driver frees DMA memory with wrong function",
            "[    3.141592] rust_kernel: panicked at /drivers/misc/x.rs:3:5:",
        ] {
            assert!(is_splat(line), "{line}");
        }
    }

    #[test]
    fn ordinary_messages_are_not_splats() {
        for line in [
            "[    0.000000] Linux version 7.3.4+deb13-amd64 (debian-kernel@lists.debian.org)",
            "[    0.100000] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on",
            "[    0.100000] debug: unmapping init memory",
            "[    0.200000] kmemleak: Kernel memory leak detector initialized (mem pool available: 15000)",
            "[    0.200000] DMA-API: preallocated 65536 debug entries",
            "[    0.200000] DMA-API: debugging enabled by kernel config",
            "[    2.536843] issei_rust: loading out-of-tree module taints kernel.",
            "[    2.537100] issei_rust: module verification failed: signature and/or required key missing",
            "[    2.600000] issei_rust 0000:00:03.0: link up, firmware 1.2.3.4",
            "[    0.100000] rcu: Hierarchical RCU implementation.",
            "[    0.100000] INFO: lockdep is off",
            "",
        ] {
            assert!(!is_splat(line), "{line}");
        }
    }

    #[test]
    fn a_splat_comes_with_what_follows() {
        let log = "[    1.0] a\n[    2.0] BUG: b\n[    2.0] Call Trace:\n";
        assert_eq!(
            find(log).unwrap(),
            "[    2.0] BUG: b\n[    2.0] Call Trace:"
        );
        assert_eq!(find("[    1.0] a\n"), None);
    }

    #[test]
    fn kmsg_records() {
        let record = Record::parse("6,339,5140900,-;NET: Registered PF_INET6; now").unwrap();
        assert_eq!(
            record,
            Record {
                sequence: 339,
                microseconds: 5_140_900,
                text: "NET: Registered PF_INET6; now"
            }
        );
        assert_eq!(
            record.line(),
            "[    5.140900] NET: Registered PF_INET6; now"
        );
        for other in [" SUBSYSTEM=pci", "", "text; with a semicolon", "6,x,1,-;t"] {
            assert_eq!(Record::parse(other), None, "{other}");
        }
    }
}
