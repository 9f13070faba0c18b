//! Server-sent events of the two dialects that stream with them, OpenAI's and Anthropic's. One struct reads all of
//! them, since the keys that decide mean one thing everywhere; `message` does not (a part of Anthropic's answer, a text
//! in an error of OpenAI's), and is read as whatever it is.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Said, Unreadable};
use crate::endpoint::Endpoint;
use crate::figures::{Count, Figures};

/// What of an event's data matters here. Read by hand, because a derived reader gives up at a key that stands twice.
#[derive(Default)]
struct Data<'a> {
    /// Anthropic and Responses name the event in its data too.
    kind: Option<Cow<'a, str>>,
    error: bool,
    /// A choice says why it ended.
    finished: bool,
    usage: Option<&'a RawValue>,
    /// Anthropic's `message_start`.
    message: Option<&'a RawValue>,
    /// Responses.
    response: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Type,
    Error,
    Choices,
    Usage,
    Message,
    Response,
    #[serde(other)]
    Unknown,
}

/// A text that is borrowed where it holds no escapes, which serde does only for a field.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whether one of the choices says why it ended.
struct Finished(bool);

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
}

/// The part of an answer that tells of the answer.
#[derive(Default, Deserialize)]
struct Holder<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// OpenAI's names and those of the other two. Some servers tell both.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: Count,
    input_tokens: Count,
    completion_tokens: Count,
    output_tokens: Count,
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
        return Ok(ends_with_done(endpoint).then(|| Said { last: true, ..Said::default() }));
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
        Endpoint::Transcriptions => (kind == "transcript.text.done", data.error),
        _ => (false, data.error),
    };
    let holders = [data.message, data.response].map(|told| told.map(holder).unwrap_or_default());
    let usage = data.usage.or_else(|| holders.iter().find_map(|holder| holder.usage));
    Ok(Some(Said {
        last,
        failed,
        finished: data.finished,
        figures: figures(usage),
        response: holders.iter().find_map(Holder::id),
        ..Said::default()
    }))
}

/// Anthropic's streams and those of `/v1/responses` have an end of their own, and say nothing with OpenAI's older one.
fn ends_with_done(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::OpenAiChat | Endpoint::Completions | Endpoint::Transcriptions)
}

/// The tokens that an answer in one piece tells.
pub(crate) fn whole(body: &[u8]) -> Option<Figures> {
    let whole: Holder<'_> = serde_json::from_slice(body).ok()?;
    Some(figures(whole.usage))
}

fn holder(told: &RawValue) -> Holder<'_> {
    serde_json::from_str(told.get()).unwrap_or_default()
}

fn figures(usage: Option<&RawValue>) -> Figures {
    let usage: Usage = usage.and_then(|told| serde_json::from_str(told.get()).ok()).unwrap_or_default();
    Figures {
        prompt_tokens: usage.prompt_tokens.0.or(usage.input_tokens.0),
        answer_tokens: usage.completion_tokens.0.or(usage.output_tokens.0),
        ..Figures::default()
    }
}

impl Holder<'_> {
    fn id(&self) -> Option<String> {
        self.id.and_then(|told| serde_json::from_str(told.get()).ok())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Data<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data<'de>, A::Error> {
                let mut data = Data::default();
                while let Some(key) = map.next_key()? {
                    match key {
                        // Which of two would count?
                        Key::Type if data.kind.is_some() => return Err(A::Error::duplicate_field("type")),
                        Key::Type => data.kind = map.next_value::<Option<Text<'_>>>()?.map(|text| text.0),
                        Key::Error => data.error |= map.next_value::<Option<IgnoredAny>>()?.is_some(),
                        Key::Choices => {
                            data.finished |= map.next_value::<Option<Finished>>()?.is_some_and(|told| told.0);
                        }
                        Key::Usage => data.usage = map.next_value()?,
                        Key::Message => data.message = map.next_value()?,
                        Key::Response => data.response = map.next_value()?,
                        Key::Unknown => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(data)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Finished {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choices;
        impl<'de> Visitor<'de> for Choices {
            type Value = Finished;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut choices: A) -> Result<Finished, A::Error> {
                let mut finished = false;
                while let Some(choice) = choices.next_element::<Choice<'_>>()? {
                    // Some servers write an empty reason until there is one.
                    finished |= choice.finish_reason.is_some_and(|reason| !reason.0.is_empty());
                }
                Ok(Finished(finished))
            }
        }
        deserializer.deserialize_seq(Choices)
    }
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
