//! Reads what servers with OpenAI's API tell of their models into claims. The list is all that they have in common;
//! whose it is shows in fields that each adds.
//!
//! Sources: llama.cpp `tools/server/server-context.cpp` (`owned_by: llamacpp`, `meta`) and `server-models.cpp`
//! (`status`); vLLM `entrypoints/openai/protocol.py` (`owned_by: vllm`, `max_model_len`); `mlx_lm/server.py` (no
//! `owned_by`).

use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{BackendKind, Claim, Model, ModelName, ResidentClaim};
use serde::Deserialize;

use crate::ProbeError;
use crate::text::{self, MODELS, cut};

/// What is asked for.
pub(crate) const MODELS_PATH: &str = "/v1/models";

/// The list, as answered.
#[derive(Deserialize)]
pub(crate) struct List {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    owned_by: Option<String>,
    /// vLLM: the context that it was started with.
    max_model_len: Option<u32>,
    /// llama.cpp: what the file says; null until it is read.
    #[serde(default)]
    meta: Option<Meta>,
    /// llama.cpp with several models: which of them is in memory.
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Meta {
    size: u64,
    n_params: u64,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    value: String,
}

impl List {
    /// Reads what `whose` server answered.
    pub(crate) fn read(kind: BackendKind, body: &[u8]) -> Result<Self, ProbeError> {
        text::parse(kind.name(), MODELS_PATH, body)
    }

    /// Who says of itself that it owns all of them, if all say the same.
    pub(crate) fn owner(&self) -> Option<&str> {
        let first = self.data.first()?.owned_by.as_deref()?;
        self.data.iter().all(|entry| entry.owned_by.as_deref() == Some(first)).then_some(first)
    }

    /// Whether nobody says so of any.
    pub(crate) fn has_no_owner(&self) -> bool {
        self.data.iter().all(|entry| entry.owned_by.is_none())
    }

    /// Every model on the list.
    pub(crate) fn models(&self) -> Claim {
        let format = |entry: &Entry| if entry.meta.is_some() { "gguf".to_owned() } else { String::new() };
        let model = |entry: &Entry| {
            let meta = entry.meta.as_ref();
            Some(Model {
                name: ModelName::parse(&entry.id).ok()?,
                listed_as: entry.id.clone(),
                digest: String::new(),
                bytes: meta.map_or(0, |meta| meta.size),
                // `created` is the time of the answer at most of them, and would make each list a new one.
                modified_at: String::new(),
                format: format(entry),
                family: String::new(),
                parameter_size: meta.map_or_else(String::new, |meta| parameters(meta.n_params)),
                quantization: String::new(),
            })
        };
        Claim::Models(self.data.iter().take(MODELS).filter_map(model).collect())
    }

    /// Those in memory, as far as a server of this kind tells; `context` is what it tells beside the list.
    pub(crate) fn resident(&self, kind: BackendKind, context: Option<u32>) -> Option<Claim> {
        // Which of its models it holds an MLX server does not tell; of one model there is no doubt.
        if kind == BackendKind::Mlx && self.data.len() > 1 {
            return None;
        }
        let held = |entry: &&Entry| entry.status.as_ref().is_none_or(|status| status.value == "loaded");
        let claim = |entry: &Entry| {
            let loaded = Loaded {
                bytes: entry.meta.as_ref().map_or(0, |meta| meta.size),
                vram_bytes: 0,
                context_tokens: context.or(entry.max_model_len),
                expires_at: "".into(),
            };
            Some(ResidentClaim { name: ModelName::parse(&entry.id).ok()?, loaded })
        };
        Some(Claim::Resident(self.data.iter().take(MODELS).filter(held).filter_map(claim).collect()))
    }
}

/// vLLM's `/version`.
pub(crate) fn version(body: &[u8]) -> Result<String, ProbeError> {
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    let Version { version } = text::parse("vllm", "/version", body)?;
    Ok(cut(version))
}

/// As Ollama writes it: `8.0B`.
fn parameters(count: u64) -> String {
    match count {
        0 => String::new(),
        1_000_000_000.. => format!("{:.1}B", count as f64 / 1e9),
        _ => format!("{:.0}M", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LLAMA: &[u8] = br#"{"object":"list","models":[],"data":[{"id":"qwen3","object":"model","created":1,
        "owned_by":"llamacpp","meta":{"vocab_type":2,"n_ctx_train":40960,"n_params":8190735360,"size":5027783488}}]}"#;

    fn residents(claim: Option<Claim>) -> Vec<(String, Option<u32>)> {
        let Some(Claim::Resident(claims)) = claim else { panic!("{claim:?} tells of no memory") };
        claims.iter().map(|claim| (claim.name.to_string(), claim.loaded.context_tokens)).collect()
    }

    #[test]
    fn llama_cpp_tells_size_and_parameters_and_holds_its_one_model() {
        let list = List::read(BackendKind::LlamaCpp, LLAMA).expect("a list");
        assert_eq!(list.owner(), Some("llamacpp"));
        let Claim::Models(models) = list.models() else { panic!("models") };
        assert_eq!((models[0].bytes, models[0].parameter_size.as_str()), (5_027_783_488, "8.2B"));
        let held = list.resident(BackendKind::LlamaCpp, Some(8_192));
        assert_eq!(residents(held), [("qwen3:latest".to_owned(), Some(8_192))]);
    }

    #[test]
    fn of_several_models_llama_cpp_tells_which_are_loaded() {
        let body = br#"{"data":[{"id":"a","owned_by":"llamacpp","status":{"value":"loaded"}},
            {"id":"b","owned_by":"llamacpp","status":{"value":"unloaded"}}]}"#;
        let list = List::read(BackendKind::LlamaCpp, body).expect("a list");
        assert_eq!(residents(list.resident(BackendKind::LlamaCpp, None)), [("a:latest".to_owned(), None)]);
    }

    #[test]
    fn vllm_tells_the_context_it_was_started_with() {
        let body = br#"{"object":"list","data":[{"id":"meta-llama/Llama-3.1-8B","object":"model","created":1,
            "owned_by":"vllm","root":"x","parent":null,"max_model_len":16384,"permission":[]}]}"#;
        let list = List::read(BackendKind::Vllm, body).expect("a list");
        let held = residents(list.resident(BackendKind::Vllm, None));
        assert_eq!(held, [("meta-llama/llama-3.1-8b:latest".to_owned(), Some(16_384))]);
    }

    #[test]
    fn what_an_mlx_server_holds_is_known_only_of_one_model() {
        let one = List::read(BackendKind::Mlx, br#"{"data":[{"id":"a"}]}"#).expect("a list");
        assert!(one.has_no_owner() && one.resident(BackendKind::Mlx, None).is_some());
        let two = List::read(BackendKind::Mlx, br#"{"data":[{"id":"a"},{"id":"b"}]}"#).expect("a list");
        assert_eq!(two.resident(BackendKind::Mlx, None), None);
    }

    #[test]
    fn a_page_is_no_list() {
        let error = List::read(BackendKind::OpenAi, b"<html>").err().expect("no JSON").to_string();
        assert!(error.starts_with("/v1/models is not what openai answers"), "{error}");
    }
}
