// SPDX-License-Identifier: GPL-2.0
//! One row after the other: a driver that was just bound, a bystander at work, the steps of the row,
//! and what has come of them.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use guest::{until, Client, Device, Function};

use crate::bystander::Bystander;
use crate::driver::Driver;
use crate::failing;
use crate::log::Log;
use crate::matrix::{Machine, Part, Row};
use crate::model::Model;
use crate::outcome::Observed;
use crate::program::{name, Program, OK};
use crate::step::{Action, Call, Deed, Step};
use crate::system::{self, spdm_is_busy, spdm_state, SPDM_LIMIT};

/// How long bring-up may take where nothing is wrong.
const UP_LIMIT: Duration = Duration::from_secs(10);
/// How long the SPDM agent may take to a verdict, whatever the responder does.
const VERDICT_LIMIT: Duration = Duration::from_secs(3);
/// How long to wait until it works again.
const AGAIN_LIMIT: Duration = Duration::from_secs(12);
/// What the driver says when it is up.
const UP: &str = "link up";
/// How long the log may lag behind.
const LOG_LIMIT: Duration = Duration::from_secs(5);
/// How long the kernel may take to let go of a device: it waits 5 s before it does.
const UNPLUG_LIMIT: Duration = Duration::from_secs(20);
/// How long the model may take to get into a phase.
const PHASE_LIMIT: Duration = Duration::from_secs(5);

/// Statistics of faults; others count work.
const FAULTS: &[&str] = &[
    "stale",
    "dropped_status",
    "dropped_too_long",
    "dropped_unread",
    "dropped_no_memory",
];

/// The client of a program that has not connected to another.
const USUAL: Client = Client::EchoB;
/// Seeds of the programs are so far apart.
const SEEDS: u32 = 1 << 16;
/// What the driver says before it does nothing any more.
const C_IS_DEAD: &str = "disabling the device";

/// What rows run in.
pub(crate) struct Scene {
    driver: Driver,
    verdict_limit: Duration,
    /// [`None`] when it was told to quit.
    model: Option<Model>,
    function: Function,
    device: Device,
    bystander: Bystander,
    log: Log,
    /// How many lines were in the log when the function was last bound.
    lines_before: usize,
    programs: BTreeMap<char, Program>,
    /// The client that programs use last.
    client: Client,
    seed: u32,
}

impl Scene {
    /// Loads the driver, on a kernel that is so many times slower than the stock one.
    pub(crate) fn new(driver: Driver, machine: &Machine, slowness: u32) -> Result<Self> {
        let parameters = match driver {
            Driver::IsseiRust => machine.parameters.as_slice(),
            Driver::IsseiC => &[],
        };
        system::load(driver.module(), parameters)?;
        let mut functions = Vec::new();
        let there_are = || {
            functions = system::functions().unwrap_or_default();
            functions.len() == machine.devices()
        };
        ensure!(until(UP_LIMIT, there_are), "devices are missing");
        let (_, other) = *functions.last().context("no device")?;
        let (function, device) = functions.swap_remove(0);
        Ok(Self {
            driver,
            verdict_limit: VERDICT_LIMIT * slowness,
            model: Some(Model::open(0)?),
            function,
            device,
            bystander: Bystander::start(other)?,
            log: Log::from_now()?,
            lines_before: 0,
            programs: BTreeMap::new(),
            client: USUAL,
            seed: 0,
        })
    }

    /// Runs a row to its end.
    pub(crate) fn run(&mut self, part: &Part, row: &Row) -> Result<Observed> {
        self.prepare(part, row).context("before the fault")?;
        let before = self.statistics();
        let resets = self.model()?.resets()?;
        let mut calls = Vec::new();
        for step in &row.steps {
            let result = self.step(step);
            calls.extend(result.with_context(|| format!("{:?}", step.action))?);
        }
        let fired = self.model.as_mut().map_or(Ok(()), Model::all_fired);
        if let Some(model) = &mut self.model {
            model.defaults()?;
        }
        let over = Instant::now();
        self.programs.clear();
        let logged = |scene: &mut Self| -> Result<Vec<String>> {
            let log = &mut scene.log;
            until(LOG_LIMIT, || {
                log.lines().is_ok_and(|lines| row.must.has_logged(lines))
            });
            Ok(log.lines()?.to_vec())
        };
        let (again, log) = match row.spdm {
            None => {
                let again = self.works_again(over);
                (again, logged(self)?)
            }
            Some(_) => {
                let log = logged(self)?;
                (self.authenticates_again(over)?, log)
            }
        };
        let bystander = self.bystander.halt()?;
        let resets = match &mut self.model {
            Some(model) => model.resets()? - resets,
            None => 0,
        };
        let after = self.statistics();
        let named = row.must.counts.keys().map(String::as_str);
        let counts = FAULTS.iter().copied().chain(named);
        let count = |name: &str| {
            let [before, after] = [&before, &after].map(|all| all.get(name).copied());
            Some((name.to_owned(), after?.saturating_sub(before.unwrap_or(0))))
        };
        let observed = Observed {
            calls,
            bystander,
            resets,
            again,
            log,
            counts: counts.filter_map(count).collect(),
        };
        if again.is_some() {
            self.function.unbind().context("unbind after the row")?;
        }
        fired.map(|()| observed)
    }

    /// A driver that was just bound, nothing that goes wrong, and a bystander at work.
    fn prepare(&mut self, part: &Part, row: &Row) -> Result<()> {
        self.programs.clear();
        self.client = USUAL;
        let is_recovery = |step: &Step| matches!(step.action, Action::Machine(Deed::Recovery(_)));
        if row.steps.iter().any(is_recovery) {
            system::load(system::RECOVERY, &[])?;
        }
        let model = self.model()?;
        model.defaults()?;
        if let Some(name) = &row.spdm {
            model.set_spdm(part.settings(name)?)?;
        }
        if self.function.is_bound() {
            self.function.unbind()?;
        }
        if row.spdm.is_none() {
            self.begin_log()?;
            self.function.bind()?;
            let up = self.works_again(Instant::now());
            up.context("the device does not work before the fault")?;
            // A work item says so, and programs may have seen it before.
            if self.driver == Driver::IsseiRust {
                let log = &mut self.log;
                let is_said = |line: &String| line.starts_with(UP);
                let mut said = || log.lines().is_ok_and(|lines| lines.iter().any(is_said));
                ensure!(until(LOG_LIMIT, &mut said), "the log does not say '{UP}'");
            }
            ensure!(
                until(SPDM_LIMIT, || !spdm_is_busy(self.device)),
                "no end of SPDM"
            );
        }
        self.bystander.go(row.spdm.is_none())?;
        self.begin_log()
    }

    /// Forgets what the log said so far.
    fn begin_log(&mut self) -> Result<()> {
        self.log = Log::from_now()?;
        self.lines_before = 0;
        Ok(())
    }

    fn model(&mut self) -> Result<&mut Model> {
        self.model.as_mut().context("the model has quit")
    }

    /// Milliseconds since `start` until a new program can exchange a message.
    fn works_again(&mut self, start: Instant) -> Option<u64> {
        let limit = AGAIN_LIMIT.saturating_sub(start.elapsed());
        let mut works = false;
        let client = self.client;
        until(limit, || {
            let mut program = self.program();
            works = [Call::Connect(client), Call::Echo(100)]
                .iter()
                .all(|call| program.call(call).is_ok_and(|result| result == OK));
            works || self.is_dead()
        });
        works.then(|| start.elapsed().as_millis() as u64)
    }

    /// Whether Intel's driver has given up.
    fn is_dead(&mut self) -> bool {
        let before = self.lines_before;
        let lines = self.log.lines();
        lines.is_ok_and(|lines| {
            let mut since = lines.iter().skip(before);
            since.any(|line| line.contains(C_IS_DEAD))
        })
    }

    /// The counters in debugfs; none where there are none.
    fn statistics(&self) -> BTreeMap<String, u64> {
        self.device.counts("statistics").unwrap_or_default()
    }

    fn program(&mut self) -> Program {
        self.seed += SEEDS;
        Program::new(self.device, self.seed)
    }

    /// Does a step. Its result, if it is recorded.
    fn step(&mut self, step: &Step) -> Result<Option<String>> {
        let result = self.act(&step.action)?;
        match step.recorded {
            true => Ok(Some(result)),
            false if result == OK => Ok(None),
            false => bail!("{result}"),
        }
    }

    fn act(&mut self, action: &Action) -> Result<String> {
        match action {
            Action::Call(name, call) => return self.named(*name, call)?.call(call),
            Action::Begin(name, call) => self.named(*name, call)?.begin(call)?,
            Action::End(name) => return self.programs.get_mut(name).context("nobody")?.end(),
            Action::Close(name) => {
                self.programs.remove(name).context("nobody")?.close()?;
            }
            Action::Model(command) if command["cmd"] == "quit" => {
                self.model.take().context("the model has quit")?.quit()?;
            }
            Action::Model(command) => {
                if command["cmd"] == "clear_faults" {
                    self.model()?.all_fired()?;
                }
                self.model()?.command(command)?;
            }
            Action::Until(phase) => {
                let model = self.model()?;
                let mut is_there = || model.phase().is_ok_and(|now| now == *phase);
                ensure!(until(PHASE_LIMIT, &mut is_there), "it is never {phase}");
            }
            Action::Fired => self.model()?.all_fired()?,
            Action::Sleep(ms) => thread::sleep(Duration::from_millis(*ms)),
            Action::Spdm => {
                let through = || spdm_state(self.device).is_some() && !spdm_is_busy(self.device);
                ensure!(until(self.verdict_limit, through), "no verdict in time");
                return self.verdict();
            }
            Action::Machine(deed) => return self.machine(deed),
        }
        Ok(OK.to_owned())
    }

    /// The program of this name. Where it has no file yet, it gets one and connects as usual.
    fn named(&mut self, name: char, call: &Call) -> Result<&mut Program> {
        if let Call::Connect(client) = call {
            self.client = *client;
        }
        if !self.programs.contains_key(&name) {
            let mut program = self.program();
            if !matches!(call, Call::Open | Call::Connect(_) | Call::Evidence) {
                let connected = program.call(&Call::Connect(USUAL))?;
                ensure!(connected == OK, "connect: {connected}");
            }
            self.programs.insert(name, program);
        }
        self.programs.get_mut(&name).context("nobody")
    }

    fn machine(&mut self, deed: &Deed) -> Result<String> {
        if matches!(deed, Deed::Bind | Deed::Rescan) {
            self.lines_before = self.log.lines()?.len();
        }
        let done = match deed {
            Deed::Unbind => self.function.unbind(),
            Deed::Bind => self.function.bind(),
            Deed::Remove => self.function.remove(),
            Deed::Rescan => guest::rescan(),
            Deed::Reset => self.device.set_attribute("reset", "1"),
            Deed::FunctionReset => self.function.reset(),
            Deed::Recovery(channel) => system::recover(&self.function, *channel),
            Deed::Unplug => {
                system::unplug()?;
                // A model whose device was taken away has ended.
                self.model = None;
                let is_gone = || !self.function.exists();
                ensure!(until(UNPLUG_LIMIT, is_gone), "the device stays");
                Ok(())
            }
            Deed::Authenticate => {
                system::authenticate(self.device)?;
                Ok(())
            }
            Deed::Sleep(level) => {
                self.model = None;
                let slept = system::sleep(level);
                self.model = Some(Model::open(0)?);
                slept?;
                Ok(())
            }
            Deed::Failing(what) => return failing::each(*what, &self.function, self.device),
        };
        Ok(done.map_or_else(|error| name(&error), |()| OK.to_owned()))
    }

    /// What the SPDM agent says, in `state` and in `fresh` alike.
    fn verdict(&self) -> Result<String> {
        let state = spdm_state(self.device).context("there is no SPDM agent")?;
        let fresh = self.device.attribute("spdm/fresh")?;
        let expected = match state.split(':').next() {
            Some("authenticated") => "yes",
            Some("failed") => "no",
            _ => "not checked",
        };
        ensure!(
            fresh.starts_with(expected),
            "spdm/fresh: '{fresh}' where spdm/state is '{state}'"
        );
        Ok(state)
    }

    /// Milliseconds since `start` until the SPDM agent has authenticated the engine.
    fn authenticates_again(&self, start: Instant) -> Result<Option<u64>> {
        until(SPDM_LIMIT, || !spdm_is_busy(self.device));
        // Whatever the row has shown, the engine is seen for the first time.
        self.device.set_attribute("spdm/accepted", "none")?;
        system::authenticate(self.device)?;
        let state = spdm_state(self.device).unwrap_or_default();
        let authenticated = state.starts_with("authenticated");
        Ok(authenticated.then(|| start.elapsed().as_millis() as u64))
    }
}
