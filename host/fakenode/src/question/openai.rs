//! `/v1/chat/completions` and `/v1/completions`: streaming is off by default, and nothing can be said about
//! memory.

use serde_json::Value;

use super::{Form, Question, Refusal, form, limit, logprobs, media, strings, text, tools};
use crate::lenient::Object;

pub(super) fn chat(fields: &Object) -> Result<Question, Refusal> {
    let messages = fields.list("messages")?;
    if messages.is_empty() {
        return Err("[] is too short - 'messages'".into());
    }
    let mut images = Vec::new();
    for message in messages {
        images.extend(attached(message)?);
    }
    let effort = match fields.object("reasoning") {
        Some(reasoning) => reasoning.text("effort")?.to_owned(),
        None => fields.text("reasoning_effort")?.to_owned(),
    };
    Ok(Question {
        prompt: text::of(messages),
        ask: text::last_ask(messages),
        tools: tools(fields.list("tools")?),
        media: images,
        form: response_format(fields.get("response_format")),
        think: think(&effort)?,
        logprobs: logprobs(fields.flag("logprobs")?, fields.integer("top_logprobs")?)?,
        ..common(fields)?
    })
}

pub(super) fn completion(fields: &Object) -> Result<Question, Refusal> {
    let (prompt, suffix) = (fields.text("prompt")?, fields.text("suffix")?);
    let mut question = common(fields)?;
    if !suffix.is_empty() {
        question.needs.push("insert");
    }
    Ok(Question { only_load: prompt.is_empty(), prompt: format!("{prompt}{suffix}"), ..question })
}

/// What `reasoning_effort` means for `think`.
pub(super) fn think(effort: &str) -> Result<Option<bool>, Refusal> {
    match effort {
        "" => Ok(None),
        "none" => Ok(Some(false)),
        "minimal" | "low" | "medium" | "high" | "xhigh" | "ultra" | "max" => Ok(Some(true)),
        other => Err(format!(
            "invalid reasoning value: {other:?} (must be \"minimal\", \"low\", \"medium\", \"high\", \"xhigh\", \
             \"ultra\", \"max\", or \"none\")"
        )
        .into()),
    }
}

fn common(fields: &Object) -> Result<Question, Refusal> {
    let options = fields.object("stream_options").unwrap_or_default();
    Ok(Question {
        stream: fields.flag("stream")?.unwrap_or(false),
        limit: limit(fields.integer("max_tokens")?),
        stop: strings(fields.get("stop")),
        seed: fields.integer("seed")?,
        include_usage: options.flag("include_usage")?.unwrap_or_default(),
        ..Question::default()
    })
}

/// A message's pictures and sounds. Content may be missing only beside tool calls.
fn attached(message: &Value) -> Result<Vec<Vec<u8>>, Refusal> {
    match message.get("content") {
        Some(Value::String(_)) => Ok(Vec::new()),
        Some(Value::Array(parts)) => {
            let media = parts.iter().map(media::openai_part).collect::<Result<Vec<_>, _>>()?;
            Ok(media.into_iter().flatten().collect())
        }
        _ if message.get("tool_calls").is_some_and(Value::is_array) => Ok(Vec::new()),
        Some(Value::Null) | None => Err("invalid message content type: <nil>".into()),
        Some(Value::Number(_)) => Err("invalid message content type: float64".into()),
        Some(Value::Bool(_)) => Err("invalid message content type: bool".into()),
        Some(Value::Object(_)) => Err("invalid message content type: map[string]interface {}".into()),
    }
}

fn response_format(value: Option<&Value>) -> Form {
    let kind = value.and_then(|format| format.get("type")).and_then(Value::as_str).unwrap_or_default();
    match kind.trim().to_ascii_lowercase().as_str() {
        "json_object" => Form::Json,
        "json_schema" => form(value.and_then(|format| format.pointer("/json_schema/schema"))),
        _ => Form::Prose,
    }
}
