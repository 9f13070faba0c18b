//! Embeddings: `/api/embed`, `/api/embeddings` and `/v1/embeddings`. One answer, no stream, a slot as usual.
//!
//! The newer two routes normalise their vectors, the oldest one does not.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base64;
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
pub(crate) const DIMENSIONS: usize = 16;

/// What a request asks for.
struct Wanted {
    fields: Object,
    model: String,
    inputs: Vec<String>,
    /// Numbers in each vector; 0 is all of them.
    dimensions: usize,
    /// Little-endian floats in base64 instead of a list of numbers.
    base64: bool,
}

pub(crate) async fn answer(
    node: &Arc<Node>,
    route: EmbeddingRoute,
    request: &Request,
    wire: &mut Wire,
) -> io::Result<Next> {
    match read(route, &request.body) {
        Ok(wanted) => embed(node, route, request, &wanted, wire).await,
        Err(refusal) => refuse(route.family(), &refusal, wire).await,
    }
}

async fn embed(
    node: &Arc<Node>,
    route: EmbeddingRoute,
    request: &Request,
    wanted: &Wanted,
    wire: &mut Wire,
) -> io::Result<Next> {
    let name = &wanted.model;
    let family = route.family();
    let verb = take_verb(node, request, name);
    if let Some(next) = instead(node, verb.as_ref(), family, request, wire).await? {
        return Ok(next);
    }
    let Ok(model) = node.catalog.find(name) else {
        let text = format!("model {name:?} not found, try pulling it first");
        return refuse(family, &Refusal::new(404, text), wire).await;
    };
    let keep_alive = match keep_alive::read(wanted.fields.get("keep_alive")) {
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
    if !wanted.inputs.is_empty() {
        bend.prefill(model.spec.first_token).await;
    }
    if let Some((_, cut)) = &bend.cut {
        node.journal.fault(request.exchange);
        return cut_short(route, cut, wire).await;
    }
    if let Some(bps) = bend.trickle {
        wire.trickle(bps);
    }
    let load = slot.lease().load();
    let body = body(route, wanted, &model.canonical, (request.arrived.elapsed(), load));
    drop(slot);
    wire.whole(200, JSON, body.to_string().as_bytes()).await
}

fn body(route: EmbeddingRoute, wanted: &Wanted, model: &str, (total, load): (Duration, Duration)) -> Value {
    let vectors = wanted.inputs.iter().map(|text| vector(model, text));
    let tokens: u64 = wanted.inputs.iter().map(|text| prompt_tokens(text)).sum();
    let normal = vectors.clone().map(|vector| shortened(vector, wanted.dimensions));
    match route {
        EmbeddingRoute::Embed => json!({
            "model": wanted.model,
            "embeddings": normal.map(|vector| numbers(&vector)).collect::<Vec<_>>(),
            "total_duration": total.as_nanos() as u64,
            "load_duration": load.as_nanos() as u64,
            "prompt_eval_count": tokens,
        }),
        EmbeddingRoute::Embeddings => {
            let raw = vectors.into_iter().next().unwrap_or_default();
            json!({ "embedding": numbers(&raw) })
        }
        EmbeddingRoute::OpenAi => {
            let rows = normal.enumerate().map(|(index, vector)| {
                let coded = if wanted.base64 { coded(&vector) } else { numbers(&vector) };
                json!({ "object": "embedding", "embedding": coded, "index": index })
            });
            json!({
                "object": "list",
                "data": rows.collect::<Vec<_>>(),
                "model": wanted.model,
                "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
            })
        }
    }
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

fn read(route: EmbeddingRoute, body: &[u8]) -> Result<Wanted, Refusal> {
    if body.is_empty() && route.family() == Family::Native {
        return Err("missing request body".into());
    }
    let fields = lenient::object(body)?;
    let model = fields.text("model")?.to_owned();
    let encoding = if route == EmbeddingRoute::OpenAi { fields.text("encoding_format")? } else { "" };
    if !["", "float", "base64"].contains(&encoding.to_ascii_lowercase().as_str()) {
        let known = "Supported values: ['float', 'base64'].";
        return Err(format!("Invalid value for 'encoding_format' = {encoding}. {known}").into());
    }
    let inputs = match route {
        EmbeddingRoute::Embeddings => prompt(fields.text("prompt")?),
        EmbeddingRoute::Embed => inputs(fields.get("input"))?,
        EmbeddingRoute::OpenAi => match fields.get("input") {
            None => return Err("invalid input".into()),
            Some(Value::Array(list)) if list.is_empty() => return Err("invalid input".into()),
            Some(Value::String(text)) => vec![text.clone()],
            some => inputs(some)?,
        },
    };
    if model.is_empty() {
        return Err(match route {
            EmbeddingRoute::Embeddings => "model is required".into(),
            _ => Refusal::new(404, "model '' not found"),
        });
    }
    let dimensions = fields.integer("dimensions")?.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
    let base64 = encoding.eq_ignore_ascii_case("base64");
    Ok(Wanted { fields, model, inputs, dimensions, base64 })
}

/// An empty text only loads the model.
fn prompt(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { vec![text.to_owned()] }
}

fn inputs(input: Option<&Value>) -> Result<Vec<String>, Refusal> {
    match input {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(prompt(text)),
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or_else(|| "invalid input type".into())
        }
        Some(_) => Err("invalid input type".into()),
    }
}

/// Sixteen numbers in [-1, 1] that depend on model and text only.
fn vector(model: &str, text: &str) -> Vec<f32> {
    let digest = sha256::hex(format!("{model} {text}").as_bytes());
    let bytes = digest.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    let numbers = bytes.filter_map(|hex| u8::from_str_radix(hex, 16).ok());
    numbers.take(DIMENSIONS).map(|byte| f32::from(byte) / 127.5 - 1.0).collect()
}

/// The first numbers, 0 meaning all of them, scaled to length 1.
fn shortened(mut vector: Vec<f32>, dimensions: usize) -> Vec<f32> {
    if dimensions > 0 {
        vector.truncate(dimensions);
    }
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt().max(1e-12);
    vector.iter().map(|number| number / length).collect()
}

/// As short as an `f32` can be written, which is how Go writes it.
fn numbers(vector: &[f32]) -> Value {
    vector.iter().map(|number| number.to_string().parse::<f64>().unwrap_or_default()).collect()
}

fn coded(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    json!(base64::encode(&bytes))
}

impl EmbeddingRoute {
    fn family(self) -> Family {
        match self {
            EmbeddingRoute::Embed | EmbeddingRoute::Embeddings => Family::Native,
            EmbeddingRoute::OpenAi => Family::OpenAi,
        }
    }
}
