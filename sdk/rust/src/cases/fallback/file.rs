//! The format of one golden case of a fallback rule, and the lists of the contract that it stands for.
//! Must not know: the rule, or what its answer is.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Setting;
use crate::cases::file::{self, Readings};
use crate::fallback::{Attempt, Elimination, Failure};

/// One file of `cases/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cases) struct Case {
    /// What the case shows, in a sentence; it heads the report.
    pub(super) what: String,
    pub(super) step: Expected,
    #[serde(default)]
    settings: toml::Table,
    #[serde(default)]
    pub(super) words: BTreeMap<String, String>,
    #[serde(default)]
    tried: Vec<Tried>,
    #[serde(default)]
    eliminated: Vec<Eliminated>,
    #[serde(default)]
    pub(super) rows: Vec<Candidate>,
}

/// The answer; a retry names a row.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expected {
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
pub(super) struct Candidate {
    name: String,
    #[serde(default)]
    pub(super) readings: Readings,
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
    /// Reads a file; the error names line and key.
    pub(in crate::cases) fn parse(text: &str) -> Result<Case, String> {
        let case: Case = toml::from_str(text).map_err(|error| error.to_string())?;
        file::settings(&case.settings)?;
        if let Some(row) =
            case.rows.iter().find(|row| case.rows.iter().filter(|two| two.name == row.name).count() > 1)
        {
            return Err(format!("two rows are named {}", row.name));
        }
        Ok(case)
    }

    /// The settings as the router would hand them over.
    pub(super) fn settings(&self) -> Vec<Setting> {
        file::settings(&self.settings).unwrap_or_default()
    }

    /// Every backend of the case once: the rows first, so that the place of each is its slot.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.rows.iter().map(|row| row.name.as_str()).collect();
        let others = self.tried.iter().map(|tried| &tried.name);
        for other in others.chain(self.eliminated.iter().map(|eliminated| &eliminated.name)) {
            if !names.contains(&other.as_str()) {
                names.push(other);
            }
        }
        names
    }

    pub(super) fn tried(&self, names: &[&str]) -> Vec<Attempt> {
        let attempt = |tried: &Tried| Attempt {
            slot: slot(names, &tried.name),
            why: tried.why.failure(),
            status: tried.status,
            took_ms: tried.took_ms,
        };
        self.tried.iter().map(attempt).collect()
    }

    pub(super) fn eliminated(&self, names: &[&str]) -> Vec<Elimination> {
        let elimination = |eliminated: &Eliminated| Elimination {
            slot: slot(names, &eliminated.name),
            why: eliminated.why.clone(),
        };
        self.eliminated.iter().map(elimination).collect()
    }
}

fn slot(names: &[&str], name: &str) -> u32 {
    names.iter().position(|other| *other == name).map_or(u32::MAX, |place| place as u32)
}

impl Why {
    fn failure(self) -> Failure {
        match self {
            Why::Connect => Failure::Connect,
            Why::Timeout => Failure::Timeout,
            Why::Status => Failure::Status,
            Why::Overloaded => Failure::Overloaded,
            Why::ModelMissing => Failure::ModelMissing,
            Why::NoRoom => Failure::NoRoom,
            Why::ContextTooSmall => Failure::ContextTooSmall,
            Why::Refused => Failure::Refused,
            Why::QueueTimeout => Failure::QueueTimeout,
            Why::StreamCut => Failure::StreamCut,
            Why::Other => Failure::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_places_and_backends_beyond_the_rows_get_their_own() {
        let case = Case::parse(
            "what = 'x'\nstep = 'pass'\n[[rows]]\nname = 'a'\n[[rows]]\nname = 'b'\n\
             [[tried]]\nname = 'b'\nwhy = 'stream-cut'\n[[tried]]\nname = 'gone'\nwhy = 'status'\nstatus = 500\n\
             [[eliminated]]\nname = 'old'\nwhy = 'stale'",
        )
        .unwrap();
        let names = case.names();
        assert_eq!(names, ["a", "b", "gone", "old"]);
        let slots: Vec<u32> = case.tried(&names).iter().map(|attempt| attempt.slot).collect();
        assert_eq!(slots, [1, 2]);
        assert_eq!(case.eliminated(&names).first().unwrap().slot, 3);
    }

    #[test]
    fn mistyped_keys_failures_and_steps_are_refused() {
        for text in [
            "what = 'x'",
            "what = 'x'\nstep = 'retry'",
            "what = 'x'\nstep = { retri = 'a' }",
            "what = 'x'\nstep = 'pass'\n[[tried]]\nname = 'a'\nwhy = 'bored'",
            "what = 'x'\nstep = 'pass'\nrow = []",
            "what = 'x'\nstep = 'pass'\n[[rows]]\nname = 'a'\n[[rows]]\nname = 'a'",
            "what = 'x'\nstep = 'pass'\n[settings]\na = { b = 1 }",
        ] {
            assert!(Case::parse(text).is_err(), "{text}");
        }
    }
}
