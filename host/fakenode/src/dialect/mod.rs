//! The protocols an answer can be spoken in: every frame of every one, and the shape of their errors.

mod anthropic;
mod native;
mod openai;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::question::Refusal;

/// What Ollama says when a runner dies.
pub(crate) const RUNNER_DIED: &str = "an error was encountered while running the model: unexpected EOF";

/// The route an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `/api/chat`
    Chat,
    /// `/api/generate`
    Generate,
    /// `/v1/chat/completions`
    OpenAiChat,
    /// `/v1/completions`
    OpenAiCompletion,
    /// `/v1/messages`
    Messages,
}

/// Routes that share the shape of their errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Native,
    OpenAi,
    Anthropic,
}

/// What all frames of one answer share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    /// The client's spelling.
    pub(crate) model: &'a str,
    /// Makes ids unique within the node.
    pub(crate) id: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) include_usage: bool,
}

/// What the final frame reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) total: Duration,
    pub(crate) load: Duration,
    pub(crate) prompt: Duration,
    pub(crate) eval: Duration,
    pub(crate) eval_tokens: u64,
    /// The answer was cut by the client's own limit.
    pub(crate) cut: bool,
}

impl Dialect {
    pub(crate) fn is_native(self) -> bool {
        self.family() == Family::Native
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Dialect::Chat | Dialect::Generate => Family::Native,
            Dialect::OpenAiChat | Dialect::OpenAiCompletion => Family::OpenAi,
            Dialect::Messages => Family::Anthropic,
        }
    }

    pub(crate) fn stream_type(self) -> &'static str {
        if self.is_native() { "application/x-ndjson" } else { "text/event-stream" }
    }

    /// The words Ollama uses in `"m" does not support …`.
    pub(crate) fn verb(self) -> &'static str {
        if matches!(self, Dialect::Generate | Dialect::OpenAiCompletion) { "generate" } else { "chat" }
    }

    /// Frames that precede the first token; they leave together with it.
    pub(crate) fn opening(self, answer: &Answer<'_>) -> Vec<Vec<u8>> {
        match self {
            Dialect::Messages => anthropic::opening(answer),
            _ => Vec::new(),
        }
    }

    pub(crate) fn token(self, answer: &Answer<'_>, text: &str) -> Vec<u8> {
        match self {
            Dialect::Chat => native::chat_token(answer, text),
            Dialect::Generate => native::generate_token(answer, text),
            Dialect::OpenAiChat => openai::chat_token(answer, text),
            Dialect::OpenAiCompletion => openai::completion_token(answer, text),
            Dialect::Messages => anthropic::token(text),
        }
    }

    /// The last frames, the terminal one included.
    pub(crate) fn closing(self, answer: &Answer<'_>, figures: &Figures) -> Vec<Vec<u8>> {
        match self {
            Dialect::Chat => vec![native::chat_end(answer, figures)],
            Dialect::Generate => vec![native::generate_end(answer, figures)],
            Dialect::OpenAiChat => openai::chat_end(answer, figures),
            Dialect::OpenAiCompletion => openai::completion_end(answer, figures),
            Dialect::Messages => anthropic::closing(figures),
        }
    }

    /// The answer that is not streamed.
    pub(crate) fn whole(self, answer: &Answer<'_>, text: &str, figures: &Figures) -> Vec<u8> {
        match self {
            Dialect::Chat => native::chat_whole(answer, text, figures),
            Dialect::Generate => native::generate_whole(answer, text, figures),
            Dialect::OpenAiChat => openai::chat_whole(answer, text, figures),
            Dialect::OpenAiCompletion => openai::completion_whole(answer, text, figures),
            Dialect::Messages => anthropic::whole(answer, text, figures),
        }
    }

    /// What Ollama puts into a stream when the runner dies; on `/v1` it swallows the error.
    pub(crate) fn midway_error(self, answer: &Answer<'_>, message: &str) -> Option<Vec<u8>> {
        match self {
            Dialect::Chat | Dialect::Generate => Some(line(&native::Error { error: message })),
            Dialect::OpenAiChat => Some(openai::chat_token(answer, "")),
            Dialect::OpenAiCompletion => Some(openai::completion_token(answer, "")),
            Dialect::Messages => None,
        }
    }

    /// A frame whose JSON breaks off.
    pub(crate) fn broken(self) -> &'static [u8] {
        match self.family() {
            Family::Native => b"{\"model\":\"broken\",\"message\":{\"role\":\n",
            Family::OpenAi => b"data: {\"id\":\"broken\",\"choices\":[{\"delta\":\n\n",
            Family::Anthropic => {
                b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":\n\n"
            }
        }
    }

    /// The answer to a request that only loads (`load`) or unloads (`unload`).
    pub(crate) fn load_answer(self, model: &str, reason: &str) -> Vec<u8> {
        native::load_answer(self == Dialect::Chat, model, reason)
    }
}

impl Family {
    pub(crate) fn refusal(self, refusal: &Refusal) -> Vec<u8> {
        match self {
            Family::Native => json(&native::Error { error: &refusal.message }),
            Family::OpenAi => openai::refusal(refusal),
            Family::Anthropic => anthropic::refusal(refusal),
        }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Our frames have string keys and finite numbers, so they always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = json(value);
    bytes.push(b'\n');
    bytes
}

/// The object with one more field.
fn with(mut object: Value, key: &str, field: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), field);
    }
    object
}
