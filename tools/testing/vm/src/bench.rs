// SPDX-License-Identifier: GPL-2.0

//! The comparison with MEI: the stock kernel's `mei_me` on a device model with the MEI personality.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::env::Env;
use crate::kselftests;
use crate::progress::Step;
use crate::run::Request;
use crate::tap::Results;

/// Where the programs' source lies.
pub(crate) const SOURCE: &str = "tools/testing/bench";

const LIMIT: Duration = Duration::from_secs(60);

/// Checks that `mei_me` and a program on `/dev/mei0` work on the model.
pub(crate) fn check(env: &Env, logs: &Path) -> Result<Results> {
    let installed = kselftests::build(env, logs, SOURCE)?;
    let step = Step::begin("mei_me in a guest");
    let request = Request {
        stock_modules: vec!["mei_me".to_owned()],
        models: vec!["--personality mei".to_owned()],
        files: vec![
            (
                env.checkout.join(kselftests::SCRIPT),
                "/root/run".to_owned(),
            ),
            (installed, "/root/kselftests".to_owned()),
        ],
        timeout: LIMIT,
        out: logs.join("bench"),
        command: ["/root/run", "mei_me", "45", "mei_echo"]
            .map(str::to_owned)
            .to_vec(),
        ..Request::default()
    };
    let results = kselftests::run_machine(env, &request, &["mei_echo".to_owned()], &step)?;
    step.done(&results.to_string());
    Ok(results)
}
