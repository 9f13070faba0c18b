//! One GET of one document, bounded in time and size. No redirect is followed: a backend cannot send us
//! anywhere.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use herdwick_fleet::Origin;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Bytes of one document. A thousand models are 400 KB.
const MOST: usize = 4 << 20;

/// Why a probe failed, in words for people.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    #[error("{}", words(.0))]
    Connect(io::Error),
    #[error("the connection broke ({0})")]
    Http(hyper::Error),
    #[error("{path} answers {status}")]
    Status { path: &'static str, status: StatusCode },
    #[error("{path} answers more than {} MiB, or broke off", MOST >> 20)]
    Body { path: &'static str },
    #[error("{what} is not what Ollama answers ({cause})")]
    Format { what: &'static str, cause: String },
}

impl ProbeError {
    /// Whether it is this process that cannot ask: it has no more file handles.
    pub(crate) fn is_ours(&self) -> bool {
        /// `EMFILE` and `ENFILE`, which are the same on every Unix; the standard library has no kind for them.
        const HANDLES: [i32; 2] = [24, 23];
        let code = match self {
            Self::Connect(error) => error.raw_os_error(),
            _ => None,
        };
        cfg!(unix) && code.is_some_and(|code| HANDLES.contains(&code))
    }
}

/// Fetches `path`.
pub(crate) async fn get(
    origin: &Origin,
    path: &'static str,
    patience: Duration,
) -> Result<Bytes, ProbeError> {
    timeout(patience, fetch(origin, path)).await.map_err(|_| ProbeError::Timeout(patience))?
}

async fn fetch(origin: &Origin, path: &'static str) -> Result<Bytes, ProbeError> {
    let stream =
        TcpStream::connect((origin.host.as_str(), origin.port)).await.map_err(ProbeError::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(ProbeError::Http)?;
    // Ends with the sender; its error shows in the answer.
    tokio::spawn(async move { connection.await.ok() });
    let request = Request::get(path).header(HOST, origin.authority()).body(Empty::<Bytes>::new());
    // A constant path and a checked host always make a request.
    let request = request.map_err(|error| ProbeError::Format { what: path, cause: error.to_string() })?;
    let response = sender.send_request(request).await.map_err(ProbeError::Http)?;
    if response.status() != StatusCode::OK {
        return Err(ProbeError::Status { path, status: response.status() });
    }
    let body = Limited::new(response.into_body(), MOST).collect().await;
    Ok(body.map_err(|_| ProbeError::Body { path })?.to_bytes())
}

/// Why there is no connection, for people: what it means where that is known, else what the system says, without its
/// number.
fn words(error: &io::Error) -> String {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "the machine cannot be reached".to_owned()
        }
        _ => {
            let text = error.to_string();
            // The standard library has no kind for it.
            if text.starts_with("failed to lookup address information") {
                return "its name is not known here".to_owned();
            }
            format!("no connection ({})", text.split(" (os error ").next().unwrap_or(&text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_connection_is_told_in_words() {
        for (error, told) in [
            (io::Error::from_raw_os_error(111), "nothing listens there"),
            (io::Error::from_raw_os_error(24), "no connection (Too many open files)"),
            (
                io::Error::other("failed to lookup address information: Name or service not known"),
                "its name is not known here",
            ),
        ] {
            if cfg!(target_os = "linux") {
                assert_eq!(ProbeError::Connect(error).to_string(), told);
            }
        }
    }
}
