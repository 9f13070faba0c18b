//! What an inference request asks for, read from its body with the errors Ollama gives.
//!
//! Each API has a reader of its own; all of them end in one [`Question`], and nothing behind it knows which.

mod anthropic;
mod form;
mod media;
mod native;
mod openai;
mod responses;
mod text;

use serde_json::Value;

use crate::dialect::Dialect;
use crate::keep_alive::KeepAlive;
use crate::lenient::{self, Object};

/// A request that was understood.
#[derive(Debug, Default)]
pub(crate) struct Question {
    /// As the client spelt it.
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// All text of the prompt.
    pub(crate) prompt: String,
    /// The text of the last message if the user said it: the tools it names are called.
    pub(crate) ask: String,
    pub(crate) tools: Vec<Tool>,
    /// Pictures or sounds, decoded.
    pub(crate) media: Vec<Vec<u8>>,
    /// Nothing is asked: only load (or unload) the model.
    pub(crate) only_load: bool,
    pub(crate) form: Form,
    /// Whether to think first; `None` leaves it to the model, and a model that can think does.
    pub(crate) think: Option<bool>,
    /// Most tokens of the answer; `None` is the model's own length.
    pub(crate) limit: Option<u32>,
    /// The answer ends before the first of these.
    pub(crate) stop: Vec<String>,
    pub(crate) seed: Option<i64>,
    pub(crate) context: Option<u32>,
    pub(crate) keep_alive: Option<KeepAlive>,
    /// OpenAI's `stream_options.include_usage`.
    pub(crate) include_usage: bool,
    /// Log probabilities of each token, with so many alternatives.
    pub(crate) logprobs: Option<u32>,
    /// The answer is the bare text, without JSON around it (transcriptions).
    pub(crate) plain: bool,
    /// Fields of the request that the answer repeats (`/v1/responses`).
    pub(crate) echo: Value,
    /// Capabilities beyond completion that are checked before the model is loaded.
    pub(crate) needs: Vec<&'static str>,
}

/// One function the client offers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// JSON Schema of its arguments.
    pub(crate) parameters: Value,
}

/// What the answer has to look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Form {
    #[default]
    Prose,
    /// Some JSON.
    Json,
    /// JSON that fits this schema.
    Schema(Value),
    /// Nonsense, as it stood in the request; found out when the model is asked.
    Invalid(String),
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

/// Every text of the readers is a 400.
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

/// `content_type` is that of the body; only a multipart form needs it, as Go binds JSON whatever it says.
pub(crate) fn read(dialect: Dialect, content_type: &str, body: &[u8]) -> Result<Question, Refusal> {
    if body.is_empty() && dialect.is_native() {
        return Err("missing request body".into());
    }
    let fields = match dialect {
        Dialect::Transcription => Object::default(),
        _ => lenient::object(body)?,
    };
    let model = fields.text("model")?.to_owned();
    let mut question = match dialect {
        Dialect::Chat => native::chat(&fields, &model)?,
        Dialect::Generate => native::generate(&fields, &model)?,
        Dialect::OpenAiChat => openai::chat(&fields)?,
        Dialect::OpenAiCompletion => openai::completion(&fields)?,
        Dialect::Responses => responses::responses(&fields)?,
        Dialect::Transcription => return form::transcription(content_type, body),
        Dialect::Messages => anthropic::messages(&fields, &model)?,
    };
    if !question.tools.is_empty() {
        question.needs.push("tools");
    }
    let chats = !matches!(dialect, Dialect::Generate | Dialect::OpenAiCompletion);
    if model.is_empty() {
        return Err(if chats { "model is required".into() } else { Refusal::new(404, "model '' not found") });
    }
    question.model = model;
    Ok(question)
}

/// Zero and below bound nothing.
fn limit(most: Option<i64>) -> Option<u32> {
    most.filter(|most| *most > 0).map(|most| u32::try_from(most).unwrap_or(u32::MAX))
}

/// The alternatives to each token, if log probabilities are wanted at all.
fn logprobs(wanted: Option<bool>, top: Option<i64>) -> Result<Option<u32>, Refusal> {
    let top = top.unwrap_or_default();
    match u32::try_from(top) {
        Ok(top) if top <= 20 => Ok(wanted.unwrap_or_default().then_some(top)),
        _ => Err("top_logprobs must be between 0 and 20".into()),
    }
}

/// One string or several; other elements are ignored.
fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Reads `format`, or the schema an OpenAI client put in its place.
fn form(value: Option<&Value>) -> Form {
    match value {
        None => Form::Prose,
        Some(Value::String(text)) if text.is_empty() => Form::Prose,
        Some(Value::String(text)) if text == "json" => Form::Json,
        Some(schema @ Value::Object(_)) => Form::Schema(schema.clone()),
        Some(other) => Form::Invalid(other.to_string()),
    }
}

/// Tools as `{"function":{"name","parameters"}}` (native, OpenAI), or flat with `parameters` (Responses) or
/// `input_schema` (Anthropic).
fn tools(list: &[Value]) -> Vec<Tool> {
    let read = |tool: &Value| {
        let function = tool.get("function").unwrap_or(tool);
        let parameters = function.get("parameters").or_else(|| function.get("input_schema"));
        let name = function.get("name")?.as_str()?.to_owned();
        Some(Tool { name, parameters: parameters.cloned().unwrap_or_default() })
    };
    list.iter().filter_map(read).collect()
}
