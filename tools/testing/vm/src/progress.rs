// SPDX-License-Identifier: GPL-2.0

//! What a person sees while a long step runs: a line with the elapsed seconds on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a step that goes on says so where the output is not a terminal.
const PLAIN_PERIOD: Duration = Duration::from_secs(20);

struct Screen {
    started: Instant,
    bars: MultiProgress,
    terminal: bool,
}

fn screen() -> &'static Screen {
    static SCREEN: OnceLock<Screen> = OnceLock::new();
    SCREEN.get_or_init(|| Screen {
        started: Instant::now(),
        bars: MultiProgress::new(),
        terminal: std::io::stderr().is_terminal(),
    })
}

/// Prints one line on standard error, above the running steps, with the seconds since the program began.
pub(crate) fn say(line: &str) {
    let screen = screen();
    let line = format!("[{:6.1} s] {line}", screen.started.elapsed().as_secs_f64());
    if screen.terminal {
        screen.bars.suspend(|| eprintln!("{line}"));
    } else {
        eprintln!("{line}");
    }
}

/// A step that takes time. It is over when it is dropped; [`Step::done`] also says so.
pub(crate) struct Step {
    name: String,
    started: Instant,
    spoken: Mutex<Instant>,
    bar: ProgressBar,
}

impl Step {
    /// Begins a step and shows it.
    pub(crate) fn begin(name: impl Into<String>) -> Self {
        let name = name.into();
        let screen = screen();
        let bar = if screen.terminal {
            let style =
                ProgressStyle::with_template("{spinner} {elapsed:>5}  {prefix}  {wide_msg:.dim}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = screen
                .bars
                .add(ProgressBar::new_spinner().with_style(style));
            bar.set_prefix(name.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        } else {
            ProgressBar::hidden()
        };
        let now = Instant::now();
        Self {
            name,
            started: now,
            spoken: Mutex::new(now),
            bar,
        }
    }

    /// What the step is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Shows what the step is doing; called several times a second.
    pub(crate) fn tick(&self, doing: &str) {
        self.bar.set_message(doing.to_owned());
        let Ok(mut spoken) = self.spoken.lock() else {
            return;
        };
        if !screen().terminal && spoken.elapsed() >= PLAIN_PERIOD {
            *spoken = Instant::now();
            say(&format!(
                "{} ... {} s",
                self.name,
                self.started.elapsed().as_secs()
            ));
        }
    }

    /// Ends the step with a line that says what came of it.
    pub(crate) fn done(self, result: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.bar.finish_and_clear();
        say(&format!("{}: {result} ({seconds:.1} s)", self.name));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
