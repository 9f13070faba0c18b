//! Ollama's own frames, `/api/chat` and `/api/generate`: fields in Ollama's order, durations in nanoseconds.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Answer, Figures, Telling, line};
use crate::clock;
use crate::reply::{self, Call, Piece};

/// `{"error":…}`, as a body or as a line.
#[derive(Serialize)]
pub(super) struct Error<'a> {
    pub(super) error: &'a str,
}

/// A stream of `/api/chat`.
pub(super) struct Chat<'a> {
    pub(super) answer: Answer<'a>,
}

/// A stream of `/api/generate`.
pub(super) struct Generate<'a> {
    pub(super) answer: Answer<'a>,
}

#[derive(Serialize)]
struct ChatFrame<'a> {
    model: &'a str,
    created_at: String,
    message: Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'a str>,
    done: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logprobs: Vec<Value>,
    #[serde(flatten)]
    metrics: Option<Metrics>,
}

#[derive(Serialize)]
struct Message {
    role: &'static str,
    content: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thinking: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
}

#[derive(Serialize)]
struct GenerateFrame<'a> {
    model: &'a str,
    created_at: String,
    response: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thinking: String,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'a str>,
    /// Ollama's opaque conversation state; ours is the numbers of the tokens, of no use to anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logprobs: Vec<Value>,
    #[serde(flatten)]
    metrics: Option<Metrics>,
}

#[derive(Serialize)]
struct Metrics {
    total_duration: u64,
    load_duration: u64,
    prompt_eval_count: u64,
    prompt_eval_duration: u64,
    eval_count: u64,
    eval_duration: u64,
}

/// Most numbers in the final `context`.
const MAX_STATE: u64 = 64;

impl Telling for Chat<'_> {
    fn piece(&mut self, piece: &Piece) -> Vec<Vec<u8>> {
        vec![line(&chat(&self.answer, std::slice::from_ref(piece), None))]
    }

    fn end(&mut self, figures: &Figures) -> Vec<Vec<u8>> {
        vec![line(&chat(&self.answer, &[], Some(figures)))]
    }

    fn runner_died(&mut self, message: &str) -> Option<Vec<u8>> {
        Some(line(&Error { error: message }))
    }
}

impl Telling for Generate<'_> {
    fn piece(&mut self, piece: &Piece) -> Vec<Vec<u8>> {
        vec![line(&generate(&self.answer, std::slice::from_ref(piece), None))]
    }

    fn end(&mut self, figures: &Figures) -> Vec<Vec<u8>> {
        vec![line(&generate(&self.answer, &[], Some(figures)))]
    }

    fn runner_died(&mut self, message: &str) -> Option<Vec<u8>> {
        Some(line(&Error { error: message }))
    }
}

pub(super) fn chat_whole(answer: &Answer<'_>, pieces: &[Piece], figures: &Figures) -> Vec<u8> {
    super::json(&chat(answer, pieces, Some(figures)))
}

pub(super) fn generate_whole(answer: &Answer<'_>, pieces: &[Piece], figures: &Figures) -> Vec<u8> {
    super::json(&generate(answer, pieces, Some(figures)))
}

pub(super) fn load_answer(is_chat: bool, answer: &Answer<'_>, reason: &str) -> Vec<u8> {
    if is_chat {
        super::json(&ChatFrame { done_reason: Some(reason), done: true, ..chat(answer, &[], None) })
    } else {
        super::json(&GenerateFrame { done_reason: Some(reason), done: true, ..generate(answer, &[], None) })
    }
}

/// A frame with these pieces; with figures it is the last one.
fn chat<'a>(answer: &Answer<'a>, pieces: &[Piece], figures: Option<&Figures>) -> ChatFrame<'a> {
    ChatFrame {
        model: answer.model,
        created_at: clock::rfc3339(SystemTime::now()),
        message: Message {
            role: "assistant",
            content: reply::text(pieces),
            thinking: reply::thoughts(pieces),
            tool_calls: reply::called(pieces).into_iter().map(call).collect(),
        },
        done_reason: figures.map(|figures| figures.reason),
        done: figures.is_some(),
        logprobs: answer.logprobs.map(|top| reply::logprobs(pieces, top)).unwrap_or_default(),
        metrics: figures.map(|figures| Metrics::of(answer, figures)),
    }
}

fn generate<'a>(answer: &Answer<'a>, pieces: &[Piece], figures: Option<&Figures>) -> GenerateFrame<'a> {
    let tokens = figures.map(|figures| (answer.prompt_tokens + figures.eval_tokens).min(MAX_STATE));
    GenerateFrame {
        model: answer.model,
        created_at: clock::rfc3339(SystemTime::now()),
        response: reply::text(pieces),
        thinking: reply::thoughts(pieces),
        done: figures.is_some(),
        done_reason: figures.map(|figures| figures.reason),
        context: tokens.map(|tokens| (1..=tokens).collect()),
        logprobs: answer.logprobs.map(|top| reply::logprobs(pieces, top)).unwrap_or_default(),
        metrics: figures.map(|figures| Metrics::of(answer, figures)),
    }
}

fn call(call: &Call) -> Value {
    let function = json!({ "index": call.index, "name": call.name, "arguments": call.arguments });
    json!({ "id": call.id, "function": function })
}

impl Metrics {
    fn of(answer: &Answer<'_>, figures: &Figures) -> Metrics {
        Metrics {
            total_duration: figures.total.as_nanos() as u64,
            load_duration: figures.load.as_nanos() as u64,
            prompt_eval_count: answer.prompt_tokens,
            prompt_eval_duration: figures.prompt.as_nanos() as u64,
            eval_count: figures.eval_tokens,
            eval_duration: figures.eval.as_nanos() as u64,
        }
    }
}
