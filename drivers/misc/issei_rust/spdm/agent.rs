// SPDX-License-Identifier: GPL-2.0

//! The work item that does everything, one sequence after the other, and what others ask of it.

use super::{
    attest::{
        self,
        Ask,
        Findings, //
    },
    capture::Capture,
    evidence::Evidence,
    jobs::{
        Failure,
        Jobs,
        Order, //
    },
    keys,
    policy::{
        Policy,
        Sha256,
        Verdict, //
    },
    protocol::{
        config::Floor,
        wire::NONCE_SIZE, //
    },
    state::{
        Outcome,
        State,
        Status, //
    },
    sysfs::{
        self,
        Published, //
    },
    text::Sentence,
    transport::Port,
    trouble::{
        Trouble,
        Word, //
    }, //
};
use crate::{
    clients::Endpoint,
    device::Issei,
    kapi::{
        chardev::ClassDevice,
        sleep::Sleeper,
        wait::WaitQueue,
        work::Work, //
    },
    link::Link, //
};
use kernel::{
    new_mutex,
    new_spinlock_irq,
    prelude::*,
    static_lock_class,
    sync::{
        aref::ARef,
        poll::PollCondVarBox,
        Arc,
        Mutex,
        SpinLockIrq,
        UniqueArc, //
    },
    time::Delta, //
};

/// How long a program waits for its evidence: a whole sequence, and a little.
const COLLECT_LIMIT: Delta = Delta::from_secs(70);

/// The agent of one device.
#[pin_data]
pub(crate) struct Agent {
    #[pin]
    pub(super) state: Mutex<State>,
    #[pin]
    jobs: SpinLockIrq<Jobs>,
    #[pin]
    pub(super) published: Mutex<Published>,
    #[pin]
    pub(crate) capture: Capture,
    /// Where programs wait, for evidence or for the SPDM client.
    #[pin]
    pub(crate) wait: WaitQueue,
    #[pin]
    pub(crate) work: Work<ClassDevice<Issei>>,
    /// Where the work item waits for messages.
    pub(super) port: Arc<PollCondVarBox>,
}

impl Agent {
    /// An agent that has nothing to do yet.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            state <- new_mutex!(State::new(Policy::default()), "issei:spdm"),
            jobs <- new_spinlock_irq!(Jobs::new()?, "issei:spdm_jobs"),
            published <- new_mutex!(Published::new(), "issei:spdm_published"),
            capture <- Capture::new(),
            wait <- WaitQueue::new(c"issei:spdm_wait", static_lock_class!()),
            work <- Work::new(c"issei:spdm", static_lock_class!(), run),
            port: {
                let port = PollCondVarBox::new(c"issei:spdm_port", static_lock_class!())?;
                Arc::new(port, GFP_KERNEL)?
            },
        })
    }

    /// The link has come up or gone down, or the SPDM client is free. Any context.
    pub(crate) fn look(&self) {
        self.work.schedule();
        self.wait.wake_all();
    }

    /// The agent's end of its connection.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`
    pub(crate) fn endpoint(&self) -> Result<KBox<Endpoint>> {
        Ok(KBox::new(Endpoint::new(self.port.clone()), GFP_KERNEL)?)
    }
}

/// The link as the agent sees it: its generation, if it is up.
fn link_generation(link: &Link) -> Option<u32> {
    let up = !link.is_gone() && link.machine().is_up();
    up.then(|| link.generation())
}

impl Issei {
    /// What users see of the agent. May sleep.
    pub(crate) fn spdm_status(&self) -> Status {
        let state = self.spdm.state.lock();
        let link = link_generation(&self.link.lock());
        state.status(link)
    }

    /// The evidence of the last sequence of the agent on this link, if it was complete. May sleep.
    pub(crate) fn spdm_evidence(&self) -> Option<Arc<Evidence>> {
        let state = self.spdm.state.lock();
        let link = link_generation(&self.link.lock());
        state.evidence(link)
    }

    /// Has the agent authenticate the engine soon. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the device is gone.
    /// - `EBUSY`: the link is not up, or the system goes to sleep.
    pub(super) fn spdm_request(&self) -> Result {
        let mut state = self.spdm.state.lock();
        {
            let link = self.link.lock();
            if link.is_gone() {
                return Err(ENODEV);
            }
            if !link.machine().is_up() || link.clients.is_halted() {
                return Err(EBUSY);
            }
        }
        state.requested = true;
        drop(state);
        self.spdm.work.schedule();
        Ok(())
    }

    /// Sets the policy. May sleep.
    pub(super) fn spdm_set_policy(&self, policy: Policy) {
        let mut state = self.spdm.state.lock();
        if state.policy == policy {
            return;
        }
        let before = core::mem::replace(&mut state.policy, policy);
        if policy == Policy::Off || before == Policy::Off {
            drop(state.record(Outcome::none(policy)));
        }
        self.apply(&state);
        drop(state);
        self.spdm.published.lock().tell();
        self.spdm.look();
    }

    /// Accepts the engine as it is. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENODATA`: there is nothing to accept.
    /// - `ESTALE`: the engine is not what is to be accepted.
    pub(super) fn spdm_accept(&self, generation: u32, digest: &Sha256) -> Result {
        let mut state = self.spdm.state.lock();
        let link = link_generation(&self.link.lock());
        state.accept(link, generation, digest)?;
        self.apply(&state);
        drop(state);
        self.spdm.published.lock().tell();
        self.spdm.look();
        Ok(())
    }

    /// Accepts nothing any more. May sleep.
    pub(super) fn spdm_withdraw(&self) {
        let mut state = self.spdm.state.lock();
        state.withdraw();
        self.apply(&state);
        drop(state);
        self.spdm.published.lock().tell();
        self.spdm.look();
    }

    /// Has connections follow what the agent knows.
    fn apply(&self, state: &State) {
        let mut link = self.link.lock();
        let generation = link_generation(&link);
        let clients = &mut link.clients;
        clients.set_agent_first(state.policy != Policy::Off, generation.is_some());
        clients.set_fence(
            state.policy == Policy::Enforce,
            state.is_accepted(generation),
        );
    }

    /// Readies the agent, before the link comes up. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`
    pub(crate) fn spdm_begin(&self) -> Result {
        let endpoint = self.spdm.endpoint()?;
        self.link.lock().clients.add_agent(endpoint);
        self.apply(&self.spdm.state.lock());
        Ok(())
    }

    /// Stops the agent in what it does, or lets it go on. Any context.
    pub(crate) fn spdm_halt(&self, why: Option<Error>) {
        self.spdm.jobs.lock().close(why);
        self.link.lock().clients.set_halted(why.is_some());
        self.spdm.port.notify_all();
        self.spdm.look();
    }
}

/// Programs that wait must be let go before they are frozen.
impl Sleeper for ClassDevice<Issei> {
    fn prepare(&self) {
        self.spdm_halt(Some(ECANCELED));
    }

    fn awake(&self) {
        self.spdm_halt(None);
    }
}

/// Ends what the agent does when it is dropped, at unbind.
pub(crate) struct Retirement(pub(crate) ARef<ClassDevice<Issei>>);

impl Drop for Retirement {
    fn drop(&mut self) {
        self.0.spdm_halt(Some(ENODEV));
    }
}

/// Collects evidence with a nonce of the caller, signed by the key of a slot, or of the lowest that
/// may sign. Waits, killable, up to 70 s. No verdict changes.
///
/// # Errors
///
/// - `EAGAIN`: the link went down, the system goes to sleep, or the measurements changed meanwhile.
/// - `EBUSY`: a program is connected to the SPDM client, or 16 wait already.
/// - `EINTR`: the program is being killed.
/// - `EKEYREJECTED`: a signature or a chain is wrong, or an answer does not repeat what it must.
/// - `ENODEV`: the device is gone.
/// - `ENXIO`: there is no chain in the slot.
/// - `EOPNOTSUPP`: the engine cannot do it, or the kernel cannot use an algorithm or a key.
/// - `EPROTO`: an answer makes no sense, or is an error.
/// - `ETIMEDOUT`: no answer.
/// - `ENOMEM`
pub(crate) fn collect(
    dev: &ClassDevice<Issei>,
    nonce: &[u8; NONCE_SIZE],
    slot: Option<u8>,
) -> Result<Arc<Evidence>, Failure> {
    let number = dev.spdm.jobs.lock().add(nonce, slot)?;
    dev.spdm.work.schedule();
    let waited = dev
        .spdm
        .wait
        .wait_killable(&dev.spdm.jobs, COLLECT_LIMIT, |jobs| jobs.take(number));
    waited.unwrap_or_else(|error| {
        let late = dev.spdm.jobs.lock().forget(number);
        drop(late);
        Err(Trouble::Kernel(error).into())
    })
}

/// What is to be done next.
enum Task {
    Nothing,
    /// On this link, and whether nobody has asked for it.
    Authenticate {
        link: u32,
        by_itself: bool,
    },
    Collect(Order),
    LinkLost,
}

fn next(dev: &ClassDevice<Issei>) -> Task {
    let mut state = dev.spdm.state.lock();
    let (link, kept, halted) = {
        let link = dev.link.lock();
        let kept = link.clients.is_reserved();
        (link_generation(&link), kept, link.clients.is_halted())
    };
    if halted {
        return Task::Nothing;
    }
    if let Some(link) = link.filter(|link| state.is_due(*link, kept)) {
        let by_itself = !core::mem::take(&mut state.requested);
        state.running = true;
        return Task::Authenticate { link, by_itself };
    }
    let lost = link.is_none() && state.outcome.link.is_some();
    drop(state);
    if lost {
        return Task::LinkLost;
    }
    match dev.spdm.jobs.lock().begin() {
        Some(order) => Task::Collect(order),
        None => Task::Nothing,
    }
}

/// The work item.
fn run(dev: &ClassDevice<Issei>) {
    loop {
        match next(dev) {
            Task::Nothing => break,
            Task::Authenticate { link, by_itself } => authenticate(dev, link, by_itself),
            Task::Collect(order) => serve(dev, &order),
            Task::LinkLost => {
                let policy = dev.spdm.state.lock().policy;
                record(dev, Outcome::none(policy), None, false);
            }
        }
    }
    // The policy may have put an end to what there was.
    if dev.spdm.state.lock().outcome.evidence.is_none() {
        sysfs::show_certificates(dev, None);
    }
    sysfs::announce(dev);
}

#[inline(never)]
fn authenticate(dev: &ClassDevice<Issei>, link: u32, by_itself: bool) {
    let floor = {
        let state = dev.spdm.state.lock();
        state.pin().map_or(Floor::NONE, |pin| pin.floor)
    };
    sysfs::begin_log(dev);
    let found = sequence(dev, Ask::Everything(floor))
        .and_then(|(link, findings)| success(dev, link, findings, by_itself));
    match found {
        Ok(link) => release(dev, link, false),
        Err(trouble) => {
            record(dev, Outcome::trouble(&trouble, link), None, by_itself);
            release(dev, link, trouble.is_busy());
        }
    }
}

/// Keeps the SPDM client no longer for the agent, unless this link was lost: then it is kept anew.
/// `wanted`: the agent is to be called when a program is through with it, which it may be by now.
fn release(dev: &ClassDevice<Issei>, generation: u32, wanted: bool) {
    let mut link = dev.link.lock();
    if link_generation(&link) == Some(generation) {
        link.clients.release(wanted);
        link.settle(dev);
    }
    drop(link);
    dev.spdm.wait.wake_all();
}

fn sequence(dev: &ClassDevice<Issei>, ask: Ask) -> Result<(u32, Findings), Trouble> {
    let mut port = Port::open(dev)?;
    let findings = attest::run(&mut port, ask)?;
    Ok((port.link, findings))
}

/// Records what was found out on this link, which it returns. What cannot be logged does not count.
#[inline(never)]
fn success(
    dev: &ClassDevice<Issei>,
    link: u32,
    findings: Findings,
    by_itself: bool,
) -> Result<u32, Trouble> {
    let anchored = keys::anchored(&findings.evidence);
    sysfs::add_signatures(dev, findings.signatures)?;
    let evidence = UniqueArc::new(findings.evidence, GFP_KERNEL).map_err(Error::from)?;
    let outcome = Outcome {
        word: Word::Authenticated,
        why: Sentence::EMPTY,
        fresh: Verdict::Yes,
        anchored,
        evidence: None,
        pin: Some(findings.pin),
        link: Some(link),
    };
    record(dev, outcome, Some(evidence), by_itself);
    Ok(link)
}

/// Records an outcome with its evidence. One that the agent has come to by itself is dropped if that
/// is not wanted any more.
fn record(
    dev: &ClassDevice<Issei>,
    mut outcome: Outcome,
    evidence: Option<UniqueArc<Evidence>>,
    by_itself: bool,
) {
    let mut state = dev.spdm.state.lock();
    if by_itself && state.policy == Policy::Off {
        outcome = Outcome::none(Policy::Off);
    } else if let Some(mut evidence) = evidence {
        evidence.generation = state.generation.wrapping_add(1);
        outcome.evidence = Some(evidence.into());
    }
    let evidence = outcome.evidence.clone();
    let before = state.record(outcome);
    dev.apply(&state);
    drop(state);
    drop(before);
    sysfs::show_certificates(dev, evidence.as_deref());
    // Who sees that the agent is through finds the certificates of this result.
    dev.spdm.state.lock().running = false;
    dev.spdm.published.lock().tell();
    sysfs::announce(dev);
}

#[inline(never)]
fn serve(dev: &ClassDevice<Issei>, order: &Order) {
    sysfs::begin_log(dev);
    let found = sequence(dev, Ask::Measurements(order.nonce, order.slot));
    let result = found.and_then(|(_, mut findings)| {
        findings.evidence.generation = dev.spdm.state.lock().generation;
        sysfs::add_signatures(dev, findings.signatures)?;
        Ok(Arc::new(findings.evidence, GFP_KERNEL).map_err(Error::from)?)
    });
    let result = result.map_err(Failure::from);
    let left = dev.spdm.jobs.lock().finish(order.number, result);
    drop(left);
    dev.spdm.wait.wake_all();
    sysfs::announce(dev);
}
