//! `/v1/messages`, Anthropic's API, with the checks Ollama makes before it turns one into a chat.

use serde_json::Value;

use super::{Question, Refusal, limit, media, strings, text, tools};
use crate::lenient::Object;

pub(super) fn messages(fields: &Object, model: &str) -> Result<Question, Refusal> {
    let messages = fields.list("messages")?;
    if model.is_empty() {
        return Err("model is required".into());
    }
    let most = fields.integer("max_tokens")?.filter(|most| *most > 0);
    let most = most.ok_or("max_tokens is required and must be positive")?;
    if messages.is_empty() {
        return Err("messages is required".into());
    }
    let mut images = Vec::new();
    for message in messages {
        images.extend(attached(message)?);
    }
    let mut prompt = text::of(messages);
    fields.get("system").into_iter().for_each(|system| text::collect(system, &mut prompt));
    Ok(Question {
        stream: fields.flag("stream")?.unwrap_or(false),
        prompt,
        ask: text::last_ask(messages),
        tools: tools(fields.list("tools")?),
        media: images,
        think: think(fields),
        limit: limit(Some(most)),
        stop: strings(fields.get("stop_sequences")),
        ..Question::default()
    })
}

fn think(fields: &Object) -> Option<bool> {
    let of = |object: &str, key: &str| {
        let value = fields.get(object)?.get(key)?.as_str()?;
        Some(value.to_owned())
    };
    match of("thinking", "type").as_deref() {
        Some("enabled") => Some(true),
        Some("disabled") => Some(false),
        // Every effort it knows asks for thinking, only more or less of it.
        _ => of("output_config", "effort").map(|_| true),
    }
}

/// A message's pictures, those inside of a tool's result included.
fn attached(message: &Value) -> Result<Vec<Vec<u8>>, Refusal> {
    let blocks = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let mut images = Vec::new();
    for block in blocks(message.get("content")) {
        images.extend(media::anthropic_block(&block)?);
        for inner in blocks(block.get("content")) {
            images.extend(media::anthropic_block(&inner)?);
        }
    }
    Ok(images)
}
