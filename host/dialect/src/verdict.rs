//! What an error of a backend means for the request: is it the client's to read, or may another backend do better?
//! Ollama answers with few statuses and many texts, so the texts count too.
//!
//! Source: Ollama's `server/routes.go`, `server/sched.go`, `llm/llama_server.go` and llama.cpp's server.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::endpoint::Endpoint;

/// What to do with an answer that is no success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request is at fault, or nobody could do better: the client reads it as it is.
    Client,
    /// It has too much to do; it is not broken.
    Busy,
    /// It does not have the model, whatever it listed.
    ModelMissing,
    /// The model does not fit into its memory now.
    NoRoom,
    /// The prompt is longer than the context it has there.
    ContextTooSmall,
    /// It refuses us, not the client: its own rules about hosts, origins or accounts.
    Refused,
    /// It does not have the route; its software is older than the route.
    NoRoute,
    /// It is broken, or broke with this request.
    Broken,
}

/// Texts of a request that cannot be answered anywhere, though Ollama says 500.
const CLIENTS: [&str; 3] = ["invalid format", "template:", "does not support"];
/// Texts of a model that does not fit.
const NO_ROOM: [&str; 4] =
    ["out-of-memory", "out of memory", "unable to load full model on gpu", "requires more system memory"];
/// Texts of a prompt that does not fit.
const CONTEXT: [&str; 3] =
    ["longer than the context length", "exceed_context_size", "exceeds the available context size"];
/// Texts of a runner that died under an embedding, which `/api/embed` tells as a 400.
const RUNNER_DIED: [&str; 6] = [
    "do embedding request",
    "unexpectedly stopped",
    "process has terminated",
    "unexpected eof",
    "connection reset",
    "connection refused",
];

/// Judges an answer whose status is no success. `body` is its beginning, as much as was kept.
pub fn judge(endpoint: Endpoint, status: u16, body: &[u8]) -> Verdict {
    let text = text(body).to_lowercase();
    let says = |known: &[&str]| known.iter().any(|known| text.contains(known));
    match status {
        400 if says(&CONTEXT) => Verdict::ContextTooSmall,
        400 if matches!(endpoint, Endpoint::Embed | Endpoint::OpenAiEmbeddings) && says(&RUNNER_DIED) => {
            Verdict::Broken
        }
        // Its text holds the address of the node owner's account.
        401 => Verdict::Refused,
        403 if text.is_empty() => Verdict::Refused,
        404 if text.contains("model") && text.contains("not found") => Verdict::ModelMissing,
        404 | 405 | 501 => Verdict::NoRoute,
        429 | 503 => Verdict::Busy,
        408 | 425 | 499 => Verdict::Broken,
        400..=499 => Verdict::Client,
        500 if says(&CLIENTS) => Verdict::Client,
        500 if says(&NO_ROOM) => Verdict::NoRoom,
        // Redirects are never followed, and what is left is broken.
        _ => Verdict::Broken,
    }
}

/// The text of an error, from whichever shape it has; empty if it says nothing.
pub fn text(body: &[u8]) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Body {
        error: Value,
    }
    let shaped: Result<Body, _> = serde_json::from_slice(body);
    match shaped.map(|body| body.error) {
        // llama-server's own JSON comes as a text inside Ollama's.
        Ok(Value::String(text)) if text.starts_with('{') => {
            let inner = self::text(text.as_bytes()).into_owned();
            Cow::Owned(if inner.is_empty() { text } else { inner })
        }
        Ok(Value::String(text)) => Cow::Owned(text),
        Ok(Value::Object(error)) => {
            let part = |key| error.get(key).and_then(Value::as_str).unwrap_or_default();
            Cow::Owned([part("message"), part("type")].join(" ").trim().to_owned())
        }
        _ => String::from_utf8_lossy(body.trim_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_ollama_has_its_verdict() {
        use Endpoint::{Chat, Embed, OpenAiChat, Responses};
        for (endpoint, status, body, verdict) in [
            (Chat, 400, r#"{"error":"missing request body"}"#, Verdict::Client),
            (
                Chat,
                400,
                r#"{"error":"registry.ollama.ai/library/m:1 does not support tools"}"#,
                Verdict::Client,
            ),
            (
                OpenAiChat,
                400,
                r#"{"error":{"message":"[] is too short - 'messages'","type":"invalid_request_error"}}"#,
                Verdict::Client,
            ),
            (
                Chat,
                400,
                r#"{"error":"the prompt is longer than the context length currently available to the model; shorten it"}"#,
                Verdict::ContextTooSmall,
            ),
            (
                Chat,
                400,
                r#"{"error":"{\"error\":{\"code\":400,\"message\":\"request (9 tokens) is too long\",\"type\":\"exceed_context_size_error\"}}"}"#,
                Verdict::ContextTooSmall,
            ),
            (
                Embed,
                400,
                r#"{"error":"do embedding request: Post \"http://127.0.0.1:1/embedding\": EOF"}"#,
                Verdict::Broken,
            ),
            (Embed, 400, r#"{"error":"the input length exceeds the context length"}"#, Verdict::Client),
            (Chat, 401, r#"{"error":"unauthorized","signin_url":"https://elsewhere"}"#, Verdict::Refused),
            (Chat, 403, "", Verdict::Refused),
            (Chat, 404, r#"{"error":"model 'm' not found"}"#, Verdict::ModelMissing),
            (Embed, 404, r#"{"error":"model \"m\" not found, try pulling it first"}"#, Verdict::ModelMissing),
            (Responses, 404, "404 page not found", Verdict::NoRoute),
            (Chat, 413, "", Verdict::Client),
            (Chat, 499, r#"{"error":"request canceled"}"#, Verdict::Broken),
            (
                Chat,
                500,
                r#"{"error":"invalid format: \"x\"; expected \"json\" or a valid JSON Schema object"}"#,
                Verdict::Client,
            ),
            (
                Chat,
                500,
                r#"{"error":"llama-server reported out-of-memory during startup: cuda"}"#,
                Verdict::NoRoom,
            ),
            (Chat, 500, r#"{"error":"unable to load full model on GPU"}"#, Verdict::NoRoom),
            (
                Chat,
                500,
                r#"{"error":"model runner has unexpectedly stopped, this may be due to …"}"#,
                Verdict::Broken,
            ),
            (
                Chat,
                503,
                r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#,
                Verdict::Busy,
            ),
            (Chat, 503, r#"{"error":"{\"error\":{\"message\":\"Loading model\"}}"}"#, Verdict::Busy),
            (Chat, 307, "", Verdict::Broken),
            (Chat, 502, "<html>", Verdict::Broken),
        ] {
            assert_eq!(judge(endpoint, status, body.as_bytes()), verdict, "{status} {body}");
        }
    }

    #[test]
    fn the_text_of_an_error_is_found_in_every_shape() {
        for (body, told) in [
            (r#"{"error":"plain"}"#, "plain"),
            (r#"{"error":{"message":"shaped","type":"api_error"}}"#, "shaped api_error"),
            (r#"{"type":"error","error":{"type":"api_error","message":"theirs"}}"#, "theirs api_error"),
            (r#"{"error":"{\"error\":{\"message\":\"inner\"}}"}"#, "inner"),
            ("  no JSON at all ", "no JSON at all"),
            ("", ""),
        ] {
            assert_eq!(text(body.as_bytes()), told, "{body}");
        }
    }
}
