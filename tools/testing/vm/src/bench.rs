// SPDX-License-Identifier: GPL-2.0

//! The comparison with other drivers: Intel's C driver, and the stock kernel's `mei_me` on a device model with the MEI
//! personality.

mod goals;
mod hardware;
mod plot;
mod summary;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use serde_json::Value;

use crate::env::Env;
use crate::host;
use crate::kselftests;
use crate::module::{self, Target};
use crate::process;
use crate::progress::{Lines, Step};
use crate::run::{self, End, Request};
use crate::tap::Results;

/// Where the programs' source lies.
pub(crate) const SOURCE: &str = "tools/testing/bench";

/// Where the plots lie, for the documentation beside them.
const PLOTS: &str = "Documentation/driver-api";

const CHECK_LIMIT: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(3600);

/// The HECI function and the MEI function, with clients for so many programs at a time.
const MODELS: [&str; 2] = ["--more-echo 16", "--personality mei --more-echo 16"];

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
        timeout: CHECK_LIMIT,
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

/// Measures the drivers, with these options for `bench run`. Returns a table; the numbers are in `build/bench.json`, the plots in
/// [`PLOTS`].
pub(crate) fn measure(env: &Env, options: &[String]) -> Result<String> {
    let mut modules = vec![module::driver(&Target::stock(env)?)?];
    modules.extend(kselftests::build_c_driver(env)?);
    let program = host::static_program(env, "bench")?;
    let step = Step::begin("measure in a guest");
    let out = env.build().join("bench");
    let mut command = ["/root/bench", "run"].map(str::to_owned).to_vec();
    command.extend(options.iter().cloned());
    let request = Request {
        modules,
        stock_modules: vec!["mei_me".to_owned()],
        models: MODELS.map(str::to_owned).to_vec(),
        untraced: true,
        files: vec![(program, "/root/bench".to_owned())],
        timeout: LIMIT,
        out: out.clone(),
        command,
        ..Request::default()
    };
    let shown = step.clone();
    let sink = Lines::new(move |line: &str| shown.tick(line));
    let output = out.join("output.log");
    match run::run(env, &request, Box::new(sink))? {
        End::Status(0) => (),
        End::Splat(lines) => bail!("the kernel log has a splat:\n{lines}"),
        end => bail!("{end:?}\n{}", process::last_lines(&output, 5)),
    }
    step.done("done");
    let output = fs::read_to_string(&output)?;
    let results: Result<Vec<Value>, _> = output.lines().map(serde_json::from_str).collect();
    let summary = summary::summarize(&results.context("the output of bench")?)?;
    let file = env.build().join("bench.json");
    fs::write(&file, format!("{summary:#}\n"))
        .with_context(|| format!("could not write {}", file.display()))?;
    plot::draw(&summary, &env.checkout.join(PLOTS))?;
    Ok(summary::table(&summary))
}
