//! Server-sent events of the three `/v1` dialects that stream.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Said, Unreadable};
use crate::endpoint::Endpoint;
use crate::figures::Figures;

/// What of an event's data matters here, over all dialects: they share no key with two meanings.
#[derive(Deserialize)]
struct Data<'a> {
    /// Anthropic and Responses name the event in its data too.
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    error: Option<IgnoredAny>,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    /// Anthropic's `message_start`.
    message: Option<Holder>,
    /// Responses.
    response: Option<Holder>,
}

#[derive(Deserialize)]
struct Choice {
    finish_reason: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Holder {
    id: Option<String>,
    usage: Option<Usage>,
}

/// OpenAI's names and those of the other two.
#[derive(Deserialize)]
struct Usage {
    #[serde(alias = "input_tokens")]
    prompt_tokens: Option<u64>,
    #[serde(alias = "output_tokens")]
    completion_tokens: Option<u64>,
}

/// Bytes of the first event, its mark included.
pub(super) fn length(bytes: &[u8]) -> usize {
    let plain = memchr::memmem::find(bytes, b"\n\n").map(|at| at + 2);
    // Most events end plainly, and then nothing behind their end can begin them.
    let within = plain.map_or(bytes, |end| bytes.split_at(end).0);
    let carried = memchr::memmem::find(within, b"\n\r\n").map(|at| at + 3);
    carried.or(plain).unwrap_or(bytes.len())
}

pub(super) fn read(endpoint: Endpoint, event: &[u8]) -> Result<Option<Said>, Unreadable> {
    let Some(data) = data(event)? else {
        return Ok(None);
    };
    if data.as_ref() == b"[DONE]" {
        return Ok(Some(Said { last: true, ..Said::default() }));
    }
    let data: Data<'_> = serde_json::from_slice(&data).map_err(|_| Unreadable)?;
    let kind = data.kind.as_deref().unwrap_or_default();
    let (last, failed) = match endpoint {
        Endpoint::Messages => (kind == "message_stop", kind == "error"),
        Endpoint::Responses => (
            matches!(kind, "response.completed" | "response.incomplete"),
            matches!(kind, "response.failed" | "error"),
        ),
        // The end of a transcription is an event of its own; `[DONE]` may follow it or not.
        Endpoint::Transcriptions => (kind == "transcript.text.done", data.error.is_some()),
        _ => (false, data.error.is_some()),
    };
    let holders = [data.message, data.response];
    let response = holders.iter().flatten().find_map(|holder| holder.id.clone());
    let nested = holders.into_iter().flatten().find_map(|holder| holder.usage);
    Ok(Some(Said {
        last,
        failed,
        finished: data.choices.iter().any(|choice| choice.finish_reason.is_some()),
        figures: figures(data.usage.or(nested)),
        response,
        ..Said::default()
    }))
}

/// The tokens that an answer in one piece tells.
pub(crate) fn whole(body: &[u8]) -> Option<Figures> {
    #[derive(Deserialize)]
    struct Whole {
        usage: Option<Usage>,
    }
    let whole: Whole = serde_json::from_slice(body).ok()?;
    Some(figures(whole.usage))
}

fn figures(usage: Option<Usage>) -> Figures {
    let (prompt_tokens, answer_tokens) =
        usage.map_or((None, None), |usage| (usage.prompt_tokens, usage.completion_tokens));
    Figures { prompt_tokens, answer_tokens, ..Figures::default() }
}

/// The event's data: borrowed when it stands on one line, joined when on several (WHATWG HTML §9.2.6). `None` for
/// comments and events without data.
fn data(event: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Unreadable> {
    let mut data: Option<Cow<'_, [u8]>> = None;
    for line in event.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(value) = line.strip_prefix(b"data:") else {
            let known = line.is_empty()
                || line.starts_with(b":")
                || [b"event".as_slice(), b"id", b"retry"].iter().any(|field| {
                    line.strip_prefix(*field).is_some_and(|rest| rest.is_empty() || rest.starts_with(b":"))
                });
            // The standard lets unknown fields pass; from a model server they are an answer gone wrong.
            if known { continue } else { return Err(Unreadable) }
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &mut data {
            None => data = Some(Cow::Borrowed(value)),
            Some(joined) => {
                let joined = joined.to_mut();
                joined.push(b'\n');
                joined.extend_from_slice(value);
            }
        }
    }
    Ok(data)
}
