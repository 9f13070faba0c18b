//! The figures behind `GET /_stats`.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a node has done and is doing, per model.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Keyed by the model's canonical name (lower case, with tag); models never asked for are absent.
    pub models: BTreeMap<String, ModelStats>,
    /// The model being loaded.
    pub loading: Option<String>,
    /// Whether an option change has jammed the scheduler (verb `thrash`).
    pub jammed: bool,
}

/// The figures of one model.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ModelStats {
    /// In memory now.
    pub resident: bool,
    /// Completed loads; being resident from the start is none.
    pub loads: u64,
    /// Loads whose client left, and with it the load.
    pub aborted_loads: u64,
    /// Times it left memory, for whatever reason.
    pub unloads: u64,
    /// Those that made room for another model.
    pub evictions: u64,
    /// Those that only changed the options (`num_ctx`) of the model.
    pub option_switches: u64,
    /// Requests whose options met the busy model with others.
    pub thrash: u64,
    /// Requests that hold a slot now.
    pub running: u64,
    /// Requests that wait for a load or a slot now.
    pub waiting: u64,
    /// Most requests that ever held a slot at once.
    pub peak_running: u64,
}

impl Stats {
    /// Sum over all models.
    pub(crate) fn total(&self, figure: impl Fn(&ModelStats) -> u64) -> u64 {
        self.models.values().map(figure).sum()
    }
}
