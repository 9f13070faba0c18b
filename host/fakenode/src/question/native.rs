//! `/api/chat` and `/api/generate`.

use serde_json::Value;

use super::{Question, Refusal, form, limit, logprobs, media, strings, text, tools};
use crate::keep_alive;
use crate::lenient::Object;

pub(super) fn chat(fields: &Object, model: &str) -> Result<Question, Refusal> {
    let messages = fields.list("messages")?;
    let offered = tools(fields.list("tools")?);
    let mut images = Vec::new();
    for message in messages {
        images.extend(media::native(message.get("images"))?);
    }
    let question = native(fields)?;
    if model.is_empty() {
        return Err("model is required".into());
    }
    Ok(Question {
        only_load: messages.is_empty(),
        prompt: text::of(messages),
        ask: text::last_ask(messages),
        tools: offered,
        media: images,
        ..question
    })
}

pub(super) fn generate(fields: &Object, model: &str) -> Result<Question, Refusal> {
    let prompt = fields.text("prompt")?;
    let system = fields.text("system")?;
    let suffix = fields.text("suffix")?;
    let images = media::native(fields.get("images"))?;
    let mut question = native(fields)?;
    if model.is_empty() {
        return Err(Refusal::new(404, "model '' not found"));
    }
    let raw = fields.flag("raw")?.unwrap_or_default();
    if raw && (!system.is_empty() || !fields.text("template")?.is_empty() || fields.get("context").is_some())
    {
        return Err("raw mode does not support template, system, or context".into());
    }
    if !suffix.is_empty() {
        question.needs.push("insert");
    }
    Ok(Question {
        only_load: prompt.is_empty(),
        prompt: format!("{system}{prompt}{suffix}"),
        media: images,
        ..question
    })
}

/// The fields both routes share.
fn native(fields: &Object) -> Result<Question, Refusal> {
    let options = fields.object("options").unwrap_or_default();
    Ok(Question {
        stream: fields.flag("stream")?.unwrap_or(true),
        form: form(fields.get("format")),
        think: think(fields.get("think"))?,
        limit: limit(options.integer("num_predict")?),
        stop: strings(options.get("stop")),
        seed: options.integer("seed")?,
        context: options.integer("num_ctx")?.map(|n| u32::try_from(n.max(1)).unwrap_or(u32::MAX)),
        keep_alive: keep_alive::read(fields.get("keep_alive"))?,
        logprobs: logprobs(fields.flag("logprobs")?, fields.integer("top_logprobs")?)?,
        ..Question::default()
    })
}

/// A flag, or how hard to think.
fn think(value: Option<&Value>) -> Result<Option<bool>, Refusal> {
    let choice = r#""high", "medium", "low", "max", true, or false"#;
    match value {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(Value::String(level)) if ["high", "medium", "low", "max"].contains(&level.as_str()) => {
            Ok(Some(true))
        }
        Some(Value::String(other)) => {
            Err(format!("invalid think value: {other:?} (must be {choice})").into())
        }
        Some(_) => Err(format!("think must be a boolean or string ({choice})").into()),
    }
}
