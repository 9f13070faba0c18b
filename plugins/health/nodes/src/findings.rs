//! What is wrong with a fleet, with the words, the advice and the evidence for each finding.
//! Must not know: how facts are written.

use std::collections::{BTreeMap, BTreeSet};

use herdwick_sdk::health::{Fact, Finding, Severity};
use herdwick_sdk::phrase;

use crate::fleet::{Fleet, Known, Node};

/// How many names a sentence, and how many facts a finding has before the rest is counted or left out.
const MOST_NAMED: usize = 3;
const MOST_EVIDENCE: usize = 20;
/// Longest name that is shown whole.
const MOST_CHARS: usize = 60;
/// The router may have started a moment ago and not have looked around yet.
const NO_NODES_VISIBLE_AFTER_S: u32 = 30;
/// Says for each node what the router sees of it. It takes no name, so no name can change what it does.
const DOCTOR: &str = "ollama serve";

/// The limits that an operator may set.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) unreachable_visible_after_s: u32,
    pub(crate) stale_after_s: f64,
    pub(crate) skew_visible_after_s: u32,
}

impl Judge {
    pub(crate) fn all(&self, fleet: &Fleet<'_>) -> Vec<Finding> {
        let mut findings: Vec<Finding> = no_nodes(fleet).into_iter().collect();
        let lost = fleet.lost_models();
        for (id, node) in fleet.nodes.iter().filter(|(id, _)| fleet.is_gone(id)) {
            findings.push(self.unreachable(id, node, lost.get(id).map(Vec::as_slice).unwrap_or_default()));
        }
        for (id, node) in fleet.nodes.iter().filter(|(id, _)| !fleet.is_gone(id)) {
            findings.extend(self.stale(id, node));
        }
        findings.extend(self.version_skew(fleet));
        findings
    }

    fn unreachable(&self, id: &str, node: &Node<'_>, lost: &[(&str, &Fact)]) -> Finding {
        let mut detail = match node.silent_s {
            Some(silent) => format!("Its last answer came {} ago.", phrase::ms(silent.value * 1000.0)),
            None => "It has not answered since the router started.".to_owned(),
        };
        if !lost.is_empty() {
            let models = listed(lost.iter().map(|(model, _)| *model));
            detail.push_str(&format!(" No node that answers has {models}: such requests fail or wait."));
        }
        let known =
            node.reachable.iter().map(|known| known.fact).chain(node.silent_s.iter().map(|known| known.fact));
        Finding {
            check: "node-unreachable".to_owned(),
            severity: if lost.is_empty() { Severity::Warning } else { Severity::Critical },
            subject: format!("node:{id}"),
            title: format!("{} does not answer", name(id)),
            detail,
            advice: "Wake the machine, start the model server on it, and see that it listens on the network \
                     (OLLAMA_HOST=0.0.0.0) and that no firewall is in between."
                .to_owned(),
            command: Some(DOCTOR.to_owned()),
            evidence: evidence(known.chain(lost.iter().map(|(_, fact)| *fact))),
            visible_after_s: self.unreachable_visible_after_s,
            out_of_rotation: false,
        }
    }

    fn stale(&self, id: &str, node: &Node<'_>) -> Option<Finding> {
        let age = node.readings_age_s.filter(|age| age.value > self.stale_after_s)?;
        let age_text = phrase::ms(age.value * 1000.0);
        Some(Finding {
            check: "node-stale".to_owned(),
            severity: Severity::Warning,
            subject: format!("node:{id}"),
            title: format!("readings of {} are {age_text} old", name(id)),
            detail: "Readings that old count as unknown, so requests are placed on this node without them."
                .to_owned(),
            advice:
                "Restart the agent on this node; if it runs, see whether the machine sleeps or is overloaded."
                    .to_owned(),
            command: Some(DOCTOR.to_owned()),
            evidence: evidence([age.fact].into_iter()),
            // The readings have been old for that long already.
            visible_after_s: 0,
            out_of_rotation: false,
        })
    }

    /// One finding for each kind of server that the fleet has in more than one version.
    fn version_skew(&self, fleet: &Fleet<'_>) -> Vec<Finding> {
        let mut kinds: BTreeMap<&str, Versions<'_>> = BTreeMap::new();
        for (id, backend) in &fleet.backends {
            if let (Some(server), Some(version)) = (backend.server, backend.version) {
                kinds.entry(server).or_default().add(id, version);
            }
        }
        let skewed = kinds.into_iter().filter(|(_, versions)| versions.backends.len() > 1);
        skewed
            .map(|(server, versions)| Finding {
                check: "version-skew".to_owned(),
                severity: Severity::Info,
                subject: "fleet".to_owned(),
                title: format!("{} runs in {} versions", name(server), versions.backends.len()),
                detail: format!("{}.", versions.listed()),
                advice: "Update the older ones. Versions differ in defaults, such as the length of the context, so \
                         the same request may be answered differently."
                    .to_owned(),
                command: Some("herdwick nodes".to_owned()),
                evidence: evidence(versions.facts.iter().copied()),
                visible_after_s: self.skew_visible_after_s,
                out_of_rotation: false,
            })
            .collect()
    }
}

fn no_nodes(fleet: &Fleet<'_>) -> Option<Finding> {
    let count = fleet.node_count.filter(|count| count.value == 0.0)?;
    Some(Finding {
        check: "no-nodes".to_owned(),
        severity: Severity::Critical,
        subject: "fleet".to_owned(),
        title: "the router knows no node".to_owned(),
        detail: "Every request is refused until there is one.".to_owned(),
        advice:
            "Start Ollama on this machine, run `herdwick node` on another one, or name one to the router: \
                 `herdwick serve --node http://HOST:11434`."
                .to_owned(),
        command: Some(DOCTOR.to_owned()),
        evidence: evidence([count.fact].into_iter()),
        visible_after_s: NO_NODES_VISIBLE_AFTER_S,
        out_of_rotation: false,
    })
}

/// The versions of one kind of server, and the backends that run each.
#[derive(Default)]
struct Versions<'a> {
    backends: BTreeMap<&'a str, BTreeSet<&'a str>>,
    facts: Vec<&'a Fact>,
}

impl<'a> Versions<'a> {
    fn add(&mut self, backend: &'a str, version: Known<'a, &'a str>) {
        self.backends.entry(version.value).or_default().insert(backend);
        self.facts.push(version.fact);
    }

    fn listed(&self) -> String {
        let one = |(version, backends): (&&str, &BTreeSet<&str>)| {
            format!("{}: {}", name(version), listed(backends.iter().copied()))
        };
        let mut lines: Vec<String> = self.backends.iter().take(MOST_NAMED).map(one).collect();
        if let Some(more @ 1..) = self.backends.len().checked_sub(MOST_NAMED) {
            lines.push(format!("{more} more versions"));
        }
        lines.join("; ")
    }
}

/// The first few names, and how many more there are.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let mut text = names.take(MOST_NAMED).map(name).collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = count.checked_sub(MOST_NAMED) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A name as it can be shown on a line, whoever gave it.
fn name(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_CHARS).collect()
}

fn evidence<'a>(facts: impl Iterator<Item = &'a Fact>) -> Vec<Fact> {
    facts.take(MOST_EVIDENCE).cloned().collect()
}
