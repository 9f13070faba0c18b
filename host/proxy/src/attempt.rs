//! One try at one backend: our own request to it, framed anew, and the beginning of its answer. A try succeeds with
//! the first whole frame of a stream, or with the whole of an answer that is none; until then nothing reached the
//! client and another backend may be asked.

use std::fmt;

use bytes::Bytes;
use herdwick_dialect::endpoint::Framing;
use herdwick_dialect::verdict::{self, Verdict};
use herdwick_dialect::{Endpoint, whole};
use herdwick_fleet::hang::Sign;
use herdwick_fleet::{Backend, RequestId};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::response::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::headers;
use crate::lesson::Pupil;
use crate::options::{Dressing, Spots};
use crate::pieces::Pieces;
use crate::relay::{Pass, Stream};
use crate::router::Router;
use crate::upstream::{self, Link};

/// Bytes that are kept of an error of a backend. Theirs are a line or two.
const ERROR: usize = 64 << 10;

/// What is asked, the same in every try.
pub(crate) struct Call {
    pub(crate) id: RequestId,
    /// The id as the backend sees it.
    pub(crate) signature: HeaderValue,
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Where in it options stand.
    pub(crate) spots: Spots,
    /// Nothing is asked but to load the model, or to let go of it.
    pub(crate) only_loads: bool,
    /// What its answer teaches about.
    pub(crate) pupil: Pupil,
}

/// An answer that may reach the client.
pub(crate) struct Answer {
    pub(crate) head: Parts,
    pub(crate) body: Content,
}

/// The body of an answer.
pub(crate) enum Content {
    /// All of it; the connection is free again.
    Whole(Bytes, whole::Whole),
    /// A stream whose first frame is here.
    Stream(Box<Stream>),
    /// Too long to be held back.
    Pass(Pass),
}

/// Why a try gave no answer for the client.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No answer began.
    Unanswered(upstream::Failure),
    /// The answer broke before a whole frame of it was here.
    Broke(hyper::Error),
    /// The answer is not what it claims to be.
    Garbled(&'static str),
    /// It was given up on.
    Hung(Sign),
    /// A model was loaded where an answer was asked for.
    OnlyLoaded,
    /// The backend answered with an error.
    Answered(Answered),
}

/// An error as a backend told it.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) verdict: Verdict,
    pub(crate) kind: Option<HeaderValue>,
    pub(crate) body: Bytes,
    /// Whether that is all of it.
    pub(crate) is_whole: bool,
}

/// Asks the backend for what is called for, with the dressing put into it. Returns when its answer begins, which can take minutes.
pub(crate) async fn ask(
    router: &Router,
    backend: &Backend,
    call: &Call,
    dressing: Dressing,
) -> Result<Answer, Failure> {
    let (response, link) = send(router, backend, (call, dressing)).await.map_err(Failure::Unanswered)?;
    let (mut head, incoming) = response.into_parts();
    let is_framed = head.headers.contains_key(CONTENT_LENGTH) || head.headers.contains_key(TRANSFER_ENCODING);
    headers::keep_for_client(&mut head.headers);
    // How the backend frames is its business; we frame for our client, who spoke to us.
    head.version = http::Version::HTTP_11;
    if !head.status.is_success() {
        return error(call, head, Rest { incoming, is_framed, link }).await;
    }
    let body = if is(&head.headers, "application/x-ndjson") || is(&head.headers, "text/event-stream") {
        Content::Stream(Stream::begin(call, incoming, link).await?)
    } else {
        keep(call, &head.headers, Rest { incoming, is_framed, link }).await?
    };
    Ok(Answer { head, body })
}

/// Sends our own request for the call.
async fn send(
    router: &Router,
    backend: &Backend,
    (call, dressing): (&Call, Dressing),
) -> Result<(Response<Incoming>, Link), upstream::Failure> {
    let pool = router.pools.of(backend);
    let request = || {
        let mut request = Request::new(call.spots.dress(&call.body, dressing));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(call.endpoint.path());
        *request.headers_mut() = headers::to_backend(call, pool.host(), pool.bearer());
        request
    };
    let answer = upstream::send(&pool, &backend.origin, request, router.limits.connect).await;
    match &answer {
        Ok(_) => backend.live.mark_flowing(),
        // Others must not run into the same wall before the next probe says so.
        Err(failure) if failure.is_refusal() => backend.live.mark_refused(),
        Err(_) => {}
    }
    answer
}

/// What of an answer is still to come, and over which connection.
struct Rest {
    incoming: Incoming,
    /// Whether its end says that all of it came.
    is_framed: bool,
    link: Link,
}

/// Reads an error and judges it, by its beginning if it is long.
async fn error(call: &Call, head: Parts, answer: Rest) -> Result<Answer, Failure> {
    let Rest { incoming, is_framed, link } = answer;
    let (body, rest) = read(incoming, ERROR).await.map_err(Failure::Broke)?;
    let verdict = verdict::judge(call.endpoint, head.status.as_u16(), &body);
    let is_whole = rest.is_none();
    let content = match rest {
        None => {
            link.give_back();
            Content::Whole(body.clone(), whole::Whole::default())
        }
        Some(incoming) => Content::Pass(Pass::new(body.clone(), incoming, is_framed, link)),
    };
    if verdict == Verdict::Client {
        return Ok(Answer { head, body: content });
    }
    let kind = head.headers.get(CONTENT_TYPE).cloned();
    Err(Failure::Answered(Answered { status: head.status, verdict, kind, body, is_whole }))
}

/// Holds an answer back until it is whole, unless it is too long for that.
async fn keep(call: &Call, headers: &HeaderMap, answer: Rest) -> Result<Content, Failure> {
    let Rest { incoming, is_framed, link } = answer;
    let (body, rest) = read(incoming, whole::HELD).await.map_err(Failure::Broke)?;
    if let Some(incoming) = rest {
        return Ok(Content::Pass(Pass::new(body, incoming, is_framed, link)));
    }
    link.give_back();
    let is_json = is(headers, "application/json");
    if !is_json && !is_framed {
        return Err(Failure::Garbled("nothing says that its answer is complete"));
    }
    let facts = whole::check(call.endpoint, is_json, &body);
    let facts = facts.map_err(|_| Failure::Garbled("its answer is no JSON"))?;
    if facts.only_loaded && !call.only_loads {
        return Err(Failure::OnlyLoaded);
    }
    Ok(Content::Whole(body, facts))
}

/// Reads a body up to about `most` bytes; with what is left of it, if that is not all.
async fn read(mut incoming: Incoming, most: usize) -> Result<(Bytes, Option<Incoming>), hyper::Error> {
    let mut pieces = Pieces::default();
    while !incoming.is_end_stream() {
        let Some(frame) = incoming.frame().await else { break };
        let Ok(data) = frame?.into_data() else { continue };
        pieces.push(data);
        if pieces.len() > most {
            return Ok((pieces.into_bytes(), Some(incoming)));
        }
    }
    Ok((pieces.into_bytes(), None))
}

/// Whether the content type is this one, whatever its parameters.
fn is(headers: &HeaderMap, kind: &str) -> bool {
    let told = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    told.get(..kind.len()).is_some_and(|told| told.eq_ignore_ascii_case(kind.as_bytes()))
        && told.get(kind.len()).is_none_or(|next| matches!(next, b';' | b' '))
}

impl Failure {
    /// As fallback rules are told.
    pub(crate) fn class(&self) -> herdwick_fleet::Failure {
        use herdwick_fleet::Failure as Class;
        match self {
            Self::Unanswered(failure) => failure.class(),
            Self::Broke(_) | Self::Garbled(_) | Self::Hung(_) => Class::Cut,
            Self::OnlyLoaded => Class::Status,
            Self::Answered(answered) => match answered.verdict {
                Verdict::Busy => Class::Overloaded,
                Verdict::ModelMissing => Class::ModelMissing,
                Verdict::NoRoom => Class::NoRoom,
                Verdict::ContextTooSmall => Class::ContextTooSmall,
                Verdict::Refused | Verdict::NoRoute => Class::Refused,
                Verdict::Broken | Verdict::Client => Class::Status,
            },
        }
    }

    /// The status it came with, 0 if none came.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Answered(answered) => answered.status.as_u16(),
            Self::OnlyLoaded => 200,
            Self::Unanswered(_) | Self::Broke(_) | Self::Garbled(_) | Self::Hung(_) => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered(failure) => failure.fmt(out),
            Self::Broke(error) => write!(out, "its answer broke off before it began ({error})"),
            Self::Garbled(what) => out.write_str(what),
            Self::Hung(sign) => sign.fmt(out),
            Self::OnlyLoaded => out.write_str("it loaded the model and gave no answer"),
            Self::Answered(answered) => answered.fmt(out),
        }
    }
}

impl Answered {
    /// An error that came as the first frame of a stream, where Ollama has a status of its own no more.
    pub(crate) fn in_stream(endpoint: Endpoint, frames: &Bytes) -> Self {
        let json = match endpoint.framing() {
            Framing::Lines => frames.clone(),
            Framing::Events => {
                let data = frames.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data:"));
                frames.slice_ref(data.unwrap_or_default().trim_ascii())
            }
        };
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let verdict = match verdict::judge(endpoint, status.as_u16(), &json) {
            // It said 200 first, so it took the request for a good one.
            Verdict::Client => Verdict::Broken,
            verdict => verdict,
        };
        let kind = Some(HeaderValue::from_static("application/json"));
        Self { status, verdict, kind, body: json, is_whole: true }
    }

    /// Whether the client should read it as it is, once nobody else is left: an error in its own dialect with a text.
    pub(crate) fn is_telling(&self) -> bool {
        let presentable = matches!(
            self.verdict,
            Verdict::Client
                | Verdict::Busy
                | Verdict::ModelMissing
                | Verdict::NoRoom
                | Verdict::ContextTooSmall
                | Verdict::Broken
        );
        presentable
            && self.is_whole
            && !self.status.is_redirection()
            && self.body.trim_ascii().starts_with(b"{")
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Characters of a backend's text inside ours.
        const MOST: usize = 200;
        match self.verdict {
            Verdict::Refused => {
                return write!(
                    out,
                    "it refuses the router ({}); check OLLAMA_HOST and OLLAMA_ORIGINS there",
                    self.status
                );
            }
            Verdict::NoRoute => {
                return write!(out, "it does not have this route ({}); update its Ollama", self.status);
            }
            _ => write!(out, "it answered {}", self.status)?,
        }
        let text = verdict::text(&self.body);
        if text.is_empty() {
            return Ok(());
        }
        let cut: String = text.chars().take(MOST).collect();
        write!(out, ": {cut}{}", if cut.len() < text.len() { "…" } else { "" })
    }
}
