//! Where log lines go: standard error, for people on a terminal and as JSON otherwise.

use std::io::IsTerminal as _;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

/// Which lines are printed, in the syntax of `tracing`'s filters.
const VARIABLE: &str = "HERDWICK_LOG";

/// Prints what is still to be printed when it is dropped.
pub(crate) struct Logs(#[expect(dead_code, reason = "it acts when it is dropped")] WorkerGuard);

/// Begins to print log lines, on a thread of their own: a reader that stalls costs lines, which are counted, and
/// never a request. To be called once.
pub(crate) fn start() -> Logs {
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    let (filter, problem) = match std::env::var(VARIABLE).ok().map(EnvFilter::try_new) {
        None => (EnvFilter::new("info"), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new("info"), Some(error)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    if std::io::stderr().is_terminal() {
        builder.with_target(false).compact().init();
    } else {
        builder.json().init();
    }
    if let Some(problem) = problem {
        tracing::warn!("{VARIABLE} is not understood, so \"info\" is taken: {problem}");
    }
    Logs(guard)
}
