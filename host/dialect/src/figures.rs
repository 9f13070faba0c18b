//! What a backend tells of its own work in the last frame of an answer.

use std::time::Duration;

/// Figures as told; what was not told is not guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Tokens of the prompt. Ollama counts those that it read from its cache as well.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub answer_tokens: Option<u64>,
    /// Time for loading the model. Told natively only, as are the other two.
    pub load: Option<Duration>,
    /// Time for reading the prompt.
    pub prompt: Option<Duration>,
    /// Time for making the answer.
    pub answer: Option<Duration>,
}

impl Figures {
    /// Takes in what another frame tells; the later one counts.
    pub(crate) fn learn(&mut self, later: Self) {
        self.prompt_tokens = later.prompt_tokens.or(self.prompt_tokens);
        self.answer_tokens = later.answer_tokens.or(self.answer_tokens);
        self.load = later.load.or(self.load);
        self.prompt = later.prompt.or(self.prompt);
        self.answer = later.answer.or(self.answer);
    }
}
