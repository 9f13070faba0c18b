//! Answering chat, completion and generation requests: the story from body to last frame.
//!
//! Nothing is sent before the first token exists, whatever happens until then.

mod bend;
mod speak;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::time::{Instant, sleep};

pub(crate) use bend::{Bend, Cut};
use speak::Speech;

use crate::catalog::{Missing, Model};
use crate::dialect::{Answer, Dialect, Family};
use crate::http::{JSON, Next, Wire};
use crate::journal::ExchangeId;
use crate::node::Node;
use crate::question::{self, Form, Question, Refusal};
use crate::reply::{self, Mind};
use crate::route::Request;
use crate::scheduler::{QueueFull, Want};
use crate::verb::Verb;

/// What a picture costs, as Ollama counts it when it cuts a prompt.
const MEDIA_TOKENS: u64 = 768;

pub(crate) async fn answer(
    node: &Arc<Node>,
    dialect: Dialect,
    request: &Request,
    wire: &mut Wire,
) -> io::Result<Next> {
    let content_type = request.head.header("content-type").unwrap_or_default();
    match question::read(dialect, content_type, &request.body) {
        Ok(question) => converse(node, dialect, request, &question, wire).await,
        Err(refusal) => refuse(dialect.family(), &refusal, wire).await,
    }
}

async fn converse(
    node: &Arc<Node>,
    dialect: Dialect,
    request: &Request,
    question: &Question,
    wire: &mut Wire,
) -> io::Result<Next> {
    let verb = take_verb(node, request, &question.model);
    if let Some(next) = instead(node, verb.as_ref(), dialect.family(), request, wire).await? {
        return Ok(next);
    }
    let model = match find(node, dialect, question) {
        Ok(model) => model,
        Err(refusal) => return refuse(dialect.family(), &refusal, wire).await,
    };
    let bend = Bend::of(verb);
    let want = want(model, question, &bend);
    if question.only_load {
        return only_load(node, dialect, (question, request.exchange), &want, wire).await;
    }
    let Ok(slot) = node.scheduler.slot(&want).await else {
        return refuse(dialect.family(), &busy(), wire).await;
    };
    if slot.lease().thrashed() {
        node.journal.thrashed(request.exchange);
    }
    if let Some(refusal) = runner_refuses(model, dialect, question) {
        return refuse(dialect.family(), &refusal, wire).await;
    }
    wire.raw(&bend.informational()).await?;
    let begun = Instant::now();
    let answer = answer_to(question, request.exchange);
    bend.prefill(model.spec.first_token + reading(model, answer.prompt_tokens)).await;
    let speech = Speech {
        dialect,
        answer,
        reply: reply::compose(&mind(node, model, &bend), question),
        pace: bend.pace(model.spec.token),
        arrived: request.arrived,
        load: slot.lease().load(),
        prompt: begun.elapsed(),
        boast: model.spec.boast,
        bend: &bend,
    };
    if bend.cut.is_some() || bend.breaks_framing() {
        node.journal.fault(request.exchange);
    }
    if let Some(bps) = bend.trickle {
        wire.trickle(bps);
    }
    speech.deliver(slot, question.stream, wire).await
}

/// The verb that falls to this request, noted in the journal.
pub(crate) fn take_verb(node: &Node, request: &Request, model: &str) -> Option<Verb> {
    node.journal.model(request.exchange, model);
    let canonical = crate::names::canonical(model).unwrap_or_else(|_| model.to_owned());
    let verb = node.script.take(&canonical)?;
    node.journal.verb(request.exchange, verb.name());
    Some(verb)
}

/// Verbs that answer in the model's place, without waiting for it.
pub(crate) async fn instead(
    node: &Node,
    verb: Option<&Verb>,
    family: Family,
    request: &Request,
    wire: &mut Wire,
) -> io::Result<Option<Next>> {
    let next = match verb {
        Some(Verb::Status { code, body }) => {
            let body = match body {
                serde_json::Value::Null => Vec::new(),
                serde_json::Value::String(text) => family.refusal(&Refusal::new(*code, text.as_str())),
                json => json.to_string().into_bytes(),
            };
            wire.whole(*code, if body.is_empty() { "" } else { JSON }, &body).await?
        }
        Some(Verb::Redirect { url }) => wire.whole_with(307, &[("Location", url)], b"").await?,
        Some(Verb::Raw { text }) => {
            node.journal.fault(request.exchange);
            wire.raw(text.as_bytes()).await?;
            Next::Close
        }
        Some(Verb::Noread {}) => std::future::pending().await,
        _ => return Ok(None),
    };
    Ok(Some(next))
}

pub(crate) async fn refuse(family: Family, refusal: &Refusal, wire: &mut Wire) -> io::Result<Next> {
    wire.whole(refusal.status, JSON, &family.refusal(refusal)).await
}

/// The scheduler's answer to too many pending loads; two spaces, as in the original.
pub(crate) fn busy() -> Refusal {
    Refusal::new(503, "server busy, please try again.  maximum pending requests exceeded")
}

/// Four bytes a token is as good as any guess.
pub(crate) fn prompt_tokens(prompt: &str) -> u64 {
    (prompt.len() as u64 / 4).max(1)
}

fn find<'a>(node: &'a Node, dialect: Dialect, question: &Question) -> Result<&'a Model, Refusal> {
    let name = &question.model;
    let model = node.catalog.find(name).map_err(|missing| match missing {
        Missing::InvalidName if !name.is_empty() => Refusal::new(400, "invalid model name"),
        _ => Refusal::new(404, format!("model '{name}' not found")),
    })?;
    if !model.can("completion") {
        return Err(Refusal::new(400, format!("\"{name}\" does not support {}", dialect.verb())));
    }
    // Claude Code asks for thinking always, so Ollama drops it there.
    if question.think == Some(true) && !model.can("thinking") && dialect != Dialect::Messages {
        return Err(Refusal::new(400, format!("\"{name}\" does not support thinking")));
    }
    match question.needs.iter().find(|need| !model.can(need)) {
        Some(need) => Err(Refusal::new(400, format!("{} does not support {need}", model.full_name()))),
        None => Ok(model),
    }
}

/// What Ollama leaves to the runner to find out, once the model is loaded.
fn runner_refuses(model: &Model, dialect: Dialect, question: &Question) -> Option<Refusal> {
    if let Form::Invalid(format) = &question.form {
        let text = format!("invalid format: {format:?}; expected \"json\" or a valid JSON Schema object");
        return Some(Refusal::new(500, text));
    }
    let (kind, able) = match dialect {
        Dialect::Transcription => ("audio", model.can("audio")),
        _ => ("image", model.can("vision") || model.can("audio")),
    };
    if question.media.is_empty() || able {
        return None;
    }
    let hint = "hint: if this is unexpected, you may need to provide the mmproj";
    // The runner's own JSON, handed on as a string.
    let error = json!({ "code": 500, "message": format!("{kind} input is not supported - {hint}"), "type": "server_error" });
    Some(Refusal::new(500, json!({ "error": error }).to_string()))
}

fn mind<'a>(node: &Node, model: &'a Model, bend: &Bend) -> Mind<'a> {
    Mind {
        seed: node.seed,
        model: &model.canonical,
        length: bend.length(model.spec.tokens),
        can_think: model.can("thinking"),
        huge_token: bend.huge_token,
    }
}

fn answer_to(question: &Question, exchange: ExchangeId) -> Answer<'_> {
    Answer {
        model: &question.model,
        id: exchange.0,
        created: SystemTime::now(),
        prompt_tokens: prompt_tokens(&question.prompt) + MEDIA_TOKENS * question.media.len() as u64,
        include_usage: question.include_usage,
        logprobs: question.logprobs,
        plain: question.plain,
        echo: &question.echo,
    }
}

/// How long the prompt takes by its length.
fn reading(model: &Model, prompt_tokens: u64) -> Duration {
    let seconds = prompt_tokens as f64 / model.spec.prefill;
    if seconds.is_finite() { Duration::from_secs_f64(seconds) } else { Duration::ZERO }
}

fn want(model: &Model, question: &Question, bend: &Bend) -> Want {
    Want {
        model: Arc::clone(&model.canonical),
        context: question.context.unwrap_or(model.spec.context),
        keep_alive: question.keep_alive,
        load: bend.load(model.spec.load),
    }
}

async fn only_load(
    node: &Arc<Node>,
    dialect: Dialect,
    (question, exchange): (&Question, ExchangeId),
    want: &Want,
    wire: &mut Wire,
) -> io::Result<Next> {
    let reason = if question.keep_alive.is_some_and(|keep| keep.is_zero()) {
        node.scheduler.unload(&want.model);
        "unload"
    } else {
        match node.scheduler.lease(want).await {
            Ok(lease) => drop(lease),
            Err(QueueFull) => return refuse(dialect.family(), &busy(), wire).await,
        }
        "load"
    };
    let answer = Answer { prompt_tokens: 0, ..answer_to(question, exchange) };
    // Never sent in pieces, whatever the request said; on `/v1` the one piece may still be of a stream's kind.
    let events = question.stream && !dialect.is_native();
    let kind = if events { dialect.stream_type() } else { JSON };
    wire.whole(200, kind, &dialect.load_answer(&answer, question.stream, reason)).await
}

/// Waits as long as a prefill that may never end.
pub(crate) async fn pause(duration: Option<Duration>) {
    match duration {
        Some(duration) if duration.is_zero() => {}
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}
