//! Health plugins: what an author implements, and the calls of the contract turned into it.
//! Must not know: how the router sends probes, keeps history, or shows findings.

pub use herdwick_sdk_contract_health::exports::herdwick::plugin::health::{
    Check, Fact, Finding, Method, Probe, Reply, Severity,
};

use crate::export::{Wants, wants};
use crate::{Setting, Settings, Topology};

/// A diagnosis of the fleet: it may ask for probes, and judges facts and replies. The router does all I/O.
pub trait Health: Sized {
    /// Whether [`Health::topology`] is to be called.
    const WANTS_TOPOLOGY: bool = false;

    /// Reads the settings. `Settings` answers with defaults and collects problems, so nothing can fail here.
    fn new(settings: &mut Settings) -> Self;

    /// Takes in what changed in the fleet. Called before the first judgement when `WANTS_TOPOLOGY` is set.
    fn topology(&mut self, _topology: Topology<'_>) {}

    /// What this plugin looks for, and the facts each check needs.
    fn checks(&self) -> Vec<Check>;

    /// Requests to send before judging; only paths on the router's list are sent.
    /// The default plans none: most checks need facts alone.
    fn plan(&self) -> Vec<Probe> {
        Vec::new()
    }

    /// What is wrong. Nothing found is an empty list.
    fn judge(&self, facts: &[Fact], replies: &[Reply]) -> Vec<Finding>;
}

/// A health plugin as the contract calls it: perhaps not configured yet.
#[derive(Debug)]
pub struct HealthRunner<H> {
    plugin: Option<H>,
}

impl<H: Health> HealthRunner<H> {
    /// Whether the contract's `topology` is to be called.
    pub const WANTS_TOPOLOGY: bool = H::WANTS_TOPOLOGY;

    /// A plugin that has not been configured.
    pub const fn new() -> Self {
        HealthRunner { plugin: None }
    }

    /// Health plugins are told facts, not rows: no columns and no words.
    pub fn wants() -> Wants {
        wants(&[], &[])
    }

    /// The contract's `configure`. After a refusal the plugin stays as it was.
    pub fn configure(&mut self, given: Vec<Setting>) -> Result<(), Vec<String>> {
        let mut settings = Settings::new(given);
        let plugin = H::new(&mut settings);
        settings.finish()?;
        self.plugin = Some(plugin);
        Ok(())
    }

    /// The contract's `topology`.
    pub fn topology(&mut self, topology: Topology<'_>) {
        if let Some(plugin) = &mut self.plugin {
            plugin.topology(topology);
        }
    }

    /// The contract's `checks`.
    pub fn checks(&self) -> Vec<Check> {
        self.plugin.as_ref().map(Health::checks).unwrap_or_default()
    }

    /// The contract's `plan`.
    pub fn plan(&self) -> Vec<Probe> {
        self.plugin.as_ref().map(Health::plan).unwrap_or_default()
    }

    /// The contract's `judge`.
    pub fn judge(&self, facts: &[Fact], replies: &[Reply]) -> Vec<Finding> {
        self.plugin.as_ref().map(|plugin| plugin.judge(facts, replies)).unwrap_or_default()
    }
}

impl<H: Health> Default for HealthRunner<H> {
    fn default() -> Self {
        HealthRunner::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    /// Finds each subject whose fact `silent` is true.
    struct Silent;

    impl Health for Silent {
        fn new(_settings: &mut Settings) -> Silent {
            Silent
        }

        fn checks(&self) -> Vec<Check> {
            vec![Check {
                id: "silent".into(),
                summary: "nodes that say nothing".into(),
                facts: vec!["silent".into()],
            }]
        }

        fn judge(&self, facts: &[Fact], _replies: &[Reply]) -> Vec<Finding> {
            let silent = facts.iter().filter(|fact| fact.name == "silent" && fact.value == Value::Flag(true));
            silent
                .map(|fact| Finding {
                    check: "silent".into(),
                    severity: Severity::Warning,
                    subject: fact.subject.clone(),
                    title: "is silent".into(),
                    detail: "no heartbeat".into(),
                    advice: "start the agent".into(),
                    command: None,
                    evidence: vec![fact.clone()],
                    visible_after_s: 30,
                    out_of_rotation: false,
                })
                .collect()
        }
    }

    #[test]
    fn a_configured_plugin_judges_and_another_one_says_nothing() {
        let fact = Fact { subject: "node:a".into(), name: "silent".into(), value: Value::Flag(true) };
        let mut runner = HealthRunner::<Silent>::new();
        assert!(runner.judge(std::slice::from_ref(&fact), &[]).is_empty());
        runner.configure(Vec::new()).unwrap();
        assert_eq!((runner.checks().len(), runner.plan().len()), (1, 0));
        assert_eq!(runner.judge(&[fact], &[]).first().unwrap().subject, "node:a");
    }
}
