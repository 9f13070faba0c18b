//! Answers that no single backend has: the models of all, the oldest version, and that somebody is there.

use std::collections::BTreeMap;

use bytes::Bytes;
use herdwick_fleet::{Model, Snapshot};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::relay::Body;
use crate::rescue::Problem;

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

/// Every model that a reachable backend holds, once per name. Of two that differ in content the one that was
/// modified last is shown.
pub(crate) fn tags(snapshot: &Snapshot) -> Response<Body> {
    let mut models: BTreeMap<&str, &Model> = BTreeMap::new();
    let reachable = snapshot.backends().iter().filter(|backend| backend.unreachable().is_none());
    for model in reachable.flat_map(|backend| backend.holdings.values()).map(|holding| &*holding.model) {
        let known = models.entry(model.name.as_str()).or_insert(model);
        if known.modified_at < model.modified_at {
            *known = model;
        }
    }
    json(&Tags { models: models.into_values().map(tag).collect() })
}

fn tag(model: &Model) -> Tag<'_> {
    Tag {
        name: &model.listed_as,
        model: &model.listed_as,
        modified_at: &model.modified_at,
        size: model.bytes,
        digest: &model.digest,
        details: Details {
            parent_model: "",
            format: &model.format,
            family: &model.family,
            families: [&model.family],
            parameter_size: &model.parameter_size,
            quantization_level: &model.quantization,
        },
    }
}

/// The oldest version in the fleet: what every node can be expected to do.
pub(crate) fn version(snapshot: &Snapshot) -> Result<Response<Body>, Problem> {
    let reachable = snapshot.backends().iter().filter(|backend| backend.unreachable().is_none());
    let versions = reachable.map(|backend| &*backend.version).filter(|version| !version.is_empty());
    match versions.min_by_key(|version| numbers(version)) {
        Some(version) => Ok(json(&serde_json::json!({ "version": version }))),
        None => {
            let silent = snapshot
                .backends()
                .iter()
                .map(|backend| format!("{} ({})", backend.node.name, backend.origin));
            Err(Problem::NoNode { nodes: silent.collect::<Vec<_>>().join(", ") })
        }
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
