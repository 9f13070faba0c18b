//! What an inference request asks for, read from its body with the errors Ollama gives.

use crate::dialect::Dialect;
use crate::keep_alive::{self, KeepAlive};
use crate::lenient::{self, Object};
use serde_json::Value;

/// A request that was understood.
#[derive(Debug)]
pub(crate) struct Question {
    /// As the client spelt it.
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// All text of the prompt.
    pub(crate) prompt: String,
    /// Nothing is asked: only load (or unload) the model.
    pub(crate) only_load: bool,
    /// Most tokens of the answer; `None` is the model's own length.
    pub(crate) limit: Option<u32>,
    pub(crate) context: Option<u32>,
    pub(crate) keep_alive: Option<KeepAlive>,
    /// OpenAI's `stream_options.include_usage`.
    pub(crate) include_usage: bool,
    /// Capabilities beyond completion that the request uses.
    pub(crate) needs: Vec<&'static str>,
}

/// A status and Ollama's text for it; the dialect gives it its shape.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into() }
    }
}

/// Every text of the readers below is a 400.
impl From<String> for Refusal {
    fn from(message: String) -> Refusal {
        Refusal::new(400, message)
    }
}

impl From<&str> for Refusal {
    fn from(message: &str) -> Refusal {
        Refusal::new(400, message)
    }
}

pub(crate) fn read(dialect: Dialect, body: &[u8]) -> Result<Question, Refusal> {
    if body.is_empty() && dialect.is_native() {
        return Err("missing request body".into());
    }
    let fields = lenient::object(body)?;
    let model = fields.text("model")?.to_owned();
    match dialect {
        Dialect::Chat => chat(&fields, model),
        Dialect::Generate => generate(&fields, model),
        Dialect::OpenAiChat => openai_chat(&fields, model),
        Dialect::OpenAiCompletion => openai_completion(&fields, model),
        Dialect::Messages => messages(&fields, model),
    }
}

fn chat(fields: &Object, model: String) -> Result<Question, Refusal> {
    let messages = fields.list("messages")?;
    if model.is_empty() {
        return Err("model is required".into());
    }
    let mut question = native(fields, model)?;
    question.only_load = messages.is_empty();
    question.prompt = text_of(messages);
    if !fields.list("tools")?.is_empty() {
        question.needs.push("tools");
    }
    Ok(question)
}

fn generate(fields: &Object, model: String) -> Result<Question, Refusal> {
    let prompt = fields.text("prompt")?;
    let system = fields.text("system")?;
    let suffix = fields.text("suffix")?;
    if model.is_empty() {
        return Err(Refusal::new(404, "model '' not found"));
    }
    let raw = fields.flag("raw")?.unwrap_or_default();
    if raw && (!system.is_empty() || !fields.text("template")?.is_empty() || fields.get("context").is_some())
    {
        return Err("raw mode does not support template, system, or context".into());
    }
    let mut question = native(fields, model)?;
    question.only_load = prompt.is_empty();
    question.prompt = format!("{system}{prompt}{suffix}");
    if !suffix.is_empty() {
        question.needs.push("insert");
    }
    Ok(question)
}

/// The fields both native routes share.
fn native(fields: &Object, model: String) -> Result<Question, Refusal> {
    let options = fields.object("options").unwrap_or_default();
    let mut needs = Vec::new();
    if fields.get("think").is_some_and(|think| *think != Value::Bool(false)) {
        needs.push("thinking");
    }
    Ok(Question {
        model,
        stream: fields.flag("stream")?.unwrap_or(true),
        prompt: String::new(),
        only_load: false,
        limit: limit(options.integer("num_predict")?),
        context: options.integer("num_ctx")?.map(|n| u32::try_from(n.max(1)).unwrap_or(u32::MAX)),
        keep_alive: keep_alive::read(fields.get("keep_alive"))?,
        include_usage: false,
        needs,
    })
}

fn openai_chat(fields: &Object, model: String) -> Result<Question, Refusal> {
    let messages = fields.list("messages")?;
    if messages.is_empty() {
        return Err("[] is too short - 'messages'".into());
    }
    let most = fields.integer("max_completion_tokens")?.or(fields.integer("max_tokens")?);
    let mut question = foreign(fields, model, text_of(messages), most)?;
    if !fields.list("tools")?.is_empty() {
        question.needs.push("tools");
    }
    Ok(question)
}

fn openai_completion(fields: &Object, model: String) -> Result<Question, Refusal> {
    let prompt = fields.text("prompt")?.to_owned();
    foreign(fields, model, prompt, fields.integer("max_tokens")?)
}

fn messages(fields: &Object, model: String) -> Result<Question, Refusal> {
    let messages = fields.list("messages")?;
    if model.is_empty() {
        return Err("model is required".into());
    }
    let most = fields.integer("max_tokens")?.filter(|most| *most > 0);
    let most = most.ok_or("max_tokens is required and must be positive")?;
    if messages.is_empty() {
        return Err("messages is required".into());
    }
    let mut prompt = text_of(messages);
    fields.get("system").into_iter().for_each(|system| collect_text(system, &mut prompt));
    foreign(fields, model, prompt, Some(most))
}

/// The fields of the `/v1` routes: streaming is off by default, and nothing can be said about memory.
fn foreign(fields: &Object, model: String, prompt: String, most: Option<i64>) -> Result<Question, Refusal> {
    let options = fields.object("stream_options").unwrap_or_default();
    Ok(Question {
        model,
        stream: fields.flag("stream")?.unwrap_or(false),
        prompt,
        only_load: false,
        limit: limit(most),
        context: None,
        keep_alive: None,
        include_usage: options.flag("include_usage")?.unwrap_or_default(),
        needs: Vec::new(),
    })
}

/// Zero and below bound nothing.
fn limit(most: Option<i64>) -> Option<u32> {
    most.filter(|most| *most > 0).map(|most| u32::try_from(most).unwrap_or(u32::MAX))
}

fn text_of(messages: &[Value]) -> String {
    let mut text = String::new();
    for content in messages.iter().filter_map(|message| message.get("content")) {
        collect_text(content, &mut text);
    }
    text
}

/// A string, or a list of parts with a `text`.
fn collect_text(content: &Value, text: &mut String) {
    match content {
        Value::String(string) => text.push_str(string),
        Value::Array(parts) => {
            parts
                .iter()
                .filter_map(|part| part.get("text"))
                .filter_map(Value::as_str)
                .for_each(|t| text.push_str(t));
        }
        _ => {}
    }
}
