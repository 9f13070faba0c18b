//! The format of one golden case of a health plugin, and the lists of the contract that it stands for.
//! Must not know: the plugin, or what it finds.

use serde::Deserialize;

use crate::cases::file;
use crate::health::{self, Fact, Reply};
use crate::{Setting, Value};

/// One file of `cases/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cases) struct Case {
    /// What the case shows, in a sentence; it heads the report.
    pub(super) what: String,
    #[serde(default)]
    settings: toml::Table,
    #[serde(default)]
    facts: Vec<Told>,
    #[serde(default)]
    replies: Vec<Answered>,
    #[serde(default)]
    pub(super) findings: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    subject: String,
    name: String,
    value: toml::Value,
}

/// A reply to a probe; without a status none came.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    slot: u32,
    path: String,
    status: Option<u16>,
    #[serde(default)]
    took_ms: f64,
    #[serde(default)]
    body: String,
}

/// A finding; what is `None` is not compared. No command at all is an empty one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) check: String,
    pub(super) severity: Severity,
    pub(super) subject: String,
    pub(super) title: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) advice: Option<String>,
    pub(super) command: Option<String>,
    /// `subject name` of each fact.
    pub(super) evidence: Option<Vec<String>>,
    pub(super) visible_after_s: Option<u32>,
    pub(super) out_of_rotation: Option<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub(super) fn of(severity: health::Severity) -> Severity {
        match severity {
            health::Severity::Info => Severity::Info,
            health::Severity::Warning => Severity::Warning,
            health::Severity::Critical => Severity::Critical,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl Case {
    /// Reads a file; the error names line and key.
    pub(in crate::cases) fn parse(text: &str) -> Result<Case, String> {
        let case: Case = toml::from_str(text).map_err(|error| error.to_string())?;
        file::settings(&case.settings)?;
        if let Some(told) = case.facts.iter().find(|told| value(&told.value).is_none()) {
            let (subject, name) = (&told.subject, &told.name);
            return Err(format!(
                "{subject} {name}: a fact is a number, a text, true, false, or a list of texts"
            ));
        }
        Ok(case)
    }

    /// The settings as the router would hand them over.
    pub(super) fn settings(&self) -> Vec<Setting> {
        file::settings(&self.settings).unwrap_or_default()
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        let fact = |told: &Told| {
            Some(Fact { subject: told.subject.clone(), name: told.name.clone(), value: value(&told.value)? })
        };
        self.facts.iter().filter_map(fact).collect()
    }

    pub(super) fn replies(&self) -> Vec<Reply> {
        let reply = |answered: &Answered| Reply {
            slot: answered.slot,
            path: answered.path.clone(),
            status: answered.status,
            took_ms: answered.took_ms,
            body: answered.body.clone().into_bytes(),
        };
        self.replies.iter().map(reply).collect()
    }
}

fn value(value: &toml::Value) -> Option<Value> {
    file::setting(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_the_values_of_settings() {
        let case = Case::parse(
            "what = 'x'\n[[facts]]\nsubject = 'fleet'\nname = 'nodes'\nvalue = 3\n\
             [[facts]]\nsubject = 'model:m'\nname = 'holders'\nvalue = ['a', 'b']",
        );
        let values: Vec<Value> = case.unwrap().facts().into_iter().map(|fact| fact.value).collect();
        assert_eq!(values, [Value::Number(3.0), Value::Texts(vec!["a".into(), "b".into()])]);
    }

    #[test]
    fn mistyped_keys_and_severities_are_refused() {
        for text in [
            "what = 'x'\nfact = []",
            "what = 'x'\n[[facts]]\nsubject = 'fleet'\nname = 'nodes'\nvalue = { a = 1 }",
            "what = 'x'\n[[findings]]\ncheck = 'a'\nseverity = 'bad'\nsubject = 'fleet'",
            "what = 'x'\n[[findings]]\ncheck = 'a'\nsubject = 'fleet'",
        ] {
            assert!(Case::parse(text).is_err(), "{text}");
        }
    }
}
