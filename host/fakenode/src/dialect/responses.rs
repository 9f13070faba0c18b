//! OpenAI's newer frames as Ollama writes them: `/v1/responses`, numbered events that end in
//! `response.completed`.

use serde_json::{Value, json};

use super::{Answer, Figures, Telling, openai, with};
use crate::clock;
use crate::reply::{self, Call, Piece};

/// A stream of `/v1/responses`: an item for the thoughts, then one for the words or one for each call.
pub(super) struct Responses<'a> {
    answer: Answer<'a>,
    /// Number of the next event.
    sequence: u64,
    open: Option<Item>,
    /// What the open item holds so far.
    said: String,
    /// The items that are complete, in their order.
    done: Vec<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Reasoning,
    Message,
}

type Frames = Vec<Vec<u8>>;

impl<'a> Responses<'a> {
    pub(super) fn new(answer: Answer<'a>) -> Responses<'a> {
        Responses { answer, sequence: 0, open: None, said: String::new(), done: Vec::new() }
    }

    /// The event's name is also its `type`.
    fn event(&mut self, name: &str, fields: Value) -> Vec<u8> {
        let fields = with(with(fields, "type", json!(name)), "sequence_number", json!(self.sequence));
        self.sequence += 1;
        format!("event: {name}\ndata: {fields}\n\n").into_bytes()
    }

    fn begin(&mut self, frames: &mut Frames) {
        if self.sequence == 0 {
            for name in ["response.created", "response.in_progress"] {
                let response = response(&self.answer, "in_progress", Vec::new(), None);
                frames.push(self.event(name, json!({ "response": response })));
            }
        }
    }

    fn think(&mut self, thought: &str, frames: &mut Frames) {
        let (at, id) = (self.done.len(), reasoning_id(&self.answer));
        if self.open.is_none() {
            self.open = Some(Item::Reasoning);
            let item = json!({ "id": id, "type": "reasoning", "summary": [] });
            frames
                .push(self.event("response.output_item.added", json!({ "output_index": at, "item": item })));
        }
        self.said.push_str(thought);
        let fields = json!({ "item_id": id, "output_index": at, "summary_index": 0, "delta": thought });
        frames.push(self.event("response.reasoning_summary_text.delta", fields));
    }

    fn say(&mut self, text: &str, frames: &mut Frames) {
        if self.open == Some(Item::Reasoning) {
            self.close(frames);
        }
        let (at, id) = (self.done.len(), message_id(&self.answer));
        if self.open.is_none() {
            self.open = Some(Item::Message);
            let item = with(message(&self.answer, "in_progress", ""), "content", json!([]));
            frames
                .push(self.event("response.output_item.added", json!({ "output_index": at, "item": item })));
            let fields = json!({ "item_id": id, "output_index": at, "content_index": 0, "part": part("") });
            frames.push(self.event("response.content_part.added", fields));
        }
        self.said.push_str(text);
        let fields = json!({
            "item_id": id, "output_index": at, "content_index": 0, "delta": text, "logprobs": [],
        });
        frames.push(self.event("response.output_text.delta", fields));
    }

    fn call(&mut self, call: &Call, frames: &mut Frames) {
        self.close(frames);
        let (at, item) = (self.done.len(), function_call(&self.answer, call));
        let (id, arguments) = (call_id(&self.answer, call), call.arguments.to_string());
        let begun = with(with(item.clone(), "status", json!("in_progress")), "arguments", json!(""));
        frames.push(self.event("response.output_item.added", json!({ "output_index": at, "item": begun })));
        let fields = json!({ "item_id": id, "output_index": at, "delta": arguments });
        frames.push(self.event("response.function_call_arguments.delta", fields));
        let fields = json!({ "item_id": id, "output_index": at, "arguments": arguments });
        frames.push(self.event("response.function_call_arguments.done", fields));
        frames.push(self.event("response.output_item.done", json!({ "output_index": at, "item": item })));
        self.done.push(item);
    }

    fn close(&mut self, frames: &mut Frames) {
        let Some(open) = self.open.take() else {
            return;
        };
        let (at, said) = (self.done.len(), std::mem::take(&mut self.said));
        let item = match open {
            Item::Reasoning => {
                let id = reasoning_id(&self.answer);
                let fields = json!({ "item_id": id, "output_index": at, "summary_index": 0, "text": said });
                frames.push(self.event("response.reasoning_summary_text.done", fields));
                reasoning(&self.answer, &said)
            }
            Item::Message => {
                let place =
                    json!({ "item_id": message_id(&self.answer), "output_index": at, "content_index": 0 });
                let text = with(with(place.clone(), "text", json!(said)), "logprobs", json!([]));
                frames.push(self.event("response.output_text.done", text));
                frames.push(self.event("response.content_part.done", with(place, "part", part(&said))));
                message(&self.answer, "completed", &said)
            }
        };
        frames.push(self.event("response.output_item.done", json!({ "output_index": at, "item": item })));
        self.done.push(item);
    }
}

impl Telling for Responses<'_> {
    fn piece(&mut self, piece: &Piece) -> Frames {
        let mut frames = Vec::new();
        self.begin(&mut frames);
        match piece {
            Piece::Thought(text) => self.think(text, &mut frames),
            Piece::Text(text) => self.say(text, &mut frames),
            Piece::Call(call) => self.call(call, &mut frames),
        }
        frames
    }

    fn end(&mut self, figures: &Figures) -> Frames {
        let mut frames = Vec::new();
        self.begin(&mut frames);
        self.close(&mut frames);
        let output = std::mem::take(&mut self.done);
        let response = response(&self.answer, "completed", output, Some(figures));
        frames.push(self.event("response.completed", json!({ "response": response })));
        frames
    }

    fn runner_died(&mut self, _message: &str) -> Option<Vec<u8>> {
        None
    }
}

/// Words and calls exclude each other here, and without either there is an empty message.
pub(super) fn whole(answer: &Answer<'_>, pieces: &[Piece], figures: &Figures) -> Value {
    let (thoughts, calls) = (reply::thoughts(pieces), reply::called(pieces));
    let mut output = Vec::new();
    if !thoughts.is_empty() {
        output.push(reasoning(answer, &thoughts));
    }
    if calls.is_empty() {
        output.push(message(answer, "completed", &reply::text(pieces)));
    }
    output.extend(calls.into_iter().map(|call| function_call(answer, call)));
    response(answer, "completed", output, Some(figures))
}

/// Ollama says `completed` even when the client's limit cut the answer.
fn response(answer: &Answer<'_>, status: &str, output: Vec<Value>, figures: Option<&Figures>) -> Value {
    let created = clock::unix_seconds(answer.created);
    let fixed = json!({
        "id": format!("resp_{}", answer.id),
        "object": "response",
        "created_at": created,
        "completed_at": figures.map(|figures| created + figures.eval.as_secs()),
        "status": status,
        "incomplete_details": null,
        "model": answer.model,
        "previous_response_id": null,
        "output": output,
        "error": null,
        "tool_choice": "auto",
        "parallel_tool_calls": true,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "top_logprobs": 0,
        "usage": figures.map(|figures| usage(answer, figures)),
        "max_tool_calls": null,
        "store": false,
        "service_tier": "default",
        "metadata": {},
        "safety_identifier": null,
        "prompt_cache_key": null,
    });
    let echoed = answer.echo.as_object().cloned().unwrap_or_default();
    echoed.into_iter().fold(fixed, |response, (key, value)| with(response, &key, value))
}

fn reasoning(answer: &Answer<'_>, thoughts: &str) -> Value {
    let summary = json!([{ "type": "summary_text", "text": thoughts }]);
    let id = reasoning_id(answer);
    json!({ "id": id, "type": "reasoning", "summary": summary, "encrypted_content": thoughts })
}

fn message(answer: &Answer<'_>, status: &str, text: &str) -> Value {
    let id = message_id(answer);
    json!({ "id": id, "type": "message", "status": status, "role": "assistant", "content": [part(text)] })
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

fn function_call(answer: &Answer<'_>, call: &Call) -> Value {
    let spoken = openai::tool_call(call);
    json!({
        "id": call_id(answer, call),
        "type": "function_call",
        "status": "completed",
        "call_id": call.id,
        "name": call.name,
        "arguments": spoken.pointer("/function/arguments"),
    })
}

fn usage(answer: &Answer<'_>, figures: &Figures) -> Value {
    json!({
        "input_tokens": answer.prompt_tokens,
        "output_tokens": figures.eval_tokens,
        "total_tokens": answer.prompt_tokens + figures.eval_tokens,
        "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens_details": { "reasoning_tokens": 0 },
    })
}

fn reasoning_id(answer: &Answer<'_>) -> String {
    format!("rs_{}", answer.id)
}

fn message_id(answer: &Answer<'_>) -> String {
    format!("msg_{}", answer.id)
}

fn call_id(answer: &Answer<'_>, call: &Call) -> String {
    format!("fc_{}_{}", answer.id, call.index)
}
