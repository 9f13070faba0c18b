//! What the core asks of plugins, as a trait; whoever runs them implements it. The core knows neither
//! WebAssembly nor any signal by name.

use std::sync::Arc;

use crate::column::{Column, Matrix};
use crate::fallback::{Situation, Step};
use crate::id::{Generation, PluginId};

/// The words a request carries, for signals that ask for some by name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words<'a> {
    /// Canonical name of the wanted model.
    pub model: &'a str,
    /// Path of the client's request.
    pub endpoint: &'a str,
}

impl<'a> Words<'a> {
    /// Names that [`Words::get`] knows.
    pub const NAMES: [&'static str; 2] = ["model", "endpoint"];

    /// The word with this name; empty when the request has none.
    pub fn get(&self, name: &str) -> &'a str {
        match name {
            "model" => self.model,
            "endpoint" => self.endpoint,
            _ => "",
        }
    }
}

/// What one signal said: one cost in milliseconds per row. NaN = no opinion, +infinity = veto.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Who said it.
    pub plugin: PluginId,
    /// The operator's multiplier, at least 0.
    pub weight: f64,
    /// One per row of the matrix, in its order.
    pub costs: Vec<f64>,
}

/// What all live signals said to one matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// Which plugin set answered.
    pub generation: Generation,
    /// The answers that passed every check.
    pub answers: Vec<Answer>,
    /// The answers of those in shadow mode, which do not count.
    pub shadows: Vec<Answer>,
    /// Set when a plugin failed whose operator does not want the others to decide then.
    pub overruled: Option<Overruled>,
    /// Who misbehaved, and how. Such a plugin contributes nothing.
    pub faults: Vec<(PluginId, String)>,
}

/// What a plugin's fault does to the decision when its operator said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overruled {
    /// The baseline decides.
    Baseline(PluginId),
    /// Nobody is asked.
    Refuse(PluginId),
}

/// The live signals.
pub trait SignalPolicy: Send + Sync {
    /// Every column that some signal wants. The matrix has these, in this order.
    fn columns(&self) -> Arc<[Column]>;

    /// Asks all signals. Never fails: a plugin's fault is part of the sheet.
    fn score(&self, matrix: &Matrix, words: &Words<'_>) -> Sheet;

    /// What the fallback rules advise after an attempt failed: the first that does not pass, with its name.
    fn next(&self, _: &Situation<'_>) -> (Option<PluginId>, Step) {
        (None, Step::Pass)
    }

    /// One short phrase per row and signal, for people. May take its time: never on the path of a request.
    fn explain(&self, matrix: &Matrix, words: &Words<'_>) -> Vec<(PluginId, Vec<String>)>;
}

/// Where a decision takes its signals from: it pins a set, asks it, and lets it go before anything is relayed.
pub trait LivePolicy: Send + Sync {
    /// The set that is live now.
    fn pin(&self) -> Arc<dyn SignalPolicy>;
}
