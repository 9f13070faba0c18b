//! The models on disk, and the routes that only describe: `/api/tags`, `/api/ps`, `/api/show`, `/v1/models`.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::clock;
use crate::embedding::DIMENSIONS;
use crate::names;
use crate::scheduler::Resident;
use crate::sha256;
use crate::spec::ModelSpec;

/// When every model claims to have been pulled: 2025-11-03, fixed so that listings are stable.
const MODIFIED_AT: u64 = 1_762_128_000;
/// Go's longest duration: how far away `expires_at` is when `keep_alive` is negative.
const FOREVER: Duration = Duration::from_nanos(i64::MAX as u64);

/// A model with its derived names.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) spec: ModelSpec,
    /// Key of all look-ups.
    pub(crate) canonical: Arc<str>,
    /// As listings show it.
    pub(crate) listed: String,
    digest: String,
}

#[derive(Debug)]
pub(crate) struct Catalog {
    models: Vec<Model>,
}

/// Why a name leads to no model.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    InvalidName,
    Absent,
}

impl Catalog {
    pub(crate) fn new(specs: &[ModelSpec]) -> Catalog {
        Catalog { models: specs.iter().cloned().map(Model::new).collect() }
    }

    pub(crate) fn find(&self, name: &str) -> Result<&Model, Missing> {
        let canonical = names::canonical(name).map_err(|_| Missing::InvalidName)?;
        self.models.iter().find(|model| *model.canonical == *canonical).ok_or(Missing::Absent)
    }

    /// Every model on disk.
    pub(crate) fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }

    /// What is in memory from the start, with its context.
    pub(crate) fn residents(&self) -> Vec<(Arc<str>, u32)> {
        let resident = self.models.iter().filter(|model| model.spec.resident);
        resident.map(|model| (Arc::clone(&model.canonical), model.spec.context)).collect()
    }

    pub(crate) fn tags(&self) -> Value {
        let models: Vec<Value> = self
            .models
            .iter()
            .map(|model| {
                json!({
                    "name": model.listed,
                    "model": model.listed,
                    "modified_at": modified_at(),
                    "size": model.spec.bytes,
                    "digest": model.digest,
                    "details": model.details(),
                })
            })
            .collect();
        json!({ "models": models })
    }

    pub(crate) fn ps(&self, residents: &[Resident]) -> Value {
        let models: Vec<Value> = residents
            .iter()
            .filter_map(|resident| {
                let model = self.models.iter().find(|model| model.canonical == resident.model)?;
                let expires_at = SystemTime::now() + resident.remaining.unwrap_or(FOREVER);
                Some(json!({
                    "name": model.listed,
                    "model": model.listed,
                    "size": model.spec.bytes,
                    "digest": model.digest,
                    "details": model.details(),
                    "expires_at": clock::rfc3339(expires_at),
                    "size_vram": model.spec.bytes,
                    "context_length": resident.context,
                }))
            })
            .collect();
        json!({ "models": models })
    }

    pub(crate) fn openai_models(&self) -> Value {
        let list: Vec<Value> = self.models.iter().map(|model| model.openai(&model.listed)).collect();
        json!({ "object": "list", "data": list })
    }
}

impl Model {
    fn new(spec: ModelSpec) -> Model {
        // A spec may name what no client can ask for; such a model is listed and never found.
        let listed = names::tagged(&spec.name).unwrap_or_else(|_| spec.name.clone());
        let canonical = listed.to_lowercase();
        Model { digest: sha256::hex(canonical.as_bytes()), canonical: canonical.into(), listed, spec }
    }

    pub(crate) fn can(&self, capability: &str) -> bool {
        self.spec.capabilities.iter().any(|own| own == capability)
    }

    /// The name with its registry, as Ollama's capability errors spell it.
    pub(crate) fn full_name(&self) -> String {
        match self.listed.split('/').count() {
            1 => format!("registry.ollama.ai/library/{}", self.listed),
            2 => format!("registry.ollama.ai/{}", self.listed),
            _ => self.listed.clone(),
        }
    }

    /// OpenAI's description under this id: the listed name, or the client's spelling where it named one.
    pub(crate) fn openai(&self, id: &str) -> Value {
        let full = self.full_name();
        let owner = full.split('/').rev().nth(1).unwrap_or_default();
        json!({ "id": id, "object": "model", "created": MODIFIED_AT, "owned_by": owner })
    }

    pub(crate) fn show(&self) -> Value {
        let family = &self.spec.family;
        json!({
            "license": "Invented for tests; there are no weights.",
            "modelfile": format!("# Modelfile generated by \"ollama show\"\nFROM {}\n", self.listed),
            "parameters": "stop \"<|end|>\"",
            "template": "{{ .Prompt }}",
            "details": self.details(),
            "model_info": {
                "general.architecture": family,
                "general.file_type": 15,
                "general.parameter_count": parameter_count(&self.spec.parameter_size),
                format!("{family}.context_length"): self.spec.context,
                format!("{family}.embedding_length"): DIMENSIONS,
            },
            "capabilities": self.spec.capabilities,
            "modified_at": modified_at(),
        })
    }

    fn details(&self) -> Value {
        json!({
            "parent_model": "",
            "format": "gguf",
            "family": self.spec.family,
            "families": [self.spec.family],
            "parameter_size": self.spec.parameter_size,
            "quantization_level": self.spec.quantization,
        })
    }
}

fn modified_at() -> String {
    clock::rfc3339(UNIX_EPOCH + Duration::from_secs(MODIFIED_AT))
}

/// `3.2B` is 3 200 000 000; what cannot be read is 0.
pub(crate) fn parameter_count(size: &str) -> u64 {
    let (number, factor) = match size.to_ascii_uppercase() {
        text if text.ends_with('B') => (text.trim_end_matches('B').parse::<f64>(), 1e9),
        text if text.ends_with('M') => (text.trim_end_matches('M').parse::<f64>(), 1e6),
        text => (text.parse::<f64>(), 1.0),
    };
    number.map_or(0, |number| (number * factor) as u64)
}
