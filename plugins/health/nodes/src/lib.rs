//! Finds nodes that do not answer, whose readings are old, whose versions differ, or that are missing altogether.
//! Must not know: how the router asks nodes, and what is wrong inside one of them.

mod findings;
mod fleet;

use herdwick_sdk::health::{Check, Fact, Finding, Reply};
use herdwick_sdk::{Health, Settings, export_health};

use findings::Judge;
use fleet::Fleet;

/// Most findings the contract allows; of more nodes the rest is not named.
const MOST_FINDINGS: usize = 1000;
/// Longest time that a setting may name: a week, which fits the contract in seconds.
const LONGEST_MS: f64 = 604_800_000.0;

/// The plugin.
#[derive(Debug)]
pub struct Nodes {
    judge: Judge,
}

impl Health for Nodes {
    fn new(settings: &mut Settings) -> Nodes {
        let mut seconds = |key, default| settings.duration_ms(key, default, 0.0..=LONGEST_MS) / 1000.0;
        Nodes {
            judge: Judge {
                unreachable_visible_after_s: seconds("unreachable_visible_after", "10s") as u32,
                stale_after_s: seconds("stale_after", "30s"),
                skew_visible_after_s: seconds("skew_visible_after", "10m") as u32,
            },
        }
    }

    fn checks(&self) -> Vec<Check> {
        let check = |id: &str, summary: &str, facts: &[&str]| Check {
            id: id.to_owned(),
            summary: summary.to_owned(),
            facts: facts.iter().map(|fact| (*fact).to_owned()).collect(),
        };
        vec![
            check("no-nodes", "the router knows at least one node", &[fleet::NODE_COUNT]),
            check(
                "node-unreachable",
                "every node answers",
                &[fleet::REACHABLE, fleet::SILENT_S, fleet::HOLDERS],
            ),
            check(
                "node-stale",
                "the readings of every node are fresh",
                &[fleet::REACHABLE, fleet::READINGS_AGE_S],
            ),
            check("version-skew", "servers of one kind have one version", &[fleet::SERVER, fleet::VERSION]),
        ]
    }

    fn judge(&self, facts: &[Fact], _replies: &[Reply]) -> Vec<Finding> {
        let mut findings = self.judge.all(&Fleet::of(facts));
        findings.truncate(MOST_FINDINGS);
        findings
    }
}

export_health!(Nodes);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_manifest_and_hostile_input() {
        herdwick_sdk::cases::check_health::<super::Nodes>(env!("CARGO_MANIFEST_DIR"));
    }
}
