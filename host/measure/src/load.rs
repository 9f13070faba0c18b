//! Has a model loaded, and let go of. Only Ollama does so when it is asked to.

use std::time::{Duration, Instant};

use herdwick_fleet::BackendKind;
use serde_json::{Value, json};

use crate::error::MeasureError;
use crate::exchange;
use crate::subject::Subject;

/// How long a load may take. Nothing is to be had from waiting longer, and Ollama itself gives up after five minutes
/// without progress.
const LOAD: Duration = Duration::from_secs(600);
/// How long it may take to let go of a model. Ollama answers at once.
const UNLOAD: Duration = Duration::from_secs(30);
/// A model that was not there before stays so long after a question, whatever becomes of whoever asked it: should this
/// process be killed, the server itself lets go of the model.
const BRIEFLY: &str = "30s";

/// How long the model stays after a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// As whoever loaded it said: a question that does not speak of it changes nothing (Ollama's `server/sched.go`).
    AsItIs,
    /// Until half a minute after the last question.
    Briefly,
    /// Until somebody says otherwise.
    Forever,
}

impl Keep {
    pub(crate) fn json(self) -> Option<Value> {
        match self {
            Self::AsItIs => None,
            Self::Briefly => Some(json!(BRIEFLY)),
            Self::Forever => Some(json!(-1)),
        }
    }
}

impl Subject {
    /// Has the model loaded, and says how long that took. At once where it is loaded.
    ///
    /// # Errors
    /// It cannot be loaded, or the server does not load when asked to.
    pub async fn load(&self) -> Result<Duration, MeasureError> {
        self.can_load()?;
        let body = self.only_load();
        let began = Instant::now();
        exchange::whole(self, "/api/generate", &body, LOAD).await?;
        Ok(began.elapsed())
    }

    /// Has the server let go of the model, as soon as nobody uses it.
    ///
    /// # Errors
    /// It says no, or does not let go when asked to.
    pub async fn unload(&self) -> Result<(), MeasureError> {
        self.can_load()?;
        let body = json!({ "model": self.model, "stream": false, "keep_alive": 0 });
        exchange::whole(self, "/api/generate", &body, UNLOAD).await
    }

    /// Whether the server loads and lets go when it is asked to.
    pub fn loads_when_asked(&self) -> bool {
        self.kind == BackendKind::Ollama
    }

    fn can_load(&self) -> Result<(), MeasureError> {
        if self.loads_when_asked() { Ok(()) } else { Err(MeasureError::Unable(self.kind.name())) }
    }
}
