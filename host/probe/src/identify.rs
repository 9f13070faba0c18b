//! Which kind of server answers, told by what it answers and never by where it listens.

use herdwick_fleet::{BackendKind, Claim};
use http::StatusCode;

use crate::openai::{self, List};
use crate::{Probe, ProbeError, llama_cpp, lm_studio, ollama};

/// The web server of Python's standard library, which `mlx_lm.server` is made of.
const PYTHON: &str = "BaseHTTP/";

/// A server whose kind is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which API it speaks.
    pub kind: BackendKind,
    /// Its software's version, empty when it does not tell.
    pub version: String,
}

impl Probe {
    /// Asks whoever listens what it is.
    ///
    /// # Errors
    /// When nobody answers, or it is no model server. A router of ours is none: it would be asked by itself.
    pub async fn identify(&self) -> Result<Found, ProbeError> {
        let asked = self.get("/api/version").await?;
        if asked.is_ours() {
            return Err(ProbeError::Herdwick);
        }
        // LM Studio answers 200 to this as well, with an error in the body.
        if asked.status == StatusCode::OK
            && let Ok(Claim::Version(version)) = ollama::version(&asked.body)
        {
            // A router of ours tells the same version as the Ollama behind it.
            return if asked.has_id() {
                Err(ProbeError::Herdwick)
            } else {
                Ok(found(BackendKind::Ollama, version))
            };
        }
        let list = self.get(openai::MODELS_PATH).await?;
        if list.is_ours() {
            return Err(ProbeError::Herdwick);
        }
        // It says so in every answer, also while it loads.
        if list.server() == llama_cpp::SERVER {
            return Ok(found(BackendKind::LlamaCpp, String::new()));
        }
        let is_python = list.server().starts_with(PYTHON);
        let read = match list.ok() {
            Ok(body) => List::read(BackendKind::OpenAi, &body),
            // vLLM lists nothing to who has no key, and tells its version to anybody.
            Err(key @ ProbeError::Key { .. }) => return self.vllm().await.ok_or(key),
            Err(_) => return Err(ProbeError::Stranger),
        };
        let list = read.map_err(|_| ProbeError::Stranger)?;
        match list.owner() {
            Some("llamacpp") => Ok(found(BackendKind::LlamaCpp, String::new())),
            Some("vllm") => Ok(self.vllm().await.unwrap_or(found(BackendKind::Vllm, String::new()))),
            _ if self.is_lm_studio().await => Ok(found(BackendKind::LmStudio, String::new())),
            None if is_python && list.has_no_owner() => Ok(found(BackendKind::Mlx, String::new())),
            _ => Ok(found(BackendKind::OpenAi, String::new())),
        }
    }

    async fn vllm(&self) -> Option<Found> {
        let version = openai::version(&self.document("/version").await.ok()?).ok()?;
        Some(found(BackendKind::Vllm, version))
    }

    async fn is_lm_studio(&self) -> bool {
        let answer = self.document(lm_studio::MODELS_PATH).await;
        answer.is_ok_and(|body| lm_studio::List::read(&body).is_ok())
    }
}

fn found(kind: BackendKind, version: String) -> Found {
    Found { kind, version }
}
