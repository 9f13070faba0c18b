//! How far a bench is: a bar on a terminal, else a line for each step. On standard error, so that the result alone is on
//! standard output.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use herdwick_wire::bench::BenchView;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::terminal::Terminal;

/// How often the bar's clock moves.
const TICK: Duration = Duration::from_millis(250);
/// Before the first step it is not known how many there are.
const STEPS: u64 = 8;

/// A run under way, shown.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    /// Begins with how far it is.
    pub(crate) fn begin(view: &BenchView) -> Self {
        let moves = std::io::stderr().is_terminal() && Terminal::stdout().moves();
        let bar = moves.then(bar);
        let mut progress = Self { bar, last: String::new() };
        if let Some(bar) = &progress.bar {
            bar.set_prefix(format!("{} on {}", view.model, view.node));
        } else {
            say(&format!("measuring {} on {}", view.model, view.node));
        }
        progress.show(view);
        progress
    }

    /// Shows how far it is.
    pub(crate) fn show(&mut self, view: &BenchView) {
        if view.step.is_empty() || view.step == self.last {
            return;
        }
        self.last.clone_from(&view.step);
        match &self.bar {
            Some(bar) => {
                bar.set_length(u64::from(view.steps).max(1));
                bar.set_position(view.steps_done.into());
                bar.set_message(view.step.clone());
            }
            None => say(&format!("  {}", view.step)),
        }
    }

    /// It is over; the bar makes room.
    pub(crate) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(STEPS);
    // A template that is wrong is one that a test has found.
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// What is measured, how far, for how long, and what is done now.
const TEMPLATE: &str = "{prefix} [{bar:20}] {elapsed} {wide_msg}";

fn say(line: &str) {
    // Without a standard error there is nobody to tell.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_can_be_drawn() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
