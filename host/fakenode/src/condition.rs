//! Waiting for the node to be in some state, so that no test sleeps.

use std::time::Duration;

use tokio::sync::watch;

/// What a test can wait for. Counts are "at least"; those of exchanges run since the log was last cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Requests that hold a slot, over all models.
    Running(u64),
    /// Requests that wait for a load or a slot, over all models.
    Waiting(u64),
    /// Inference requests whose head has arrived.
    Requests(u64),
    /// Other requests (`/api/ps`, `/api/tags`, unreadable ones…), without those to `/_…`.
    Polls(u64),
    /// Inference requests whose socket is closed.
    Closed(u64),
    /// Inference requests that are over: answered to the last byte, broken, or left by their client.
    Ended(u64),
    /// Completed model loads since the start of the node.
    Loads(u64),
    /// Nothing runs and nothing waits.
    Idle,
}

/// The condition did not come true in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{condition:?} was not reached within {} ms; look at GET /_log and /_stats", waited.as_millis())]
pub struct NotReached {
    /// What was waited for.
    pub condition: Condition,
    /// How long.
    pub waited: Duration,
}

/// How long a wait lasts when nobody says otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Beats whenever something a [`Condition`] depends on may have changed.
#[derive(Clone, Debug)]
pub(crate) struct Pulse(watch::Sender<u64>);

impl Pulse {
    pub(crate) fn new() -> Pulse {
        Pulse(watch::Sender::new(0))
    }

    pub(crate) fn beat(&self) {
        self.0.send_modify(|beats| *beats = beats.wrapping_add(1));
    }

    /// Sees every beat from now on.
    pub(crate) fn listen(&self) -> Beats {
        Beats(self.0.subscribe())
    }
}

pub(crate) struct Beats(watch::Receiver<u64>);

impl Beats {
    /// The next beat that was not yet seen.
    pub(crate) async fn next(&mut self) {
        // The sender lives as long as the node; without it nothing changes any more.
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

impl Condition {
    /// Reads a `/_wait` parameter.
    pub(crate) fn from_query(name: &str, value: u64) -> Option<Condition> {
        Some(match name {
            "running" => Condition::Running(value),
            "waiting" => Condition::Waiting(value),
            "requests" => Condition::Requests(value),
            "polls" => Condition::Polls(value),
            "closed" => Condition::Closed(value),
            "ended" => Condition::Ended(value),
            "loads" => Condition::Loads(value),
            "idle" => Condition::Idle,
            _ => return None,
        })
    }
}
