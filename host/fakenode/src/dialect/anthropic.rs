//! Anthropic's frames as Ollama writes them: `/v1/messages`.

use serde_json::{Value, json};

use super::{Answer, Figures, Telling, with};
use crate::question::Refusal;
use crate::reply::{self, Call, Piece};
use crate::sha256;

/// A stream of `/v1/messages`: a block for the thoughts, one for the words, one for each call.
pub(super) struct Messages<'a> {
    answer: Answer<'a>,
    begun: bool,
    /// What the open block holds.
    open: Option<Block>,
    /// Number of the open block, or of the next one.
    index: usize,
    called: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Thinking,
    Text,
}

impl<'a> Messages<'a> {
    pub(super) fn new(answer: Answer<'a>) -> Messages<'a> {
        Messages { answer, begun: false, open: None, index: 0, called: false }
    }

    fn begin(&mut self, frames: &mut Vec<Vec<u8>>) {
        if !std::mem::replace(&mut self.begun, true) {
            let message = message(&self.answer, json!([]), 0);
            frames.push(event("message_start", json!({ "message": message })));
        }
    }

    fn close(&mut self, frames: &mut Vec<Vec<u8>>) {
        if self.open.take().is_some() {
            frames.push(event("content_block_stop", json!({ "index": self.index })));
            self.index += 1;
        }
    }

    fn start(&self, block: &Value, frames: &mut Vec<Vec<u8>>) {
        frames.push(event("content_block_start", json!({ "index": self.index, "content_block": block })));
    }

    fn delta(&self, delta: &Value, frames: &mut Vec<Vec<u8>>) {
        frames.push(event("content_block_delta", json!({ "index": self.index, "delta": delta })));
    }

    /// More of a block; the first time it is opened.
    fn more(&mut self, kind: Block, text: &str, frames: &mut Vec<Vec<u8>>) {
        let (name, field) = match kind {
            Block::Thinking => ("thinking", "thinking"),
            Block::Text => ("text", "text"),
        };
        if self.open != Some(kind) {
            self.close(frames);
            self.start(&json!({ "type": name, field: "" }), frames);
            self.open = Some(kind);
        }
        self.delta(&json!({ "type": format!("{name}_delta"), field: text }), frames);
    }

    fn call(&mut self, call: &Call, frames: &mut Vec<Vec<u8>>) {
        self.close(frames);
        self.called = true;
        self.start(&json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": {} }), frames);
        let arguments = call.arguments.to_string();
        self.delta(&json!({ "type": "input_json_delta", "partial_json": arguments }), frames);
        frames.push(event("content_block_stop", json!({ "index": self.index })));
        self.index += 1;
    }
}

impl Telling for Messages<'_> {
    fn piece(&mut self, piece: &Piece) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        self.begin(&mut frames);
        match piece {
            Piece::Thought(text) => self.more(Block::Thinking, text, &mut frames),
            Piece::Text(text) => self.more(Block::Text, text, &mut frames),
            Piece::Call(call) => self.call(call, &mut frames),
        }
        frames
    }

    fn end(&mut self, figures: &Figures) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        self.begin(&mut frames);
        self.close(&mut frames);
        let delta = json!({ "stop_reason": reason(figures, self.called) });
        let usage = usage(&self.answer, figures.eval_tokens);
        frames.push(event("message_delta", json!({ "delta": delta, "usage": usage })));
        frames.push(event("message_stop", json!({})));
        frames
    }

    fn runner_died(&mut self, _message: &str) -> Option<Vec<u8>> {
        None
    }
}

pub(super) fn whole(answer: &Answer<'_>, pieces: &[Piece], figures: &Figures) -> Value {
    let (thinking, text) = (reply::thoughts(pieces), reply::text(pieces));
    let mut content = Vec::new();
    if !thinking.is_empty() {
        content.push(json!({ "type": "thinking", "thinking": thinking }));
    }
    if !text.is_empty() {
        content.push(json!({ "type": "text", "text": text }));
    }
    let calls = reply::called(pieces);
    content.extend(calls.iter().map(
        |call| json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments }),
    ));
    let stop_reason = json!(reason(figures, !calls.is_empty()));
    // An empty list is null, as a Go slice that was never filled.
    let content = if content.is_empty() { Value::Null } else { Value::Array(content) };
    with(message(answer, content, figures.eval_tokens), "stop_reason", stop_reason)
}

pub(super) fn refusal(refusal: &Refusal) -> Vec<u8> {
    let kind = match refusal.status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        _ => "api_error",
    };
    // Drawn from the text instead of from chance, so that a test can compare whole bodies.
    let digest = sha256::hex(refusal.message.as_bytes());
    let request_id = format!("req_{}", digest.get(..24).unwrap_or_default());
    let error = json!({ "type": kind, "message": refusal.message });
    json!({ "type": "error", "error": error, "request_id": request_id }).to_string().into_bytes()
}

fn message(answer: &Answer<'_>, content: Value, output_tokens: u64) -> Value {
    json!({
        "id": format!("msg_{:024x}", answer.id),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "usage": usage(answer, output_tokens),
    })
}

fn usage(answer: &Answer<'_>, output_tokens: u64) -> Value {
    json!({ "input_tokens": answer.prompt_tokens, "output_tokens": output_tokens })
}

fn reason(figures: &Figures, called: bool) -> &'static str {
    match figures.reason {
        _ if called => "tool_use",
        "stop" => "end_turn",
        "length" => "max_tokens",
        _ => "stop_sequence",
    }
}

/// The event's name is also its `type`.
fn event(name: &str, fields: Value) -> Vec<u8> {
    format!("event: {name}\ndata: {}\n\n", with(fields, "type", json!(name))).into_bytes()
}
