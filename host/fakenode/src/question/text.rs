//! The words of a conversation, whichever API's parts they come in.

use serde_json::Value;

/// All text of the messages, one behind the other.
pub(super) fn of(messages: &[Value]) -> String {
    let mut text = String::new();
    messages.iter().for_each(|message| collect(message.get("content").unwrap_or(&Value::Null), &mut text));
    text
}

/// A string, or a list of parts with a `text`.
pub(super) fn collect(content: &Value, text: &mut String) {
    match content {
        Value::String(string) => text.push_str(string),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text")).filter_map(Value::as_str);
            texts.for_each(|part| text.push_str(part));
        }
        _ => {}
    }
}

/// What the user said last; empty when the last word is a tool's result, so that no tool is called twice.
pub(super) fn last_ask(messages: &[Value]) -> String {
    let Some(last) = messages.last() else {
        return String::new();
    };
    let is_result = |part: &Value| part.get("type").is_some_and(|kind| kind == "tool_result");
    let content = last.get("content").unwrap_or(&Value::Null);
    let has_result = content.as_array().is_some_and(|parts| parts.iter().any(is_result));
    let mut text = String::new();
    if last.get("role").is_some_and(|role| role == "user") && !has_result {
        collect(content, &mut text);
    }
    text
}
