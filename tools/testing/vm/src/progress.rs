// SPDX-License-Identifier: GPL-2.0

//! What a person sees while a long step runs: a line with the elapsed seconds on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, OnceLock};
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

/// A step that takes time. It is over when its last clone is dropped; [`Step::done`] also says so.
#[derive(Clone)]
pub(crate) struct Step(Arc<Inner>);

struct Inner {
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
        Self(Arc::new(Inner {
            name,
            started: now,
            spoken: Mutex::new(now),
            bar,
        }))
    }

    /// What the step is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Shows what the step is doing; called several times a second.
    pub(crate) fn tick(&self, doing: &str) {
        self.0.bar.set_message(doing.to_owned());
        let Ok(mut spoken) = self.0.spoken.lock() else {
            return;
        };
        if !screen().terminal && spoken.elapsed() >= PLAIN_PERIOD {
            *spoken = Instant::now();
            let seconds = self.0.started.elapsed().as_secs();
            say(&format!("{} ... {seconds} s", self.name()));
        }
    }

    /// Ends the step with a line that says what came of it.
    pub(crate) fn done(self, result: &str) {
        let seconds = self.0.started.elapsed().as_secs_f64();
        self.0.bar.finish_and_clear();
        say(&format!("{}: {result} ({seconds:.1} s)", self.name()));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Hands each whole line that is written to it to a function.
pub(crate) struct Lines<F> {
    line: Vec<u8>,
    each: F,
}

impl<F: FnMut(&str)> Lines<F> {
    /// A writer for `each`.
    pub(crate) fn new(each: F) -> Self {
        Self {
            line: Vec::new(),
            each,
        }
    }
}

impl<F: FnMut(&str)> Write for Lines<F> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        for byte in piece {
            if *byte == b'\n' {
                (self.each)(&String::from_utf8_lossy(&self.line));
                self.line.clear();
            } else {
                self.line.push(*byte);
            }
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
