//! Reads what Ollama tells of itself into claims. A name that breaks our rules is left out.
//!
//! Source: Ollama's `api/types.go` (`ListResponse`, `ProcessResponse`).

use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{Claim, Model, ModelName, ResidentClaim};
use serde::Deserialize;

use crate::ProbeError;
use crate::text::{self, MODELS, cut};

/// Whose answers these are, for people.
const WHOSE: &str = "Ollama";

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Tags {
    /// `null` on a machine without models.
    models: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    modified_at: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    details: Details,
    /// Set for models that run in somebody's cloud.
    #[serde(default)]
    remote_host: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    format: String,
    family: String,
    parameter_size: String,
    quantization_level: String,
}

#[derive(Deserialize)]
struct Processes {
    models: Option<Vec<Process>>,
}

#[derive(Deserialize)]
struct Process {
    name: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    size_vram: u64,
    #[serde(default)]
    expires_at: String,
    /// Not told before Ollama 0.9.
    context_length: Option<u32>,
}

/// `/api/version`.
pub(crate) fn version(body: &[u8]) -> Result<Claim, ProbeError> {
    let Version { version } = text::parse(WHOSE, "/api/version", body)?;
    Ok(Claim::Version(cut(version)))
}

/// `/api/tags`.
pub(crate) fn models(body: &[u8]) -> Result<Claim, ProbeError> {
    let Tags { models } = text::parse(WHOSE, "/api/tags", body)?;
    let local = models.unwrap_or_default().into_iter().filter(|tag| !is_cloud(tag)).take(MODELS);
    Ok(Claim::Models(local.filter_map(model).collect()))
}

/// `/api/ps`.
pub(crate) fn resident(body: &[u8]) -> Result<Claim, ProbeError> {
    let Processes { models } = text::parse(WHOSE, "/api/ps", body)?;
    let claims = models.unwrap_or_default().into_iter().take(MODELS).filter_map(|process| {
        Some(ResidentClaim {
            name: ModelName::parse(&process.name).ok()?,
            loaded: Loaded {
                bytes: process.size,
                vram_bytes: process.size_vram,
                context_tokens: process.context_length,
                expires_at: cut(process.expires_at).into(),
            },
        })
    });
    Ok(Claim::Resident(claims.collect()))
}

/// Such a model would send the prompt out of the house, signed with the node owner's key (Ollama's
/// `server/cloud_proxy.go`). We do not offer it.
fn is_cloud(tag: &Tag) -> bool {
    let name = tag.name.to_ascii_lowercase();
    !tag.remote_host.is_empty() || name.ends_with(":cloud") || name.ends_with("-cloud")
}

fn model(tag: Tag) -> Option<Model> {
    Some(Model {
        name: ModelName::parse(&tag.name).ok()?,
        listed_as: tag.name,
        digest: cut(tag.digest),
        bytes: tag.size,
        modified_at: cut(tag.modified_at),
        format: cut(tag.details.format),
        family: cut(tag.details.family),
        parameter_size: cut(tag.details.parameter_size),
        quantization: cut(tag.details.quantization_level),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_models_says_null() {
        assert_eq!(models(br#"{"models":null}"#).ok(), Some(Claim::Models(vec![])));
        assert_eq!(resident(br#"{"models":[]}"#).ok(), Some(Claim::Resident(vec![])));
    }

    #[test]
    fn what_leaves_the_house_is_not_offered_and_what_has_no_name_is_left_out() {
        let body = br#"{"models":[
            {"name":"qwen3:8b","size":5,"digest":"d","details":{"family":"qwen3"}},
            {"name":"gpt-oss:120b-cloud","size":1},
            {"name":"proxy:latest","remote_host":"https://elsewhere"},
            {"name":"bad name"}]}"#;
        let Ok(Claim::Models(models)) = models(body) else { panic!("a list of models") };
        assert_eq!(models.len(), 1);
        assert_eq!((models[0].name.as_str(), models[0].bytes), ("qwen3:8b", 5));
    }

    #[test]
    fn something_that_is_not_ollama_is_told_as_such() {
        let error = models(b"<html>").expect_err("no JSON").to_string();
        assert!(error.starts_with("/api/tags is not what Ollama answers"), "{error}");
    }

    #[test]
    fn residents_carry_their_figures() {
        let body = br#"{"models":[{"name":"a","size_vram":7,"context_length":4096},{"name":"b:1"}]}"#;
        let Ok(Claim::Resident(claims)) = resident(body) else { panic!("a list of residents") };
        assert_eq!((claims[0].loaded.vram_bytes, claims[0].loaded.context_tokens), (7, Some(4096)));
        assert_eq!((claims[1].name.as_str(), claims[1].loaded.context_tokens), ("b:1", None));
    }
}
