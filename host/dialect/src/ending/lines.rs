//! Ollama's own frames: one JSON object per line (`api/types.go`, `ChatResponse` and `GenerateResponse`).

use std::fmt;
use std::time::Duration;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Said, Unreadable};
use crate::endpoint::Endpoint;
use crate::figures::{Count, Figures};
use crate::whole::Whole;

/// What of a line matters here. Unknown keys pass: a later Ollama may say more. Read by hand, because a derived reader
/// gives up at a key that stands twice.
#[derive(Default)]
struct Line {
    done: Option<bool>,
    only_loaded: bool,
    error: bool,
    prompt_eval_count: Count,
    eval_count: Count,
    load_duration: Count,
    prompt_eval_duration: Count,
    eval_duration: Count,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Done,
    DoneReason,
    Error,
    PromptEvalCount,
    EvalCount,
    LoadDuration,
    PromptEvalDuration,
    EvalDuration,
    #[serde(other)]
    Unknown,
}

/// Bytes of the first line, its mark included.
pub(super) fn length(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

pub(super) fn read(line: &[u8]) -> Result<Option<Said>, Unreadable> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let line: Line = serde_json::from_slice(line).map_err(|_| Unreadable)?;
    Ok(Some(said(&line)))
}

/// What an answer in one piece says, which is the last line and nothing before it.
pub(crate) fn whole(endpoint: Endpoint, body: &[u8]) -> Option<Whole> {
    let line: Line = serde_json::from_slice(body).ok()?;
    let said = said(&line);
    // Only these two say whether they are done.
    let incomplete = matches!(endpoint, Endpoint::Chat | Endpoint::Generate) && !said.last;
    Some(Whole { figures: said.figures, incomplete, only_loaded: said.only_loaded })
}

fn said(line: &Line) -> Said {
    let nanoseconds = |told: Count| told.0.map(Duration::from_nanos);
    Said {
        last: line.done.unwrap_or_default(),
        failed: line.error,
        only_loaded: line.only_loaded,
        figures: Figures {
            prompt_tokens: line.prompt_eval_count.0,
            answer_tokens: line.eval_count.0,
            load: nanoseconds(line.load_duration),
            prompt: nanoseconds(line.prompt_eval_duration),
            answer: nanoseconds(line.eval_duration),
        },
        ..Said::default()
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Line;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
                let mut line = Line::default();
                while let Some(key) = map.next_key()? {
                    match key {
                        // Which of two would count?
                        Key::Done if line.done.is_some() => return Err(A::Error::duplicate_field("done")),
                        Key::Done => line.done = map.next_value()?,
                        Key::DoneReason => {
                            line.only_loaded = map.next_value::<&RawValue>()?.get() == "\"load\"";
                        }
                        Key::Error => line.error |= map.next_value::<Option<IgnoredAny>>()?.is_some(),
                        Key::PromptEvalCount => line.prompt_eval_count = map.next_value()?,
                        Key::EvalCount => line.eval_count = map.next_value()?,
                        Key::LoadDuration => line.load_duration = map.next_value()?,
                        Key::PromptEvalDuration => line.prompt_eval_duration = map.next_value()?,
                        Key::EvalDuration => line.eval_duration = map.next_value()?,
                        Key::Unknown => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(line)
            }
        }
        deserializer.deserialize_map(Object)
    }
}
