// SPDX-License-Identifier: GPL-2.0

//! What a family can do.

use super::{
    attribute::{
        Policy,
        Request, //
    },
    message::Part, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_result,
    prelude::*, //
};

/// Whether a dump is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is more: [`Dump::next`] is called again. It must have put a message.
    More,
    /// That was all.
    Done,
}

/// A dump: one request, any number of messages. The value is the state of one that runs.
///
/// It is dropped when it is over, and when the caller closes the socket before. The module cannot
/// be unloaded before that. Its functions are never called at the same time for the same value.
pub(crate) trait Dump: Send + Sized + 'static {
    /// Its number.
    const COMMAND: u8;

    /// What the attributes of a request must look like. Index 0 is none: [`Policy::REJECT`].
    const POLICY: &'static [Policy];

    /// Begins a dump, in the `sendmsg()` of the caller.
    ///
    /// Meanwhile no family of the whole system can be registered or unregistered, and while
    /// somebody waits for that, no request is served: it must not take long.
    ///
    /// # Errors
    ///
    /// Those of the dump. The caller gets them, and there is no dump.
    fn start(request: &Request<'_>) -> Result<Self>;

    /// Puts the first message, in the same call: not what takes long, but what the dump will be of.
    ///
    /// # Errors
    ///
    /// Those of the dump, which end it.
    fn first(&mut self, part: &mut Part<'_>) -> Result;

    /// Puts as many messages as there are and fit, in a `recvmsg()` of the caller. This may take
    /// long, and should end when the caller is killed.
    ///
    /// # Errors
    ///
    /// Those of the dump, which end it.
    fn next(&mut self, part: &mut Part<'_>) -> Result<Progress>;
}

/// A [`Dump`] of a [`Family`](super::Family).
#[repr(transparent)]
pub(crate) struct Operation(bindings::genl_split_ops);

// SAFETY: It never changes.
unsafe impl Sync for Operation {}

impl Operation {
    /// The operation that is a dump. To be called at build time.
    pub(crate) const fn dump<D: Dump>() -> Self {
        assert!(!D::POLICY.is_empty(), "no policy for index 0");
        let mut operation = bindings::genl_split_ops {
            policy: D::POLICY.as_ptr().cast(),
            // CAST: Attributes have 14 bits.
            maxattr: D::POLICY.len() as u32 - 1,
            cmd: D::COMMAND,
            // CAST: They are below 32.
            flags: (bindings::GENL_ADMIN_PERM | bindings::GENL_CMD_CAP_DUMP) as u8,
            ..pin_init::zeroed()
        };

        operation.__bindgen_anon_1.__bindgen_anon_2 =
            bindings::genl_split_ops__bindgen_ty_1__bindgen_ty_2 {
                start: Some(start::<D>),
                dumpit: Some(next::<D>),
                done: Some(done::<D>),
            };
        Self(operation)
    }
}

/// A dump that runs, in a box whose address is in the context of the C callback.
struct Running<D> {
    dump: D,
    begun: bool,
}

/// Where the address of a [`Running`] is.
///
/// # Safety
///
/// `cb` must be valid.
unsafe fn context<D>(cb: *mut bindings::netlink_callback) -> *mut *mut Running<D> {
    // SAFETY: By the requirements of this function.
    unsafe { &raw mut (*cb).__bindgen_anon_1 }.cast()
}

/// What there is to know of the request.
///
/// # Safety
///
/// `cb` must be that of a dump of generic netlink.
unsafe fn info(cb: *mut bindings::netlink_callback) -> *const bindings::genl_info {
    // SAFETY: By the requirements of this function, which is what `genl_info_dump()` does.
    unsafe { &raw const (*(*cb).data.cast::<bindings::genl_dumpit_info>()).info }
}

/// # Safety
///
/// `cb` must be that of a dump by `D` which begins.
unsafe extern "C" fn start<D: Dump>(cb: *mut bindings::netlink_callback) -> c_int {
    // SAFETY: By the requirements of this function; the attributes were parsed with this policy.
    let request = unsafe { Request::new(info(cb), D::POLICY) };

    from_result(|| {
        let running = KBox::new(
            Running {
                dump: D::start(&request)?,
                begun: false,
            },
            GFP_KERNEL,
        )?;

        // SAFETY: The context is as large as six pointers, and for us alone.
        unsafe { context(cb).write(KBox::into_raw(running)) };
        Ok(0)
    })
}

/// # Safety
///
/// - `cb` must be that of a dump for which [`start::<D>`] succeeded, and [`done::<D>`] was not
///   called.
/// - `skb` must be valid, and nobody else use it.
unsafe extern "C" fn next<D: Dump>(
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
) -> c_int {
    // SAFETY: By the requirements of this function, `start` put it there; nobody else uses it,
    // since the caller holds the lock of the dump.
    let running = unsafe { &mut **context::<D>(cb) };

    from_result(|| {
        let skb = NonNull::new(skb).ok_or(EINVAL)?;
        // SAFETY: By the requirements of this function.
        let mut part = unsafe { Part::new(skb, info(cb)) };

        let progress = if running.begun {
            running.dump.next(&mut part)
        } else {
            running.begun = true;
            running.dump.first(&mut part).map(|()| Progress::More)
        };

        match (progress, part.size()) {
            (Ok(Progress::Done), _) => Ok(0),
            // The caller would take it for the end.
            (Ok(Progress::More), 0) => Err(EMSGSIZE),
            // CAST: At most 32 KiB.
            (Ok(Progress::More), size) => Ok(size as c_int),
            // The caller would take it for more.
            (Err(EMSGSIZE), 1..) => Err(EOVERFLOW),
            (Err(error), _) => Err(error),
        }
    })
}

/// # Safety
///
/// `cb` must be that of a dump for which [`start::<D>`] succeeded, and which is over.
unsafe extern "C" fn done<D: Dump>(cb: *mut bindings::netlink_callback) -> c_int {
    // SAFETY: By the requirements of this function, `start` put it there; it is not used any more.
    drop(unsafe { KBox::from_raw(*context::<D>(cb)) });
    0
}
