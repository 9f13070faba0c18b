//! A health plugin that can be asked: which checks it has, what it wants to know, what it makes of the answers.
//! It answers plain types, cut to size; whoever asks does all I/O and keeps all history.

use crate::bindings::health::HealthPlugin;
use crate::bindings::health::exports::herdwick::plugin::health as wit;
use crate::config::SettingValue;
use crate::fault::Fault;
use crate::instance::Instance;
use crate::limits;
use crate::sandbox::printable;
use crate::settings;

/// One instance of a health plugin.
pub struct HealthInstance(pub(crate) Instance<HealthPlugin>);

/// One thing that it looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name within the plugin.
    pub id: String,
    /// What it looks after, in a phrase.
    pub summary: String,
    /// The facts that it reads, by name.
    pub facts: Vec<String>,
}

/// Something known of something.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// `fleet`, `node:<id>`, `backend:<id>`, `model:<name>`, `plugin:<name>` or `router`.
    pub subject: String,
    /// Which fact.
    pub name: String,
    /// Its value.
    pub value: SettingValue,
}

/// A question for one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Which backend, by row identity.
    pub slot: u32,
    /// GET, or HEAD where false.
    pub get: bool,
    /// The path; the host has a list of those it asks.
    pub path: String,
    /// How long the answer may take; the host has a bound of its own.
    pub timeout_ms: u32,
    /// How large it may be; the host has a bound of its own.
    pub max_bytes: u32,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// From which backend.
    pub slot: u32,
    /// The path asked.
    pub path: String,
    /// The status, if an answer came.
    pub status: Option<u16>,
    /// How long it took.
    pub took_ms: f64,
    /// The answer, cut at the probe's size.
    pub body: Vec<u8>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// It will hurt.
    Warning,
    /// It hurts.
    Critical,
}

/// Something that is wrong, and what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The check that found it.
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about; see [`Fact::subject`].
    pub subject: String,
    /// A line.
    pub title: String,
    /// What was seen.
    pub detail: String,
    /// What to do.
    pub advice: String,
    /// A command that does it.
    pub command: Option<String>,
    /// What it was concluded from.
    pub evidence: Vec<Fact>,
    /// Seconds for which it must hold before people are told.
    pub visible_after_s: u32,
    /// Whether the subject should get no requests; a suggestion.
    pub out_of_rotation: bool,
}

impl HealthInstance {
    /// What it looks after.
    ///
    /// # Errors
    /// It misbehaved. After a fault that [kills](Fault::kills) the instance is of no more use.
    pub fn checks(&mut self) -> Result<Vec<Check>, Fault> {
        let checks = self
            .0
            .call(limits::CHECKS, |plugin, store| plugin.herdwick_plugin_health().call_checks(store))?;
        bounded("checks", checks.len(), limits::CHECK_COUNT)?;
        let lift = |check: wit::Check| Check {
            id: name(&check.id),
            summary: text(&check.summary),
            facts: check.facts.iter().map(|fact| name(fact)).collect(),
        };
        Ok(checks.into_iter().map(lift).collect())
    }

    /// What it wants to know of backends.
    ///
    /// # Errors
    /// As [`HealthInstance::checks`].
    pub fn plan(&mut self) -> Result<Vec<Probe>, Fault> {
        let probes =
            self.0.call(limits::PLAN, |plugin, store| plugin.herdwick_plugin_health().call_plan(store))?;
        bounded("probes", probes.len(), limits::PROBE_COUNT)?;
        let lift = |probe: wit::Probe| Probe {
            slot: probe.slot,
            get: matches!(probe.method, wit::Method::Get),
            path: probe.path,
            timeout_ms: probe.timeout_ms,
            max_bytes: probe.max_bytes,
        };
        Ok(probes.into_iter().map(lift).collect())
    }

    /// What is wrong.
    ///
    /// # Errors
    /// As [`HealthInstance::checks`].
    pub fn judge(&mut self, facts: &[Fact], replies: &[Reply]) -> Result<Vec<Finding>, Fault> {
        let facts = facts.iter().map(Fact::lower).collect::<Vec<_>>();
        let replies = replies.iter().map(Reply::lower).collect::<Vec<_>>();
        let findings = self.0.call(limits::JUDGE, |plugin, store| {
            plugin.herdwick_plugin_health().call_judge(store, &facts, &replies)
        })?;
        bounded("findings", findings.len(), limits::FINDING_COUNT)?;
        Ok(findings.into_iter().map(Finding::lift).collect())
    }
}

impl Fact {
    fn lower(&self) -> wit::Fact {
        wit::Fact {
            subject: self.subject.clone(),
            name: self.name.clone(),
            value: settings::lower(&self.value),
        }
    }

    fn lift(fact: wit::Fact) -> Self {
        let value = match settings::lift(fact.value) {
            SettingValue::Text(long) => SettingValue::Text(text(&long)),
            SettingValue::Texts(long) => SettingValue::Texts(long.iter().map(|long| text(long)).collect()),
            plain @ (SettingValue::Number(_) | SettingValue::Flag(_)) => plain,
        };
        Self { subject: name(&fact.subject), name: name(&fact.name), value }
    }
}

impl Reply {
    fn lower(&self) -> wit::Reply {
        wit::Reply {
            slot: self.slot,
            path: self.path.clone(),
            status: self.status,
            took_ms: self.took_ms,
            body: self.body.clone(),
        }
    }
}

impl Finding {
    fn lift(found: wit::Finding) -> Self {
        Self {
            check: name(&found.check),
            severity: match found.severity {
                wit::Severity::Info => Severity::Info,
                wit::Severity::Warning => Severity::Warning,
                wit::Severity::Critical => Severity::Critical,
            },
            subject: name(&found.subject),
            title: text(&found.title),
            detail: text(&found.detail),
            advice: text(&found.advice),
            command: found.command.as_deref().map(text),
            evidence: found.evidence.into_iter().map(Fact::lift).collect(),
            visible_after_s: found.visible_after_s,
            out_of_rotation: found.out_of_rotation,
        }
    }
}

fn bounded(what: &'static str, got: usize, most: usize) -> Result<(), Fault> {
    if got > most { Err(Fault::Many { what, got, most }) } else { Ok(()) }
}

fn name(given: &str) -> String {
    printable(given, limits::LOG_LINE_BYTES)
}

fn text(given: &str) -> String {
    printable(given, limits::FINDING_TEXT_BYTES)
}
