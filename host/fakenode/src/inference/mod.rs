//! Answering chat, completion and generation requests: the story from body to last frame.
//!
//! Nothing is sent before the first token exists, whatever happens until then.

mod bend;
mod speak;

use std::io;
use std::sync::Arc;

use tokio::time::{Instant, sleep};

pub(crate) use bend::{Bend, Cut};
use speak::Speech;

use crate::catalog::{Missing, Model};
use crate::dialect::{Answer, Dialect, Family};
use crate::http::{JSON, Next, Wire};
use crate::node::Node;
use crate::prose;
use crate::question::{self, Question, Refusal};
use crate::route::Request;
use crate::scheduler::{QueueFull, Want};
use crate::sha256;
use crate::verb::Verb;

pub(crate) async fn answer(
    node: &Arc<Node>,
    dialect: Dialect,
    request: &Request,
    wire: &mut Wire,
) -> io::Result<Next> {
    match question::read(dialect, &request.body) {
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
        return only_load(node, dialect, question, &want, wire).await;
    }
    let Ok(slot) = node.scheduler.slot(&want).await else {
        return refuse(dialect.family(), &busy(), wire).await;
    };
    if slot.lease().thrashed() {
        node.journal.thrashed(request.exchange);
    }
    wire.raw(&bend.informational()).await?;
    let begun = Instant::now();
    bend.prefill(model.spec.first_token).await;
    let speech = Speech {
        dialect,
        answer: Answer {
            model: &question.model,
            id: request.exchange.0,
            prompt_tokens: prompt_tokens(&question.prompt),
            include_usage: question.include_usage,
        },
        tokens: tokens(node, model, question, &bend),
        cut_by_client: question.limit.is_some_and(|limit| limit < bend.length(model.spec.tokens)),
        pace: bend.pace(model.spec.token),
        arrived: request.arrived,
        load: slot.lease().load(),
        prompt: begun.elapsed(),
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
    let listed = &model.listed;
    if !model.can("completion") {
        return Err(Refusal::new(400, format!("\"{name}\" does not support {}", dialect.verb())));
    }
    match question.needs.iter().find(|need| !model.can(need)) {
        // Claude Code sends it always, so Ollama drops it there.
        Some(&"thinking") if dialect == Dialect::Messages => Ok(model),
        Some(&"thinking") => Err(Refusal::new(400, format!("\"{name}\" does not support thinking"))),
        Some(need) => {
            Err(Refusal::new(400, format!("registry.ollama.ai/library/{listed} does not support {need}")))
        }
        None => Ok(model),
    }
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
    question: &Question,
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
    // Never a stream, whatever the request said.
    wire.whole(200, JSON, &dialect.load_answer(&question.model, reason)).await
}

/// The words of the answer: the same question gets the same answer from nodes with the same seed.
fn tokens(node: &Node, model: &Model, question: &Question, bend: &Bend) -> Vec<String> {
    let digest = sha256::hex(format!("{} {} {}", node.seed, model.canonical, question.prompt).as_bytes());
    let seed = digest.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default();
    let length = bend.length(model.spec.tokens).min(question.limit.unwrap_or(u32::MAX));
    let mut tokens: Vec<String> = prose::tokens(seed).take(length as usize).collect();
    if let (Some(bytes), Some(first)) = (bend.huge_token, tokens.first_mut()) {
        *first = "baa ".repeat(bytes / 4);
    }
    tokens
}

/// Waits as long as a prefill that may never end.
pub(crate) async fn pause(duration: Option<std::time::Duration>) {
    match duration {
        Some(duration) if duration.is_zero() => {}
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}
