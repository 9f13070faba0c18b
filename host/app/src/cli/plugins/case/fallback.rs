//! A case of a fallback rule: what was tried and what is known, and the step that must come.

use std::collections::BTreeMap;

use herdwick_plugin_host::check::as_shown;
use herdwick_plugin_host::instance_fallback::{Asked, Attempt, Elimination, Failure, Step};
use herdwick_plugin_host::limits;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Readings, number, unasked};
use crate::cli::plugins::alone::Alone;

/// What a file of `cases/` says besides its head.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(rename = "what")]
    _what: IgnoredAny,
    #[serde(default, rename = "settings")]
    _settings: IgnoredAny,
    step: Expected,
    #[serde(default)]
    words: BTreeMap<String, String>,
    #[serde(default)]
    tried: Vec<Tried>,
    #[serde(default)]
    eliminated: Vec<Eliminated>,
    #[serde(default)]
    rows: Vec<Row>,
}

/// The answer; a retry names a row.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Retry(String),
    Substitute(String),
    WaitMs(u32),
    GiveUp(String),
    Pass,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    name: String,
    why: Why,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    took_ms: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Eliminated {
    name: String,
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(default)]
    readings: Readings,
}

/// The contract's names of failures.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Why {
    Connect,
    Timeout,
    Status,
    Overloaded,
    ModelMissing,
    NoRoom,
    ContextTooSmall,
    Refused,
    QueueTimeout,
    StreamCut,
    Other,
}

impl Case {
    /// How the rule's step differs; empty when it is as expected.
    pub(super) fn problems(&self, plugin: &mut Alone) -> Vec<String> {
        let unasked = unasked(&plugin.asks, self.rows.iter().map(|row| &row.readings), &self.words);
        if !unasked.is_empty() {
            return unasked;
        }
        let names = self.names();
        let readings = |row: usize| self.rows.get(row).map(|row| &row.readings);
        let words = plugin.asks.words.iter();
        let asked = Asked {
            words: words.map(|word| self.words.get(*word).cloned().unwrap_or_default()).collect(),
            tried: self.tried.iter().map(|tried| tried.attempt(&names)).collect(),
            eliminated: self
                .eliminated
                .iter()
                .map(|out| Elimination { slot: slot(&names, &out.name), why: out.why.clone() })
                .collect(),
            rows: plugin.rows(self.rows.len(), |row, column| number(readings(row), column)),
        };
        let expected = match &self.step {
            // As the client is told it.
            Expected::GiveUp(why) => Expected::GiveUp(as_shown(why, limits::ERROR_BYTES)),
            step => step.clone(),
        };
        match plugin.next(&asked).map(|step| named(step, &names)) {
            Err(fault) => vec![fault],
            Ok(found) if found == expected => Vec::new(),
            Ok(found) => vec![format!("! expected {}, found {}", shown(&expected), shown(&found))],
        }
    }

    /// Every backend of the case once: the rows first, so that the place of each is its slot.
    fn names(&self) -> Vec<&str> {
        let rows = self.rows.iter().map(|row| &row.name);
        let others = self.tried.iter().map(|tried| &tried.name);
        let mut names: Vec<&str> = Vec::new();
        for name in rows.chain(others).chain(self.eliminated.iter().map(|out| &out.name)) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }
}

impl Tried {
    fn attempt(&self, names: &[&str]) -> Attempt {
        Attempt {
            slot: slot(names, &self.name),
            why: self.why.failure(),
            status: (self.status != 0).then_some(self.status),
            took_ms: self.took_ms,
        }
    }
}

impl Why {
    fn failure(self) -> Failure {
        match self {
            Self::Connect => Failure::Connect,
            Self::Timeout => Failure::Timeout,
            Self::Status => Failure::Status,
            Self::Overloaded => Failure::Overloaded,
            Self::ModelMissing => Failure::ModelMissing,
            Self::NoRoom => Failure::NoRoom,
            Self::ContextTooSmall => Failure::ContextTooSmall,
            Self::Refused => Failure::Refused,
            Self::QueueTimeout => Failure::QueueTimeout,
            Self::StreamCut => Failure::StreamCut,
            Self::Other => Failure::Other,
        }
    }
}

fn slot(names: &[&str], name: &str) -> u32 {
    names.iter().position(|other| *other == name).map_or(u32::MAX, |place| place as u32)
}

fn named(step: Step, names: &[&str]) -> Expected {
    match step {
        Step::Retry(slot) => {
            let name = usize::try_from(slot).ok().and_then(|slot| names.get(slot));
            let nobody = || format!("slot {slot}, which nobody has");
            Expected::Retry(name.map_or_else(nobody, |name| (*name).to_owned()))
        }
        Step::Substitute(model) => Expected::Substitute(model),
        Step::WaitMs(ms) => Expected::WaitMs(ms),
        Step::GiveUp(why) => Expected::GiveUp(why),
        Step::Pass => Expected::Pass,
    }
}

fn shown(step: &Expected) -> String {
    match step {
        Expected::Retry(name) => format!("a retry of {name}"),
        Expected::Substitute(model) => format!("substitution by {model}"),
        Expected::WaitMs(ms) => format!("a wait of {ms} ms"),
        Expected::GiveUp(why) => format!("giving up: {why}"),
        Expected::Pass => "pass".to_owned(),
    }
}
