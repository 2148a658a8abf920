// SPDX-License-Identifier: GPL-2.0
//! Programs that exchange messages while the device model's fuzzer breaks what the firmware does.
//!
//! Anything may fail meanwhile. But no call hangs; a message is right unless the model says that it
//! was touched; and when the fuzzer is off, everything works again soon.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use guest::{retry, until, Client};
use nix::errno::Errno;

use crate::device::{self, BULK_MTU, DEBUGFS, DEVICE};
use crate::message::{contents, Tag};
use crate::model::Model;
use crate::random::Random;
use crate::tap::Tap;

/// How long the fuzzer is on each time.
const ROUND: Duration = Duration::from_secs(4);
/// How long a call may take, whatever the firmware does: it has a second to take a message.
const CALL: Duration = Duration::from_secs(8);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long the link may take to be up again after the firmware has reset itself.
const RECOVERY: Duration = Duration::from_secs(6);
/// How long the engine's authentication may take.
const AUTHENTICATION: Duration = Duration::from_secs(60);

/// What a call may fail with while the firmware is fuzzed.
const EXPECTED: &[Errno] = &[
    Errno::ENODEV,
    Errno::EBUSY,
    Errno::ENOTCONN,
    Errno::ENOTTY,
    Errno::EFBIG,
];

/// What all programs share.
struct Common {
    stop: AtomicBool,
    model: Mutex<Model>,
    right: AtomicU64,
    failed: AtomicU64,
    excused: AtomicU64,
    wrong: AtomicU64,
    unexpected: AtomicU64,
    late: AtomicU64,
}

impl Common {
    fn model(&self) -> std::sync::MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call, which must return in time and with an error that can be.
    fn call<T>(&self, what: &str, call: impl FnOnce() -> Result<T, Errno>) -> Option<T> {
        let start = Instant::now();
        let result = call();
        if start.elapsed() > CALL {
            self.late.fetch_add(1, SeqCst);
            println!("# {what} took {:?}", start.elapsed());
        }
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed.fetch_add(1, SeqCst);
                if !EXPECTED.contains(&error) {
                    self.unexpected.fetch_add(1, SeqCst);
                    println!("# {what}: {error}");
                }
                None
            }
        }
    }

    /// How many mutations may have reached a client.
    fn touched(&self, client: Client) -> Result<[u64; 2]> {
        let fuzz = self.model().fuzzed()?;
        let of = |id: u16| fuzz["touched"][id.to_string()].as_u64().unwrap_or(0);
        let all = fuzz["touched_all"].as_u64().context("the model's fuzzer")?;
        Ok([of(client.id()) + all, of(0)])
    }

    /// Exchanges messages on one connection until something fails.
    fn converse(
        &self,
        client: Client,
        random: &mut Random,
        number: &mut u32,
        bus: u64,
    ) -> Result<()> {
        let Some(file) = self.call("open", || device::open(libc::O_RDWR)) else {
            return Ok(());
        };
        let known = self.touched(client)?[0];
        if self
            .call("connect", || device::connect(&file, client))
            .is_none()
        {
            return Ok(());
        }
        let mut answer = vec![0; BULK_MTU];
        while !self.stop.load(SeqCst) {
            *number += 1;
            let length = match random.below(4) {
                0 => random.below(BULK_MTU),
                _ => random.below(5000),
            };
            let length = length as u32 + 1;
            let message = contents(Tag {
                file: client.id().into(),
                number: *number,
                length,
            });
            if self
                .call("write", || device::write(&file, &message))
                .is_none()
            {
                return Ok(());
            }
            let Some(true) = self.call("poll", || device::wait_readable(&file, PATIENCE)) else {
                return Ok(());
            };
            let Some(length) = self.call("read", || device::read(&file, &mut answer)) else {
                return Ok(());
            };
            if answer.get(..length) == Some(&message[..]) {
                self.right.fetch_add(1, SeqCst);
                continue;
            }
            let [own, now] = self.touched(client)?;
            if own > known || now > bus {
                self.excused.fetch_add(1, SeqCst);
            } else {
                self.wrong.fetch_add(1, SeqCst);
                let head = &answer[..length.min(40)];
                println!(
                    "# {client:?}: message {number} of {} came as {length}: {head:02x?}",
                    message.len()
                );
            }
            return Ok(());
        }
        Ok(())
    }

    /// Speaks SPDM, and looks at everything that can be read.
    fn visit(&self) {
        let mut answer = [0; 4096];
        while !self.stop.load(SeqCst) {
            if let Some(file) = self.call("open", || device::open(libc::O_RDWR | libc::O_NONBLOCK))
            {
                if self
                    .call("connect", || device::connect(&file, Client::Spdm))
                    .is_some()
                {
                    self.call("write", || device::write(&file, &[0x10, 0x84, 0, 0]));
                    if self.call("poll", || device::wait_readable(&file, PATIENCE)) == Some(true) {
                        self.call("read", || device::read(&file, &mut answer));
                    }
                }
            }
            for name in ["state", "statistics", "clients", "messages", "spdm.pcap"] {
                // It is there as long as the driver is bound.
                if fs::read(format!("{DEBUGFS}/{name}")).is_err() {
                    self.unexpected.fetch_add(1, SeqCst);
                    println!("# {name} cannot be read");
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Runs rounds until the time is over, and prints what came of it.
pub(crate) fn run(seed: u64, time: Duration, workers: u16, one_in: u64) -> Result<bool> {
    DEVICE.wait_up(RECOVERY)?;
    wait_authenticated().context("before the fuzzer is on")?;
    let common = Arc::new(Common {
        stop: AtomicBool::new(false),
        model: Mutex::new(Model::open()?),
        right: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        excused: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
        unexpected: AtomicU64::new(0),
        late: AtomicU64::new(0),
    });
    let mut random = Random(seed);
    let start = Instant::now();
    let mut recovered = Ok(());
    let (mut rounds, mut slowest) = (0, Duration::ZERO);
    let mut hung = false;
    while start.elapsed() < time && recovered.is_ok() && !hung {
        let seed = random.next() & 0xffff_ffff;
        hung = !round(&common, seed, workers, one_in)?;
        rounds += 1;
        recovered = recover(&common, workers).map(|time| slowest = slowest.max(time));
        if let Err(error) = &recovered {
            println!("# after the round with seed {seed}: {error:#}");
        }
    }
    let authenticated = wait_authenticated();
    if let Err(error) = &authenticated {
        println!("# {error:#}");
    }

    let mutations = common.model().fuzzed()?["mutations"].as_u64().unwrap_or(0);
    let [right, failed, excused, wrong, unexpected, late] = [
        &common.right,
        &common.failed,
        &common.excused,
        &common.wrong,
        &common.unexpected,
        &common.late,
    ]
    .map(|count| count.load(SeqCst));
    println!(
        "# seed {seed}: {rounds} rounds, {mutations} mutations, {right} round trips right, {failed} calls failed, \
         {excused} messages were touched, up again after at most {} ms",
        slowest.as_millis()
    );
    let mut tap = Tap::default();
    tap.test(!hung && late == 0, "every call returned in time");
    tap.test(
        unexpected == 0,
        "every error was one of those that are allowed",
    );
    tap.test(wrong == 0, "every message that was not touched was right");
    tap.test(
        recovered.is_ok(),
        "after every round the link is up in time and all clients echo",
    );
    tap.test(
        authenticated.is_ok(),
        "the engine is authenticated in the end",
    );
    tap.test(
        right > 0 && mutations > 0,
        "messages were exchanged and the firmware was fuzzed",
    );
    Ok(tap.finish())
}

/// Programs at work with the fuzzer on, for a while. Whether all of them ended.
fn round(common: &Arc<Common>, seed: u64, workers: u16, one_in: u64) -> Result<bool> {
    let bus = common.touched(Client::Nobody(0))?[1];
    common.stop.store(false, SeqCst);
    common.model().fuzz(seed, one_in)?;
    let mut programs: Vec<JoinHandle<Result<()>>> = (1..=workers)
        .map(|number| {
            let common = Arc::clone(common);
            thread::spawn(move || {
                let mut random = Random(seed ^ u64::from(number) << 32);
                let mut message = 0;
                while !common.stop.load(SeqCst) {
                    common.converse(Client::More(number), &mut random, &mut message, bus)?;
                    thread::sleep(Duration::from_millis(2));
                }
                Ok(())
            })
        })
        .collect();
    let visitor = Arc::clone(common);
    programs.push(thread::spawn(move || {
        visitor.visit();
        Ok(())
    }));
    thread::sleep(ROUND);
    common.stop.store(true, SeqCst);
    let start = Instant::now();
    while programs.iter().any(|program| !program.is_finished()) {
        if start.elapsed() > 2 * CALL {
            println!("# a program does not end, seed {seed}");
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(10));
    }
    for program in programs {
        match program.join() {
            Ok(ended) => ended?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    Ok(true)
}

/// Switches the fuzzer off and has the firmware reset itself, which ends a back-off. Returns how long
/// it took until the link was up; then everything has to work.
fn recover(common: &Common, workers: u16) -> Result<Duration> {
    common.model().fuzz(0, 0)?;
    let before = device::counted("state", "generation")?;
    common.model().reset_firmware()?;
    let start = Instant::now();
    // What is shown as up may be the link before.
    let is_another = || device::counted("state", "generation").is_ok_and(|now| now != before);
    until(RECOVERY, is_another);
    DEVICE.wait_up(RECOVERY.saturating_sub(start.elapsed()))?;
    let took = start.elapsed();
    for number in 1..=workers {
        device::echo(Client::More(number), 4096)?;
        device::echo(Client::More(number), BULK_MTU as u32)?;
    }
    let state = common.model().state()?;
    ensure!(
        state["link"] == "up",
        "the firmware thinks that the link is {}",
        state["link"]
    );
    for what in ["open_files", "owed_answers"] {
        wait_for_none(what)?;
    }
    Ok(took)
}

/// Waits until nothing of this kind is left: the SPDM agent may be at work, and gets its answer.
fn wait_for_none(what: &str) -> Result<()> {
    retry(AUTHENTICATION, || {
        let count = device::counted("state", what)?;
        ensure!(count == 0, "{what} {count}");
        Ok(())
    })
}

/// Waits until the SPDM agent has authenticated the engine.
fn wait_authenticated() -> Result<()> {
    let start = Instant::now();
    loop {
        let state = DEVICE.attribute("spdm/state").context("spdm/state")?;
        if state == "authenticated" {
            return Ok(());
        }
        ensure!(
            start.elapsed() < AUTHENTICATION,
            "the SPDM agent is still {state}"
        );
        if !["waiting", "running"].contains(&state.as_str()) {
            // It found something wrong while the firmware was fuzzed, or is through with trying.
            let asked = DEVICE.set_attribute("spdm/authenticate", "1");
            asked.context(state)?;
        }
        thread::sleep(Duration::from_millis(200));
    }
}
