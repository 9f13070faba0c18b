//! What macOS tells of Ollama's application: variables set by `launchctl setenv`, which is how Ollama's documentation
//! has them set.

use super::{Figures, told_by};

const NAMES: [&str; 4] =
    ["OLLAMA_NUM_PARALLEL", "OLLAMA_MAX_LOADED_MODELS", "OLLAMA_KEEP_ALIVE", "OLLAMA_MODELS"];

/// Asks launchd.
pub(super) async fn figures() -> Figures {
    let mut told = Vec::new();
    for name in NAMES {
        // It answers an unset variable with nothing.
        if let Some(value) = told_by("launchctl", &["getenv", name]).await {
            told.push((name, value));
        }
    }
    Figures::of(told.iter().map(|(name, value)| (*name, value.as_str())))
}
