//! The fleet as the facts describe it; facts of another kind or of an impossible value are as good as absent.
//! Must not know: what is a finding.

use std::collections::BTreeMap;

use herdwick_sdk::Value;
use herdwick_sdk::health::Fact;

// The facts; README.md says of which subject and what they mean.
pub(crate) const NODE_COUNT: &str = "node-count";
pub(crate) const REACHABLE: &str = "reachable";
pub(crate) const SILENT_S: &str = "silent-s";
pub(crate) const READINGS_AGE_S: &str = "readings-age-s";
pub(crate) const HOLDERS: &str = "holders";
pub(crate) const SERVER: &str = "server";
pub(crate) const VERSION: &str = "version";

/// All that is known, by name and so in a fixed order. Of two facts of one name the later one counts.
#[derive(Default)]
pub(crate) struct Fleet<'a> {
    pub(crate) node_count: Option<Known<'a, f64>>,
    pub(crate) nodes: BTreeMap<&'a str, Node<'a>>,
    /// By model: the nodes that have it, reachable or not.
    pub(crate) holders: BTreeMap<&'a str, Known<'a, &'a [String]>>,
    pub(crate) backends: BTreeMap<&'a str, Backend<'a>>,
}

/// What one fact says, and the fact itself as evidence.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a, T> {
    pub(crate) value: T,
    pub(crate) fact: &'a Fact,
}

#[derive(Default)]
pub(crate) struct Node<'a> {
    pub(crate) reachable: Option<Known<'a, bool>>,
    pub(crate) silent_s: Option<Known<'a, f64>>,
    pub(crate) readings_age_s: Option<Known<'a, f64>>,
}

#[derive(Default)]
pub(crate) struct Backend<'a> {
    pub(crate) server: Option<&'a str>,
    pub(crate) version: Option<Known<'a, &'a str>>,
}

impl<'a> Fleet<'a> {
    pub(crate) fn of(facts: &'a [Fact]) -> Fleet<'a> {
        let mut fleet = Fleet::default();
        for fact in facts {
            let (kind, id) = fact.subject.split_once(':').unwrap_or((&fact.subject, ""));
            match (kind, &fact.value) {
                ("fleet", Value::Number(number)) if fact.name == NODE_COUNT && *number >= 0.0 => {
                    fleet.node_count = Some(Known { value: *number, fact });
                }
                ("node", value) if !id.is_empty() => fleet.nodes.entry(id).or_default().learn(fact, value),
                ("model", Value::Texts(nodes)) if !id.is_empty() && fact.name == HOLDERS => {
                    fleet.holders.insert(id, Known { value: nodes, fact });
                }
                ("backend", Value::Text(text)) if !id.is_empty() && !text.is_empty() => {
                    fleet.backends.entry(id).or_default().learn(fact, text);
                }
                _ => {}
            }
        }
        fleet
    }

    /// Whether a node is known not to answer; one of which nothing is known is not accused.
    pub(crate) fn is_gone(&self, node: &str) -> bool {
        let reachable = self.nodes.get(node).and_then(|node| node.reachable);
        reachable.is_some_and(|reachable| !reachable.value)
    }

    /// By node: the models that it has and no node that may answer has.
    pub(crate) fn lost_models(&self) -> BTreeMap<&'a str, Vec<(&'a str, &'a Fact)>> {
        let mut lost: BTreeMap<&str, Vec<(&str, &Fact)>> = BTreeMap::new();
        for (model, holders) in &self.holders {
            if holders.value.iter().all(|node| self.is_gone(node)) {
                for node in holders.value {
                    lost.entry(node).or_default().push((model, holders.fact));
                }
            }
        }
        lost
    }
}

impl<'a> Node<'a> {
    fn learn(&mut self, fact: &'a Fact, value: &'a Value) {
        match (fact.name.as_str(), value) {
            (REACHABLE, Value::Flag(flag)) => self.reachable = Some(Known { value: *flag, fact }),
            (SILENT_S, Value::Number(s)) if is_age(*s) => self.silent_s = Some(Known { value: *s, fact }),
            (READINGS_AGE_S, Value::Number(s)) if is_age(*s) => {
                self.readings_age_s = Some(Known { value: *s, fact });
            }
            _ => {}
        }
    }
}

impl<'a> Backend<'a> {
    fn learn(&mut self, fact: &'a Fact, text: &'a str) {
        match fact.name.as_str() {
            SERVER => self.server = Some(text),
            VERSION => self.version = Some(Known { value: text, fact }),
            _ => {}
        }
    }
}

fn is_age(s: f64) -> bool {
    (0.0..=1e9).contains(&s)
}
