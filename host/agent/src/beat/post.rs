//! One connection to a router, and one sealed heartbeat on it: signed, answered, and the answer's signature checked.
//! What the answer means is not its matter.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use herdwick_wire::beat::Reply;
use herdwick_wire::seal::{self, Identity, PublicKey, Signature};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// Where beats go.
const PATH: &str = "/fleet/v1/beat";
/// How long a router may take to accept.
const CONNECT: Duration = Duration::from_secs(2);
/// Marks a refusal of a router that was made before anybody looked who asks.
const REFUSAL: &str = "x-herdwick-error";
/// Bytes of an answer. Commands and ports are few.
const MOST: usize = 64 << 10;

/// Why a beat was not answered as it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// Nobody listens there.
    #[error("nothing listens there")]
    Refused,
    /// There is no connection for another reason.
    #[error("no connection ({0})")]
    Connect(io::Error),
    /// It was not answered until the next one was due.
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// The connection ended.
    #[error("the connection broke ({0})")]
    Broke(hyper::Error),
    /// It is something else.
    #[error("it is no Herdwick router: {0}")]
    Stranger(String),
    /// It is one that does not even hear this machine, as it says; nobody signed that, so nothing is done about it.
    #[error("the router there does not hear this machine: {0}")]
    Deaf(String),
    /// It is one, but does not say so in a way that can be believed.
    #[error("its answer is not signed as it should be")]
    Forged,
    /// It is one, and takes nothing from here.
    #[error("it does not take this machine in: {0}")]
    Unwilling(String),
    /// Another router than the one that was meant answers.
    #[error("another router answers there, with the key {0}")]
    Other(PublicKey),
}

/// A connection to a router.
#[derive(Debug)]
pub(crate) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// What stands in `Host`.
    host: String,
    /// This machine's end.
    pub(crate) here: SocketAddr,
    /// The router's.
    pub(crate) there: SocketAddr,
}

/// What a router said, signed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) key: PublicKey,
    pub(crate) status: StatusCode,
    pub(crate) reply: Reply,
}

impl Line {
    /// Connects to `HOST:PORT`.
    pub(crate) async fn connect(address: &str) -> Result<Self, PostError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::ConnectionRefused => PostError::Refused,
            _ => PostError::Connect(error),
        };
        let late = || PostError::Connect(io::ErrorKind::TimedOut.into());
        let stream =
            timeout(CONNECT, TcpStream::connect(address)).await.map_err(|_| late())?.map_err(failed)?;
        // A beat is one small write.
        let _ = stream.set_nodelay(true);
        let (here, there) = (stream.local_addr().map_err(failed)?, stream.peer_addr().map_err(failed)?);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(PostError::Broke)?;
        // Ends with the sender; its error shows in the answer.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Self { sender, host: host(address), here, there })
    }

    /// Sends a beat to the router with this key, if it is known, and waits for the answer until the next is due.
    pub(crate) async fn post(
        &mut self,
        identity: &Identity,
        router: Option<&PublicKey>,
        body: Vec<u8>,
        patience: Duration,
    ) -> Result<Answer, PostError> {
        let signature = identity.sign_beat(router, &body);
        let request = Request::post(PATH)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .header(seal::KEY, identity.public().to_string())
            .header(seal::ROUTER, seal::meant_for(router))
            .header(seal::SIGNATURE, signature.to_string())
            .body(Full::from(body))
            .map_err(|error| PostError::Stranger(error.to_string()))?;
        let due = Instant::now() + patience;
        let answered = async {
            let response = self.sender.send_request(request).await.map_err(PostError::Broke)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MOST).collect().await;
            let body = body.map_err(|error| PostError::Stranger(error.to_string()))?.to_bytes();
            read(head.status, &head.headers, &body, &signature)
        };
        let answer = timeout_at(due, answered).await.map_err(|_| PostError::Late(patience))??;
        match router {
            Some(meant) if *meant != answer.key => Err(PostError::Other(answer.key)),
            _ => Ok(answer),
        }
    }
}

/// The address without the zone of a link-local one, which means something on this machine only (RFC 6874, 4).
fn host(address: &str) -> String {
    match (address.find('%'), address.find(']')) {
        (Some(zone), Some(end)) if zone < end => {
            [address.get(..zone), address.get(end..)].into_iter().flatten().collect()
        }
        _ => address.to_owned(),
    }
}

/// Believes an answer only if it is signed for this very beat.
fn read(status: StatusCode, headers: &HeaderMap, body: &[u8], beat: &Signature) -> Result<Answer, PostError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(key), Some(signature)) = (text(seal::KEY), text(seal::SIGNATURE)) else {
        return Err(match text(REFUSAL) {
            Some(_) => PostError::Deaf(refusal(body).unwrap_or_else(|| format!("it answers {status}"))),
            None => PostError::Stranger(format!("it answers {status} and no signature")),
        });
    };
    let key = PublicKey::parse(key).ok_or(PostError::Forged)?;
    let signature = Signature::parse(signature).ok_or(PostError::Forged)?;
    if !key.signed_reply(&signature, beat, body) {
        return Err(PostError::Forged);
    }
    let reply = serde_json::from_slice(body).map_err(|error| PostError::Stranger(error.to_string()))?;
    Ok(Answer { key, status, reply })
}

/// Why a router hears nobody from here, in its own words: as much of them as a line takes, without what a terminal
/// would act on.
fn refusal(body: &[u8]) -> Option<String> {
    /// Characters.
    const WORDS: usize = 300;
    #[derive(serde::Deserialize)]
    struct Refused {
        error: String,
    }
    let Refused { error } = serde_json::from_slice(body).ok()?;
    Some(error.chars().filter(|c| !c.is_control()).take(WORDS).collect())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(key: &str, signature: &str) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).expect("digits");
        HeaderMap::from_iter([
            (seal::KEY.parse().expect("a name"), value(key)),
            (seal::SIGNATURE.parse().expect("a name"), value(signature)),
        ])
    }

    #[test]
    fn a_zone_is_nothing_to_a_router() {
        for (address, expected) in [
            ("[fe80::1%2]:11435", "[fe80::1]:11435"),
            ("[fe80::1%eth0]:80", "[fe80::1]:80"),
            ("[fd00::1]:11435", "[fd00::1]:11435"),
            ("10.0.0.1:11435", "10.0.0.1:11435"),
            ("studio:11435", "studio:11435"),
        ] {
            assert_eq!(host(address), expected);
        }
    }

    #[test]
    fn an_answer_is_believed_only_if_it_is_signed_for_this_beat() {
        let [agent, router] = [1, 2].map(|seed| Identity::from_seed(&[seed; 32]));
        let [beat, other] = [b"1", b"2"].map(|body| agent.sign_beat(None, body));
        let body = br#"{"session":"s"}"#;
        let good = headers(&router.public().to_string(), &router.sign_reply(&beat, body).to_string());
        let answer = read(StatusCode::OK, &good, body, &beat).expect("it is signed");
        assert_eq!((answer.key, answer.reply.session.as_str()), (router.public(), "s"));
        assert!(matches!(read(StatusCode::OK, &good, b"{}", &beat), Err(PostError::Forged)));
        assert!(matches!(read(StatusCode::OK, &good, body, &other), Err(PostError::Forged)));
        let none = read(StatusCode::NOT_FOUND, &HeaderMap::new(), body, &beat).expect_err("no signature");
        assert_eq!(none.to_string(), "it is no Herdwick router: it answers 404 Not Found and no signature");
        let marked = HeaderMap::from_iter([(
            http::HeaderName::from_static(REFUSAL),
            HeaderValue::from_static("not_near"),
        )]);
        for (body, told) in [
            (&b"{\"error\":\"10.0.0.9 is not near\\u001b[2J\"}"[..], "10.0.0.9 is not near[2J"),
            (b"<html>", "it answers 403 Forbidden"),
        ] {
            let error = read(StatusCode::FORBIDDEN, &marked, body, &beat).expect_err("no signature");
            assert_eq!(error.to_string(), format!("the router there does not hear this machine: {told}"));
        }
    }
}
