//! A port that passes requests on to a server which listens for its own machine only: for whoever carries a router's
//! bearer, from a closed list of paths, streaming both ways. Whoever leaves takes the request along. Nothing of a
//! request is kept or logged.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use herdwick_fleet::Origin;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};

use super::guests::{Counted, Guests};
use super::paths;
use super::seats::{Seat, Seats};

/// Ports that are tried, one after the other, before any free one is taken.
const PORTS: u16 = 16;
/// Connections at once on one port. Routers queue long before; the next one waits in the system's backlog.
const CONNECTIONS: usize = 256;
/// How long a head may take, and how long a connection may lie idle.
const HEAD: Duration = Duration::from_secs(30);
/// How long the server may take to accept; it is on this machine.
const CONNECT: Duration = Duration::from_secs(5);
/// After what silence the system asks whether the router's machine is still there.
const ALIVE: Duration = Duration::from_secs(15);
/// After a connection could not be accepted, which has reasons that pass.
const AGAIN: Duration = Duration::from_millis(20);

/// What of a request's headers the server sees.
const TO_SERVER: [HeaderName; 4] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-request-id"),
];
/// What of an answer's headers concerns one connection only.
const OF_CONNECTION: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// An open port. It closes when this is dropped, and with it what goes through it.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) port: u16,
    _accepts: Ends,
}

/// What passes through.
#[derive(Debug)]
pub(super) struct Through {
    /// The server.
    pub(super) to: Origin,
    pub(super) guests: Arc<Guests>,
}

/// Ends a task when it is dropped.
#[derive(Debug)]
struct Ends(AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> From<JoinHandle<T>> for Ends {
    fn from(task: JoinHandle<T>) -> Self {
        Self(task.abort_handle())
    }
}

/// Opens a port of `address`: the `first` one that is free from there on, else any.
///
/// # Errors
/// When not one is to be had.
pub(super) async fn open(address: IpAddr, first: u16, through: Through) -> io::Result<Forward> {
    let listener = bind(address, first).await?;
    let port = listener.local_addr()?.port();
    let accepts = tokio::spawn(accept(listener, Arc::new(through))).into();
    Ok(Forward { port, _accepts: accepts })
}

async fn bind(address: IpAddr, first: u16) -> io::Result<TcpListener> {
    for port in first..first.saturating_add(PORTS) {
        if let Ok(listener) = TcpListener::bind(SocketAddr::new(address, port)).await {
            return Ok(listener);
        }
    }
    TcpListener::bind(SocketAddr::new(address, 0)).await
}

/// Never returns.
async fn accept(listener: TcpListener, through: Arc<Through>) {
    let (all, seats) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Seats::default()));
    // Ends with this task, and each connection with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // It is never closed.
        let Ok(room) = Arc::clone(&all).acquire_owned().await else { return };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                sleep(AGAIN).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        // Who has too many already is hung up on, and not even told.
        let Some(seat) = seats.take(from.ip()) else { continue };
        let through = Arc::clone(&through);
        connections.spawn(async move {
            serve(stream, through, seat).await;
            drop(room);
        });
    }
}

/// The seat is kept until somebody shows a bearer.
async fn serve(stream: TcpStream, through: Arc<Through>, seat: Seat) {
    prepare(&stream);
    let seat = Arc::new(Mutex::new(Some(seat)));
    let service = service_fn(|request| {
        let (through, seat) = (Arc::clone(&through), Arc::clone(&seat));
        async move { Ok::<_, Infallible>(answer(request, &through, &seat).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    // A connection that breaks ends what was under way; there is nobody to tell.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// Tokens leave as they come, and a machine that vanished is noticed. Failing costs only that.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ =
        SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(ALIVE).with_interval(ALIVE));
}

type Answer = Response<Either<Full<Bytes>, Passed>>;

async fn answer(request: Request<Incoming>, through: &Through, seat: &Mutex<Option<Seat>>) -> Answer {
    let bearer = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let bearer = bearer.and_then(|value| value.strip_prefix(b"Bearer "));
    let Some(router) = bearer.and_then(|bearer| through.guests.whose(bearer)) else {
        return refuse(StatusCode::UNAUTHORIZED, "this port is for the router of this machine's agent");
    };
    seat.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(is_work) = paths::passed(request.method(), request.uri().path()) else {
        return refuse(StatusCode::NOT_FOUND, "this is not passed on");
    };
    let counted = is_work.then(|| through.guests.count(router, through.to.port));
    match pass(request, through).await {
        Ok((upstream, response)) => {
            let (mut head, body) = response.into_parts();
            OF_CONNECTION.iter().for_each(|name| {
                head.headers.remove(name);
            });
            Response::from_parts(head, Either::Right(Passed { body, _upstream: upstream, _counted: counted }))
        }
        Err(why) => refuse(StatusCode::BAD_GATEWAY, &format!("{} does not answer: {why}", through.to)),
    }
}

/// Asks the server. The connection is this request's own: it ends with it, and nothing idle can break it.
async fn pass(request: Request<Incoming>, through: &Through) -> Result<(Ends, Response<Incoming>), String> {
    let to = (through.to.host.as_str(), through.to.port);
    let stream =
        timeout(CONNECT, TcpStream::connect(to)).await.map_err(|_| "it does not accept".to_owned())?;
    let stream = stream.map_err(|error| error.to_string())?;
    let _ = stream.set_nodelay(true);
    let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(|error| error.to_string())?;
    let upstream = Ends::from(tokio::spawn(connection));
    let (head, body) = request.into_parts();
    let mut passed = Request::new(body);
    *passed.method_mut() = head.method;
    *passed.uri_mut() = head.uri.path_and_query().map_or_else(Default::default, |path| path.clone().into());
    *passed.headers_mut() = headers(&head.headers, &through.to)?;
    let response = sender.send_request(passed).await.map_err(|error| error.to_string())?;
    Ok((upstream, response))
}

fn headers(from: &HeaderMap, to: &Origin) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(TO_SERVER.len() + 1);
    let host = HeaderValue::from_str(&to.authority()).map_err(|error| error.to_string())?;
    headers.insert(header::HOST, host);
    for name in TO_SERVER {
        if let Some(value) = from.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    Ok(headers)
}

/// Whoever is refused sends what they still had to send to nobody.
fn refuse(status: StatusCode, why: &str) -> Answer {
    let body = serde_json::json!({ "error": why }).to_string();
    let mut response = Response::new(Either::Left(Full::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The server's answer on its way. Whoever stops reading drops it, and with it the server's connection.
pub(super) struct Passed {
    body: Incoming,
    _upstream: Ends,
    _counted: Option<Counted>,
}

impl Body for Passed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
