// SPDX-License-Identifier: GPL-2.0

//! What the kernel sends: events and the parts of dumps.

use super::attribute;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

/// The longest value of an attribute, whose length has 16 bits.
const VALUE_MAX: usize = u16::MAX as usize - size_of::<bindings::nlattr>();

/// A message that attributes are put into.
///
/// # Invariants
///
/// `skb` is valid and has the header of the message, which is the last one in it.
pub(crate) struct Message<'a> {
    skb: NonNull<bindings::sk_buff>,
    _skb: PhantomData<&'a mut bindings::sk_buff>,
}

impl Message<'_> {
    /// Puts an attribute with these bytes.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: there is no room.
    pub(crate) fn put(&mut self, attribute: u16, value: &[u8]) -> Result {
        if value.len() > VALUE_MAX {
            return Err(EMSGSIZE);
        }
        // SAFETY: By the type invariants, and the value is valid for reads of its length.
        to_result(unsafe {
            bindings::nla_put(
                self.skb.as_ptr(),
                attribute.into(),
                // CAST: At most `VALUE_MAX`.
                value.len() as c_int,
                value.as_ptr().cast(),
            )
        })
    }

    /// Puts an attribute of type `u32`.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: there is no room.
    pub(crate) fn put_u32(&mut self, attribute: u16, value: u32) -> Result {
        self.put(attribute, &value.to_ne_bytes())
    }

    /// Puts an attribute of type `uint`, which has 32 bits if they suffice, and 64 if not.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: there is no room.
    pub(crate) fn put_uint(&mut self, attribute: u16, value: u64) -> Result {
        match u32::try_from(value) {
            Ok(value) => self.put_u32(attribute, value),
            Err(_) => self.put(attribute, &value.to_ne_bytes()),
        }
    }

    /// Puts an attribute of type `string`.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: there is no room.
    pub(crate) fn put_string(&mut self, attribute: u16, value: &CStr) -> Result {
        self.put(attribute, value.to_bytes_with_nul())
    }
}

/// Who a message is for, and which it is.
pub(super) struct Address {
    pub(super) family: *const bindings::genl_family,
    pub(super) portid: u32,
    pub(super) sequence: u32,
    pub(super) command: u8,
}

impl Address {
    /// The address of an answer to a request.
    ///
    /// # Safety
    ///
    /// `info` must be valid.
    pub(super) unsafe fn of(info: *const bindings::genl_info) -> Self {
        // SAFETY: By the requirements of this function; it refers to the request.
        unsafe {
            Self {
                family: (*info).family,
                portid: (*info).snd_portid,
                sequence: (*info).snd_seq,
                command: (*(*info).genlhdr).cmd,
            }
        }
    }

    /// Puts a message into `skb`, or nothing.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: there is no room; and what `fill` gives.
    ///
    /// # Safety
    ///
    /// `skb` must be valid, and nobody else use it; the family must be valid.
    unsafe fn put(
        &self,
        skb: NonNull<bindings::sk_buff>,
        flags: u32,
        fill: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> Result {
        // SAFETY: By the requirements of this function.
        let header = unsafe {
            bindings::genlmsg_put(
                skb.as_ptr(),
                self.portid,
                self.sequence,
                self.family,
                flags as c_int,
                self.command,
            )
        };
        if header.is_null() {
            return Err(EMSGSIZE);
        }

        // INVARIANT: The header was just put.
        let result = fill(&mut Message {
            skb,
            _skb: PhantomData,
        });

        match result {
            // SAFETY: `header` is the last one in `skb`.
            Ok(()) => unsafe { bindings::genlmsg_end(skb.as_ptr(), header) },
            // SAFETY: As above.
            Err(_) => unsafe { bindings::genlmsg_cancel(skb.as_ptr(), header) },
        }
        result
    }
}

/// A buffer with one message, not sent yet.
///
/// # Invariants
///
/// The instance owns the buffer.
pub(super) struct Draft(NonNull<bindings::sk_buff>);

impl Draft {
    /// Makes a message in a buffer of its own, of the size of a page. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EMSGSIZE`: there is no room; and what `fill` gives.
    ///
    /// # Safety
    ///
    /// The family must be valid.
    pub(super) unsafe fn new(
        address: &Address,
        fill: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> Result<Self> {
        // SAFETY: It has no requirements.
        let skb =
            unsafe { bindings::genlmsg_new(bindings::GENLMSG_DEFAULT_SIZE, bindings::GFP_KERNEL) };
        // INVARIANT: It was just allocated.
        let draft = Self(NonNull::new(skb).ok_or(ENOMEM)?);

        // SAFETY: By the type invariants, and by the requirements of this function.
        unsafe { address.put(draft.0, 0, fill) }?;
        Ok(draft)
    }

    /// Gives the buffer away.
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; nobody uses it any more.
        unsafe { bindings::nlmsg_free(self.0.as_ptr()) };
    }
}

/// The part of a dump that the next `recvmsg()` gets.
///
/// # Invariants
///
/// `skb` and `info` are valid for `'a`, and nobody else uses `skb`.
pub(crate) struct Part<'a> {
    skb: NonNull<bindings::sk_buff>,
    info: *const bindings::genl_info,
    _skb: PhantomData<&'a mut bindings::sk_buff>,
}

impl Part<'_> {
    /// Wraps what an operation gets.
    ///
    /// # Safety
    ///
    /// `skb` and `info` must be valid for the lifetime of the new instance, and nobody else use
    /// `skb` meanwhile.
    pub(super) unsafe fn new(
        skb: NonNull<bindings::sk_buff>,
        info: *const bindings::genl_info,
    ) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            skb,
            info,
            _skb: PhantomData,
        }
    }

    /// Puts a message. Attributes with 3 KiB always have room in an empty part.
    ///
    /// # Errors
    ///
    /// - `EMSGSIZE`: there is no room, and nothing was put. Messages that were put before stay.
    /// - What `fill` gives; then nothing was put either.
    pub(crate) fn message(&mut self, fill: impl FnOnce(&mut Message<'_>) -> Result) -> Result {
        // SAFETY: By the type invariants; the family of a request is registered.
        unsafe { Address::of(self.info).put(self.skb, bindings::NLM_F_MULTI, fill) }
    }

    /// Tells the caller `why` (extended ACK), at most 79 bytes of it, and returns `error` for the
    /// dump to fail with.
    pub(crate) fn refuse(&self, why: &CStr, error: Error) -> Error {
        // SAFETY: By the type invariants.
        unsafe { attribute::refuse(self.info, why) };
        error
    }

    /// The number of bytes in it.
    pub(super) fn size(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { self.skb.as_ref() }.len
    }
}
