//! OpenAI's frames as Ollama writes them: `/v1/chat/completions` and `/v1/completions`.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::{Answer, Figures, with};
use crate::clock;
use crate::question::Refusal;

pub(super) fn chat_token(answer: &Answer<'_>, text: &str) -> Vec<u8> {
    event(&chat_chunk(answer, text, None))
}

pub(super) fn chat_end(answer: &Answer<'_>, figures: &Figures) -> Vec<Vec<u8>> {
    end(answer, figures, chat_chunk(answer, "", Some(reason(figures))))
}

pub(super) fn chat_whole(answer: &Answer<'_>, text: &str, figures: &Figures) -> Vec<u8> {
    let choice = json!({
        "index": 0,
        "message": { "role": "assistant", "content": text },
        "finish_reason": reason(figures),
    });
    let body = envelope(answer, "chatcmpl", "chat.completion", json!([choice]));
    with(body, "usage", usage(answer, figures)).to_string().into_bytes()
}

pub(super) fn completion_token(answer: &Answer<'_>, text: &str) -> Vec<u8> {
    event(&completion_chunk(answer, text, None))
}

pub(super) fn completion_end(answer: &Answer<'_>, figures: &Figures) -> Vec<Vec<u8>> {
    end(answer, figures, completion_chunk(answer, "", Some(reason(figures))))
}

pub(super) fn completion_whole(answer: &Answer<'_>, text: &str, figures: &Figures) -> Vec<u8> {
    let body = completion_chunk(answer, text, Some(reason(figures)));
    with(body, "usage", usage(answer, figures)).to_string().into_bytes()
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

fn chat_chunk(answer: &Answer<'_>, text: &str, finish: Option<&str>) -> Value {
    let choice = json!({
        "index": 0,
        "delta": { "role": "assistant", "content": text },
        "finish_reason": finish,
    });
    envelope(answer, "chatcmpl", "chat.completion.chunk", json!([choice]))
}

fn completion_chunk(answer: &Answer<'_>, text: &str, finish: Option<&str>) -> Value {
    let choice = json!({ "text": text, "index": 0, "finish_reason": finish });
    envelope(answer, "cmpl", "text_completion", json!([choice]))
}

fn envelope(answer: &Answer<'_>, prefix: &str, object: &str, choices: Value) -> Value {
    json!({
        "id": format!("{prefix}-{}", answer.id),
        "object": object,
        "created": clock::unix_seconds(SystemTime::now()),
        "model": answer.model,
        "system_fingerprint": "fp_ollama",
        "choices": choices,
    })
}

fn usage(answer: &Answer<'_>, figures: &Figures) -> Value {
    json!({
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": figures.eval_tokens,
        "total_tokens": answer.prompt_tokens + figures.eval_tokens,
    })
}

fn reason(figures: &Figures) -> &'static str {
    if figures.cut { "length" } else { "stop" }
}

fn event(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}
