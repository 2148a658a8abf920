// SPDX-License-Identifier: GPL-2.0
//! Every allocation of a call, and every access to the program's memory, fails in turn, by the kernel's fault injection:
//! `fail-nth`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use guest::{ioctl, until, Client, Device, Function};
use nix::libc::{EFAULT, ENOMEM};

use crate::evidence;
use crate::program::{name, pattern, OK};
use crate::step::Failing;
use crate::system;

/// Which allocation of this thread fails next; 0 once it has.
const FAIL_NTH: &str = "/proc/thread-self/fail-nth";
/// Allocations that may fail although they could wait for memory.
const WAITING: &[&str] = &["failslab", "fail_page_alloc"];
/// Faults that are not to be told of in the log, where they look like complaints.
const SILENT: &[&str] = &["failslab", "fail_page_alloc", "fail_usercopy"];
/// What a call gives that has allocated nothing.
const NOTHING: &str = "nothing is allocated";
/// More allocations than any call makes.
const MOST: u32 = 5000;
const CLIENT: Client = Client::EchoB;
const LIMIT: Duration = Duration::from_secs(10);

/// Fault injection of the slab allocator.
const SLAB: &str = "/sys/kernel/debug/failslab";
/// How many callers of an allocation are looked at.
const DEPTH: &str = "32";
/// Makes files in /proc for an interrupt. Nobody is told when one cannot be made, and the kernel then warns that it cannot
/// remove what is not there: a fault, but not the driver's.
const SPARED: &str = "register_irq_proc";
/// How often the agent is at work, and in how many of those something must have failed.
const ROUNDS: u32 = 200;
const LEAST_FAILED: u32 = 50;
/// What it may say: it has not noticed, or that there was no memory, for itself or for the kernel's signatures (`ENOMEM`).
const SAYS: &[&str] = &["authenticated", "no memory", "error -12"];
/// The same for who has asked for evidence, and also needs memory.
const TOLD: &[&str] = &["ok", "ENOMEM"];
/// Out of a hundred allocations of the agent, as many fail as come to one or two in an authentication.
const PROBABILITY: &str = "2";

/// Does it with the first allocation failing, then with the second, and so on until it makes no
/// more of them. Each time it succeeds or says that there is no memory.
pub(crate) fn each(what: Failing, function: &Function, device: Device) -> Result<String> {
    for name in WAITING {
        fs::write(format!("/sys/kernel/debug/{name}/ignore-gfp-wait"), "N")?;
    }
    for name in SILENT {
        fs::write(format!("/sys/kernel/debug/{name}/verbose"), "0")?;
    }
    match what {
        Failing::Authenticate => return by_chance(|| authenticate(device)),
        Failing::Evidence => return by_chance(|| ask(device)),
        Failing::Probe => spare(SPARED)?,
        _ => {}
    }
    let function = function.clone();
    let thread = thread::spawn(move || in_turn(what, &function, device));
    match thread.join() {
        Ok(result) => result,
        Err(_) => bail!("the thread has ended"),
    }
}

fn in_turn(what: Failing, function: &Function, device: Device) -> Result<String> {
    for nth in 1..MOST {
        let mut prepared = Prepared::new(what, function, device)?;
        fs::write(FAIL_NTH, nth.to_string())?;
        let result = prepared.call(what, function, device);
        let left = disarm()?;
        match result {
            Ok(()) => {}
            Err(error) if left == 0 && is_injected(what, &error) => {}
            Err(error) => return Ok(format!("{} at allocation {nth}", name(&error))),
        }
        drop(prepared);
        if left > 0 {
            let nothing = nth == 1;
            return Ok(if nothing { NOTHING } else { OK }.to_owned());
        }
        if what == Failing::Probe && function.is_bound() {
            function.unbind()?;
        }
    }
    bail!("there is no end of allocations")
}

/// Lets no allocation fail for which a function of the kernel asks, itself or through others.
fn spare(function: &str) -> Result<()> {
    let (begin, end) = of_kernel(function, &fs::read_to_string("/proc/kallsyms")?)?;
    for name in WAITING {
        let set =
            |file: &str, value: &str| fs::write(format!("/sys/kernel/debug/{name}/{file}"), value);
        set("reject-start", &begin.to_string())?;
        set("reject-end", &end.to_string())?;
        set("stacktrace-depth", DEPTH)?;
    }
    Ok(())
}

/// Where the code of a function of the kernel begins, and the next symbol.
fn of_kernel(function: &str, symbols: &str) -> Result<(u64, u64)> {
    let symbols = symbols.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let address = u64::from_str_radix(fields.next()?, 16).ok()?;
        Some((address, fields.nth(1)?))
    });
    let symbols: Vec<(u64, &str)> = symbols.collect();
    let begin = symbols.iter().find(|(_, name)| *name == function);
    let (begin, _) = *begin.with_context(|| format!("the kernel has no {function}"))?;
    let after = symbols.iter().map(|(address, _)| *address);
    let end = after.filter(|address| *address > begin).min();
    Ok((begin, end.context("no symbol follows")?))
}

/// Lets nothing fail any more; how many allocations the call was short of the one that was to fail. To look and to disarm
/// count as well, but only one of them fails.
fn disarm() -> Result<u32> {
    let left = match fs::read_to_string(FAIL_NTH) {
        Ok(left) => left.trim().parse()?,
        Err(error) if is_injected(Failing::Open, &error) => 1,
        Err(error) => return Err(error.into()),
    };
    if let Err(error) = fs::write(FAIL_NTH, "0") {
        ensure!(is_injected(Failing::Open, &error), error);
        fs::write(FAIL_NTH, "0")?;
    }
    Ok(left)
}

/// Has the SPDM agent work, while an allocation of the driver fails, any one. The agent is no thread that could be told
/// which: the kernel looks for the driver's code in the stack of who asks for memory. `work` says what was wrong with what
/// came of it.
fn by_chance(work: impl Fn() -> Result<Option<String>>) -> Result<String> {
    let set = |name: &str, value: &str| {
        fs::write(format!("{SLAB}/{name}"), value).context(name.to_owned())
    };
    let (begin, end) = code()?;
    set("require-start", &begin.to_string())?;
    set("require-end", &end.to_string())?;
    set("stacktrace-depth", DEPTH)?;
    set("interval", "1")?;
    let mut failed = 0;
    for round in 0..ROUNDS {
        set("times", "1")?;
        set("probability", PROBABILITY)?;
        let wrong = work();
        set("probability", "0")?;
        failed += u32::from(fs::read_to_string(format!("{SLAB}/times"))?.trim() == "0");
        if let Some(wrong) = wrong.with_context(|| format!("round {round}"))? {
            return Ok(format!("{wrong} in round {round}"));
        }
    }
    ensure!(
        failed >= LEAST_FAILED,
        "only {failed} allocations have failed"
    );
    Ok(OK.to_owned())
}

fn authenticate(device: Device) -> Result<Option<String>> {
    match system::authenticate(device) {
        Ok(()) => {
            let state = system::spdm_state(device).unwrap_or_default();
            Ok((!SAYS.iter().any(|says| state.contains(says))).then_some(state))
        }
        // The file that was written to may be what had no memory.
        Err(error) if error.chain().any(is_out_of_memory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn ask(device: Device) -> Result<Option<String>> {
    let told = evidence::collect(device)?;
    Ok((!TOLD.iter().any(|word| told.starts_with(word))).then_some(told))
}

fn is_out_of_memory(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory)
}

/// Where the code of the driver begins and ends.
fn code() -> Result<(u64, u64)> {
    let modules = fs::read_to_string("/proc/modules")?;
    let line = modules.lines().find(|line| line.starts_with("issei_rust "));
    let fields: Vec<&str> = line.context("no issei_rust")?.split(' ').collect();
    let begin = fields.get(5).and_then(|begin| begin.strip_prefix("0x"));
    let begin = u64::from_str_radix(begin.context("no address")?, 16)?;
    let size: u64 = fields.get(1).context("no size")?.parse()?;
    Ok((begin, begin + size))
}

/// Whether that is what a fault gives: an allocation that failed, or an access to the program's memory, which `fail-nth`
/// counts as well. Probe passes on what other parts of the kernel make of it: a region that nobody could note down is busy
/// (`__request_region`), an interrupt without a domain is no device.
fn is_injected(what: Failing, error: &io::Error) -> bool {
    what == Failing::Probe || matches!(error.raw_os_error(), Some(ENOMEM | EFAULT))
}

/// What the call is made on.
struct Prepared {
    file: Option<File>,
    message: Vec<u8>,
}

impl Prepared {
    fn new(what: Failing, function: &Function, device: Device) -> Result<Self> {
        let mut prepared = Self {
            file: None,
            message: pattern(5000, 7),
        };
        if what == Failing::Probe {
            if function.is_bound() {
                function.unbind()?;
            }
            return Ok(prepared);
        }
        if what == Failing::Open {
            return Ok(prepared);
        }
        let file = device.open()?;
        if what != Failing::Connect {
            let connected = until(LIMIT, || connect(&file).is_ok());
            ensure!(connected, "cannot connect");
        }
        if what == Failing::Read {
            (&file).write_all(&prepared.message).context("write")?;
        }
        prepared.file = Some(file);
        Ok(prepared)
    }

    fn call(&mut self, what: Failing, function: &Function, device: Device) -> io::Result<()> {
        let file = || self.file.as_ref().ok_or(io::ErrorKind::NotFound);
        match what {
            Failing::Probe => function.bind(),
            Failing::Open => device.open().map(drop),
            Failing::Connect => connect(file()?),
            Failing::Write => file()?.write_all(&self.message),
            Failing::Read => {
                let mut answer = vec![0; 0x1_0000];
                let length = file()?.read(&mut answer)?;
                match answer.get(..length) == Some(&self.message) {
                    true => Ok(()),
                    false => Err(io::ErrorKind::InvalidData.into()),
                }
            }
            Failing::Disconnect => ioctl::disconnect(file()?),
            Failing::Authenticate | Failing::Evidence => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn connect(file: &File) -> io::Result<()> {
    ioctl::connect(file, CLIENT.uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_ends_where_another_symbol_is() {
        let symbols = "ffffffff81000200 T b\nffffffff81000100 t a\nffffffff81000100 T a_too\n\
                       ffffffff81000300 T c\t[module]\n";
        assert_eq!(
            of_kernel("a", symbols).unwrap(),
            (0xffff_ffff_8100_0100, 0xffff_ffff_8100_0200)
        );
        assert!(of_kernel("c", symbols).is_err());
        assert!(of_kernel("d", symbols).is_err());
    }
}
