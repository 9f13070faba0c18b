//! The constants that dispatch follows, in one place: bounds on what waits, and the prices of waiting and loading. Their
//! defaults are those that were simulated; an experiment may switch terms off one by one.

use std::time::Duration;

/// Bounds on what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Requests per model.
    pub per_model: usize,
    /// Bytes of requests per model.
    pub bytes_per_model: u64,
    /// Requests of one client, of all models together.
    pub per_client: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { per_model: 256, bytes_per_model: 256 << 20, per_client: 256 }
    }
}

/// When a request is bound to a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// When it is sent.
    #[default]
    Late,
    /// When it arrives: for comparison only. It costs 12 % of the mean time to the first token.
    Early,
}

/// Prices and terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Weight of an answer against its prompt in a service time (`routing.decode_weight`).
    pub decode_weight: f64,
    /// Slow-down of a stream by each further stream of the same model.
    pub same_drag: f64,
    /// Slow-down of a stream by each stream of another model.
    pub other_drag: f64,
    /// A request waits beside a free slot only if it would be served there at least this many times as long …
    pub wait_ratio: f64,
    /// … and if this share of the wait, added to the cost of waiting, is still less than the cost of the free slot.
    pub wait_margin: f64,
    /// When requests are bound.
    pub binding: Binding,
    /// Whether what a prompt cache is predicted to hold counts.
    pub prompt_cache: bool,
    /// Whether copies are bought in the background.
    pub background_copies: bool,
    /// Time in which what residency was worth falls to a third (e).
    pub worth_keeps: Duration,
    /// A model that was loaded less than this ago is evicted for nearly nothing.
    pub dwell: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            decode_weight: 0.5,
            same_drag: 0.15,
            other_drag: 0.5,
            wait_ratio: 2.0,
            wait_margin: 0.5,
            binding: Binding::Late,
            prompt_cache: true,
            background_copies: true,
            worth_keeps: Duration::from_secs(120),
            dwell: Duration::from_secs(60),
        }
    }
}

/// Everything that can be set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rules {
    /// Bounds on what waits.
    pub bounds: Bounds,
    /// Prices and terms.
    pub tuning: Tuning,
}

impl Tuning {
    /// How many times slower a stream is than alone, with `same` streams of its model, itself among them, and `other`
    /// streams of other models.
    pub(crate) fn slow_down(&self, same: f64, other: f64) -> f64 {
        1.0 + self.same_drag * (same - 1.0).max(0.0) + self.other_drag * other
    }
}
