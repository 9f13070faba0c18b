//! Polls one backend that has no agent: what it has in memory often, what it has on disk seldom. Never a call
//! that could load a model.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use herdwick_fleet::{BackendId, BackendKind, Claim, Moment, Observation, Origin};
use herdwick_probe::{Depth, Probe};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// How often a backend is polled.
#[derive(Clone, Copy, Debug)]
pub struct Polling {
    /// Between two looks at what is in memory (`/api/ps`).
    pub resident: Duration,
    /// Between two looks at what is on disk and which version it is (`/api/tags`, `/api/version`).
    pub models: Duration,
    /// How long an answer may take. Ollama answers these at once, also while it loads.
    pub patience: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            resident: Duration::from_secs(2),
            models: Duration::from_secs(10),
            patience: Duration::from_secs(2),
        }
    }
}

/// Polls for ever. Ends when nobody listens.
pub(crate) async fn run(
    backend: BackendId,
    origin: Origin,
    polling: Polling,
    start: Instant,
    tell: mpsc::Sender<Observation>,
) {
    let probe = Probe::new(origin, polling.patience);
    let jitter = RandomState::new();
    let mut listed: Option<Instant> = None;
    for round in 0_u64.. {
        let due = listed.is_none_or(|at| at.elapsed() >= polling.models);
        // The moment of asking: what a backend says can be older than its answer, never younger.
        let at = Moment::on(start, Instant::now());
        let claims = look(&probe, if due { Depth::All } else { Depth::Memory }).await;
        let failed = claims.iter().any(|claim| matches!(claim, Claim::Unreachable(_)));
        if failed {
            // Somebody who comes back may have other models: look at once.
            listed = None;
        } else if due {
            listed = Some(Instant::now());
        }
        for claim in claims {
            if tell.send(Observation { backend, at, claim }).await.is_err() {
                return;
            }
        }
        sleep(spread(polling.resident, jitter.hash_one(round))).await;
    }
}

/// One look: what it says, or that it says nothing.
async fn look(probe: &Probe, depth: Depth) -> Vec<Claim> {
    match probe.look(BackendKind::Ollama, depth).await {
        Ok(facts) => facts.claims,
        // Our own trouble says nothing of the backend; what is known of it grows old by itself.
        Err(error) if error.is_ours() => {
            tracing::warn!("{} could not be asked: {error}", probe.origin());
            Vec::new()
        }
        Err(error) => vec![Claim::Unreachable(error.to_string())],
    }
}

/// ±20 %, so that a fleet's polls do not fall into step.
fn spread(period: Duration, random: u64) -> Duration {
    let share = (random % 4_001) as f64 / 10_000.0;
    period.mul_f64(0.8 + share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_spread_by_a_fifth() {
        let second = Duration::from_secs(1);
        assert_eq!(spread(second, 0), Duration::from_millis(800));
        assert_eq!(spread(second, 4_000), Duration::from_millis(1_200));
    }
}
