//! What acceptance tests share: the binary as processes that end with their test, and a plain HTTP client that
//! sees every byte. Nothing here sleeps.

mod agent;
mod http;
mod process;
mod scratch;

pub(crate) use agent::Agent;
pub(crate) use http::{Client, Reply, get, post};
#[cfg(unix)]
pub(crate) use process::finished_after;
pub(crate) use process::{Finished, Log, Machine, Node, Router, Watched, finished, finished_with, nobody};
pub(crate) use scratch::Scratch;

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until `found` answers, for states that nothing announces.
pub(crate) fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        // Nothing announces it, so it is asked again a little later.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
