//! One GET of one document, bounded in time and size. No redirect is followed: a server cannot send us anywhere.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, SERVER};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Probe, ProbeError};

/// Bytes of one document. A thousand models are 400 KB.
pub(crate) const MOST: usize = 4 << 20;
/// The id of a request.
const ID: &str = "x-request-id";
/// What every header of ours begins with.
const OURS: &str = "x-herdwick-";

/// What was answered, whatever it is.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) path: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    headers: HeaderMap,
}

impl Answer {
    /// The body of an answer that says what was asked.
    pub(crate) fn ok(self) -> Result<Bytes, ProbeError> {
        let Self { path, status, body, .. } = self;
        match status {
            StatusCode::OK => Ok(body),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ProbeError::Key { path, status }),
            _ => Err(ProbeError::Status { path, status }),
        }
    }

    /// Which program it says it is.
    pub(crate) fn server(&self) -> &str {
        self.headers.get(SERVER).and_then(|server| server.to_str().ok()).unwrap_or_default()
    }

    /// Whether a router or an agent of ours wrote it.
    pub(crate) fn is_ours(&self) -> bool {
        self.headers.keys().any(|name| name.as_str().starts_with(OURS))
    }

    /// Whether it has an id, as each answer of a router has and none of Ollama's.
    pub(crate) fn has_id(&self) -> bool {
        self.headers.contains_key(ID)
    }
}

impl Probe {
    /// Fetches the document at `path`.
    pub(crate) async fn document(&self, path: &'static str) -> Result<Bytes, ProbeError> {
        self.get(path).await?.ok()
    }

    /// Fetches whatever is at `path`.
    pub(crate) async fn get(&self, path: &'static str) -> Result<Answer, ProbeError> {
        timeout(self.patience, self.fetch(path)).await.map_err(|_| ProbeError::Timeout(self.patience))?
    }

    async fn fetch(&self, path: &'static str) -> Result<Answer, ProbeError> {
        let to = (self.origin.host.as_str(), self.origin.port);
        let stream = TcpStream::connect(to).await.map_err(ProbeError::Connect)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(ProbeError::Http)?;
        // Ends with the sender; its error shows in the answer.
        tokio::spawn(async move { connection.await.ok() });
        let mut request = Request::get(path).header(HOST, self.origin.authority());
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {bearer}"));
        }
        // A constant path, a checked host and a bearer of hexadecimal digits always make a request.
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| ProbeError::Format {
            what: path,
            whose: "anybody",
            cause: error.to_string(),
        })?;
        let response = sender.send_request(request).await.map_err(ProbeError::Http)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MOST).collect().await.map_err(|_| ProbeError::Body { path })?;
        Ok(Answer { path, status: head.status, body: body.to_bytes(), headers: head.headers })
    }
}
