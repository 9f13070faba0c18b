//! Finds nodes that have not answered for long.
//! Must not know: why; a finding says how to look.

use herdwick_sdk::health::{Check, Fact, Finding, Reply, Severity};
use herdwick_sdk::{Health, Settings, Value, export_health, phrase};

/// The fact about each node: seconds since its last answer.
const SILENT_S: &str = "silent-s";
/// Most findings that the contract allows.
const MOST_FINDINGS: usize = 1000;

/// The plugin.
#[derive(Debug)]
pub struct Plugin {
    silent_after_ms: f64,
}

impl Health for Plugin {
    fn new(settings: &mut Settings) -> Plugin {
        Plugin { silent_after_ms: settings.duration_ms("silent_after", "1h", 0.0..=604_800_000.0) }
    }

    fn checks(&self) -> Vec<Check> {
        vec![Check {
            id: "silent".to_owned(),
            summary: "every node has answered lately".to_owned(),
            facts: vec![SILENT_S.to_owned()],
        }]
    }

    fn judge(&self, facts: &[Fact], _replies: &[Reply]) -> Vec<Finding> {
        facts.iter().filter_map(|fact| self.finding(fact)).take(MOST_FINDINGS).collect()
    }
}

impl Plugin {
    /// `None` for a fact about something else, of another kind, or that is as it should be.
    fn finding(&self, fact: &Fact) -> Option<Finding> {
        let node = fact.subject.strip_prefix("node:")?;
        let silent_ms = match fact.value {
            Value::Number(s) if fact.name == SILENT_S && s.is_finite() => s * 1000.0,
            _ => return None,
        };
        if silent_ms <= self.silent_after_ms {
            return None;
        }
        // Anybody may name a node: no line breaks in what is shown, and no name in a command.
        let name: String = node.chars().filter(|c| !c.is_control()).take(60).collect();
        Some(Finding {
            check: "silent".to_owned(),
            severity: Severity::Info,
            subject: fact.subject.clone(),
            title: format!("{name} is silent"),
            detail: format!("Its last answer came {} ago.", phrase::ms(silent_ms)),
            advice: "Switch it on, or take it out of the router's file.".to_owned(),
            command: Some("ollama serve".to_owned()),
            evidence: vec![fact.clone()],
            visible_after_s: 0,
            out_of_rotation: false,
        })
    }
}

export_health!(Plugin, manifest: include_str!("../plugin.toml"));
