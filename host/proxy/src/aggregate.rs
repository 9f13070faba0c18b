//! Answers that no single backend has: the models of all and what of them is in memory, as Ollama and as OpenAI list
//! them, the oldest version, and that somebody is there. All from the picture that polls keep; nobody is asked.

use std::collections::BTreeMap;

use bytes::Bytes;
use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{BackendKind, Model, Moment, Snapshot, Standing};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::aliases::Aliases;
use crate::relay::Body;
use crate::rescue::Problem;
use crate::{asked, headers, lacking, timestamp};

/// Some clients look for these very words.
const ROOT: &str = "Ollama is running";

/// `/api/tags`, in Ollama's shape (`api/types.go`, `ListResponse`).
#[derive(Serialize)]
struct Tags<'a> {
    models: Vec<Tag<'a>>,
}

#[derive(Serialize)]
struct Tag<'a> {
    name: &'a str,
    model: &'a str,
    modified_at: &'a str,
    size: u64,
    digest: &'a str,
    details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    parent_model: &'static str,
    format: &'a str,
    family: &'a str,
    families: [&'a str; 1],
    parameter_size: &'a str,
    quantization_level: &'a str,
}

/// `/api/ps`, in Ollama's shape (`ProcessModelResponse`), with one field more.
#[derive(Serialize)]
struct Processes<'a> {
    models: Vec<Process<'a>>,
}

#[derive(Serialize)]
struct Process<'a> {
    name: &'a str,
    model: &'a str,
    size: u64,
    digest: &'a str,
    details: Details<'a>,
    expires_at: &'a str,
    size_vram: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u32>,
    /// Where it is; Ollama has no word for it.
    herdwick_node: &'a str,
}

/// `/v1/models`, in OpenAI's shape as Ollama fills it (`openai/openai.go`).
#[derive(Serialize)]
struct Entries<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    owned_by: &'a str,
}

impl<'a> Tag<'a> {
    fn of(listed: &Listed<'a>) -> Self {
        let Listed { name, model } = *listed;
        Self {
            name,
            model: name,
            modified_at: &model.modified_at,
            size: model.bytes,
            digest: &model.digest,
            details: Details::of(model),
        }
    }
}

impl<'a> Details<'a> {
    fn of(model: &'a Model) -> Self {
        Self {
            parent_model: "",
            format: &model.format,
            family: &model.family,
            families: [&model.family],
            parameter_size: &model.parameter_size,
            quantization_level: &model.quantization,
        }
    }
}

impl<'a> Process<'a> {
    fn of(model: &'a Model, loaded: &'a Loaded, node: &'a str) -> Self {
        Self {
            name: &model.listed_as,
            model: &model.listed_as,
            size: loaded.bytes,
            digest: &model.digest,
            details: Details::of(model),
            expires_at: &loaded.expires_at,
            size_vram: loaded.vram_bytes,
            context_length: loaded.context_tokens,
            herdwick_node: node,
        }
    }
}

impl<'a> Entry<'a> {
    fn of(listed: &Listed<'a>) -> Self {
        let Listed { name, model } = *listed;
        let path: Vec<_> = model.listed_as.split('/').collect();
        let owned_by = path.iter().rev().nth(1).copied().unwrap_or("library");
        let created = timestamp::unix(&model.modified_at).unwrap_or(0);
        Self { id: name, object: "model", created, owned_by }
    }
}

/// `/api/tags`.
pub(crate) fn tags(snapshot: &Snapshot, aliases: &Aliases) -> Response<Body> {
    let models = all(snapshot, aliases, NATIVE).into_values().map(|listed| Tag::of(&listed)).collect();
    partial(json(&Tags { models }), snapshot)
}

/// `/v1/models`.
pub(crate) fn models(snapshot: &Snapshot, aliases: &Aliases) -> Response<Body> {
    let models = all(snapshot, aliases, OPENAI).into_values();
    let data: Vec<_> = models.map(|listed| Entry::of(&listed)).collect();
    partial(json(&Entries { object: "list", data }), snapshot)
}

/// `/v1/models/{id}`.
pub(crate) fn model(
    snapshot: &Snapshot,
    aliases: &Aliases,
    written: &str,
) -> Result<Response<Body>, Problem> {
    let (name, written) = asked::name(written)?;
    let listed = all(snapshot, aliases, OPENAI);
    match listed.get(name.as_str()) {
        Some(listed) => Ok(json(&Entry::of(listed))),
        None => Err(Problem::ModelNotFound { name: written, nearest: lacking::nearest(snapshot, &name) }),
    }
}

/// `/api/ps`: what is in memory, with the machine where it is. A model that two machines have loaded is listed twice.
pub(crate) fn ps(snapshot: &Snapshot, now: Moment) -> Response<Body> {
    let up = snapshot.backends().iter().filter(|backend| backend.unreachable().is_none());
    let loaded = up.flat_map(|backend| {
        backend.holdings.values().filter_map(move |holding| {
            let loaded = holding.resident(now)?;
            Some(Process::of(&holding.model, loaded, &backend.node.name))
        })
    });
    partial(json(&Processes { models: loaded.collect() }), snapshot)
}

/// `/api/status`: whether the cloud is used, which it never is through us.
pub(crate) fn status() -> Response<Body> {
    json(&serde_json::json!({ "cloud": { "disabled": true, "source": "router" } }))
}

/// A model under one of its names.
#[derive(Clone, Copy)]
struct Listed<'a> {
    name: &'a str,
    model: &'a Model,
}

/// Of whoever serves this, models are listed in Ollama's list: what it lists can be asked for in its API.
const NATIVE: &str = "/api/chat";
/// The same for OpenAI's list.
const OPENAI: &str = "/v1/chat/completions";

/// Every model that a reachable backend holds which serves `path`, once per name. Of two that differ in content the one that was modified
/// last is shown. Another name for a model of them is listed like a model.
fn all<'a>(snapshot: &'a Snapshot, aliases: &'a Aliases, path: &str) -> BTreeMap<&'a str, Listed<'a>> {
    let mut models: BTreeMap<&str, Listed<'_>> = BTreeMap::new();
    let reachable = snapshot.backends().iter().filter(|backend| backend.unreachable().is_none());
    let serving = reachable.filter(|backend| backend.kind.serves(path));
    for model in serving.flat_map(|backend| backend.holdings.values()).map(|holding| &*holding.model) {
        let listed = Listed { name: &model.listed_as, model };
        let known = models.entry(model.name.as_str()).or_insert(listed);
        if known.model.modified_at < model.modified_at {
            *known = listed;
        }
    }
    let others = aliases.iter().filter_map(|(name, meant)| {
        let model = models.get(meant.model.as_str())?.model;
        Some((name.as_str(), Listed { name: &meant.listed, model }))
    });
    let others: Vec<_> = others.collect();
    models.extend(others);
    models
}

/// Says which machines a list could not take in. Those that are offline for long nobody expects in it.
fn partial(mut response: Response<Body>, snapshot: &Snapshot) -> Response<Body> {
    let expected = snapshot.backends().iter().filter(|backend| backend.node.standing != Standing::Lost);
    let silent = expected.filter(|backend| backend.unreachable().is_some());
    let names: Vec<_> = silent.map(|backend| &*backend.node.name).collect();
    if !names.is_empty() {
        response.headers_mut().insert(headers::PARTIAL, headers::text(&names.join(", ")));
    }
    response
}

/// The oldest Ollama in the fleet: what every node can be expected to do. Where there is none, the oldest of the others.
pub(crate) fn version(snapshot: &Snapshot) -> Result<Response<Body>, Problem> {
    let reachable = snapshot.backends().iter().filter(|backend| backend.unreachable().is_none());
    let told = reachable.filter(|backend| !backend.version.is_empty());
    let oldest = told.min_by_key(|backend| (backend.kind != BackendKind::Ollama, numbers(&backend.version)));
    match oldest {
        Some(backend) => Ok(json(&serde_json::json!({ "version": &*backend.version }))),
        None => Err(lacking::nobody(snapshot)),
    }
}

/// `0.12.6-rc1` as (0, 12, 6), for comparing.
fn numbers(version: &str) -> Vec<u32> {
    let digits = version.split(['.', '-', '+']).map_while(|part| part.parse().ok());
    digits.collect()
}

/// What Ollama says at its root.
pub(crate) fn root() -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from_static(ROOT.as_bytes())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn json<T: Serialize>(body: &T) -> Response<Body> {
    let (status, bytes) = match serde_json::to_vec(body) {
        Ok(bytes) => (StatusCode::OK, Bytes::from(bytes)),
        // Texts and numbers always serialise; were they not to, an empty 500 is the honest answer.
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Bytes::new()),
    };
    let mut response = Response::new(Body::full(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(numbers("0.9.10") < numbers("0.12.6"));
        assert_eq!(numbers("0.12.6-rc1"), [0, 12, 6]);
    }
}
