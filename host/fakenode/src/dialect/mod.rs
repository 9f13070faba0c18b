//! The protocols an answer can be spoken in: every frame of every one, and the shape of their errors.

mod anthropic;
mod native;
mod openai;
mod responses;

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::{Value, json};

use crate::question::Refusal;
use crate::reply::{self, Piece};

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
    /// `/v1/responses`
    Responses,
    /// `/v1/audio/transcriptions`, never streamed
    Transcription,
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
    /// When the first token was there.
    pub(crate) created: SystemTime,
    pub(crate) prompt_tokens: u64,
    pub(crate) include_usage: bool,
    /// Alternatives to each token, when log probabilities are wanted.
    pub(crate) logprobs: Option<u32>,
    /// Only the text, without JSON around it.
    pub(crate) plain: bool,
    /// Fields of the request that the answer repeats.
    pub(crate) echo: &'a Value,
}

/// What the final frame reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) total: Duration,
    pub(crate) load: Duration,
    pub(crate) prompt: Duration,
    pub(crate) eval: Duration,
    pub(crate) eval_tokens: u64,
    /// Ollama's `done_reason`: `stop`, or `length` when the client's own limit cut the answer.
    pub(crate) reason: &'static str,
}

/// One answer while it is being streamed: what was said so far shapes the next frames.
pub(crate) trait Telling: Send {
    /// The frames of one piece; before the first they include the opening.
    fn piece(&mut self, piece: &Piece) -> Vec<Vec<u8>>;

    /// The last frames, the terminal one included.
    fn end(&mut self, figures: &Figures) -> Vec<Vec<u8>>;

    /// What Ollama puts into a stream when the runner dies; on `/v1` it swallows the error.
    fn runner_died(&mut self, message: &str) -> Option<Vec<u8>>;
}

impl Dialect {
    pub(crate) fn is_native(self) -> bool {
        self.family() == Family::Native
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Dialect::Chat | Dialect::Generate => Family::Native,
            Dialect::OpenAiChat | Dialect::OpenAiCompletion | Dialect::Responses | Dialect::Transcription => {
                Family::OpenAi
            }
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

    /// Begins a stream; a transcription has none, so anything will do for it.
    pub(crate) fn telling<'a>(self, answer: Answer<'a>) -> Box<dyn Telling + 'a> {
        match self {
            Dialect::Chat | Dialect::Transcription => Box::new(native::Chat { answer }),
            Dialect::Generate => Box::new(native::Generate { answer }),
            Dialect::OpenAiChat => Box::new(openai::Chat::new(answer)),
            Dialect::OpenAiCompletion => Box::new(openai::Completion { answer }),
            Dialect::Responses => Box::new(responses::Responses::new(answer)),
            Dialect::Messages => Box::new(anthropic::Messages::new(answer)),
        }
    }

    /// The answer that is not streamed.
    pub(crate) fn whole(self, answer: &Answer<'_>, pieces: &[Piece], figures: &Figures) -> Vec<u8> {
        match self {
            Dialect::Chat => native::chat_whole(answer, pieces, figures),
            Dialect::Generate => native::generate_whole(answer, pieces, figures),
            Dialect::OpenAiChat => json(&openai::chat_whole(answer, pieces, figures)),
            Dialect::OpenAiCompletion => json(&openai::completion_whole(answer, pieces, figures)),
            Dialect::Responses => json(&responses::whole(answer, pieces, figures)),
            Dialect::Transcription if answer.plain => reply::text(pieces).trim().as_bytes().to_vec(),
            Dialect::Transcription => json(&json!({ "text": reply::text(pieces).trim() })),
            Dialect::Messages => json(&anthropic::whole(answer, pieces, figures)),
        }
    }

    /// The answer to a request that only loads (`load`) or unloads (`unload`): one piece even where a stream
    /// was asked for.
    pub(crate) fn load_answer(self, answer: &Answer<'_>, stream: bool, reason: &'static str) -> Vec<u8> {
        let none = Duration::ZERO;
        let figures = Figures { total: none, load: none, prompt: none, eval: none, eval_tokens: 0, reason };
        match self {
            Dialect::Chat | Dialect::Generate => native::load_answer(self == Dialect::Chat, answer, reason),
            _ if stream => self.telling(*answer).end(&figures).concat(),
            _ => self.whole(answer, &[], &figures),
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
