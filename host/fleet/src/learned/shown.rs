//! What one answer showed of the backend that gave it, in the router's own clock. Must not know what is learned of it.

use std::time::Duration;

/// An answer that ended, in whichever way. What is not known of it is `None` and teaches nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shown {
    /// From sending the request to the answer's first frame; `None` when it did not come in frames.
    pub first: Option<Duration>,
    /// From sending the request to the last byte, or to when the client left.
    pub total: Duration,
    /// Frames of the answer that came. A backend that makes twenty tokens and then sends them in one frame shows
    /// nothing of its pace.
    pub frames: u64,
    /// Whether all of the answer came and was good.
    pub is_whole: bool,
    /// Whether it broke off by its backend's fault: then nobody knows how long the backend had been silent.
    pub is_broken: bool,
    /// Whether its client took it slower than it came: then its pace is the client's.
    pub is_held_up: bool,
    /// Bytes of the prompt's text; `None` when it had something else than text.
    pub prompt_bytes: Option<f64>,
    /// Tokens of the prompt, as the backend counted.
    pub prompt_tokens: Option<u64>,
    /// Of them, those that its cache is taken to have held.
    pub cached_tokens: f64,
    /// Tokens of the answer, as the backend counted.
    pub answer_tokens: Option<u64>,
    /// Whether the answer ended where the client wanted no more tokens: then it would have become longer.
    pub is_capped: bool,
    /// Who ran beside it, on average, while it was made.
    pub company: Company,
    /// What the model needed first.
    pub load: Load,
    /// What the backend tells of itself.
    pub told: Told,
}

/// Streams that run on a backend at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Company {
    /// Of the same model, the stream itself among them; at least 1.
    pub same: f64,
    /// Of other models.
    pub other: f64,
}

impl Company {
    /// Nobody else.
    pub const ALONE: Self = Self { same: 1.0, other: 0.0 };
}

impl Default for Company {
    fn default() -> Self {
        Self::ALONE
    }
}

/// What a model needed before the prompt was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Load {
    /// It was in memory, as far as was known.
    #[default]
    None,
    /// This request had it loaded from disk.
    Disk,
    /// This request had it loaded, and its file was taken to be in the page cache.
    Cache,
    /// It waited for a load that another request had begun, so that its share says nothing.
    Joined,
}

/// Durations as the backend tells them, in its last frame. A cross-check and never the measure: a machine may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// For loading the model.
    pub load: Option<Duration>,
    /// For reading the prompt, without what was cached.
    pub prompt: Option<Duration>,
    /// For making the answer.
    pub answer: Option<Duration>,
}
