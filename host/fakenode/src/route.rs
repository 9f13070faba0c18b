//! Which path is answered by whom, with gin's manners: plain-text 404 and 405, redirects for a slash too many.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::catalog::Missing;
use crate::control;
use crate::dialect::{Dialect, Family};
use crate::embedding::{self, EmbeddingRoute};
use crate::http::{Head, JSON, Next, TEXT, Wire};
use crate::inference::{self, refuse};
use crate::journal::ExchangeId;
use crate::kind::{Kind, Says};
use crate::lenient;
use crate::node::Node;
use crate::origin;
use crate::question::Refusal;
use crate::script::Override;

/// A complete request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) exchange: ExchangeId,
    pub(crate) arrived: Instant,
    /// It came in on a loopback address.
    pub(crate) loopback: bool,
}

#[derive(Clone, Copy, Debug)]
enum Route {
    Alive,
    Version,
    Status,
    Tags,
    Ps,
    Show,
    OpenAiModels,
    Speak(Dialect),
    Embed(EmbeddingRoute),
}

/// Path, methods, route.
const ROUTES: [(&str, &[&str], Route); 17] = [
    ("/", &["GET", "HEAD"], Route::Alive),
    ("/api/version", &["GET", "HEAD"], Route::Version),
    ("/api/status", &["GET"], Route::Status),
    ("/api/tags", &["GET", "HEAD"], Route::Tags),
    ("/api/ps", &["GET"], Route::Ps),
    ("/api/show", &["POST"], Route::Show),
    ("/api/chat", &["POST"], Route::Speak(Dialect::Chat)),
    ("/api/generate", &["POST"], Route::Speak(Dialect::Generate)),
    ("/api/embed", &["POST"], Route::Embed(EmbeddingRoute::Embed)),
    ("/api/embeddings", &["POST"], Route::Embed(EmbeddingRoute::Embeddings)),
    ("/v1/chat/completions", &["POST"], Route::Speak(Dialect::OpenAiChat)),
    ("/v1/completions", &["POST"], Route::Speak(Dialect::OpenAiCompletion)),
    ("/v1/responses", &["POST"], Route::Speak(Dialect::Responses)),
    ("/v1/audio/transcriptions", &["POST"], Route::Speak(Dialect::Transcription)),
    ("/v1/embeddings", &["POST"], Route::Embed(EmbeddingRoute::OpenAi)),
    ("/v1/models", &["GET"], Route::OpenAiModels),
    ("/v1/messages", &["POST"], Route::Speak(Dialect::Messages)),
];

/// Requests to the control port: not logged, not checked.
pub(crate) fn is_control(head: &Head) -> bool {
    head.path().starts_with("/_")
}

/// Requests that take a verb.
pub(crate) fn is_inference(head: &Head) -> bool {
    let here =
        ROUTES.iter().find(|(path, methods, _)| *path == head.path() && methods.contains(&&*head.method));
    matches!(here, Some((_, _, Route::Speak(_) | Route::Embed(_))))
}

pub(crate) async fn answer(node: &Arc<Node>, request: &Request, wire: &mut Wire) -> io::Result<Next> {
    let (head, path) = (&request.head, request.head.path());
    match node.kind.says(node, path) {
        None | Some(Says::AsOllama) => {}
        Some(Says::Json(status, body)) => {
            return wire.whole(status, JSON, body.to_string().as_bytes()).await;
        }
        Some(Says::Text(status, text)) => return wire.whole(status, TEXT, text.as_bytes()).await,
    }
    if node.kind == Kind::Ollama && origin::refuses(head, request.loopback) {
        return wire.whole(403, "", b"").await;
    }
    if let Some(name) = path.strip_prefix("/v1/models/").filter(|name| !name.contains('/')) {
        return openai_model(node, name, wire).await;
    }
    let Some((_, methods, route)) = ROUTES.iter().find(|(known, _, _)| *known == path) else {
        return unknown(head, wire).await;
    };
    if !methods.contains(&&*head.method) {
        let headers = [("Content-Type", TEXT), ("Allow", &methods.join(", "))];
        return wire.whole_with(405, &headers, b"405 method not allowed").await;
    }
    match *route {
        Route::Alive => wire.whole(200, "text/plain; charset=utf-8", b"Ollama is running").await,
        Route::Version => json_answer(&json!({ "version": node.version }), wire).await,
        Route::Status => {
            json_answer(&json!({ "cloud": { "disabled": false, "source": "none" } }), wire).await
        }
        Route::Tags => overridable(node.script.tags(), || node.catalog.tags(), wire).await,
        Route::Ps => {
            overridable(node.script.ps(), || node.catalog.ps(&node.scheduler.residents()), wire).await
        }
        Route::Show => show(node, &request.body, wire).await,
        Route::OpenAiModels => json_answer(&node.catalog.openai_models(), wire).await,
        Route::Speak(dialect) => inference::answer(node, dialect, request, wire).await,
        Route::Embed(route) => embedding::answer(node, route, request, wire).await,
    }
}

/// The control port is asked before anything of Ollama's, its Host check included.
pub(crate) async fn control(node: &Arc<Node>, head: &Head, body: &[u8], wire: &mut Wire) -> io::Result<Next> {
    control::answer(node, head, body, wire).await
}

async fn unknown(head: &Head, wire: &mut Wire) -> io::Result<Next> {
    let trimmed = head.path().trim_end_matches('/');
    if trimmed != head.path() && ROUTES.iter().any(|(known, _, _)| *known == trimmed) {
        let status = if head.method == "GET" { 301 } else { 307 };
        return wire.whole_with(status, &[("Location", trimmed)], b"").await;
    }
    wire.whole(404, TEXT, b"404 page not found").await
}

/// What a node verb put in the place of the truth, or the truth.
async fn overridable(instead: Override, truth: impl FnOnce() -> Value, wire: &mut Wire) -> io::Result<Next> {
    if instead.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(instead.delay_ms)).await;
    }
    json_answer(&if instead.body.is_null() { truth() } else { instead.body }, wire).await
}

async fn show(node: &Node, body: &[u8], wire: &mut Wire) -> io::Result<Next> {
    match find_to_show(node, body) {
        Ok(shown) => json_answer(&shown, wire).await,
        Err(refusal) => refuse(Family::Native, &refusal, wire).await,
    }
}

fn find_to_show(node: &Node, body: &[u8]) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Err("missing request body".into());
    }
    let fields = lenient::object(body)?;
    let (model, name) = (fields.text("model")?, fields.text("name")?);
    let wanted = if model.is_empty() { name } else { model };
    match node.catalog.find(wanted) {
        Ok(model) => Ok(model.show()),
        Err(_) if wanted.is_empty() => Err("model is required".into()),
        Err(Missing::InvalidName) => Err("invalid model name".into()),
        Err(Missing::Absent) => Err(Refusal::new(404, format!("model '{wanted}' not found"))),
    }
}

async fn openai_model(node: &Node, name: &str, wire: &mut Wire) -> io::Result<Next> {
    match node.catalog.find(name) {
        Ok(model) => json_answer(&model.openai(name), wire).await,
        Err(_) => refuse(Family::OpenAi, &Refusal::new(404, format!("model '{name}' not found")), wire).await,
    }
}

async fn json_answer(value: &Value, wire: &mut Wire) -> io::Result<Next> {
    wire.whole(200, JSON, value.to_string().as_bytes()).await
}
