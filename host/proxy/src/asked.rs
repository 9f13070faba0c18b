//! Reads just enough of a request's body to route it: the model, whether a stream is wanted. No tree is built,
//! and the bytes go on as they came, so the reading must be as strict as a backend's is lenient: Go's decoder
//! takes the last of two equal keys and ignores case, which would let a body route as one model and run another.

use std::borrow::Cow;
use std::fmt;

use herdwick_dialect::{Endpoint, multipart};
use herdwick_fleet::ModelName;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::rescue::Problem;

/// The keys that we or a backend act upon.
const KNOWN: [&str; 12] = [
    "model",
    "name",
    "stream",
    "options",
    "keep_alive",
    "messages",
    "prompt",
    "system",
    "images",
    "format",
    "tools",
    "think",
];

/// What of a body matters to routing.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    /// For comparing.
    pub(crate) model: ModelName,
    /// As the client wrote it, for telling it back.
    pub(crate) written: String,
    /// Whether a stream is wanted.
    pub(crate) streaming: bool,
    /// Nothing is asked: the model is to be loaded, or let go of.
    pub(crate) only_loads: bool,
    /// Bytes of what the model reads.
    pub(crate) prompt_bytes: usize,
}

/// Reads the body of a request.
pub(crate) fn read(endpoint: Endpoint, headers: &HeaderMap, body: &[u8]) -> Result<Asked, Problem> {
    if endpoint == Endpoint::Transcriptions { form(headers, body) } else { json(endpoint, body) }
}

/// A form with a recording in it.
fn form(headers: &HeaderMap, body: &[u8]) -> Result<Asked, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let form =
        multipart::read(kind, body).map_err(|flaw| Problem::InvalidForm { cause: flaw.to_string() })?;
    let (model, written) = name(form.model.unwrap_or_default())?;
    Ok(Asked { model, written, streaming: form.streams, only_loads: false, prompt_bytes: form.content_bytes })
}

fn json(endpoint: Endpoint, body: &[u8]) -> Result<Asked, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::MissingBody);
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let keys = reader.deserialize_map(KeysVisitor).and_then(|keys| reader.end().map(|()| keys));
    let keys = keys.map_err(|error| Problem::InvalidJson { cause: error.to_string() })?;
    if let Some(cause) = keys.ambiguous {
        return Err(Problem::AmbiguousJson { cause });
    }
    let (model, written) = name(&keys.model.unwrap_or_default())?;
    let streaming = keys.stream.unwrap_or(endpoint.streams_unasked());
    Ok(Asked { model, written, streaming, only_loads: false, prompt_bytes: body.len() })
}

/// The model's name, for comparing and as it was written.
pub(crate) fn name(written: &str) -> Result<(ModelName, String), Problem> {
    if written.is_empty() {
        return Err(Problem::MissingModel);
    }
    if is_cloud(written) {
        return Err(Problem::CloudRefused { name: written.to_owned() });
    }
    let model = ModelName::parse(written)
        .map_err(|rule| Problem::InvalidModelName { name: written.to_owned(), rule: rule.to_string() })?;
    Ok((model, written.to_owned()))
}

/// Whether Ollama would send the prompt out of the house (`internal/modelref`), however it is written.
fn is_cloud(written: &str) -> bool {
    let name = written.trim().to_ascii_lowercase();
    name.ends_with(":cloud") || name.ends_with("-cloud")
}

#[derive(Default)]
struct Keys<'a> {
    model: Option<Cow<'a, str>>,
    stream: Option<bool>,
    ambiguous: Option<String>,
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object like {\"model\": …}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Keys::default();
        let mut seen: Vec<&str> = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            let known = KNOWN.into_iter().find(|known| folds_to(&key, known));
            if let Some(known) = known {
                if key != known {
                    keys.ambiguous.get_or_insert(format!("the key {key:?} reads as {known:?} to some"));
                } else if seen.contains(&known) {
                    keys.ambiguous.get_or_insert(format!("the key {known:?} stands twice"));
                }
                seen.push(known);
            }
            match known {
                Some("model") => {
                    let Text(model) = map
                        .next_value()
                        .map_err(|error| A::Error::custom(format!("\"model\" must be a text: {error}")))?;
                    keys.model = Some(model);
                }
                Some("stream") => {
                    let stream = map.next_value();
                    keys.stream = stream.map_err(|error| {
                        A::Error::custom(format!("\"stream\" must be true or false: {error}"))
                    })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(keys)
    }
}

/// A text that is borrowed where it holds no escapes. `Cow<str>` alone always copies.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Text<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Whether Go's decoder would take `key` for `known`: equal under Unicode simple folding, where besides ASCII
/// two letters fold to an ASCII one, the long s and the Kelvin sign (Go's `encoding/json/fold.go`).
fn folds_to(key: &str, known: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(known.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_and_stream_are_found_wherever_they_stand() {
        for (body, written, streaming) in [
            (r#"{"model":"qwen3:8b"}"#, "qwen3:8b", true),
            (r#" {"messages":[{"model":"inner"}],"stream":false,"model":"Qwen3:8B"} "#, "Qwen3:8B", false),
            (r#"{"model":"\u0061","stream":null,"options":{"model":"x"}}"#, "a", true),
        ] {
            let asked = json(Endpoint::Chat, body.as_bytes()).expect(body);
            assert_eq!((asked.written.as_str(), asked.streaming), (written, streaming), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (body, told) in [
            ("hello", "expected value"),
            ("[]", "an object like"),
            (r#"{"model":"a"} x"#, "trailing characters"),
            (r#"{"model":"a""#, "EOF"),
            (r#"{"model":7}"#, "\"model\" must be a text"),
            (r#"{"model":"a","stream":"yes"}"#, "\"stream\" must be true or false"),
            ("{\"model\":\"a\u{0}\"}", "control character"),
        ] {
            match json(Endpoint::Chat, body.as_bytes()) {
                Err(Problem::InvalidJson { cause }) => assert!(cause.contains(told), "{body}: {cause}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        assert_eq!(json(Endpoint::Chat, b" \n"), Err(Problem::MissingBody));
        assert_eq!(json(Endpoint::Chat, br#"{"messages":[]}"#), Err(Problem::MissingModel));
        for cloud in ["gpt-oss:120b-cloud", "x:CLOUD", " y:cloud "] {
            let refused = json(Endpoint::Chat, format!("{{\"model\":\"{cloud}\"}}").as_bytes());
            assert_eq!(refused, Err(Problem::CloudRefused { name: cloud.into() }));
        }
        assert_eq!(json(Endpoint::Chat, br#"{"model":""}"#), Err(Problem::MissingModel));
        assert!(matches!(json(Endpoint::Chat, br#"{"model":"a b"}"#), Err(Problem::InvalidModelName { .. })));
        assert!(matches!(json(Endpoint::Chat, b"{\"model\":\"\xff\"}"), Err(Problem::InvalidJson { .. })));
    }

    #[test]
    fn a_body_that_would_route_as_one_model_and_run_another_is_refused() {
        for body in [
            r#"{"model":"allowed","model":"other"}"#,
            r#"{"model":"allowed","MODEL":"other"}"#,
            r#"{"model":"allowed","mod\u0065l":"other"}"#,
            r#"{"model":"allowed","ſtream":false}"#,
            "{\"model\":\"allowed\",\"\u{212a}eep_alive\":0}",
        ] {
            assert!(
                matches!(json(Endpoint::Chat, body.as_bytes()), Err(Problem::AmbiguousJson { .. })),
                "{body}"
            );
        }
    }
}
