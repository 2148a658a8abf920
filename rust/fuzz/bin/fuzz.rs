// SPDX-License-Identifier: GPL-2.0

//! libFuzzer on the target that `FUZZ_TARGET` names.

#![no_main]

use std::sync::OnceLock;

use fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<Target> = OnceLock::new();

fn target() -> Target {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    Target::named(&name).expect("FUZZ_TARGET is a target that there is")
}

fuzz_target!(|input: &[u8]| (TARGET.get_or_init(target).run)(input));
