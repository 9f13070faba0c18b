//! One look at a server of a known kind: what it says of itself, as claims.

use herdwick_fleet::{BackendKind, Claim};

use crate::llama_cpp::{self, Props};
use crate::openai::{self, List};
use crate::{Probe, ProbeError, lm_studio, ollama};

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What is in memory: to be asked often.
    Memory,
    /// What is on disk and which version it is as well.
    All,
}

/// What a server says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// In the order in which the fleet takes them in.
    pub claims: Vec<Claim>,
    /// Requests that it takes at once, if it tells.
    pub slots: Option<u32>,
}

impl Probe {
    /// Asks a server of this kind. What it does not tell is not among the claims.
    ///
    /// # Errors
    /// When it cannot be asked, or answers something else.
    pub async fn look(&self, kind: BackendKind, depth: Depth) -> Result<Facts, ProbeError> {
        match kind {
            BackendKind::Ollama => self.look_at_ollama(depth).await,
            BackendKind::LlamaCpp => self.look_at_llama_cpp(depth).await,
            BackendKind::LmStudio => self.look_at_lm_studio(depth).await,
            BackendKind::Vllm | BackendKind::Mlx | BackendKind::OpenAi => {
                self.look_at_list(kind, depth).await
            }
        }
    }

    async fn look_at_ollama(&self, depth: Depth) -> Result<Facts, ProbeError> {
        let mut claims = Vec::new();
        if depth == Depth::All {
            claims.push(ollama::version(&self.document("/api/version").await?)?);
            claims.push(ollama::models(&self.document("/api/tags").await?)?);
        }
        match self.document("/api/ps").await {
            Ok(body) => claims.push(ollama::resident(&body)?),
            // What is in memory is a hint that may be late; a server that answers something else is there all the
            // same.
            Err(ProbeError::Timeout(_)) if depth == Depth::All => {}
            Err(ProbeError::Timeout(_)) => {
                claims.push(ollama::version(&self.document("/api/version").await?)?);
            }
            Err(error) => return Err(error),
        }
        Ok(Facts { claims, slots: None })
    }

    async fn look_at_llama_cpp(&self, depth: Depth) -> Result<Facts, ProbeError> {
        let list = List::read(BackendKind::LlamaCpp, &self.list().await?)?;
        let props = match self.get(llama_cpp::PROPS_PATH).await?.ok() {
            Ok(body) => llama_cpp::props(&body)?,
            // Behind a key only `/health` and the list are open.
            Err(_) => Props::default(),
        };
        let resident = list.resident(BackendKind::LlamaCpp, props.context);
        let mut claims = Vec::new();
        if depth == Depth::All {
            claims.extend([Claim::Version(props.version), list.models()]);
        }
        claims.extend(resident);
        Ok(Facts { claims, slots: props.slots })
    }

    async fn look_at_lm_studio(&self, depth: Depth) -> Result<Facts, ProbeError> {
        let list = lm_studio::List::read(&self.document(lm_studio::MODELS_PATH).await?)?;
        let mut claims = Vec::new();
        if depth == Depth::All {
            claims.extend([Claim::Version(String::new()), list.models()]);
        }
        claims.push(list.resident());
        Ok(Facts { claims, slots: None })
    }

    async fn look_at_list(&self, kind: BackendKind, depth: Depth) -> Result<Facts, ProbeError> {
        let list = List::read(kind, &self.list().await?)?;
        let mut claims = Vec::new();
        if depth == Depth::All {
            claims.extend([Claim::Version(self.version(kind).await), list.models()]);
        }
        claims.extend(list.resident(kind, None));
        Ok(Facts { claims, slots: None })
    }

    /// The list of models. llama.cpp's server answers 503 to everything until it has its model.
    async fn list(&self) -> Result<bytes::Bytes, ProbeError> {
        let answer = self.get(openai::MODELS_PATH).await?;
        if answer.server() == llama_cpp::SERVER && answer.status == http::StatusCode::SERVICE_UNAVAILABLE {
            return Err(ProbeError::Loads);
        }
        answer.ok()
    }

    /// Only vLLM tells its version; that it does not is no failure.
    async fn version(&self, kind: BackendKind) -> String {
        if kind != BackendKind::Vllm {
            return String::new();
        }
        let answer = self.document("/version").await;
        answer.and_then(|body| openai::version(&body)).unwrap_or_default()
    }
}
