//! An answer to `/api/chat` while it is made: line by line as Ollama streams it, to the line that says it is whole.

use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::Deserialize;

use super::Told;
use crate::client;
use crate::failed::Failed;

/// Bytes of an error's text.
const ERROR: usize = 1 << 20;
/// Bytes of one line; a token is some 200.
const LINE: usize = 16 << 20;
/// What to do about an answer that broke off.
const AGAIN: &str = "try again; `herdwick status` shows whether the node is still there";

/// A line, as far as it matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    message: Message,
    done: bool,
    error: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    eval_duration: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    content: String,
    thinking: String,
}

/// A part of an answer.
pub(crate) enum Piece {
    Said(String),
    Thought(String),
}

/// The answer so far.
pub(crate) struct Answer {
    headers: HeaderMap,
    body: Incoming,
    buffer: BytesMut,
    began: Instant,
    first: Option<Duration>,
    said: String,
    last: Option<Line>,
    ended: Duration,
}

impl Answer {
    /// Its head is here; an error becomes one.
    pub(crate) async fn begin(response: Response<Incoming>, began: Instant) -> anyhow::Result<Self> {
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            let body = Limited::new(body, ERROR).collect().await.map_err(|error| anyhow::anyhow!(error));
            return Err(client::refused(head.status, &body.map(|body| body.to_bytes()).unwrap_or_default()));
        }
        let (buffer, said, ended) = (BytesMut::new(), String::new(), Duration::ZERO);
        Ok(Self { headers: head.headers, body, buffer, began, first: None, said, last: None, ended })
    }

    /// What comes next; `None` when it is whole.
    pub(crate) async fn piece(&mut self) -> anyhow::Result<Option<Piece>> {
        while self.last.is_none() {
            let line = self.line().await?;
            if let Some(error) = line.error {
                return Err(self.broken(anyhow::anyhow!(error)));
            }
            let Message { content, thinking } = &line.message;
            let piece = match (content.is_empty(), thinking.is_empty()) {
                (false, _) => Some(Piece::Said(content.clone())),
                (true, false) => Some(Piece::Thought(thinking.clone())),
                (true, true) => None,
            };
            if piece.is_some() {
                self.first.get_or_insert_with(|| self.began.elapsed());
            }
            self.said.push_str(content);
            if line.done {
                self.ended = self.began.elapsed();
                self.last = Some(line);
            }
            if piece.is_some() {
                return Ok(piece);
            }
        }
        Ok(None)
    }

    /// What there is to tell of the whole answer.
    pub(crate) fn told(self, model: String) -> Told {
        let header = |name: &str| {
            let value = self.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let last = self.last.unwrap_or_default();
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        // Nanoseconds, as Ollama tells them.
        let made_in = last.eval_duration.filter(|duration| *duration > 0);
        let speed = last.eval_count.zip(made_in).map(|(count, ns)| count as f64 / (ns as f64 / 1e9));
        Told {
            request: header("x-request-id"),
            model: Some(header("x-herdwick-model")).filter(|ran| !ran.is_empty()).unwrap_or(model),
            node: header("x-herdwick-node"),
            why: header("x-herdwick-why"),
            attempts: header("x-herdwick-attempts").parse().unwrap_or(1),
            answer: self.said,
            first_token_ms: ms(self.first.unwrap_or(self.ended)),
            total_ms: ms(self.ended),
            prompt_tokens: last.prompt_eval_count,
            answer_tokens: last.eval_count,
            tokens_per_s: speed,
        }
    }

    async fn line(&mut self) -> anyhow::Result<Line> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end);
                self.buffer.advance(1);
                if line.is_empty() {
                    continue;
                }
                return serde_json::from_slice(&line).map_err(|error| self.broken(error.into()));
            }
            if self.buffer.len() > LINE {
                return Err(self.broken(anyhow::anyhow!("a line of it is longer than {} MiB", LINE >> 20)));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Some(Err(error)) => return Err(self.broken(error.into())),
                None => return Err(self.broken(anyhow::anyhow!("it ended without its last line"))),
            }
        }
    }

    fn broken(&self, why: anyhow::Error) -> anyhow::Error {
        let node = self.headers.get("x-herdwick-node").and_then(|node| node.to_str().ok());
        let from = node.map_or(String::new(), |node| format!(" from {node}"));
        Failed::because(
            why,
            format!("the answer{from} broke off after {} characters", self.said.len()),
            AGAIN,
        )
    }
}
