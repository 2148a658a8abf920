// SPDX-License-Identifier: GPL-2.0

//! News of system sleep.

use crate::{
    kapi::sleep::{
        self,
        Sleeper, //
    },
    ktap::Ktap, //
};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Atomic,
            Relaxed, //
        }, //
    }, //
};

/// How often what was said.
pub(crate) struct Count {
    prepare: Atomic<u32>,
    awake: Atomic<u32>,
}

static COUNT: Count = Count {
    prepare: Atomic::new(0),
    awake: Atomic::new(0),
};

// SAFETY: `COUNT` is the only instance, and always there.
unsafe impl AlwaysRefCounted for Count {
    fn inc_ref(&self) {}

    unsafe fn dec_ref(_this: NonNull<Self>) {}
}

impl Sleeper for Count {
    fn prepare(&self) {
        self.prepare.fetch_add(1, Relaxed);
    }

    fn awake(&self) {
        self.awake.fetch_add(1, Relaxed);
    }
}

pub(crate) type Registration = sleep::Registration<Count>;

pub(crate) fn register() -> Result<Registration> {
    sleep::Registration::new(ARef::from(&COUNT))
}

/// After the system has slept once.
pub(crate) fn test(ktap: &mut Ktap) {
    ktap.result(
        fmt!("sleep is announced once, and its end"),
        Ok((COUNT.prepare.load(Relaxed), COUNT.awake.load(Relaxed)) == (1, 1)),
    );
}
