// SPDX-License-Identifier: GPL-2.0

//! A generic netlink family, for `client.py`.
//!
//! Attributes: 1 and 2 are numbers, 3 is a string, 4 and 5 are bytes.

use crate::{
    kapi::netlink::{
        Command,
        Dump,
        Family,
        Group,
        Operation,
        Part,
        Policy,
        Progress,
        Registration,
        Reply,
        Request, //
    },
    ktap::Ktap,
    LocalModule, //
};
use kernel::prelude::*;

static OPERATIONS: [Operation; 2] = [Operation::command::<Echo>(), Operation::dump::<Count>()];
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
struct Echo;

impl Command for Echo {
    const COMMAND: u8 = 1;
    const POLICY: &'static [Policy] = &[
        Policy::REJECT,
        Policy::U32,
        Policy::mask(0xff),
        Policy::string(8),
        Policy::bytes(5),
        Policy::exact(32),
    ];

    fn run(request: &Request<'_>, reply: Reply<'_>) -> Result {
        let number = request
            .u32(1)
            .ok_or_else(|| request.refuse(c"which number?", EINVAL))?;

        reply.send(|message| {
            message.put_u32(1, number)?;
            if let Some(number) = request.u32(2) {
                message.put_u32(2, number)?;
            }
            if let Some(string) = request.string(3) {
                message.put_string(3, string)?;
            }
            for attribute in [4, 5] {
                if let Some(bytes) = request.bytes(attribute) {
                    // CAST: One of the two.
                    message.put(attribute as u16, bytes)?;
                }
            }
            message.put_uint(6, u64::from(number) << 16)
        })
    }
}

/// Counts down from a number, 1 KiB at a time; 13 is no number.
struct Count(u32);

impl Dump for Count {
    const COMMAND: u8 = 2;
    const POLICY: &'static [Policy] = &[Policy::REJECT, Policy::U32];

    fn start(request: &Request<'_>) -> Result<Self> {
        request.u32(1).map(Self).ok_or(EINVAL)
    }

    fn first(&mut self, part: &mut Part<'_>) -> Result {
        part.message(|message| message.put_u32(2, self.0))
    }

    fn next(&mut self, part: &mut Part<'_>) -> Result<Progress> {
        while self.0 > 0 {
            if self.0 == 13 {
                return Err(part.refuse(c"thirteen", EDOM));
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
