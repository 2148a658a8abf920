// SPDX-License-Identifier: GPL-2.0

//! Random numbers, clocks and the boot id.

use crate::{
    kapi::{
        boot,
        clock,
        random, //
    },
    ktap::Ktap, //
};
use kernel::prelude::*;

/// The first second of 2020, in nanoseconds.
const YEAR_2020: i64 = 1_577_836_800_000_000_000;

pub(crate) fn test(ktap: &mut Ktap) {
    ktap.result(fmt!("random numbers differ"), random_numbers());

    ktap.result(
        fmt!("the time of day is set"),
        Ok(clock::realtime() > YEAR_2020),
    );
    ktap.result(fmt!("the boot id is a UUID that stays"), boot_id());
}

fn random_numbers() -> Result<bool> {
    let mut random = [[0; 64]; 2];

    for bytes in &mut random {
        random::fill(bytes)?;
    }
    random::fill(&mut [])?;
    Ok(random[0] != random[1] && random.iter().all(|bytes| *bytes != [0; 64]))
}

/// It is random: RFC 9562, 5.4.
fn boot_id() -> Result<bool> {
    let id = boot::id()?;

    Ok(id == boot::id()? && id[6] >> 4 == 4 && id[8] >> 6 == 0b10)
}
