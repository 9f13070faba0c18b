//! Polls one backend of which no agent tells: what it has in memory often, what it has on disk seldom. Never a call
//! that could load a model.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use herdwick_fleet::{Callee, Claim, Moment, Observation, Origin, Rhythm};
use herdwick_probe::{Depth, Probe};
use tokio::time::{Instant, sleep};

use crate::desk::FleetDesk;

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

/// How long somebody may take to answer whose agent just fell silent: requests may be on their way to it.
const URGENT: Duration = Duration::from_secs(1);
/// How often somebody is asked on whom nobody counts.
const SELDOM: Duration = Duration::from_secs(30);

/// Polls for ever. Ends when nobody listens.
pub(crate) async fn run(callee: Callee, polling: Polling, start: std::time::Instant, desk: FleetDesk) {
    let backend = callee.backend;
    let period = if callee.rhythm == Rhythm::Seldom { SELDOM } else { polling.resident };
    let jitter = RandomState::new();
    let mut listed: Option<Instant> = None;
    for round in 0_u64.. {
        let due = listed.is_none_or(|at| at.elapsed() >= polling.models);
        let depth = if due { Depth::All } else { Depth::Memory };
        let is_urgent = callee.rhythm == Rhythm::Urgent && round == 0;
        let patience = if is_urgent { URGENT.min(polling.patience) } else { polling.patience };
        // The moment of asking: what a backend says can be older than its answer, never younger.
        let at = Moment::on(start, Instant::now().into_std());
        let mut claims = look(&callee, depth, patience).await;
        let failed = claims.iter().any(|claim| matches!(claim, Claim::Unreachable(_) | Claim::Silent(_)));
        if failed {
            // Somebody who comes back may have other models: look at once.
            listed = None;
        } else if due {
            listed = Some(Instant::now());
            claims.extend(resolve(&callee.origin).await);
        }
        for claim in claims {
            if desk.observe_patiently(Observation { backend, at, claim }).await.is_err() {
                return;
            }
        }
        sleep(spread(period, jitter.hash_one(round))).await;
    }
}

/// One look: what it says, or that it says nothing.
async fn look(callee: &Callee, depth: Depth, patience: Duration) -> Vec<Claim> {
    let probe = Probe::new((*callee.origin).clone(), patience).with_bearer(callee.bearer.clone());
    match probe.look(callee.kind, depth).await {
        Ok(facts) => {
            let mut claims = facts.claims;
            claims.extend(facts.slots.map(Claim::Slots));
            claims
        }
        // Our own trouble says nothing of the backend; what is known of it grows old by itself.
        Err(error) if error.is_ours() => {
            tracing::warn!("{} could not be asked: {error}", probe.origin());
            Vec::new()
        }
        Err(error) if error.is_slow() => vec![Claim::Silent(error.to_string())],
        Err(error) => vec![Claim::Unreachable(error.to_string())],
    }
}

/// The addresses that a name stands for, by which the fleet knows that an agent reports from there.
async fn resolve(origin: &Origin) -> Option<Claim> {
    if origin.host.parse::<IpAddr>().is_ok() {
        return None;
    }
    // A name that is not known here shows when it is asked.
    let found = tokio::net::lookup_host((origin.host.as_str(), origin.port)).await.ok()?;
    let mut addresses: Vec<_> = found.map(|address| address.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Some(Claim::Addresses(addresses))
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
