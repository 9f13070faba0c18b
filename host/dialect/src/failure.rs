//! How we tell a failure, in the words of each dialect: as a whole answer before anything was sent, as the last frame
//! of a stream after that. Never a clean end: a client must be able to tell a cut answer from a whole one.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, Family, Framing};

/// A failure before the answer.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// HTTP status.
    pub status: u16,
    /// A stable word for programs.
    pub code: &'a str,
    /// For people: the cause and one next step.
    pub text: &'a str,
    /// The request's id.
    pub request: &'a str,
}

/// A failure in the middle of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Break<'a> {
    /// A stable word for programs: `node_lost`, `stream_truncated`, `upstream_error` or `draining`.
    pub code: &'a str,
    /// For people.
    pub text: &'a str,
    /// The request's id.
    pub request: &'a str,
    /// `/v1/responses`: the id that its events share, if one was seen.
    pub response: Option<&'a str>,
}

/// The body of an error.
pub fn body(family: Family, failure: &Failure<'_>) -> Bytes {
    let Failure { status, code, text, request } = *failure;
    let body = match family {
        Family::Ollama => json!({ "error": text }),
        Family::OpenAi => {
            json!({ "error": { "message": text, "type": openai_type(status), "param": null, "code": code } })
        }
        Family::Anthropic => anthropic(anthropic_type(status), text, request),
    };
    Bytes::from(body.to_string())
}

/// The last frame of a stream that broke.
pub fn frame(endpoint: Endpoint, broke: &Break<'_>) -> Bytes {
    let Break { code, text, request, response } = *broke;
    let frame = match (endpoint.framing(), endpoint) {
        (Framing::Lines, _) => format!("{}\n", json!({ "error": text, "code": code })),
        (Framing::Events, Endpoint::Messages) => {
            format!("event: error\ndata: {}\n\n", anthropic("api_error", text, request))
        }
        (Framing::Events, Endpoint::Responses) => {
            format!("event: response.failed\ndata: {}\n\n", response_failed(response, code, text))
        }
        (Framing::Events, _) => {
            let error = json!({ "message": text, "type": "api_error", "param": null, "code": code });
            format!("data: {}\n\n", json!({ "error": error }))
        }
    };
    Bytes::from(frame)
}

fn anthropic(kind: &str, text: &str, request: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": text }, "request_id": request })
}

/// The fields that the official clients read of a failed response.
fn response_failed(id: Option<&str>, code: &str, text: &str) -> Value {
    json!({
        "type": "response.failed",
        "response": {
            "id": id.unwrap_or_default(),
            "object": "response",
            "status": "failed",
            "output": [],
            "error": { "code": "server_error", "message": format!("{code}: {text}") },
        },
    })
}

/// OpenAI's types by status; the clients choose their exception by the status alone.
fn openai_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// Anthropic's types; Ollama says `overloaded_error` for 503 too (`anthropic/anthropic.go`).
fn anthropic_type(status: u16) -> &'static str {
    match status {
        413 => "request_too_large",
        503 | 529 => "overloaded_error",
        _ => openai_type(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ending::{End, Ending};

    const BROKE: Break<'_> =
        Break { code: "node_lost", text: "it is gone", request: "r", response: Some("resp_1") };

    #[test]
    fn an_error_has_the_shape_of_its_dialect() {
        for (family, status, shape) in [
            (Family::Ollama, 404, json!({ "error": "gone" })),
            (
                Family::OpenAi,
                404,
                json!({ "error": { "message": "gone", "type": "not_found_error", "param": null, "code": "c" } }),
            ),
            (
                Family::OpenAi,
                413,
                json!({ "error": { "message": "gone", "type": "invalid_request_error", "param": null, "code": "c" } }),
            ),
            (
                Family::Anthropic,
                503,
                json!({ "type": "error", "error": { "type": "overloaded_error", "message": "gone" }, "request_id": "r" }),
            ),
            (
                Family::Anthropic,
                413,
                json!({ "type": "error", "error": { "type": "request_too_large", "message": "gone" }, "request_id": "r" }),
            ),
        ] {
            let body = body(family, &Failure { status, code: "c", text: "gone", request: "r" });
            assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON"), shape);
        }
    }

    #[test]
    fn a_broken_stream_ends_in_a_frame_that_its_own_reader_takes_for_a_failure() {
        for endpoint in Endpoint::ALL {
            let frame = frame(endpoint, &BROKE);
            let mut ending = Ending::new(endpoint);
            assert_eq!(ending.read(&frame), Ok(()), "{endpoint:?}");
            assert_eq!(ending.end(), End::Failed, "{endpoint:?}");
            assert!(!frame.windows(6).any(|window| window == b"[DONE]"), "{endpoint:?}");
        }
    }

    #[test]
    fn texts_cannot_break_out_of_their_frame() {
        let hostile = Break { text: "a\n\ndata: [DONE]\n\n", ..BROKE };
        for endpoint in [Endpoint::Chat, Endpoint::OpenAiChat, Endpoint::Messages] {
            let frame = frame(endpoint, &hostile);
            let marks = memchr::memmem::find_iter(&frame, b"\n\n").count();
            assert!(marks <= 1, "{endpoint:?}");
        }
    }
}
