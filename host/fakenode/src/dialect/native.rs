//! Ollama's own frames, `/api/chat` and `/api/generate`: fields in Ollama's order, durations in nanoseconds.

use std::time::SystemTime;

use serde::Serialize;

use super::{Answer, Figures, json, line};
use crate::clock;

/// `{"error":…}`, as a body or as a line.
#[derive(Serialize)]
pub(super) struct Error<'a> {
    pub(super) error: &'a str,
}

#[derive(Serialize)]
struct Chat<'a> {
    model: &'a str,
    created_at: String,
    message: Message<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'a str>,
    done: bool,
    #[serde(flatten)]
    metrics: Option<Metrics>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct Generate<'a> {
    model: &'a str,
    created_at: String,
    response: &'a str,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'a str>,
    /// Ollama's opaque conversation state; ours is the numbers of the tokens, of no use to anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Vec<u64>>,
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

pub(super) fn chat_token(answer: &Answer<'_>, text: &str) -> Vec<u8> {
    line(&chat(answer.model, text, None, None))
}

pub(super) fn chat_end(answer: &Answer<'_>, figures: &Figures) -> Vec<u8> {
    line(&chat(answer.model, "", Some(reason(figures)), Some(Metrics::of(answer, figures))))
}

pub(super) fn chat_whole(answer: &Answer<'_>, text: &str, figures: &Figures) -> Vec<u8> {
    json(&chat(answer.model, text, Some(reason(figures)), Some(Metrics::of(answer, figures))))
}

pub(super) fn generate_token(answer: &Answer<'_>, text: &str) -> Vec<u8> {
    line(&generate(answer.model, text, None, None))
}

pub(super) fn generate_end(answer: &Answer<'_>, figures: &Figures) -> Vec<u8> {
    line(&generate(answer.model, "", Some(reason(figures)), Some(Metrics::of(answer, figures))))
}

pub(super) fn generate_whole(answer: &Answer<'_>, text: &str, figures: &Figures) -> Vec<u8> {
    json(&generate(answer.model, text, Some(reason(figures)), Some(Metrics::of(answer, figures))))
}

pub(super) fn load_answer(is_chat: bool, model: &str, reason: &str) -> Vec<u8> {
    if is_chat {
        json(&chat(model, "", Some(reason), None))
    } else {
        json(&generate(model, "", Some(reason), None))
    }
}

fn chat<'a>(
    model: &'a str,
    content: &'a str,
    done_reason: Option<&'a str>,
    metrics: Option<Metrics>,
) -> Chat<'a> {
    Chat {
        model,
        created_at: clock::rfc3339(SystemTime::now()),
        message: Message { role: "assistant", content },
        done_reason,
        done: done_reason.is_some(),
        metrics,
    }
}

fn generate<'a>(
    model: &'a str,
    response: &'a str,
    done_reason: Option<&'a str>,
    metrics: Option<Metrics>,
) -> Generate<'a> {
    let state = |m: &Metrics| (1..=(m.prompt_eval_count + m.eval_count).min(MAX_STATE)).collect();
    Generate {
        model,
        created_at: clock::rfc3339(SystemTime::now()),
        response,
        done: done_reason.is_some(),
        done_reason,
        context: metrics.as_ref().map(state),
        metrics,
    }
}

fn reason(figures: &Figures) -> &'static str {
    if figures.cut { "length" } else { "stop" }
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
