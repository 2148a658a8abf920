// SPDX-License-Identifier: GPL-2.0

//! Generic netlink: families with dumps and events.
//!
//! [`kernel::net::netlink`] has events only. A family here is one for administrators: it exists in
//! the initial network namespace, and all that can be done with it needs `CAP_NET_ADMIN` there. Its
//! operations run in parallel.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

mod attribute;
mod message;
mod operation;

pub(crate) use self::{
    attribute::{
        Policy,
        Request, //
    },
    message::{
        Message,
        Part, //
    },
    operation::{
        Dump,
        Operation,
        Progress, //
    }, //
};

use self::message::{
    Address,
    Draft, //
};
use kernel::{
    bindings,
    error::to_result,
    module::this_module,
    prelude::*,
    types::Opaque,
    ModuleMetadata, //
};

/// Copies a name into a field of a C structure.
///
/// Panics, at build time, if it does not fit.
const fn name<const SIZE: usize>(name: &CStr) -> [c_char; SIZE] {
    let bytes = name.to_bytes_with_nul();
    let mut field = [0; SIZE];
    let mut i = 0;

    assert!(bytes.len() <= SIZE, "name too long");
    while i < bytes.len() {
        field[i] = bytes[i];
        i += 1;
    }
    field
}

/// Converts a length into a field of a C structure.
///
/// Panics, at build time, if it does not fit.
const fn count(length: usize) -> u8 {
    assert!(length <= u8::MAX as usize, "too many");
    // CAST: As was just checked.
    length as u8
}

/// A multicast group of a [`Family`], for events.
#[repr(transparent)]
pub(crate) struct Group(bindings::genl_multicast_group);

impl Group {
    /// Creates a group. To be called at build time.
    pub(crate) const fn new(group: &CStr) -> Self {
        Self(bindings::genl_multicast_group {
            name: name(group),
            // CAST: Bit 0 (`GENL_MCAST_CAP_NET_ADMIN`).
            flags: 1 << 0,
        })
    }
}

/// A generic netlink family.
///
/// It lives in a `static`, and does nothing until it is [registered](Family::register).
pub(crate) struct Family {
    raw: Opaque<bindings::genl_family>,
}

// SAFETY: What changes in it is locked by the C functions that do it.
unsafe impl Sync for Family {}

impl Family {
    /// Creates a family of the module `M`. To be called at build time.
    ///
    /// The operations must be sorted by their numbers.
    pub(crate) const fn new<M: ModuleMetadata>(
        family: &CStr,
        version: u32,
        operations: &'static [Operation],
        groups: &'static [Group],
    ) -> Self {
        Self {
            raw: Opaque::new(bindings::genl_family {
                name: name(family),
                version,
                // Bit 0 is `netnsok`, bit 1 `parallel_ops`.
                _bitfield_1: bindings::__BindgenBitfieldUnit::new([1 << 1]),
                split_ops: operations.as_ptr().cast(),
                n_split_ops: count(operations.len()),
                mcgrps: groups.as_ptr().cast(),
                n_mcgrps: count(groups.len()),
                module: this_module::<M>().as_ptr(),
                ..pin_init::zeroed()
            }),
        }
    }

    /// Registers the family. May sleep.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: the kernel has a family of this name, or this one is registered already.
    /// - `EINVAL`: the operations are not sorted.
    /// - `ENOMEM`
    pub(crate) fn register(&'static self) -> Result<Registration> {
        // SAFETY: The family is complete and `'static`, as are its operations and groups.
        to_result(unsafe { bindings::genl_register_family(self.raw.get()) })?;
        // INVARIANT: It was just registered.
        Ok(Registration { family: self })
    }
}

/// The registration of a [`Family`].
///
/// Dropping it ends it, and waits for dumps that begin. (The module cannot be unloaded while one
/// runs.) May sleep.
///
/// # Invariants
///
/// The family is registered.
pub(crate) struct Registration {
    family: &'static Family,
}

impl Registration {
    /// Whether anybody would get an event of this group, given by its index. Any context.
    pub(crate) fn has_listeners(&self, group: u32) -> bool {
        let family = self.family.raw.get();

        // SAFETY: The family is registered, and the initial network namespace always there.
        unsafe { bindings::genl_has_listeners(family, &raw mut bindings::init_net, group) != 0 }
    }

    /// Sends an event to a group, given by its index, with up to a page of attributes. May sleep.
    ///
    /// # Errors
    ///
    /// - `ESRCH`: nobody listens.
    /// - `ENOBUFS`: somebody who listens did not read for too long, and has missed it.
    /// - `EMSGSIZE`, `ENOMEM`, and what `fill` gives.
    pub(crate) fn multicast(
        &self,
        group: u32,
        command: u8,
        fill: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> Result {
        let family = self.family.raw.get();
        let address = Address {
            family,
            portid: 0,
            sequence: 0,
            command,
        };
        // SAFETY: The family is registered.
        let draft = unsafe { Draft::new(&address, fill) }?;

        // SAFETY: The family is registered, and the function takes the buffer over.
        to_result(unsafe {
            bindings::genlmsg_multicast(family, draft.into_raw(), 0, group, bindings::GFP_KERNEL)
        })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::genl_unregister_family(self.family.raw.get()) };
    }
}
