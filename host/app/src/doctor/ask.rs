//! Asks one address one thing, and is not patient: what a healthy machine in the house answers within milliseconds.
//! Why there is no answer is told apart, since each reason has its own remedy.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use herdwick_fleet::Origin;
use http::header::DATE;
use http::{Method, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{self, MARK};

/// How long a connection may take, and then the answer. Four times this, for a router and then the machines that it
/// names, is less than the three seconds that all of it may take.
pub(crate) const PATIENCE: Duration = Duration::from_millis(600);
/// Bytes of an answer: a router's picture of a large fleet.
const ANSWER: usize = 8 << 20;
/// Says which Herdwick answers.
const VERSION: &str = "x-herdwick-version";

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whoever answered marks its answers as a router does.
    pub(crate) is_router: bool,
    /// The router's version, if it says so.
    pub(crate) version: Option<String>,
    /// The time of the other side's clock.
    pub(crate) date: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) took: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Silence {
    /// The machine is there, and nobody listens.
    Refused,
    /// Nothing came back at all.
    Lost,
    /// No route leads there.
    Unreachable,
    /// The name means nothing here.
    NoName,
    /// Somebody listens and says nothing.
    Mute,
    /// Somebody listens and answers something else.
    Strange,
    /// Whatever else the system says.
    Other(String),
}

/// `GET`s `path`.
pub(crate) async fn get(origin: &Origin, path: &str) -> Result<Answer, Silence> {
    let began = Instant::now();
    let stream = timeout(PATIENCE, TcpStream::connect((origin.host.as_str(), origin.port)));
    let stream = stream.await.map_err(|_| Silence::Lost)?.map_err(|error| Silence::of(&error))?;
    let answer = async {
        let response = client::over(stream, origin, Method::GET, path, Bytes::new()).await?;
        let answer = read(&response);
        let body = Limited::new(response.into_body(), ANSWER).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
        anyhow::Ok(Answer { body, ..answer })
    };
    let answer = timeout(PATIENCE, answer).await.map_err(|_| Silence::Mute)?;
    let answer = answer.map_err(|_| Silence::Strange)?;
    Ok(Answer { took: began.elapsed(), ..answer })
}

fn read(response: &Response<Incoming>) -> Answer {
    let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
    Answer {
        status: response.status().as_u16(),
        is_router: response.headers().contains_key(MARK),
        version: header(VERSION),
        date: header(DATE.as_str()),
        ..Answer::default()
    }
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }
}

impl Silence {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::Lost,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::Unreachable,
            _ => {
                let text = error.to_string();
                // The standard library has no kind for it.
                if text.starts_with("failed to lookup address information") {
                    return Self::NoName;
                }
                Self::Other(crate::failed::plain(&text))
            }
        }
    }

    /// Whether something between here and there may have swallowed what was sent.
    pub(crate) fn may_be_a_firewall(&self) -> bool {
        matches!(self, Self::Lost | Self::Unreachable)
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = PATIENCE.as_millis();
        match self {
            Self::Refused => out.write_str("nothing listens there"),
            Self::Lost => write!(out, "nothing comes back within {ms} ms"),
            Self::Unreachable => out.write_str("the machine cannot be reached"),
            Self::NoName => out.write_str("its name is not known here"),
            Self::Mute => write!(out, "something listens there and says nothing within {ms} ms"),
            Self::Strange => out.write_str("something listens there that speaks no HTTP"),
            Self::Other(text) => out.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn why_nobody_answers_is_told_apart() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let origin = Origin { host: "127.0.0.1".to_owned(), port };
        assert_eq!(get(&origin, "/").await, Err(Silence::Mute));
        drop(listener);
        assert_eq!(get(&origin, "/").await, Err(Silence::Refused));
    }
}
