//! A case of a health plugin: facts and replies in, findings out.

use herdwick_plugin_host::check::as_shown;
use herdwick_plugin_host::config::SettingValue;
use herdwick_plugin_host::instance_health::{self as plugin, Fact, Finding, Reply};
use herdwick_plugin_host::limits;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Value;
use crate::cli::plugins::alone::Alone;

/// What a file of `cases/` says besides its head.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(rename = "what")]
    _what: IgnoredAny,
    #[serde(default, rename = "settings")]
    _settings: IgnoredAny,
    #[serde(default)]
    facts: Vec<Told>,
    #[serde(default)]
    replies: Vec<Answered>,
    #[serde(default)]
    findings: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    subject: String,
    name: String,
    value: Value,
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
struct Expected {
    check: String,
    severity: Severity,
    subject: String,
    title: Option<String>,
    detail: Option<String>,
    advice: Option<String>,
    command: Option<String>,
    /// `subject name` of each fact.
    evidence: Option<Vec<String>>,
    visible_after_s: Option<u32>,
    out_of_rotation: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Info,
    Warning,
    Critical,
}

impl Case {
    /// How the findings differ, one line each; empty when all are as expected.
    pub(super) fn problems(&self, plugin: &mut Alone) -> Vec<String> {
        let facts: Vec<Fact> = self.facts.iter().map(Told::fact).collect();
        let checks = match plugin.checks() {
            Ok(checks) => checks,
            Err(fault) => return vec![fault],
        };
        let is_asked = |fact: &&Fact| checks.iter().any(|check| check.facts.contains(&fact.name));
        let unasked = facts.iter().filter(|fact| !is_asked(fact));
        let mut unasked: Vec<String> =
            unasked.map(|fact| format!("{:?} is not among the facts of any check", fact.name)).collect();
        unasked.dedup();
        if !unasked.is_empty() {
            return unasked;
        }
        let replies: Vec<Reply> = self.replies.iter().map(Answered::reply).collect();
        let findings = match plugin.judge(&facts, &replies) {
            Ok(findings) => findings,
            Err(fault) => return vec![fault],
        };
        let places = 0..findings.len().max(self.findings.len());
        let lines: Vec<(bool, String)> =
            places.map(|place| line(self.findings.get(place), findings.get(place))).collect();
        if lines.iter().all(|(right, _)| *right) {
            return Vec::new();
        }
        lines.into_iter().map(|(right, text)| format!("{} {text}", if right { ' ' } else { '!' })).collect()
    }
}

impl Told {
    fn fact(&self) -> Fact {
        let value = SettingValue::from(self.value.clone());
        Fact { subject: self.subject.clone(), name: self.name.clone(), value }
    }
}

impl Answered {
    fn reply(&self) -> Reply {
        Reply {
            slot: self.slot,
            path: self.path.clone(),
            status: self.status,
            took_ms: self.took_ms,
            body: self.body.clone().into_bytes(),
        }
    }
}

/// Whether what was found in one place is right, and a line that shows it.
fn line(expected: Option<&Expected>, found: Option<&Finding>) -> (bool, String) {
    match (expected, found) {
        (Some(expected), Some(found)) => {
            let differences = expected.differences(found);
            let lines: String = differences.iter().map(|line| format!("\n      {line}")).collect();
            (differences.is_empty(), format!("{} of {}{lines}", found.check, found.subject))
        }
        (Some(expected), None) => (false, format!("not found: {} of {}", expected.check, expected.subject)),
        (None, Some(found)) => {
            (false, format!("not expected: {} of {}: {}", found.check, found.subject, found.title))
        }
        (None, None) => (true, String::new()),
    }
}

impl Expected {
    /// In what a finding is not as expected; keys that the case does not name are not compared.
    fn differences(&self, found: &Finding) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |key: &str, wanted: Option<String>, found: String| {
            // The case says it as the plugin does, the finding has it as people are shown it.
            let wanted = wanted.map(|wanted| as_shown(&wanted, limits::FINDING_TEXT_BYTES));
            if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
                differences.push(format!("{key}: expected {wanted}, found {found}"));
            }
        };
        let severity = |severity: Severity| format!("{severity:?}").to_lowercase();
        let evidence: Vec<String> =
            found.evidence.iter().map(|fact| format!("{} {}", fact.subject, fact.name)).collect();
        compare("check", Some(self.check.clone()), found.check.clone());
        compare("severity", Some(severity(self.severity)), severity(Severity::of(found.severity)));
        compare("subject", Some(self.subject.clone()), found.subject.clone());
        compare("title", self.title.clone(), found.title.clone());
        compare("detail", self.detail.clone(), found.detail.clone());
        compare("advice", self.advice.clone(), found.advice.clone());
        compare("command", self.command.clone(), found.command.clone().unwrap_or_default());
        compare("evidence", self.evidence.as_ref().map(|names| names.join(", ")), evidence.join(", "));
        let number = self.visible_after_s.map(|s| s.to_string());
        compare("visible_after_s", number, found.visible_after_s.to_string());
        let flag = self.out_of_rotation.map(|out| out.to_string());
        compare("out_of_rotation", flag, found.out_of_rotation.to_string());
        differences
    }
}

impl Severity {
    fn of(severity: plugin::Severity) -> Self {
        match severity {
            plugin::Severity::Info => Self::Info,
            plugin::Severity::Warning => Self::Warning,
            plugin::Severity::Critical => Self::Critical,
        }
    }
}
