// SPDX-License-Identifier: GPL-2.0

//! What the running program may do.
//!
//! The mode of a file says who may open it. Who may then use it for something privileged is asked
//! in the middle of the system call that does so, because a file can be given away open.
//!
//! C header: [`include/linux/capability.h`](srctree/include/linux/capability.h)

use kernel::{
    bindings,
    ffi::c_int, //
};

/// Whether the current task has `CAP_SYS_ADMIN` in the initial user namespace. For process context,
/// in a system call. A task that has it is marked as having used it.
pub(crate) fn sys_admin() -> bool {
    // SAFETY: The task is the current one, and the capability is one that the kernel has.
    //
    // CAST: It is a small number.
    unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as c_int) }
}
