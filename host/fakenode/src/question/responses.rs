//! `/v1/responses`: one string or a list of items, which Ollama turns into a chat.

use serde_json::{Value, json};

use super::{Form, Question, Refusal, form, limit, media, openai, text, tools};
use crate::lenient::Object;

pub(super) fn responses(fields: &Object) -> Result<Question, Refusal> {
    let items = match fields.get("input") {
        None => Vec::new(),
        Some(Value::String(text)) if text.is_empty() => Vec::new(),
        Some(Value::String(text)) => vec![json!({ "role": "user", "content": text })],
        Some(Value::Array(items)) => items.clone(),
        Some(_) => return Err("input must be a string or array".into()),
    };
    let mut images = Vec::new();
    for (index, item) in items.iter().enumerate() {
        images.extend(attached(index, item)?);
    }
    let instructions = fields.text("instructions")?;
    let reasoning = fields.object("reasoning").unwrap_or_default();
    Ok(Question {
        stream: fields.flag("stream")?.unwrap_or(false),
        only_load: items.is_empty() && instructions.is_empty(),
        prompt: format!("{instructions}{}", text::of(&items)),
        ask: text::last_ask(&items),
        tools: tools(fields.list("tools")?),
        media: images,
        form: text_format(fields),
        think: openai::think(reasoning.text("effort")?)?,
        limit: limit(fields.integer("max_output_tokens")?),
        echo: echo(fields),
        ..Question::default()
    })
}

/// An item's pictures; refuses items and parts Ollama does not know.
fn attached(index: usize, item: &Value) -> Result<Vec<Vec<u8>>, Refusal> {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "" if item.get("role").is_some() => {}
        "message" | "function_call" | "function_call_output" | "reasoning" | "web_search_call" => {}
        "" => return Err(format!("input[{index}]: input item missing required 'type' field").into()),
        other => return Err(format!("input[{index}]: unknown input item type: {other:?}").into()),
    }
    let content = item.get("content").or_else(|| item.get("output")).and_then(Value::as_array);
    let mut images = Vec::new();
    for (at, part) in content.into_iter().flatten().enumerate() {
        match part.get("type").and_then(Value::as_str).unwrap_or_default() {
            "input_text" | "output_text" => {}
            "input_image" => {
                let url = part.get("image_url").and_then(Value::as_str).filter(|url| !url.is_empty());
                images.extend(url.map(media::url).transpose()?);
            }
            "input_file" => return Err("file inputs are not currently supported".into()),
            other => {
                return Err(format!("input[{index}]: content[{at}]: unknown content type: {other}").into());
            }
        }
    }
    Ok(images)
}

fn text_format(fields: &Object) -> Form {
    let format = fields.get("text").and_then(|text| text.get("format"));
    match format.and_then(|format| format.get("type")).and_then(Value::as_str) {
        Some("json_schema") => form(format.and_then(|format| format.get("schema"))),
        _ => Form::Prose,
    }
}

/// What the answer repeats, with the defaults it states.
fn echo(fields: &Object) -> Value {
    let or = |key: &str, default: Value| fields.get(key).cloned().unwrap_or(default);
    let format = fields.get("text").and_then(|text| text.get("format")).cloned();
    json!({
        "instructions": fields.get("instructions"),
        "tools": or("tools", json!([])),
        "truncation": or("truncation", json!("disabled")),
        "text": { "format": format.unwrap_or_else(|| json!({ "type": "text" })) },
        "top_p": or("top_p", json!(1.0)),
        "temperature": or("temperature", json!(1.0)),
        "reasoning": fields.get("reasoning"),
        "max_output_tokens": fields.get("max_output_tokens"),
        "background": or("background", json!(false)),
    })
}
