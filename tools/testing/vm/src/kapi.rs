// SPDX-License-Identifier: GPL-2.0

//! The tests of the wrappers in `rust/kapi`, which are a module, and users of it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::env::Env;
use crate::kselftests;
use crate::module;
use crate::progress::Step;
use crate::run::{Guest, Request};
use crate::tap::Results;

/// Where the module's source lies.
pub(crate) const SOURCE: &str = "tools/testing/kapi";

const LIMIT: Duration = Duration::from_secs(300);

/// Builds the module and runs its tests.
pub(crate) fn check(env: &Env, logs: &Path) -> Result<Results> {
    let modules = module::of_tests(env, SOURCE, "kapi_test")?;
    let step = Step::begin("rust/kapi in a guest");
    let request = Request {
        guest: Guest::Rootfs,
        modules,
        // The one part that a distribution has as a module.
        stock_modules: vec!["libsha3".to_owned()],
        files: vec![(env.checkout.join(SOURCE), "/root/kapi".to_owned())],
        timeout: LIMIT,
        out: logs.join("kapi"),
        command: vec!["/root/kapi/run.sh".to_owned()],
        ..Request::default()
    };
    let programs = ["kapi_test", "client", "files"].map(str::to_owned);
    let results = kselftests::run_machine(env, &request, &programs, &step)?;
    step.done(&results.to_string());
    Ok(results)
}
