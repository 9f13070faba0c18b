//! What llama.cpp's server tells beside the list of its models: how many requests it takes at once, and with how much
//! context. `/slots` would tell which of them run, and their prompts with them, so it is not asked.
//!
//! Source: llama.cpp `tools/server/README.md` (`GET /props`).

use serde::Deserialize;

use crate::ProbeError;
use crate::text::{self, cut};

/// What is asked for.
pub(crate) const PROPS_PATH: &str = "/props";
/// What it says of itself in `Server`.
pub(crate) const SERVER: &str = "llama.cpp";

/// The part of `/props` that we believe. A server of several models tells none of it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Props {
    /// Requests at once.
    pub(crate) slots: Option<u32>,
    /// Tokens that each of them may use.
    pub(crate) context: Option<u32>,
    /// Like `b8681-…`, empty when not told.
    pub(crate) version: String,
}

pub(crate) fn props(body: &[u8]) -> Result<Props, ProbeError> {
    #[derive(Deserialize)]
    struct Told {
        total_slots: Option<u32>,
        default_generation_settings: Option<Defaults>,
        #[serde(default)]
        build_info: String,
    }
    #[derive(Deserialize)]
    struct Defaults {
        n_ctx: Option<u32>,
    }
    let told: Told = text::parse("llama.cpp", PROPS_PATH, body)?;
    Ok(Props {
        slots: told.total_slots.filter(|slots| *slots > 0),
        context: told.default_generation_settings.and_then(|defaults| defaults.n_ctx),
        version: cut(told.build_info),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_and_context_are_told() {
        let body = br#"{"default_generation_settings":{"id":0,"n_ctx":65536,"params":{}},"total_slots":4,
            "model_path":"/m.gguf","chat_template":"...","build_info":"b8681-Debian","is_sleeping":false}"#;
        let expected = Props { slots: Some(4), context: Some(65_536), version: "b8681-Debian".to_owned() };
        assert_eq!(props(body).ok(), Some(expected));
    }

    #[test]
    fn a_server_of_several_models_tells_nothing() {
        assert_eq!(props(br#"{"role":"router","max_instances":4}"#).ok(), Some(Props::default()));
    }
}
