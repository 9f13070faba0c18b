//! One question on a connection of its own, which ends with whoever asks: dropping the future hangs up, and the server
//! stops working for it.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::MeasureError;
use crate::frames;
use crate::subject::{Question, Subject};
use crate::timeline::Timeline;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one answer may take, with the loading of a model that turns out to be away.
const ANSWER: Duration = Duration::from_secs(600);
/// Bytes of an error, and of an answer that is no stream.
const WHOLE: usize = 64 << 10;
/// Bytes of one line of a stream. A token has some ten.
const LINE: usize = 1 << 20;
/// Who asks, for the server's log.
const US: &str = concat!("herdwick-bench/", env!("CARGO_PKG_VERSION"));

impl Subject {
    /// Asks, and notes when what comes.
    ///
    /// # Errors
    /// There is no whole answer.
    pub async fn ask_timed(&self, question: Question) -> Result<Timeline, MeasureError> {
        let (path, body) = self.ask(question);
        timeout(ANSWER, self.follow(path, &body)).await.map_err(|_| MeasureError::Timeout(ANSWER))?
    }

    async fn follow(&self, path: &'static str, body: &Value) -> Result<Timeline, MeasureError> {
        let (sent, response) = send(self, path, body).await?;
        let mut timeline =
            Timeline { sent, pieces: Vec::new(), prompt_tokens: None, answer_tokens: None, told: None };
        let mut body = response.into_body();
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            let at = Instant::now();
            rest.extend_from_slice(&data);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.split_to(end + 1);
                let said = frames::read(self.kind, line.trim_ascii_end())?;
                if said.is_piece {
                    timeline.pieces.push(at);
                }
                timeline.prompt_tokens = said.prompt_tokens.or(timeline.prompt_tokens);
                timeline.answer_tokens = said.answer_tokens.or(timeline.answer_tokens);
                timeline.told = said.told.or(timeline.told);
                if said.is_end {
                    return Ok(timeline);
                }
            }
            if rest.len() > LINE {
                return Err(MeasureError::Garbled(format!("a line of it is over {} KiB", LINE >> 10)));
            }
        }
        Err(MeasureError::Garbled("it ended before its end".to_owned()))
    }
}

/// Asks and waits for the whole of a short answer, of which only matters that it is none of an error.
pub(crate) async fn whole(
    subject: &Subject,
    path: &'static str,
    body: &Value,
    patience: Duration,
) -> Result<(), MeasureError> {
    let ask = async {
        let (_, response) = send(subject, path, body).await?;
        let body = read(response).await?;
        match serde_json::from_slice::<Value>(&body) {
            Ok(json) if json.get("error").is_some() => Err(MeasureError::Broke(frames::words(&body))),
            Ok(_) => Ok(()),
            Err(error) => Err(MeasureError::Garbled(error.to_string())),
        }
    };
    timeout(patience, ask).await.map_err(|_| MeasureError::Timeout(patience))?
}

/// Sends the question; returns when it was sent, and the head of a good answer.
async fn send(
    subject: &Subject,
    path: &'static str,
    body: &Value,
) -> Result<(Instant, Response<Incoming>), MeasureError> {
    let to = (subject.origin.host.as_str(), subject.origin.port);
    let stream = timeout(CONNECT, TcpStream::connect(to)).await;
    let stream = stream.map_err(|_| MeasureError::Timeout(CONNECT))?.map_err(MeasureError::Connect)?;
    // What waits to be sent together would be measured as well; failing only costs that.
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the exchange; its error shows in the answer.
    tokio::spawn(async move { connection.await.ok() });
    let mut request = Request::post(path)
        .header(HOST, subject.origin.authority())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, US);
    if let Some(bearer) = &subject.bearer {
        request = request.header(AUTHORIZATION, format!("Bearer {bearer}"));
    }
    // A constant path, a checked host and a bearer of hexadecimal digits always make a request.
    let request = request
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|error| MeasureError::Garbled(error.to_string()))?;
    let sent = Instant::now();
    let response = sender.send_request(request).await?;
    if response.status().is_success() {
        return Ok((sent, response));
    }
    let status = response.status().as_u16();
    let text = frames::words(&read(response).await?);
    Err(MeasureError::Refused { status, text })
}

async fn read(response: Response<Incoming>) -> Result<Bytes, MeasureError> {
    let body = Limited::new(response.into_body(), WHOLE).collect().await;
    Ok(body.map_err(|error| MeasureError::Garbled(error.to_string()))?.to_bytes())
}
