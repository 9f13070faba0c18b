//! Checks an answer in one piece before any of it reaches the client, so that a broken one can still be had from
//! another backend.

use serde::de::IgnoredAny;

use crate::ending::{events, lines};
use crate::endpoint::{Endpoint, Family};
use crate::figures::Figures;

/// Bytes of an answer that is held back until it is whole; a longer one is passed on as it comes.
pub const HELD: usize = 8 << 20;

/// What an answer in one piece says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// What the backend told of its work.
    pub figures: Figures,
    /// Ollama says that it is not done, which it does where it cut a repetition off; the client should know.
    pub incomplete: bool,
    /// Ollama says that it loaded the model and did nothing else.
    pub only_loaded: bool,
}

/// An answer that should be JSON and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

/// Checks a good answer. `is_json` says what its content type claims.
///
/// # Errors
/// It claims to be JSON and is not.
pub fn check(endpoint: Endpoint, is_json: bool, body: &[u8]) -> Result<Whole, NotJson> {
    if !is_json {
        return Ok(Whole::default());
    }
    let whole = match endpoint.family() {
        Family::Ollama => lines::whole(endpoint, body),
        Family::OpenAi | Family::Anthropic => {
            events::whole(body).map(|figures| Whole { figures, ..Whole::default() })
        }
    };
    match whole {
        Some(whole) => Ok(whole),
        // Fields that are not what they should be are their reader's business, as long as it is JSON.
        None => serde_json::from_slice::<IgnoredAny>(body).map(|_| Whole::default()).map_err(|_| NotJson),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_is_json_and_tells_its_figures() {
        let chat = br#"{"model":"m","done":true,"prompt_eval_count":7,"eval_count":3}"#;
        let whole = check(Endpoint::Chat, true, chat).expect("good");
        assert_eq!((whole.figures.prompt_tokens, whole.figures.answer_tokens), (Some(7), Some(3)));
        assert!(!whole.incomplete);
        let openai = br#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#;
        let whole = check(Endpoint::OpenAiChat, true, openai).expect("good");
        assert_eq!((whole.figures.prompt_tokens, whole.incomplete), (Some(7), false));
    }

    #[test]
    fn what_is_cut_or_not_done_is_seen() {
        assert_eq!(check(Endpoint::Chat, true, br#"{"model":"m","message":{"content":"#), Err(NotJson));
        assert_eq!(check(Endpoint::Embed, true, b""), Err(NotJson));
        assert!(check(Endpoint::Chat, true, br#"{"done":false}"#).is_ok_and(|whole| whole.incomplete));
        assert!(
            check(Endpoint::Embed, true, br#"{"embeddings":[[1.5]]}"#).is_ok_and(|whole| !whole.incomplete)
        );
        assert!(check(Endpoint::Transcriptions, false, b"plain text").is_ok());
    }
}
