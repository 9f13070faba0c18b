//! Measuring a model on a machine on purpose, as the admin API names it, version 1. Fields are added, never changed; a
//! reader ignores what it does not know.
//!
//! | route | body | answer |
//! | --- | --- | --- |
//! | `POST /admin/v1/bench` | [`StartBench`] | [`BenchView`], as it begins |
//! | `GET /admin/v1/bench/{run}` | | [`BenchView`], as far as it is |
//! | `DELETE /admin/v1/bench/{run}` | | [`BenchView`], as it begins to end; `GET` tells when nothing of it is left |
//! | `GET /admin/v1/bench` | | [`BenchRunsView`], those that came to their end |
//!
//! A run goes on as long as somebody asks how far it is, every [`LEASE_S`] seconds at least: whoever is killed while it
//! runs leaves nothing behind. What cannot be done is answered 4xx with [`crate::admin::ErrorView`].

use serde::{Deserialize, Serialize};

/// Seconds after which a run that nobody asks about ends, and leaves things as they were.
pub const LEASE_S: u64 = 5;

/// What to measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartBench {
    /// The machine's name.
    pub node: String,
    /// The model's name.
    pub model: String,
    /// Shorter texts, fewer of them, and no load of what is in memory.
    #[serde(default)]
    pub quick: bool,
    /// Also while the machine is busy, hot, on battery or in a meeting.
    #[serde(default)]
    pub force: bool,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BenchView {
    /// Which.
    pub run: String,
    /// The machine's name.
    pub node: String,
    /// Which server it runs: `ollama`, `llama.cpp`…
    pub kind: String,
    /// The model's name.
    pub model: String,
    /// `running`, `tidying` (things are put back as they were), `done`, `stopped` (somebody wanted so, or clients came) or
    /// `failed`.
    pub state: String,
    /// What is done now, in words.
    pub step: String,
    /// Steps behind it.
    pub steps_done: u32,
    /// Steps in all, as far as is known.
    pub steps: u32,
    /// Why it did not come to its end: `what: why; what to do next`.
    pub problem: Option<String>,
    /// What was measured, in order.
    pub figures: Vec<BenchFigureView>,
    /// What one should know of it.
    pub notes: Vec<String>,
    /// Who would be asked for each model that it concerns, before and after.
    pub routes: Vec<RouteView>,
    /// Milliseconds from its beginning.
    pub took_ms: u64,
}

/// One quantity, measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BenchFigureView {
    /// `load-disk`, `load-cache`, `prefill` or `decode`.
    pub quantity: String,
    /// Answers that ran at once; 0 where that means nothing.
    pub streams: u32,
    /// `tokens/s` or `bytes/s`.
    pub unit: String,
    /// What was measured.
    pub measured: f64,
    /// What was reckoned with before.
    pub before: Option<f64>,
    /// Whether that was learned; else it was a guess from the model's size.
    pub before_is_learned: bool,
    /// What is reckoned with from now on.
    pub after: Option<f64>,
}

/// Who would be asked for a model by a typical request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteView {
    /// The model.
    pub model: String,
    /// Before the run; `None` = nobody could be.
    pub before: Option<WinnerView>,
    /// After it.
    pub after: Option<WinnerView>,
}

/// Whoever would be asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WinnerView {
    /// The machine's name.
    pub node: String,
    /// What it is predicted to cost, in milliseconds.
    pub ms: f64,
    /// Why, in one line.
    pub why: String,
    /// The others, best first.
    pub others: Vec<(String, f64)>,
}

/// Runs that came to their end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BenchRunsView {
    /// The newest first.
    pub runs: Vec<BenchRunView>,
}

/// A run that came to its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BenchRunView {
    /// Which.
    pub run: String,
    /// Seconds since it ended.
    pub age_s: u64,
    /// What the machine was called.
    pub node: String,
    /// The model's name.
    pub model: String,
    /// Whether it was a quick one.
    pub quick: bool,
    /// What was measured.
    pub figures: Vec<BenchFigureView>,
}

impl BenchView {
    /// Whether nothing of it is under way any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "done" | "stopped" | "failed")
    }
}
