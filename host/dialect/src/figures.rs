//! What a backend tells of its own work, most of it in the last frame of an answer. Figures are for accounts and
//! estimates; no answer is judged by them, so one that cannot be read is one that was not told. It does not know which
//! key of which dialect means what.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Figures as told; what was not told is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Tokens of the prompt. Ollama counts those that it read from its cache as well.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer. Where none were told, [`Ending`](crate::Ending) puts the number of its frames here.
    pub answer_tokens: Option<u64>,
    /// Time for loading the model. Told natively only, as are the other two.
    pub load: Option<Duration>,
    /// Time for reading the prompt, without what was cached.
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

/// A number of things or nanoseconds, as it stands in JSON. Whatever else stands there is none, and never an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|told| Self(told.get().parse().ok()))
    }
}
