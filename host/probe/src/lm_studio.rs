//! Reads what LM Studio tells of its models into claims. It answers 200 to every path, those that it does not have
//! included, so that only the body tells.
//!
//! Source: lmstudio.ai, "REST API v0" (`GET /api/v0/models`).

use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{Claim, Model, ModelName, ResidentClaim};
use serde::Deserialize;

use crate::ProbeError;
use crate::text::{self, MODELS, cut};

/// What is asked for.
pub(crate) const MODELS_PATH: &str = "/api/v0/models";

/// The list, as answered.
#[derive(Deserialize)]
pub(crate) struct List {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    arch: String,
    /// `gguf` or `mlx`.
    #[serde(default)]
    compatibility_type: String,
    #[serde(default)]
    quantization: String,
    /// `loaded` or `not-loaded`.
    #[serde(default)]
    state: String,
    /// Told of loaded models since 0.3.16. The longest that a model allows is another matter.
    loaded_context_length: Option<u32>,
}

impl List {
    /// Reads what was answered.
    pub(crate) fn read(body: &[u8]) -> Result<Self, ProbeError> {
        text::parse("LM Studio", MODELS_PATH, body)
    }

    /// Every model on disk.
    pub(crate) fn models(&self) -> Claim {
        let model = |entry: &Entry| {
            Some(Model {
                name: ModelName::parse(&entry.id).ok()?,
                listed_as: entry.id.clone(),
                digest: String::new(),
                bytes: 0,
                modified_at: String::new(),
                format: cut(entry.compatibility_type.clone()),
                family: cut(entry.arch.clone()),
                parameter_size: String::new(),
                quantization: cut(entry.quantization.clone()),
            })
        };
        Claim::Models(self.data.iter().take(MODELS).filter_map(model).collect())
    }

    /// Those in memory.
    pub(crate) fn resident(&self) -> Claim {
        let loaded = self.data.iter().take(MODELS).filter(|entry| entry.state == "loaded");
        let claim = |entry: &Entry| {
            let loaded = Loaded { context_tokens: entry.loaded_context_length, ..Loaded::default() };
            Some(ResidentClaim { name: ModelName::parse(&entry.id).ok()?, loaded })
        };
        Claim::Resident(loaded.filter_map(claim).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaded_models_are_told_from_the_others() {
        let body = br#"{"object":"list","data":[
            {"id":"qwen2-vl-7b","object":"model","type":"vlm","publisher":"p","arch":"qwen2_vl",
             "compatibility_type":"mlx","quantization":"4bit","state":"not-loaded","max_context_length":32768},
            {"id":"llama-3.1-8b","type":"llm","arch":"llama","compatibility_type":"gguf","quantization":"Q4_K_M",
             "state":"loaded","max_context_length":131072,"loaded_context_length":8192}]}"#;
        let list = List::read(body).expect("a list");
        let Claim::Models(models) = list.models() else { panic!("models") };
        assert_eq!((models.len(), models[0].format.as_str()), (2, "mlx"));
        let Claim::Resident(claims) = list.resident() else { panic!("residents") };
        assert_eq!(claims.len(), 1);
        assert_eq!(
            (claims[0].name.as_str(), claims[0].loaded.context_tokens),
            ("llama-3.1-8b:latest", Some(8_192))
        );
    }

    #[test]
    fn its_answer_to_a_path_that_it_does_not_have_is_no_list() {
        let body = br#"{"error":"Unexpected endpoint or method. (GET /api/v0/models)"}"#;
        assert!(List::read(body).is_err());
    }
}
