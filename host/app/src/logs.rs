//! Where log lines go: standard error, for people on a terminal and as JSON otherwise.

mod lines;

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use lines::{Lines, Writer};

/// Which lines are printed, in the syntax of `tracing`'s filters.
const VARIABLE: &str = "HERDWICK_LOG";

/// Prints what is still to be printed when it is dropped.
pub(crate) struct Logs(#[expect(dead_code, reason = "it acts when it is dropped")] Writer);

/// Begins to print log lines, on a thread of their own: a reader that stalls costs lines, which are counted, and
/// never a request. To be called once.
pub(crate) fn start() -> anyhow::Result<Logs> {
    let lines = Lines::default();
    let writer = Writer::start(lines.clone(), std::io::stderr()).context("the log's thread cannot start")?;
    let (filter, problem) = match std::env::var(VARIABLE).ok().map(EnvFilter::try_new) {
        None => (EnvFilter::new("info"), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new("info"), Some(error)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    if std::io::stderr().is_terminal() {
        builder.with_target(false).compact().init();
    } else {
        builder.json().init();
    }
    if let Some(problem) = problem {
        tracing::warn!("{VARIABLE} is not understood, so \"info\" is taken: {problem}");
    }
    Ok(Logs(writer))
}
