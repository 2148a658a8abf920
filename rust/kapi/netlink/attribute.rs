// SPDX-License-Identifier: GPL-2.0

//! What a request may carry, and what it does carry.

use core::{
    marker::PhantomData,
    mem::size_of,
    ptr,
    slice, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// What an attribute of a request must look like. What does not is refused by the kernel, which
/// tells the caller which attribute it was.
#[repr(transparent)]
pub(crate) struct Policy(bindings::nla_policy);

// SAFETY: It never changes.
unsafe impl Sync for Policy {}

impl Policy {
    /// Not allowed in requests.
    pub(crate) const REJECT: Self = Self::of(bindings::NLA_REJECT, 0);

    /// A `u32` with no other bits than those of `mask`.
    pub(crate) const fn mask(mask: u32) -> Self {
        let mut policy = Self::of(bindings::NLA_U32, 0);

        policy.0.validation_type = bindings::nla_policy_validation_NLA_VALIDATE_MASK as u8;
        policy.0.__bindgen_anon_1.mask = mask;
        policy
    }

    /// A `u32` of at most `max`.
    pub(crate) const fn max(max: i16) -> Self {
        let mut policy = Self::of(bindings::NLA_U32, 0);

        policy.0.validation_type = bindings::nla_policy_validation_NLA_VALIDATE_MAX as u8;
        policy.0.__bindgen_anon_1.__bindgen_anon_1 =
            bindings::nla_policy__bindgen_ty_1__bindgen_ty_1 { min: 0, max };
        policy
    }

    /// A string of up to `max` bytes, with a NUL behind.
    pub(crate) const fn string(max: u16) -> Self {
        Self::of(bindings::NLA_NUL_STRING, max)
    }

    /// Just `size` bytes.
    pub(crate) const fn exact(size: i16) -> Self {
        let mut policy = Self::of(bindings::NLA_BINARY, 0);

        policy.0.validation_type = bindings::nla_policy_validation_NLA_VALIDATE_RANGE as u8;
        policy.0.__bindgen_anon_1.__bindgen_anon_1 =
            bindings::nla_policy__bindgen_ty_1__bindgen_ty_1 {
                min: size,
                max: size,
            };
        policy
    }

    const fn of(kind: u32, len: u16) -> Self {
        Self(bindings::nla_policy {
            // CAST: There are 22 of them.
            type_: kind as u8,
            len,
            ..pin_init::zeroed()
        })
    }
}

/// A request of a program with `CAP_NET_ADMIN`.
///
/// # Invariants
///
/// - `info` is valid for `'a`.
/// - `attributes` are null, or attributes that obey the policy at the same index.
pub(crate) struct Request<'a> {
    info: *const bindings::genl_info,
    attributes: &'a [*mut bindings::nlattr],
    _info: PhantomData<&'a bindings::genl_info>,
}

impl<'a> Request<'a> {
    /// Wraps what an operation gets.
    ///
    /// # Safety
    ///
    /// - `info` must be valid for `'a`.
    /// - Its attributes must have been parsed with `policy`.
    pub(super) unsafe fn new(info: *const bindings::genl_info, policy: &[Policy]) -> Self {
        // SAFETY: By the requirements of this function.
        let attributes = unsafe { (*info).attrs };

        // INVARIANT: By the requirements of this function.
        Self {
            info,
            attributes: if attributes.is_null() {
                &[]
            } else {
                // SAFETY: Attributes are parsed into an array that goes as far as the policy.
                unsafe { slice::from_raw_parts(attributes, policy.len()) }
            },
            _info: PhantomData,
        }
    }

    /// The contents of an attribute, if it is there.
    pub(crate) fn bytes(&self, attribute: usize) -> Option<&'a [u8]> {
        let header = ptr::NonNull::new(*self.attributes.get(attribute)?)?;
        let size = size_of::<bindings::nlattr>();

        // SAFETY: By the type invariants. The length includes the header, and was checked against
        // that of the message.
        unsafe {
            Some(slice::from_raw_parts(
                header.as_ptr().cast::<u8>().add(size),
                usize::from(header.as_ref().nla_len) - size,
            ))
        }
    }

    /// The value of an attribute with the policy [`Policy::mask`] or [`Policy::max`], if it is
    /// there.
    pub(crate) fn u32(&self, attribute: usize) -> Option<u32> {
        self.bytes(attribute)?
            .try_into()
            .ok()
            .map(u32::from_ne_bytes)
    }

    /// The value of an attribute with the policy [`Policy::string`], if it is there.
    pub(crate) fn string(&self, attribute: usize) -> Option<&'a CStr> {
        CStr::from_bytes_until_nul(self.bytes(attribute)?).ok()
    }

    /// Tells the caller `why` (extended ACK), at most 79 bytes of it, and returns `error` for the
    /// operation to fail with.
    pub(crate) fn refuse(&self, why: &CStr, error: Error) -> Error {
        // SAFETY: By the type invariants.
        unsafe { refuse(self.info, why) };
        error
    }
}

/// Has the extended ACK of an operation say `why` it fails.
///
/// # Safety
///
/// `info` must be valid, and that of an operation which runs.
pub(super) unsafe fn refuse(info: *const bindings::genl_info, why: &CStr) {
    // SAFETY: By the requirements of this function. Nobody else uses the extended ACK meanwhile.
    if let Some(ack) = unsafe { (*info).extack.as_mut() } {
        // The last byte stays a NUL.
        let room = ack._msg_buf.len() - 1;

        ack._msg_buf.fill(0);
        for (to, from) in ack._msg_buf[..room].iter_mut().zip(why.to_bytes()) {
            // CAST: The same byte.
            *to = *from as c_char;
        }
        ack._msg = ack._msg_buf.as_ptr();
    }
}
