//! OpenAI's frames as Ollama writes them: `/v1/chat/completions` and `/v1/completions`.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::{Answer, Figures, Telling, with};
use crate::clock;
use crate::question::Refusal;
use crate::reply::{self, Call, Piece};

/// A stream of `/v1/chat/completions`. One `created` for all chunks; the role stands in the first only.
pub(super) struct Chat<'a> {
    answer: Answer<'a>,
    begun: bool,
    called: bool,
}

/// A stream of `/v1/completions`. Each chunk has its own `created`.
pub(super) struct Completion<'a> {
    pub(super) answer: Answer<'a>,
}

impl<'a> Chat<'a> {
    pub(super) fn new(answer: Answer<'a>) -> Chat<'a> {
        Chat { answer, begun: false, called: false }
    }

    fn chunk(&self, delta: Value, logprobs: Option<Value>, finish: Option<&str>) -> Value {
        let mut choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        if let Some(logprobs) = logprobs {
            choice = with(choice, "logprobs", logprobs);
        }
        let created = self.answer.created;
        envelope(&self.answer, ("chatcmpl", "chat.completion.chunk"), created, json!([choice]))
    }

    /// A chunk with these pieces, at most one.
    fn said(&mut self, pieces: &[Piece]) -> Vec<u8> {
        let mut delta = message(pieces);
        if !self.begun {
            delta.insert("role".to_owned(), json!("assistant"));
        }
        self.begun = true;
        self.called |= delta.contains_key("tool_calls");
        event(&self.chunk(Value::Object(delta), logprobs(&self.answer, pieces), None))
    }
}

impl Telling for Chat<'_> {
    fn piece(&mut self, piece: &Piece) -> Vec<Vec<u8>> {
        vec![self.said(std::slice::from_ref(piece))]
    }

    fn end(&mut self, figures: &Figures) -> Vec<Vec<u8>> {
        let opening = (!self.begun).then(|| self.said(&[]));
        let last = self.chunk(json!({}), None, Some(reason(figures, self.called)));
        opening.into_iter().chain(end(&self.answer, figures, last)).collect()
    }

    /// The error object is read as an empty answer without a model.
    fn runner_died(&mut self, _message: &str) -> Option<Vec<u8>> {
        Some(event(&with(self.chunk(json!({ "content": "" }), None, None), "model", json!(""))))
    }
}

impl Completion<'_> {
    fn chunk(&self, text: &str, finish: Option<&str>) -> Value {
        let choice = json!({ "text": text, "index": 0, "finish_reason": finish });
        let chunk = envelope(&self.answer, ("cmpl", "text_completion"), SystemTime::now(), json!([choice]));
        if self.answer.include_usage { with(chunk, "usage", counts(0, 0)) } else { chunk }
    }
}

impl Telling for Completion<'_> {
    fn piece(&mut self, piece: &Piece) -> Vec<Vec<u8>> {
        vec![event(&self.chunk(&reply::text(std::slice::from_ref(piece)), None))]
    }

    fn end(&mut self, figures: &Figures) -> Vec<Vec<u8>> {
        end(&self.answer, figures, self.chunk("", Some(figures.reason)))
    }

    fn runner_died(&mut self, _message: &str) -> Option<Vec<u8>> {
        Some(event(&with(self.chunk("", None), "model", json!(""))))
    }
}

pub(super) fn chat_whole(answer: &Answer<'_>, pieces: &[Piece], figures: &Figures) -> Value {
    let mut message = message(pieces);
    let called = message.contains_key("tool_calls");
    message.insert("role".to_owned(), json!("assistant"));
    let mut choice = json!({ "index": 0, "message": message, "finish_reason": reason(figures, called) });
    if let Some(logprobs) = logprobs(answer, pieces) {
        choice = with(choice, "logprobs", logprobs);
    }
    let body = envelope(answer, ("chatcmpl", "chat.completion"), answer.created, json!([choice]));
    with(body, "usage", usage(answer, figures))
}

pub(super) fn completion_whole(answer: &Answer<'_>, pieces: &[Piece], figures: &Figures) -> Value {
    let choice = json!({ "text": reply::text(pieces), "index": 0, "finish_reason": figures.reason });
    let body = envelope(answer, ("cmpl", "text_completion"), answer.created, json!([choice]));
    with(body, "usage", usage(answer, figures))
}

pub(super) fn refusal(refusal: &Refusal) -> Vec<u8> {
    let kind = match refusal.status {
        400 => "invalid_request_error",
        404 => "not_found_error",
        _ => "api_error",
    };
    let error = json!({ "message": refusal.message, "type": kind, "param": null, "code": null });
    json!({ "error": error }).to_string().into_bytes()
}

/// The arguments travel as JSON in a string.
pub(super) fn tool_call(call: &Call) -> Value {
    let function = json!({ "name": call.name, "arguments": call.arguments.to_string() });
    json!({ "id": call.id, "index": call.index, "type": "function", "function": function })
}

/// The chunk with the finish reason, the usage chunk if asked for, and the terminal line.
fn end(answer: &Answer<'_>, figures: &Figures, last: Value) -> Vec<Vec<u8>> {
    let mut frames = vec![event(&last)];
    if answer.include_usage {
        let chunk = with(last, "choices", json!([]));
        frames.push(event(&with(chunk, "usage", usage(answer, figures))));
    }
    frames.push(b"data: [DONE]\n\n".to_vec());
    frames
}

/// A message or a delta, without its role. The content is there even when it is empty.
fn message(pieces: &[Piece]) -> Map<String, Value> {
    let mut message = Map::new();
    message.insert("content".to_owned(), json!(reply::text(pieces)));
    let (thoughts, calls) = (reply::thoughts(pieces), reply::called(pieces));
    if !thoughts.is_empty() {
        message.insert("reasoning".to_owned(), json!(thoughts));
    }
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), calls.into_iter().map(tool_call).collect());
    }
    message
}

fn logprobs(answer: &Answer<'_>, pieces: &[Piece]) -> Option<Value> {
    let content = reply::logprobs(pieces, answer.logprobs?);
    (!content.is_empty()).then(|| json!({ "content": content }))
}

fn envelope(
    answer: &Answer<'_>,
    (prefix, object): (&str, &str),
    created: SystemTime,
    choices: Value,
) -> Value {
    json!({
        "id": format!("{prefix}-{}", answer.id),
        "object": object,
        "created": clock::unix_seconds(created),
        "model": answer.model,
        "system_fingerprint": "fp_ollama",
        "choices": choices,
    })
}

fn usage(answer: &Answer<'_>, figures: &Figures) -> Value {
    counts(answer.prompt_tokens, figures.eval_tokens)
}

fn counts(prompt: u64, completion: u64) -> Value {
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
}

fn reason(figures: &Figures, called: bool) -> &'static str {
    if called && figures.reason == "stop" { "tool_calls" } else { figures.reason }
}

fn event(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}
