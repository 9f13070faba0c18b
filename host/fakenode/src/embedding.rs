//! Embeddings: `/api/embed`, `/api/embeddings` and `/v1/embeddings`. One answer, no stream, a slot as usual.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::dialect::{Family, RUNNER_DIED};
use crate::http::{JSON, Next, Wire};
use crate::inference::{Bend, Cut, busy, instead, prompt_tokens, refuse, take_verb};
use crate::keep_alive;
use crate::lenient::{self, Object};
use crate::node::Node;
use crate::question::Refusal;
use crate::route::Request;
use crate::scheduler::Want;
use crate::sha256;

/// The three routes differ in fields, texts and shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmbeddingRoute {
    /// `/api/embed`
    Embed,
    /// `/api/embeddings`
    Embeddings,
    /// `/v1/embeddings`
    OpenAi,
}

/// Numbers in one embedding; a small model's, so that logs stay readable.
const DIMENSIONS: usize = 16;

pub(crate) async fn answer(
    node: &Arc<Node>,
    route: EmbeddingRoute,
    request: &Request,
    wire: &mut Wire,
) -> io::Result<Next> {
    match read(route, &request.body) {
        Ok((fields, model, inputs)) => embed(node, route, request, (fields, model, inputs), wire).await,
        Err(refusal) => refuse(route.family(), &refusal, wire).await,
    }
}

async fn embed(
    node: &Arc<Node>,
    route: EmbeddingRoute,
    request: &Request,
    (fields, name, inputs): (Object, String, Vec<String>),
    wire: &mut Wire,
) -> io::Result<Next> {
    let family = route.family();
    let verb = take_verb(node, request, &name);
    if let Some(next) = instead(node, verb.as_ref(), family, request, wire).await? {
        return Ok(next);
    }
    let Ok(model) = node.catalog.find(&name) else {
        let text = format!("model {name:?} not found, try pulling it first");
        return refuse(family, &Refusal::new(404, text), wire).await;
    };
    let keep_alive = match keep_alive::read(fields.get("keep_alive")) {
        Ok(keep_alive) => keep_alive,
        Err(text) => return refuse(family, &text.into(), wire).await,
    };
    let bend = Bend::of(verb);
    let want = Want {
        model: Arc::clone(&model.canonical),
        context: model.spec.context,
        keep_alive,
        load: bend.load(model.spec.load),
    };
    let Ok(slot) = node.scheduler.slot(&want).await else {
        return refuse(family, &busy(), wire).await;
    };
    wire.raw(&bend.informational()).await?;
    if !inputs.is_empty() {
        bend.prefill(model.spec.first_token).await;
    }
    if let Some((_, cut)) = &bend.cut {
        node.journal.fault(request.exchange);
        return cut_short(route, cut, wire).await;
    }
    if let Some(bps) = bend.trickle {
        wire.trickle(bps);
    }
    let vectors: Vec<Value> = inputs.iter().map(|text| vector(&model.canonical, text)).collect();
    let tokens: u64 = inputs.iter().map(|text| prompt_tokens(text)).sum();
    let body = match route {
        EmbeddingRoute::Embed => json!({
            "model": name,
            "embeddings": vectors,
            "total_duration": request.arrived.elapsed().as_nanos() as u64,
            "load_duration": slot.lease().load().as_nanos() as u64,
            "prompt_eval_count": tokens,
        }),
        EmbeddingRoute::Embeddings => json!({ "embedding": vectors.first().unwrap_or(&json!([])) }),
        EmbeddingRoute::OpenAi => {
            let rows = vectors.iter().enumerate();
            let rows =
                rows.map(|(index, v)| json!({ "object": "embedding", "embedding": v, "index": index }));
            json!({
                "object": "list",
                "data": rows.collect::<Vec<_>>(),
                "model": name,
                "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
            })
        }
    };
    drop(slot);
    wire.whole(200, JSON, body.to_string().as_bytes()).await
}

/// A crash of the runner is a 400 on `/api/embed` and a 500 elsewhere, as Ollama has it.
async fn cut_short(route: EmbeddingRoute, cut: &Cut, wire: &mut Wire) -> io::Result<Next> {
    match cut {
        Cut::Reset => Ok(Next::Reset),
        Cut::Fin | Cut::End => Ok(Next::Close),
        Cut::BadJson => wire.whole(200, JSON, b"{\"embeddings\":[[0.1,").await,
        Cut::RunnerDies(message) => {
            let status = if route == EmbeddingRoute::Embed { 400 } else { 500 };
            let crash = format!("do embedding request: {RUNNER_DIED}");
            refuse(route.family(), &Refusal::new(status, message.clone().unwrap_or(crash)), wire).await
        }
    }
}

fn read(route: EmbeddingRoute, body: &[u8]) -> Result<(Object, String, Vec<String>), Refusal> {
    if body.is_empty() && route.family() == Family::Native {
        return Err("missing request body".into());
    }
    let fields = lenient::object(body)?;
    let model = fields.text("model")?.to_owned();
    let inputs = match route {
        EmbeddingRoute::Embeddings => vec![fields.text("prompt")?.to_owned()],
        EmbeddingRoute::Embed | EmbeddingRoute::OpenAi => match fields.get("input") {
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => Vec::new(),
            Some(_) => return Err("invalid input type".into()),
        },
    };
    let asked = inputs.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
    match route {
        EmbeddingRoute::Embeddings if model.is_empty() => Err("model is required".into()),
        EmbeddingRoute::Embed if model.is_empty() => Err(Refusal::new(404, "model '' not found")),
        EmbeddingRoute::OpenAi if asked.is_empty() => Err("invalid input".into()),
        _ => Ok((fields, model, asked)),
    }
}

/// Sixteen numbers in [-1, 1] that depend on model and text only.
fn vector(model: &str, text: &str) -> Value {
    let digest = sha256::hex(format!("{model} {text}").as_bytes());
    let bytes = digest.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    let numbers = bytes.filter_map(|hex| u8::from_str_radix(hex, 16).ok());
    numbers.take(DIMENSIONS).map(|byte| f64::from(byte) / 127.5 - 1.0).collect()
}

impl EmbeddingRoute {
    fn family(self) -> Family {
        match self {
            EmbeddingRoute::Embed | EmbeddingRoute::Embeddings => Family::Native,
            EmbeddingRoute::OpenAi => Family::OpenAi,
        }
    }
}
