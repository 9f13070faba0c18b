//! What a model is: its name as clients write it, its name as we compare it, and the facts a backend tells.

use std::fmt;
use std::sync::Arc;

/// How ready a model is on a backend. The numbers are the contract's `model.state-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Residency {
    /// Cold: on disk only.
    OnDisk = 1,
    /// In the page cache: a load reads no disk.
    Warm = 2,
    /// Being loaded.
    Loading = 3,
    /// Hot: ready to answer.
    Resident = 4,
}

/// A model's canonical name: lower case, always with a tag, without Ollama's default registry and namespace.
/// Two spellings that Ollama treats as one model compare equal.
///
/// Source: Ollama's `types/model/name.go` (defaults and case-insensitive comparison).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelName(Arc<str>);

/// Why a text is no model name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelNameError {
    /// Nothing between the quotes.
    Empty,
    /// Longer than [`ModelName::MAX`] bytes.
    TooLong,
    /// A character outside `A-Z a-z 0-9 . _ : / -`.
    Character(char),
}

impl fmt::Display for ModelNameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("it is empty"),
            Self::TooLong => write!(out, "it is longer than {} characters", ModelName::MAX),
            Self::Character(character) => {
                write!(out, "{character:?} is not allowed, only letters, digits and . _ : / -")
            }
        }
    }
}

impl std::error::Error for ModelNameError {}

impl ModelName {
    /// The longest name we accept, in bytes.
    pub const MAX: usize = 200;

    /// Reads a name in any spelling that Ollama accepts.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, ModelNameError> {
        if text.is_empty() {
            return Err(ModelNameError::Empty);
        }
        if text.len() > Self::MAX {
            return Err(ModelNameError::TooLong);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '-');
        if let Some(character) = text.chars().find(|c| !allowed(*c)) {
            return Err(ModelNameError::Character(character));
        }
        let lower = text.to_ascii_lowercase();
        let short = lower.strip_prefix("registry.ollama.ai/").unwrap_or(&lower);
        let short = short.strip_prefix("library/").unwrap_or(short);
        // A colon before the last slash belongs to a registry's port.
        let tagged = short.rsplit('/').next().is_some_and(|last| last.contains(':'));
        Ok(Self(if tagged { short.into() } else { format!("{short}:latest").into() }))
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for ModelName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.0)
    }
}

/// A model as one backend lists it (`/api/tags`). Texts are kept as told, for telling them on.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// For comparing.
    pub name: ModelName,
    /// As the backend spells it.
    pub listed_as: String,
    /// Content digest; equal digests are the same weights.
    pub digest: String,
    /// Size on disk, which is about what loading reads.
    pub bytes: u64,
    /// Modification time as told (RFC 3339).
    pub modified_at: String,
    /// File format, e.g. `gguf`.
    pub format: String,
    /// Architecture family, e.g. `llama`.
    pub family: String,
    /// As told, e.g. `8.0B`.
    pub parameter_size: String,
    /// As told, e.g. `Q4_K_M`.
    pub quantization: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_model_are_one_name() {
        for (written, name) in [
            ("qwen3", "qwen3:latest"),
            ("Qwen3:8B", "qwen3:8b"),
            ("library/qwen3", "qwen3:latest"),
            ("registry.ollama.ai/library/qwen3:8b", "qwen3:8b"),
            ("hf.co/bartowski/Llama-3.2-1B:Q4_K_M", "hf.co/bartowski/llama-3.2-1b:q4_k_m"),
            ("localhost:5000/me/model", "localhost:5000/me/model:latest"),
        ] {
            assert_eq!(ModelName::parse(written).map(|n| n.to_string()), Ok(name.to_owned()), "{written}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_reason() {
        assert_eq!(ModelName::parse(""), Err(ModelNameError::Empty));
        assert_eq!(ModelName::parse(&"a".repeat(201)), Err(ModelNameError::TooLong));
        assert_eq!(ModelName::parse("a b"), Err(ModelNameError::Character(' ')));
        assert_eq!(ModelName::parse("modèle"), Err(ModelNameError::Character('è')));
    }
}
