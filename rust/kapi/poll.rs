// SPDX-License-Identifier: GPL-2.0

//! Results of `poll()`.
//!
//! C headers: [`include/linux/poll.h`](srctree/include/linux/poll.h),
//! [`include/uapi/linux/eventpoll.h`](srctree/include/uapi/linux/eventpoll.h)

use core::ops::{
    BitOr,
    BitOrAssign, //
};
use kernel::{
    bindings,
    fs::File,
    sync::poll::{
        self,
        PollCondVar, //
    }, //
};

/// What a file is ready for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PollEvents(bindings::__poll_t);

impl PollEvents {
    /// Nothing.
    pub(crate) const NONE: Self = Self(0);
    /// A read would not block (`EPOLLIN | EPOLLRDNORM`).
    pub(crate) const IN: Self = Self(0x0001 | 0x0040);
    /// A write would not block (`EPOLLOUT | EPOLLWRNORM`).
    pub(crate) const OUT: Self = Self(0x0004 | 0x0100);
    /// An error condition (`EPOLLERR`), reported whether asked for or not.
    pub(crate) const ERR: Self = Self(0x0008);
    /// The other side is gone for good (`EPOLLHUP`), reported whether asked for or not.
    pub(crate) const HUP: Self = Self(0x0010);

    /// The bits as C knows them.
    pub(super) fn into_raw(self) -> bindings::__poll_t {
        self.0
    }
}

impl BitOr for PollEvents {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for PollEvents {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// One call of `poll()` on a file.
pub(crate) struct PollTable<'a> {
    file: &'a File,
    table: poll::PollTable<'a>,
}

impl<'a> PollTable<'a> {
    /// Puts together what the `poll` file operation is given.
    pub(super) fn new(file: &'a File, table: poll::PollTable<'a>) -> Self {
        Self { file, table }
    }

    /// Has the caller of `poll()` woken when `cv` is notified.
    ///
    /// Call this before looking at the state that `cv` announces, so that no change is missed.
    pub(crate) fn wait(&self, cv: &PollCondVar) {
        self.table.register_wait(self.file, cv);
    }
}
