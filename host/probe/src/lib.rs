//! Asks model servers what they are and what they hold: Ollama, llama.cpp's server, vLLM, LM Studio, MLX, and
//! others with OpenAI's API. Only by documents that describe; never by a call that could load a model. It knows
//! nothing of fleets and decides nothing.
//!
//! [`Probe::identify`] tells servers apart by what they answer, [`Probe::look`] reads what one says into claims.

mod error;
mod get;
mod identify;
mod llama_cpp;
mod lm_studio;
mod look;
mod ollama;
mod openai;
mod text;

use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::Origin;

pub use error::ProbeError;
pub use identify::Found;
pub use look::{Depth, Facts};

/// One model server, to be asked.
#[derive(Clone, Debug)]
pub struct Probe {
    origin: Origin,
    bearer: Option<Arc<str>>,
    patience: Duration,
}

impl Probe {
    /// Whoever listens there. Each answer may take as long as `patience`, from the connection to its last byte.
    pub fn new(origin: Origin, patience: Duration) -> Self {
        Self { origin, bearer: None, patience }
    }

    /// Each request carries this: an agent passes on nothing else.
    #[must_use]
    pub fn with_bearer(mut self, bearer: Option<Arc<str>>) -> Self {
        self.bearer = bearer;
        self
    }

    /// Whom it asks.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}
