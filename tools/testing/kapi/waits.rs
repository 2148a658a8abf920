// SPDX-License-Identifier: GPL-2.0

//! Waiting, until something happens or for a time.

use crate::{
    kapi::wait::WaitQueue,
    ktap::Ktap, //
};
use kernel::{
    impl_has_work, new_spinlock_irq, new_work,
    prelude::*,
    sync::{
        Arc,
        SpinLockIrq, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
    workqueue::{
        self,
        Work,
        WorkItem, //
    },
};

const TICK: Delta = Delta::from_millis(50);
const LONG: Delta = Delta::from_secs(30);

/// A work item that counts to three and tells it.
#[pin_data]
struct Counter {
    #[pin]
    work: Work<Self>,
    #[pin]
    count: SpinLockIrq<u32>,
    #[pin]
    wait: WaitQueue,
}

impl_has_work! {
    impl HasWork<Self> for Counter { self.work }
}

impl WorkItem for Counter {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        for _ in 0..3 {
            fsleep(TICK);
            *this.count.lock() += 1;
            this.wait.wake_all();
        }
    }
}

impl Counter {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                work <- new_work!("kapi_test"),
                count <- new_spinlock_irq!(0),
                wait <- WaitQueue::new(c"kapi_test", kernel::static_lock_class!()),
            }),
            GFP_KERNEL,
        )
    }
}

pub(crate) fn test(ktap: &mut Ktap) {
    ktap.result(fmt!("waits have an end"), limits());
    ktap.result(fmt!("waits end when it happens"), wakes());
}

fn limits() -> Result<bool> {
    let counter = Counter::new()?;
    let (wait, lock) = (&counter.wait, &counter.count);
    let start = Instant::<Monotonic>::now();
    let short: Result<()> = wait.wait_killable(lock, TICK, |_| None);
    let negative: Result<()> = wait.wait_killable(lock, Delta::from_nanos(-5), |_| None);

    Ok(short == Err(ETIMEDOUT)
        && negative == Err(ETIMEDOUT)
        && start.elapsed() >= TICK
        && wait.wait_killable(lock, Delta::ZERO, |_| Some(5)) == Ok(5))
}

fn wakes() -> Result<bool> {
    let counter = Counter::new()?;
    let mut calls = 0;
    let start = Instant::<Monotonic>::now();

    workqueue::system_long()
        .enqueue(counter.clone())
        .map_err(|_| EBUSY)?;
    counter.wait.wait_killable(&counter.count, LONG, |count| {
        calls += 1;
        (**count == 3).then_some(())
    })?;

    let time = start.elapsed();
    Ok(calls >= 3 && time >= TICK + TICK + TICK && time < LONG)
}
