//! Anthropic's frames as Ollama writes them: `/v1/messages`.

use serde_json::{Value, json};

use super::{Answer, Figures, with};
use crate::question::Refusal;

pub(super) fn opening(answer: &Answer<'_>) -> Vec<Vec<u8>> {
    let message = json!({
        "id": format!("msg_{}", answer.id),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": { "input_tokens": answer.prompt_tokens, "output_tokens": 0 },
    });
    let block = json!({ "type": "text", "text": "" });
    vec![
        event("message_start", json!({ "message": message })),
        event("content_block_start", json!({ "index": 0, "content_block": block })),
    ]
}

pub(super) fn token(text: &str) -> Vec<u8> {
    let delta = json!({ "type": "text_delta", "text": text });
    event("content_block_delta", json!({ "index": 0, "delta": delta }))
}

pub(super) fn closing(figures: &Figures) -> Vec<Vec<u8>> {
    let delta = json!({ "stop_reason": reason(figures), "stop_sequence": null });
    let usage = json!({ "output_tokens": figures.eval_tokens });
    vec![
        event("content_block_stop", json!({ "index": 0 })),
        event("message_delta", json!({ "delta": delta, "usage": usage })),
        event("message_stop", json!({})),
    ]
}

pub(super) fn whole(answer: &Answer<'_>, text: &str, figures: &Figures) -> Vec<u8> {
    json!({
        "id": format!("msg_{}", answer.id),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [{ "type": "text", "text": text }],
        "stop_reason": reason(figures),
        "stop_sequence": null,
        "usage": { "input_tokens": answer.prompt_tokens, "output_tokens": figures.eval_tokens },
    })
    .to_string()
    .into_bytes()
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
    json!({ "type": "error", "error": { "type": kind, "message": refusal.message } }).to_string().into_bytes()
}

fn reason(figures: &Figures) -> &'static str {
    if figures.cut { "max_tokens" } else { "end_turn" }
}

/// The event's name is also its `type`.
fn event(name: &str, fields: Value) -> Vec<u8> {
    format!("event: {name}\ndata: {}\n\n", with(fields, "type", json!(name))).into_bytes()
}
