//! Ollama's own frames: one JSON object per line (`api/types.go`, `ChatResponse` and `GenerateResponse`).

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Said, Unreadable};
use crate::endpoint::Endpoint;
use crate::figures::Figures;
use crate::whole::Whole;

/// What of a line matters here. Unknown keys pass: a later Ollama may say more.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default)]
    done: bool,
    #[serde(borrow)]
    done_reason: Option<Cow<'a, str>>,
    error: Option<IgnoredAny>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    load_duration: Option<u64>,
    prompt_eval_duration: Option<u64>,
    eval_duration: Option<u64>,
}

/// Bytes of the first line, its mark included.
pub(super) fn length(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

pub(super) fn read(line: &[u8]) -> Result<Option<Said>, Unreadable> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let line: Line<'_> = serde_json::from_slice(line).map_err(|_| Unreadable)?;
    Ok(Some(said(&line)))
}

/// What an answer in one piece says, which is the last line and nothing before it.
pub(crate) fn whole(endpoint: Endpoint, body: &[u8]) -> Option<Whole> {
    let line: Line<'_> = serde_json::from_slice(body).ok()?;
    let said = said(&line);
    // Only these two say whether they are done.
    let incomplete = matches!(endpoint, Endpoint::Chat | Endpoint::Generate) && !said.last;
    Some(Whole { figures: said.figures, incomplete, only_loaded: said.only_loaded })
}

fn said(line: &Line<'_>) -> Said {
    let nanoseconds = |told: Option<u64>| told.map(Duration::from_nanos);
    Said {
        last: line.done,
        failed: line.error.is_some(),
        only_loaded: line.done_reason.as_deref() == Some("load"),
        figures: Figures {
            prompt_tokens: line.prompt_eval_count,
            answer_tokens: line.eval_count,
            load: nanoseconds(line.load_duration),
            prompt: nanoseconds(line.prompt_eval_duration),
            answer: nanoseconds(line.eval_duration),
        },
        ..Said::default()
    }
}
