//! Asks the health plugins what is wrong: what the core knows of the fleet becomes facts, their answers become
//! findings. Off every request's path; each run has instances of its own. No plugin's probe is sent yet.

use std::collections::BTreeMap;

use herdwick_fleet::{Backend, Moment, PluginId, Reach, Snapshot};

use crate::config::SettingValue;
use crate::fault::Fault;
use crate::instance_health::{Fact, Finding};
use crate::load::Plugin;
use crate::member::Member;

/// What one plugin found.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosis {
    /// Who says so.
    pub plugin: PluginId,
    /// What it found, or how it misbehaved.
    pub found: Result<Vec<Finding>, Fault>,
}

/// Asks every health plugin among `members`.
pub(crate) fn run(members: &[Member], fleet: &Snapshot, now: Moment) -> Vec<Diagnosis> {
    let facts = facts(fleet, now);
    let asked = members.iter().filter(|member| !member.is_off()).filter_map(|member| {
        let Plugin::Health(health) = &*member.plugin else { return None };
        let began = std::time::Instant::now();
        let found = health.instance().and_then(|mut instance| instance.judge(&facts, &[]));
        match &found {
            Ok(_) => member.stats.count(began.elapsed()),
            Err(fault) => member.stats.strike(fault, std::time::Instant::now()),
        }
        Some(Diagnosis { plugin: member.id().clone(), found })
    });
    asked.collect()
}

/// What the core knows, as facts. Nodes go by the names that people gave them.
fn facts(fleet: &Snapshot, now: Moment) -> Vec<Fact> {
    let fact = |subject: String, name: &str, value| Fact { subject, name: name.to_owned(), value };
    let count = SettingValue::Number(fleet.backends().len() as f64);
    let mut facts = vec![fact("fleet".to_owned(), "node-count", count)];
    let mut holders: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for backend in fleet.backends() {
        let node = &backend.node.name;
        // A node that was not asked yet is neither reachable nor unreachable.
        if backend.reach != Reach::Unknown {
            let reachable = SettingValue::Flag(backend.unreachable().is_none());
            facts.push(fact(format!("node:{node}"), "reachable", reachable));
        }
        let age = |at: Moment| SettingValue::Number(now.since(at).as_secs_f64());
        if let Some(seen) = backend.seen {
            facts.push(fact(format!("node:{node}"), "silent-s", age(seen)));
        }
        if let Some(taken) = readings_taken(backend) {
            facts.push(fact(format!("node:{node}"), "readings-age-s", age(taken)));
        }
        let subject = format!("backend:{}", backend.id);
        facts.push(fact(subject.clone(), "server", SettingValue::Text(backend.kind.name().to_owned())));
        if !backend.version.is_empty() {
            facts.push(fact(subject, "version", SettingValue::Text(backend.version.to_string())));
        }
        for name in backend.holdings.keys() {
            holders.entry(name.as_str()).or_default().push(node.to_string());
        }
    }
    let holders = holders.into_iter();
    facts.extend(
        holders.map(|(model, nodes)| fact(format!("model:{model}"), "holders", SettingValue::Texts(nodes))),
    );
    facts
}

fn readings_taken(backend: &Backend) -> Option<Moment> {
    let polled = backend.holdings.values().filter_map(|holding| holding.polled.as_ref());
    polled.map(herdwick_fleet::Reading::taken).max()
}
