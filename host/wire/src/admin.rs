//! Version 1 of the admin API's bodies. Fields are added, never changed; a reader ignores what it does not know.

use herdwick_fleet::decision::Basis;
use herdwick_fleet::{Decision, Moment, Residency};
use serde::{Deserialize, Serialize};

/// A decision with everything behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionView {
    /// The request's id.
    pub request: String,
    /// How long ago it was made, in milliseconds.
    pub age_ms: u64,
    /// What was asked for.
    pub model: String,
    /// The reason in one line.
    pub why: String,
    /// What decided: `costs`, `less-in-flight`, `lot`, `baseline`, `refused`.
    pub basis: String,
    /// Generation of the fleet's picture.
    pub fleet_generation: u64,
    /// Generation of the plugin set.
    pub plugins_generation: u64,
    /// The signals that answered.
    pub signals: Vec<String>,
    /// Candidates, best first.
    pub candidates: Vec<CandidateView>,
    /// Holders of the model that could not serve.
    pub eliminated: Vec<EliminatedView>,
    /// Plugins that misbehaved.
    pub faults: Vec<FaultView>,
    /// Signals in shadow mode.
    pub shadows: Vec<ShadowView>,
}

/// One candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateView {
    /// The machine's name.
    pub node: String,
    /// Predicted cost in milliseconds.
    pub total_ms: f64,
    /// `resident`, `loading`, `warm`, `on disk` or `unknown`.
    pub model_state: String,
    /// Each signal's part, in the order of [`DecisionView::signals`].
    pub terms: Vec<TermView>,
    /// The readings it was judged by; unknown ones are left out.
    pub readings: Vec<(String, f64)>,
}

/// One signal's part in a candidate's cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TermView {
    /// Weighted milliseconds.
    pub ms: f64,
    /// Whether the signal had no opinion, so that the others' median stands in.
    pub abstained: bool,
    /// The signal's own words.
    pub words: String,
}

/// A holder of the model that could not serve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EliminatedView {
    /// The machine's name.
    pub node: String,
    /// Why.
    pub why: String,
}

/// A plugin that misbehaved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultView {
    /// Which.
    pub plugin: String,
    /// How.
    pub fault: String,
}

/// What a signal in shadow mode would have done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowView {
    /// Which.
    pub plugin: String,
    /// Whether another candidate would have won.
    pub changes: bool,
}

/// All plugins and how the last change went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginsView {
    /// Generation of the live set.
    pub generation: u64,
    /// What made us look last.
    pub cause: String,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
    /// What could not be used.
    pub problems: Vec<String>,
    /// Every plugin that is known.
    pub plugins: Vec<PluginView>,
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginView {
    /// Its name.
    pub name: String,
    /// `signal`, `fallback` or `health`.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// What it does.
    pub summary: String,
    /// `built in` or a path.
    pub source: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// `live`, `disabled`, `quarantined` or `broken`.
    pub state: String,
    /// Why it is not simply live.
    pub why: String,
    /// `live` or `shadow`.
    pub mode: String,
    /// The operator's multiplier.
    pub weight: f64,
    /// Times it was asked.
    pub calls: u64,
    /// Of them, those in which it misbehaved.
    pub faults: u64,
    /// Half of its calls were not longer, in microseconds.
    pub p50_us: Option<f64>,
    /// 99 of 100 were not longer, in microseconds.
    pub p99_us: Option<f64>,
    /// In shadow mode: of how many of the last 1,000 decisions it was asked, and how many it would have changed.
    pub shadow: Option<ShadowCountView>,
}

/// What a signal in shadow mode would have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowCountView {
    /// Decisions it was asked for.
    pub asked: usize,
    /// Of them, those it would have changed.
    pub changed: usize,
}

/// Something that is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingView {
    /// The plugin that found it.
    pub plugin: String,
    /// The check within it.
    pub check: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// What it is about: `fleet`, `node:<name>`, `model:<name>`…
    pub subject: String,
    /// A line.
    pub title: String,
    /// What was seen.
    pub detail: String,
    /// What to do.
    pub advice: String,
    /// A command that does it.
    pub command: Option<String>,
    /// Seconds for which it has held.
    pub since_s: u64,
}

/// An error of the admin API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorView {
    /// Cause and next step.
    pub error: String,
}

impl DecisionView {
    /// `decision` as it is shown at `now`, with what each signal says of each row of the matrix.
    pub fn new(decision: &Decision, now: Moment, words: &[(String, Vec<String>)]) -> Self {
        let rows: Vec<Vec<(String, f64)>> = readings(decision);
        let said = |signal: &str, row: usize| {
            let phrases = words.iter().find(|(plugin, _)| plugin == signal).map(|(_, phrases)| phrases);
            phrases.and_then(|phrases| phrases.get(row)).cloned().unwrap_or_default()
        };
        let candidates = decision.ranked.iter().map(|ranked| CandidateView {
            node: ranked.node.to_string(),
            total_ms: ranked.ms,
            model_state: state(ranked.residency).to_owned(),
            terms: decision
                .signals
                .iter()
                .zip(decision.terms(ranked))
                .map(|(signal, term)| TermView {
                    ms: term.ms,
                    abstained: term.abstained,
                    words: said(signal.as_str(), ranked.at),
                })
                .collect(),
            readings: rows.get(ranked.at).cloned().unwrap_or_default(),
        });
        Self {
            request: decision.id.to_string(),
            age_ms: u64::try_from(now.since(decision.at).as_millis()).unwrap_or(u64::MAX),
            model: decision.model.to_string(),
            why: decision.why(),
            basis: basis(&decision.basis).to_owned(),
            fleet_generation: decision.fleet.0,
            plugins_generation: decision.plugins.0,
            signals: decision.signals.iter().map(ToString::to_string).collect(),
            candidates: candidates.collect(),
            eliminated: decision
                .eliminated
                .iter()
                .map(|out| EliminatedView { node: out.node.to_string(), why: out.why.to_string() })
                .collect(),
            faults: decision
                .faults
                .iter()
                .map(|(plugin, fault)| FaultView { plugin: plugin.to_string(), fault: fault.clone() })
                .collect(),
            shadows: decision
                .shadows
                .iter()
                .map(|shadow| ShadowView { plugin: shadow.plugin.to_string(), changes: shadow.changes })
                .collect(),
        }
    }
}

fn readings(decision: &Decision) -> Vec<Vec<(String, f64)>> {
    let names = decision.matrix.columns();
    let known = |values: &[f64]| {
        let pairs = names.iter().zip(values).filter(|(_, value)| value.is_finite());
        pairs.map(|(column, value)| (column.name().to_owned(), *value)).collect()
    };
    decision.matrix.iter().map(|(_, values)| known(values)).collect()
}

pub(crate) fn state(residency: Option<Residency>) -> &'static str {
    match residency {
        Some(Residency::Resident) => "resident",
        Some(Residency::Loading) => "loading",
        Some(Residency::Warm) => "warm",
        Some(Residency::OnDisk) => "on disk",
        None => "unknown",
    }
}

fn basis(basis: &Basis) -> &'static str {
    match basis {
        Basis::Costs => "costs",
        Basis::LessInFlight => "less-in-flight",
        Basis::Lot => "lot",
        Basis::Baseline | Basis::BaselineFor(_) => "baseline",
        Basis::Refused(_) => "refused",
    }
}
