// SPDX-License-Identifier: GPL-2.0

//! A generic netlink family, for `client.py`.
//!
//! Attributes: 1 and 2 are numbers, 3 is a string, 4 are bytes.

use crate::{
    kapi::netlink::{
        Dump,
        Family,
        Group,
        Operation,
        Part,
        Policy,
        Progress,
        Registration,
        Request, //
    },
    ktap::Ktap,
    LocalModule, //
};
use kernel::{
    prelude::*,
    str::CString, //
};

/// More than fits into an extended ACK.
const LONG: &CStr =
    c"thirteen: whoever counts down to it is told that it brings ill luck, but only in part";

static OPERATIONS: [Operation; 2] = [Operation::dump::<Echo>(), Operation::dump::<Count>()];
static GROUPS: [Group; 1] = [Group::new(c"events")];
pub(crate) static FAMILY: Family =
    Family::new::<LocalModule>(c"kapi_test", 1, &OPERATIONS, &GROUPS);

pub(crate) fn test(ktap: &mut Ktap, registration: &Registration) {
    ktap.result(
        fmt!("a family has one registration"),
        Ok(FAMILY.register().err() == Some(EEXIST)),
    );
    ktap.result(
        fmt!("nobody listens"),
        Ok(!registration.has_listeners(0)
            && registration.multicast(0, Echo::COMMAND, |event| event.put_u32(1, 7)) == Err(ESRCH)),
    );
}

/// Sends the attributes of the request back, the number also as `uint` in 6.
struct Echo {
    number: u32,
    bits: Option<u32>,
    string: CString,
    bytes: KVec<u8>,
}

fn copy(from: &[u8]) -> Result<KVec<u8>> {
    let mut to = KVec::with_capacity(from.len(), GFP_KERNEL)?;
    to.extend_from_slice(from, GFP_KERNEL)?;
    Ok(to)
}

impl Dump for Echo {
    const COMMAND: u8 = 1;
    const POLICY: &'static [Policy] = &[
        Policy::REJECT,
        Policy::max(i16::MAX),
        Policy::mask(0xff),
        Policy::string(8),
        Policy::exact(32),
    ];

    fn start(request: &Request<'_>) -> Result<Self> {
        let number = request
            .u32(1)
            .ok_or_else(|| request.refuse(c"which number?", EINVAL))?;
        Ok(Self {
            number,
            bits: request.u32(2),
            string: CString::try_from(request.string(3).unwrap_or(c""))?,
            bytes: copy(request.bytes(4).unwrap_or_default())?,
        })
    }

    fn first(&mut self, part: &mut Part<'_>) -> Result {
        part.message(|message| {
            message.put_u32(1, self.number)?;
            if let Some(bits) = self.bits {
                message.put_u32(2, bits)?;
            }
            message.put_string(3, &self.string)?;
            message.put(4, &self.bytes)?;
            message.put_uint(6, u64::from(self.number) << 18)
        })
    }

    fn next(&mut self, _part: &mut Part<'_>) -> Result<Progress> {
        Ok(Progress::Done)
    }
}

/// Counts down from a number, 1 KiB at a time; 13 is no number.
struct Count(u32);

impl Dump for Count {
    const COMMAND: u8 = 2;
    const POLICY: &'static [Policy] = &[Policy::REJECT, Policy::max(500)];

    fn start(request: &Request<'_>) -> Result<Self> {
        request.u32(1).map(Self).ok_or(EINVAL)
    }

    fn first(&mut self, part: &mut Part<'_>) -> Result {
        part.message(|message| message.put_u32(2, self.0))
    }

    fn next(&mut self, part: &mut Part<'_>) -> Result<Progress> {
        while self.0 > 0 {
            if self.0 == 13 {
                return Err(part.refuse(LONG, EDOM));
            }
            match part.message(|message| {
                message.put_u32(1, self.0)?;
                message.put(4, &[0x5a; 1024])
            }) {
                Ok(()) => self.0 -= 1,
                Err(EMSGSIZE) => return Ok(Progress::More),
                Err(error) => return Err(error),
            }
        }
        Ok(Progress::Done)
    }
}
