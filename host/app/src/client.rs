//! Asks a running router: its admin API for a document, or anything for an answer frame by frame. When nobody
//! answers, or somebody else does, it says so.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use herdwick_fleet::Origin;
use herdwick_proxy::listen::ListenError;
use herdwick_wire::admin::ErrorView;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::banner;
use crate::config::{Config, Env, Flags};
use crate::failed::Failed;

/// An operator waits no longer for a document.
const PATIENCE: Duration = Duration::from_secs(30);
/// A router on this machine or in this house is connected to at once, or not at all.
const CONNECT: Duration = Duration::from_secs(5);
/// How long whoever took our port may take to say who they are.
const WHO: Duration = Duration::from_millis(500);
/// Bytes of one document: that of 200 decisions of a large fleet.
const DOCUMENT: usize = 64 << 20;
/// What to do when a router says nothing better.
const NEXT: &str = "see what is going on: herdwick status";
/// A header that each answer of a router has and no Ollama's.
pub(crate) const MARK: &str = "x-request-id";

/// Which router to ask.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RouterArg {
    /// Address of the router; default: where the configuration has it listen.
    #[arg(long, value_name = "HOST:PORT", env = "HERDWICK_ROUTER")]
    router: Option<String>,
}

/// Which router to ask, and how to show what it says.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Ask {
    /// The same as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) router: RouterArg,
}

impl RouterArg {
    /// `GET`s a document.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        runtime()?.block_on(self.document(Method::GET, path))
    }

    /// `POST`s without a body.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        runtime()?.block_on(self.document(Method::POST, path))
    }

    /// Asks with a document for another, or for one to be gone: an empty answer is JSON's `null`.
    pub(crate) fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> anyhow::Result<T> {
        let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let told = runtime()?.block_on(self.whole(method, path, Bytes::from(body)))?;
        read(if told.is_empty() { b"null" } else { &told })
    }

    /// `GET`s a text.
    pub(crate) fn text(&self, path: &str) -> anyhow::Result<String> {
        let body = runtime()?.block_on(self.whole(Method::GET, path, Bytes::new()))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Asks the admin API for a document.
    pub(crate) async fn document<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> anyhow::Result<T> {
        read(&self.whole(method, path, Bytes::new()).await?)
    }

    /// Asks the admin API with a document for another.
    pub(crate) async fn document_for<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        read(&self.whole(method, path, Bytes::from(serde_json::to_vec(body)?)).await?)
    }

    /// A whole good answer.
    async fn whole(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let ask = async {
            let response = self.send(method, path, body).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), DOCUMENT).collect().await;
            let body =
                body.map_err(|error| anyhow::anyhow!(error)).context("the router's answer broke off")?;
            anyhow::Ok((status, body.to_bytes()))
        };
        let (status, body) = timeout(PATIENCE, ask).await.map_err(|_| {
            let what = format!("the router does not answer within {} s", PATIENCE.as_secs());
            Failed::plainly(what, "try again; if it stays so, start it anew")
        })??;
        if status.is_success() { Ok(body) } else { Err(refused(status, &body)) }
    }

    /// Sends one request and returns the head of the answer. Whoever answers is a router.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
        let origin = self.origin()?;
        let authority = origin.authority();
        let response = exchange(&origin, method, path, body).await.map_err(|error| {
            let next = "start one with `herdwick`, or say where it is with --router HOST:PORT";
            Failed::because(error, format!("no router answers at {authority}"), next)
        })?;
        if response.headers().contains_key(MARK) {
            return Ok(response);
        }
        let next = "say where the router is with --router HOST:PORT, or start one with `herdwick`";
        Err(Failed::plainly(format!("something else than a router answers at {authority}"), next))
    }

    /// Where the router is, if somebody said it.
    pub(crate) fn named(&self) -> anyhow::Result<Option<Origin>> {
        self.router.as_ref().map(|_| self.origin()).transpose()
    }

    /// Where the router is: as said, else where the configuration has it listen.
    fn origin(&self) -> anyhow::Result<Origin> {
        let Some(said) = &self.router else {
            let here = banner::local(expected());
            return Ok(Origin { host: here.ip().to_string(), port: here.port() });
        };
        Origin::parse(said).map_err(|error| {
            Failed::because(
                error,
                format!("--router {said:?} is no address"),
                "write it like 127.0.0.1:11435",
            )
        })
    }
}

/// Where a router listens that was told nothing on its command line. A configuration with mistakes says nothing, and
/// the router that runs may be asked all the same.
pub(crate) fn expected() -> SocketAddr {
    let listen = Config::load(&Flags::default(), &Env::of_process()).map(|config| config.listen);
    listen.unwrap_or(crate::config::LISTEN)
}

/// A runtime for one command.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the runtime cannot start")
}

fn read<T: DeserializeOwned>(document: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(document).map_err(|error| {
        let what = "the router's answer is not understood";
        Failed::because(error, what, "use the same version on both sides")
    })
}

/// An error that a router told. There it is one sentence, `what: why; what to do next`.
pub(crate) fn refused(status: StatusCode, body: &[u8]) -> anyhow::Error {
    let Ok(ErrorView { error }) = serde_json::from_slice(body) else {
        return Failed::plainly(format!("the router answers {status}"), NEXT);
    };
    told(&error)
}

/// The same, of its text alone.
pub(crate) fn told(error: &str) -> anyhow::Error {
    let (said, next) = error.rsplit_once("; ").unwrap_or((error, NEXT));
    match said.split_once(": ") {
        Some((what, why)) => Failed::because(anyhow::anyhow!(why.to_owned()), what, next),
        None => Failed::plainly(said, next),
    }
}

/// Why an address cannot be listened on, and who has it if they say so.
pub(crate) fn taken(error: ListenError) -> anyhow::Error {
    let ListenError { address, source } = error;
    let what = format!("cannot listen on {address}");
    let other = "choose another address with --listen, like --listen 127.0.0.1:0 for a free port";
    if source.kind() != io::ErrorKind::AddrInUse {
        return Failed::because(source, what, other);
    }
    match who(banner::local(address)) {
        Some(Peer::Router) => Failed::because(
            anyhow::anyhow!("another herdwick runs there already"),
            what,
            "use that one (`herdwick status` shows it), end it, or choose another address with --listen",
        ),
        Some(Peer::Ollama) => Failed::because(
            anyhow::anyhow!("an Ollama listens there, and one address has room for one"),
            what,
            "leave it where it is and choose another address with --listen, like --listen 127.0.0.1:11435",
        ),
        None => Failed::because(source, what, format!("end the program that listens there, or {other}")),
    }
}

/// Who answers at an address.
enum Peer {
    Router,
    Ollama,
}

fn who(address: SocketAddr) -> Option<Peer> {
    let origin = Origin { host: address.ip().to_string(), port: address.port() };
    let ask = async {
        let response = exchange(&origin, Method::GET, "/", Bytes::new()).await?;
        if response.headers().contains_key(MARK) {
            return anyhow::Ok(Some(Peer::Router));
        }
        let body = Limited::new(response.into_body(), 64).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
        Ok((body.as_ref() == b"Ollama is running").then_some(Peer::Ollama))
    };
    let asked = runtime().ok()?.block_on(async { timeout(WHO, ask).await });
    asked.ok()?.ok()?
}

async fn exchange(
    origin: &Origin,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<Response<Incoming>> {
    let stream = timeout(CONNECT, TcpStream::connect((origin.host.as_str(), origin.port)));
    let stream =
        stream.await.map_err(|_| anyhow::anyhow!("no connection within {} s", CONNECT.as_secs()))??;
    over(stream, origin, method, path, body).await
}

/// One request on a connection of its own.
pub(crate) async fn over(
    stream: TcpStream,
    origin: &Origin,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<Response<Incoming>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the exchange; its error shows in the answer.
    tokio::spawn(async move { connection.await.ok() });
    let is_empty = body.is_empty();
    let mut request = Request::new(Full::new(body));
    if !is_empty {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    *request.method_mut() = method;
    *request.uri_mut() = path.parse()?;
    request.headers_mut().insert(HOST, HeaderValue::from_str(&origin.authority())?);
    Ok(sender.send_request(request).await?)
}
