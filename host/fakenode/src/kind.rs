//! Servers that are not Ollama, as far as their descriptions tell them apart: what each says of itself and of its
//! models, and which of the shared paths it has. Answers to `/v1` requests are the same for all.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::catalog::{Model, parameter_count};
use crate::node::Node;

/// Which program a node plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Ollama.
    #[default]
    Ollama,
    /// llama.cpp's `llama-server` with one model.
    LlamaCpp,
    /// vLLM.
    Vllm,
    /// LM Studio.
    LmStudio,
    /// `mlx_lm.server`.
    Mlx,
}

/// When every model claims to have been made.
const CREATED: u64 = 1_762_128_000;
/// What all of them but Ollama have.
const SHARED: [&str; 3] = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"];

/// What a node of another kind says to a path.
#[derive(Debug, PartialEq)]
pub(crate) enum Says {
    /// As Ollama does: an answer to a request with a prompt.
    AsOllama,
    /// A description.
    Json(u16, Value),
    /// Words.
    Text(u16, &'static str),
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Ollama, Self::LlamaCpp, Self::Vllm, Self::LmStudio, Self::Mlx];

    /// As it stands on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::LlamaCpp => "llama.cpp",
            Self::Vllm => "vllm",
            Self::LmStudio => "lm-studio",
            Self::Mlx => "mlx",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What it writes in `Server`; empty = nothing.
    pub(crate) fn server(self) -> &'static str {
        match self {
            Self::Ollama | Self::LmStudio => "",
            Self::LlamaCpp => "llama.cpp",
            Self::Vllm => "uvicorn",
            Self::Mlx => "BaseHTTP/0.6 Python/3.12.3",
        }
    }

    /// Whether it has everything in memory that it has at all.
    pub(crate) fn holds_all(self) -> bool {
        matches!(self, Self::LlamaCpp | Self::Vllm)
    }

    /// What it says, unless it is Ollama.
    pub(crate) fn says(self, node: &Arc<Node>, path: &str) -> Option<Says> {
        if self == Self::Ollama {
            return None;
        }
        if SHARED.contains(&path) {
            return Some(Says::AsOllama);
        }
        let described = match (self, path) {
            (_, "/v1/models") => Some(self.list(node)),
            (Self::LlamaCpp, "/health") | (Self::Mlx, "/health") => Some(json!({ "status": "ok" })),
            (Self::LlamaCpp, "/props") => Some(props(node)),
            (Self::Vllm, "/version") => Some(json!({ "version": node.version })),
            (Self::LmStudio, "/api/v0/models") => Some(lm_studio(node)),
            _ => None,
        };
        Some(described.map_or_else(|| self.unknown(path), |body| Says::Json(200, body)))
    }

    fn list(self, node: &Node) -> Value {
        let entry = |model: &Model| {
            let spec = &model.spec;
            let (id, created) = (&spec.name, CREATED);
            match self {
                Self::LlamaCpp => json!({
                    "id": id, "object": "model", "created": created, "owned_by": "llamacpp",
                    "meta": {
                        "n_ctx_train": spec.context,
                        "n_params": parameter_count(&spec.parameter_size),
                        "size": spec.bytes,
                    },
                }),
                Self::Vllm => json!({
                    "id": id, "object": "model", "created": created, "owned_by": "vllm",
                    "max_model_len": spec.context,
                }),
                Self::LmStudio => json!({ "id": id, "object": "model", "owned_by": "organization_owner" }),
                Self::Ollama | Self::Mlx => json!({ "id": id, "object": "model", "created": created }),
            }
        };
        json!({ "object": "list", "data": node.catalog.models().map(entry).collect::<Vec<_>>() })
    }

    /// LM Studio has an answer to everything.
    fn unknown(self, path: &str) -> Says {
        match self {
            Self::LmStudio => {
                Says::Json(200, json!({ "error": format!("Unexpected endpoint or method. (GET {path})") }))
            }
            Self::LlamaCpp => Says::Json(
                404,
                json!({ "error": { "code": 404, "message": "File Not Found", "type": "not_found_error" } }),
            ),
            Self::Vllm => Says::Json(404, json!({ "detail": "Not Found" })),
            Self::Ollama | Self::Mlx => Says::Text(404, "Not Found"),
        }
    }
}

fn props(node: &Node) -> Value {
    let context = node.catalog.models().map(|model| model.spec.context).next();
    json!({
        "default_generation_settings": { "id": 0, "n_ctx": context },
        "total_slots": node.slots,
        "build_info": node.version,
        "is_sleeping": false,
    })
}

fn lm_studio(node: &Node) -> Value {
    let residents = node.scheduler.residents();
    let entry = |model: &Model| {
        let held = residents.iter().find(|resident| resident.model == model.canonical);
        json!({
            "id": model.spec.name,
            "object": "model",
            "type": "llm",
            "arch": model.spec.family,
            "compatibility_type": "gguf",
            "quantization": model.spec.quantization,
            "state": if held.is_some() { "loaded" } else { "not-loaded" },
            "max_context_length": 131_072,
            // Left out by older versions; null reads the same.
            "loaded_context_length": held.map(|held| held.context),
        })
    };
    json!({ "object": "list", "data": node.catalog.models().map(entry).collect::<Vec<_>>() })
}
