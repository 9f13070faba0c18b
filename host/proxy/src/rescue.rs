//! Every way in which a request can fail before its answer began, and the one place that turns it into a
//! response: status, code, cause, next step.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use herdwick_dialect::{Family, failure};
use herdwick_fleet::{ModelName, RequestId};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, Response, StatusCode};

use crate::headers::{ERROR_CODE, POSITION, SHOULD_RETRY};
use crate::relay::Body;
use crate::routes::Refusal;

/// Seconds after which trying again makes sense, while nothing is learned about how long answers take.
pub(crate) const RETRY_AFTER_S: u32 = 5;

/// Why there is no answer.
#[derive(Debug, PartialEq)]
pub(crate) enum Problem {
    /// No such path.
    NoRoute { path: String, nearest: Option<&'static str> },
    /// The path exists for another method.
    Method { method: Method, path: &'static str, allow: &'static str },
    /// The path is one of Ollama's that clients may not use here.
    RouteRefused { path: String, why: Refusal },
    /// The client is not on a network that is served.
    NotNear { address: IpAddr },
    /// The request does not say clearly whom it asks.
    HostUnclear { why: &'static str },
    /// A page asks under a name that is not ours.
    HostNotAllowed { host: String },
    /// A page asks that nobody let in.
    OriginNotAllowed { origin: String },
    /// A page, or whoever changes settings, sends something else than JSON.
    MediaType { found: String },
    /// The admin API is not for whoever asks.
    Forbidden { why: &'static str },
    /// Heartbeats are not taken from whoever sends this one.
    BeatRefused { why: &'static str },
    /// A machine that is far away says that it is a node.
    FarBeat { address: IpAddr },
    /// A heartbeat is larger than `limit` bytes.
    BeatTooLarge { limit: usize },
    /// The body is larger than `limit` bytes.
    BodyTooLarge { limit: usize },
    /// The body stopped arriving.
    BodyStalled,
    /// The connection broke inside the body.
    BodyBroken,
    /// The body is encoded in a way that backends do not understand.
    Encoding { encoding: String },
    /// The body is not encoded as it says.
    InvalidEncoding { cause: String },
    /// There is no body.
    MissingBody,
    /// The body is no form that could be read.
    InvalidForm { cause: String },
    /// The body is no JSON object.
    InvalidJson { cause: String },
    /// The body means different things to different readers.
    AmbiguousJson { cause: String },
    /// No model is named.
    MissingModel,
    /// The model's name breaks a rule.
    InvalidModelName { name: String, rule: String },
    /// The model would run in somebody's cloud, on the account of whoever owns the node.
    CloudRefused { name: String },
    /// No node has the model.
    ModelNotFound { name: String, nearest: Option<ModelName> },
    /// Only nodes that cannot be asked now have it.
    ModelOffline { name: String, nodes: String },
    /// Every node that has it failed lately, and rests.
    AllTripped { name: String, nodes: String, rest: Duration },
    /// Only servers have it that speak another API.
    OtherApi { name: String, nodes: String },
    /// The nodes that answer do not have it; others have not told yet what they have.
    ModelUnheard { name: String, nearest: Option<ModelName>, nodes: String },
    /// No node is known or reachable at all.
    NoNode { nodes: String },
    /// Every node that was tried failed before its answer began.
    NodesFailed { name: String, attempts: String },
    /// Plugins refused every node that could serve.
    Vetoed { name: String, reasons: String },
    /// A plugin failed without which nothing shall be answered.
    PluginFailed { plugin: String },
    /// Too many wait for the model already.
    QueueFull { name: String, queue: Queue },
    /// One client has more waiting than others leave it room for.
    RateLimited { queue: Queue },
    /// The bodies of all requests together take all the memory that they may, `limit` bytes.
    BodiesFull { limit: usize },
    /// The router was told to stop.
    Draining,
    /// It waited as long as one may.
    QueueTimeout { name: String, seconds: u64, retry_after: Duration },
}

/// A line that has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queue {
    /// How many wait.
    pub(crate) waiting: usize,
    /// When they are predicted to be through.
    pub(crate) retry_after: Duration,
}

impl Problem {
    /// Status and code. The status is chosen by what the client should do next; the codes are stable.
    fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoRoute { .. } => (StatusCode::NOT_FOUND, "not_found"),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::RouteRefused { .. } => (StatusCode::FORBIDDEN, "route_refused"),
            Self::NotNear { .. } => (StatusCode::FORBIDDEN, "not_near"),
            Self::HostUnclear { .. } => (StatusCode::BAD_REQUEST, "invalid_host"),
            Self::HostNotAllowed { .. } => (StatusCode::FORBIDDEN, "host_not_allowed"),
            Self::OriginNotAllowed { .. } => (StatusCode::FORBIDDEN, "origin_not_allowed"),
            Self::MediaType { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::Forbidden { .. } | Self::BeatRefused { .. } => (StatusCode::FORBIDDEN, "forbidden"),
            Self::FarBeat { .. } => (StatusCode::FORBIDDEN, "not_near"),
            Self::BodyTooLarge { .. } | Self::BeatTooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
            }
            Self::BodyStalled => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Self::BodyBroken => (StatusCode::BAD_REQUEST, "body_broken"),
            Self::Encoding { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding"),
            Self::MissingBody | Self::InvalidJson { .. } => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::InvalidEncoding { .. } => (StatusCode::BAD_REQUEST, "invalid_encoding"),
            Self::InvalidForm { .. } => (StatusCode::BAD_REQUEST, "invalid_form"),
            Self::AmbiguousJson { .. } => (StatusCode::BAD_REQUEST, "ambiguous_json"),
            Self::MissingModel => (StatusCode::BAD_REQUEST, "missing_model"),
            Self::InvalidModelName { .. } => (StatusCode::BAD_REQUEST, "invalid_model_name"),
            Self::CloudRefused { .. } => (StatusCode::FORBIDDEN, "cloud_refused"),
            Self::ModelNotFound { .. } => (StatusCode::NOT_FOUND, "model_not_found"),
            Self::OtherApi { .. } => (StatusCode::BAD_REQUEST, "other_api"),
            Self::ModelOffline { .. }
            | Self::AllTripped { .. }
            | Self::ModelUnheard { .. }
            | Self::NoNode { .. } => (StatusCode::SERVICE_UNAVAILABLE, "no_node"),
            Self::NodesFailed { .. } => (StatusCode::BAD_GATEWAY, "node_failed"),
            Self::Vetoed { .. } => (StatusCode::SERVICE_UNAVAILABLE, "vetoed"),
            Self::PluginFailed { .. } => (StatusCode::SERVICE_UNAVAILABLE, "plugin_failed"),
            Self::BodiesFull { .. } => (StatusCode::SERVICE_UNAVAILABLE, "queue_full"),
            Self::QueueFull { .. } => (StatusCode::SERVICE_UNAVAILABLE, "queue_full"),
            Self::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            Self::QueueTimeout { .. } => (StatusCode::SERVICE_UNAVAILABLE, "queue_timeout"),
        }
    }

    /// A stable word for a program.
    pub(crate) fn code(&self) -> &'static str {
        self.class().1
    }

    /// Whether nothing more is read from the connection: its bytes cannot be trusted, or whoever sends them.
    fn closes(&self) -> bool {
        matches!(
            self,
            Self::BodyTooLarge { .. }
                | Self::BeatTooLarge { .. }
                | Self::BodyStalled
                | Self::BodyBroken
                | Self::BodiesFull { .. }
                | Self::Draining
                | Self::NotNear { .. }
                | Self::HostUnclear { .. }
                | Self::HostNotAllowed { .. }
                | Self::OriginNotAllowed { .. }
                | Self::MediaType { .. }
                | Self::Method { method: Method::CONNECT | Method::TRACE, .. }
        )
    }

    /// Seconds after which trying again makes sense.
    fn retry_after(&self) -> u32 {
        match self {
            Self::AllTripped { rest, .. } => seconds(*rest),
            Self::QueueFull { queue, .. } | Self::RateLimited { queue } => seconds(queue.retry_after),
            Self::QueueTimeout { retry_after, .. } => seconds(*retry_after),
            _ => RETRY_AFTER_S,
        }
    }

    /// The response, in the shape of the dialect that was spoken.
    pub(crate) fn response(&self, family: Family, id: RequestId) -> Response<Body> {
        let (status, code) = self.class();
        let (text, request) = (self.to_string(), id.to_string());
        let told = failure::Failure { status: status.as_u16(), code, text: &text, request: &request };
        let mut response = Response::new(Body::full(failure::body(family, &told)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(ERROR_CODE, HeaderValue::from_static(code));
        if let Self::Method { allow, .. } = self {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Self::QueueFull { queue, .. } | Self::RateLimited { queue } = self {
            headers.insert(POSITION, HeaderValue::from(queue.waiting));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after()));
        } else if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT {
            // OpenAI's and Anthropic's clients would try some of these again, for nothing.
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if self.closes() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute { path, nearest: Some(nearest) } => {
                write!(out, "no route {}; did you mean {nearest}?", Quoted(path))
            }
            Self::NoRoute { path, nearest: None } => {
                write!(
                    out,
                    "no route {}; Ollama's /api/… and OpenAI's and Anthropic's /v1/… are served",
                    Quoted(path)
                )
            }
            Self::Method { method, path, allow } => {
                write!(out, "{path} does not take {method}; use {allow}")
            }
            Self::RouteRefused { path, why: Refusal::Changes } => write!(
                out,
                "{} changes what is on a machine and is not for clients of the router; use `ollama` on that machine",
                Quoted(path)
            ),
            Self::RouteRefused { path, why: Refusal::Account } => write!(
                out,
                "{} would use the account of whoever owns the node; use `ollama` on that machine",
                Quoted(path)
            ),
            Self::NotNear { address } => write!(
                out,
                "{address} is on no network of the router; if it may ask, add it to allowed_sources in herdwick.toml"
            ),
            Self::HostUnclear { why } => {
                write!(out, "the request does not say clearly whom it asks: {why}; send one Host")
            }
            Self::HostNotAllowed { host } => write!(
                out,
                "{} is no name of the router; if pages may ask it so, add the name to allowed_hosts in herdwick.toml",
                Quoted(host)
            ),
            Self::OriginNotAllowed { origin } => write!(
                out,
                "pages of {} may not ask the router; if they shall, add their origin to allowed_origins in \
                 herdwick.toml",
                Quoted(origin)
            ),
            Self::MediaType { found } => {
                write!(out, "send JSON with content-type application/json, not {}", Quoted(found))
            }
            Self::Forbidden { why } => {
                write!(out, "the admin API refuses this request: {why}; use the `herdwick` command there")
            }
            Self::BeatRefused { why } => {
                write!(out, "this heartbeat is not taken: {why}; run `herdwick node` on the machine itself")
            }
            Self::FarBeat { address } => write!(
                out,
                "{address} is on no network of the router, and only machines on those become nodes by themselves; \
                 connect it by a network of your own, or name it with --node"
            ),
            Self::BeatTooLarge { limit } => write!(
                out,
                "the heartbeat is larger than {} KiB; use an agent of this router's version, or remove models",
                limit >> 10
            ),
            Self::BodyTooLarge { limit } => write!(
                out,
                "the request is larger than {} MiB; send less, or start the router with a larger --body-limit",
                limit >> 20
            ),
            Self::BodyStalled => out.write_str(
                "the request's body stopped arriving; check the client's connection and try again",
            ),
            Self::BodyBroken => out.write_str("the request's body ended early; send it again"),
            Self::Encoding { encoding } => {
                write!(out, "content-encoding {} is not supported; send the body as it is", Quoted(encoding))
            }
            Self::MissingBody => out.write_str("missing request body; send a JSON object with a \"model\""),
            Self::InvalidEncoding { cause } => {
                write!(
                    out,
                    "the body is not the zstd frame that its content-encoding says: {cause}; mend it and send it again"
                )
            }
            Self::InvalidForm { cause } => {
                write!(out, "the body is not the form it should be: {cause}; send multipart/form-data")
            }
            Self::InvalidJson { cause } => {
                write!(
                    out,
                    "the body is not the JSON object it should be: {cause}; mend it and send it again"
                )
            }
            Self::AmbiguousJson { cause } => {
                write!(out, "the body means different things to different readers: {cause}; keep one of them")
            }
            Self::MissingModel => out.write_str(
                "model is required: name one in the body's \"model\"; GET /api/tags lists what there is",
            ),
            Self::InvalidModelName { name, rule } => {
                write!(out, "invalid model name {}: {rule}; GET /api/tags lists what there is", Quoted(name))
            }
            Self::CloudRefused { name } => write!(
                out,
                "model {} runs in a cloud, on the account of whoever owns the node; name a local one, \
                 GET /api/tags lists them",
                Quoted(name)
            ),
            Self::ModelNotFound { name, nearest } => {
                write!(out, "model '{name}' not found: no node has it; ")?;
                if let Some(nearest) = nearest {
                    write!(out, "did you mean '{nearest}'? Otherwise ")?;
                }
                write!(out, "run `ollama pull {name}` on the node that should have it")
            }
            Self::ModelOffline { name, nodes } => {
                write!(
                    out,
                    "no node that has model '{name}' can be asked now: {nodes}; start it again, or let it take work again"
                )
            }
            Self::AllTripped { name, nodes, rest } => write!(
                out,
                "every node that has model '{name}' failed lately: {nodes}; try again in {} s, and see `herdwick status`",
                seconds(*rest)
            ),
            Self::OtherApi { name, nodes } => write!(
                out,
                "model '{name}' is only where another API is spoken: {nodes}; ask for it by OpenAI's, like \
                 /v1/chat/completions"
            ),
            Self::ModelUnheard { name, nearest, nodes } => {
                write!(
                    out,
                    "no node that answers has model '{name}', and {nodes} has not answered since the router started; "
                )?;
                if let Some(nearest) = nearest {
                    write!(out, "did you mean '{nearest}'? Otherwise ")?;
                }
                write!(out, "start {nodes} or leave it out")
            }
            Self::NoNode { nodes } if nodes.is_empty() => out.write_str(
                "no node is known; start the router with --node http://HOST:11434 for each machine",
            ),
            Self::NoNode { nodes } => {
                write!(
                    out,
                    "no node answers: {nodes}; check that Ollama runs there and can be reached from here"
                )
            }
            Self::NodesFailed { name, attempts } => {
                write!(out, "model '{name}' could not be asked: {attempts}; try again or look at these nodes")
            }
            Self::Vetoed { name, reasons } => write!(
                out,
                "no node may serve model '{name}' for this request: {reasons}; \
                 `herdwick explain last` shows the readings behind it"
            ),
            Self::PluginFailed { plugin } => write!(
                out,
                "the plugin {plugin} failed, and its on_fault = \"reject\" wants no answer without it; \
                 `herdwick plugins list` says why"
            ),
            Self::QueueFull { name, queue } => write!(
                out,
                "{} requests wait for model '{name}' already; try again in {} s",
                queue.waiting,
                seconds(queue.retry_after)
            ),
            Self::RateLimited { queue } => write!(
                out,
                "{} requests of this client wait already, and others wait too; try again in {} s",
                queue.waiting,
                seconds(queue.retry_after)
            ),
            Self::BodiesFull { limit } => write!(
                out,
                "requests of {} MiB are under way, which is as much as the router holds; try again later, or give it \
                 more with limits.bodies_total",
                limit >> 20
            ),
            Self::Draining => {
                out.write_str("the router is stopping; ask another one, or this one once it is up again")
            }
            Self::QueueTimeout { name, seconds, .. } => write!(
                out,
                "no slot for model '{name}' came free within {seconds} s; try again later or add a node that has it"
            ),
        }
    }
}

/// Whole seconds, and never too few of them.
fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
}

/// A client's text inside ours: quoted, escaped, cut.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 80;
        let cut: String = self.0.chars().take(MOST).collect();
        let more = if cut.len() < self.0.len() { "…" } else { "" };
        write!(out, "{cut:?}{more}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_a_status_a_code_a_cause_and_a_next_step() {
        let name = ModelName::parse("qwen3:8b").ok();
        let problem = Problem::ModelNotFound { name: "qwne3:8b".into(), nearest: name };
        assert_eq!(
            problem.to_string(),
            "model 'qwne3:8b' not found: no node has it; did you mean 'qwen3:8b'? Otherwise run \
             `ollama pull qwne3:8b` on the node that should have it"
        );
        let response = problem.response(Family::Ollama, RequestId::new(0, 0));
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()[SHOULD_RETRY], "false");
        assert_eq!(response.headers()[ERROR_CODE], "model_not_found");
    }

    #[test]
    fn a_clients_text_is_quoted_and_cut() {
        let problem = Problem::NoRoute { path: format!("/\u{1b}[2J{}", "x".repeat(500)), nearest: None };
        let text = problem.to_string();
        assert!(text.contains("\\u{1b}") && text.len() < 250, "{text}");
    }

    #[test]
    fn what_may_be_tried_again_says_when() {
        for problem in [
            Problem::QueueFull {
                name: "m".into(),
                queue: Queue { waiting: 256, retry_after: Duration::from_millis(7_100) },
            },
            Problem::NoNode { nodes: String::new() },
        ] {
            assert!(
                problem.response(Family::OpenAi, RequestId::new(0, 0)).headers().contains_key(RETRY_AFTER),
                "{problem}"
            );
        }
        let large =
            Problem::BodyTooLarge { limit: 32 << 20 }.response(Family::Anthropic, RequestId::new(0, 0));
        assert_eq!(large.headers()[CONNECTION], "close");
        assert!(!large.headers().contains_key(RETRY_AFTER));
    }
}
