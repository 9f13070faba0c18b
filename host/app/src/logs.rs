//! Where log lines go: standard error, for people on a terminal and as JSON otherwise.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Which lines are printed, in the syntax of `tracing`'s filters.
const VARIABLE: &str = "HERDWICK_LOG";

/// Begins to print log lines. To be called once.
pub(crate) fn start() {
    let (filter, problem) = match std::env::var(VARIABLE).ok().map(EnvFilter::try_new) {
        None => (EnvFilter::new("info"), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new("info"), Some(error)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.with_target(false).compact().init();
    } else {
        builder.json().init();
    }
    if let Some(problem) = problem {
        tracing::warn!("{VARIABLE} is not understood, so \"info\" is taken: {problem}");
    }
}
