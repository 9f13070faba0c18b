//! When what came of one answer. Numbers only; no word of it is kept.

use std::time::{Duration, Instant};

/// One answer as this machine's clock saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// When it was asked, on a connection that stood already.
    pub sent: Instant,
    /// When each piece of the answer came, in order. Mostly a piece is a token.
    pub pieces: Vec<Instant>,
    /// Length of the prompt in tokens, as the server counted.
    pub prompt_tokens: Option<u64>,
    /// Length of the answer in tokens, as the server counted.
    pub answer_tokens: Option<u64>,
    /// What the server says that it took itself.
    pub told: Option<Told>,
}

/// Durations by the server's own clock (Ollama's last frame).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// To load the model.
    pub load: Duration,
    /// To read the prompt.
    pub prompt: Duration,
    /// To make the answer.
    pub answer: Duration,
}

impl Timeline {
    /// From asking to the first piece.
    pub fn first(&self) -> Option<Duration> {
        Some(self.pieces.first()?.duration_since(self.sent))
    }

    /// Tokens of the answer: as counted by the server, else the pieces.
    pub fn tokens(&self) -> u64 {
        self.answer_tokens.unwrap_or(self.pieces.len() as u64)
    }

    /// Tokens per piece; 1 unless the server sends several at once.
    pub(crate) fn per_piece(&self) -> f64 {
        self.tokens() as f64 / self.pieces.len().max(1) as f64
    }
}
