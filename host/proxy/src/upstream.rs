//! Connections to backends: one request at a time on each, the last one used is used again first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use herdwick_fleet::{Backend, BackendId, Origin};
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::headers;
use crate::rope::Rope;

/// Idle connections kept per backend. More requests than this at once open connections that end with them.
const IDLE: usize = 64;

/// A connection that was idle longer is not used again: its machine may have slept meanwhile, and what is sent
/// into a half-open connection is answered by nobody. Opening one takes a fraction of a millisecond on a LAN, an
/// answer seconds.
const IDLE_FOR: Duration = Duration::from_secs(3);
/// A connection that the other side closed just when we sent shows it within a round trip. What ends later than
/// this ended because of the request.
const STALE_WITHIN: Duration = Duration::from_millis(250);
/// Silence on a connection after which its machine is asked whether it still lives, how often, how many times.
/// A machine that lost power in the silence before an answer sends nothing that could tell.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(5), Duration::from_secs(5), 2);
/// Sent bytes that are not acknowledged for so long end the connection.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);

/// Bytes of an answer that are held between two waits, and of its head. A client that does not read holds up its backend
/// that soon; hyper would take in 400 KiB.
const BUFFER: usize = 64 << 10;

/// Why a backend could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection.
    #[error("no connection ({0})")]
    Connect(#[source] std::io::Error),
    /// No connection in time.
    #[error("no connection within {} s", .0.as_secs_f32())]
    ConnectTimeout(Duration),
    /// The connection ended or broke before an answer began.
    #[error("the connection ended before an answer began ({0})")]
    Send(#[source] hyper::Error),
}

impl Failure {
    /// As fallback rules are told.
    pub(crate) fn class(&self) -> herdwick_fleet::Failure {
        match self {
            Self::Connect(_) | Self::ConnectTimeout(_) => herdwick_fleet::Failure::Connect,
            Self::Send(_) => herdwick_fleet::Failure::Cut,
        }
    }

    /// Whether nobody listens there, as opposed to one connection having gone wrong.
    pub(crate) fn is_refusal(&self) -> bool {
        use std::io::ErrorKind;
        match self {
            Self::ConnectTimeout(_) => true,
            // Anything else, like too many open files, is our own trouble and says nothing of the backend.
            Self::Connect(error) => matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
            ),
            Self::Send(_) => false,
        }
    }
}

/// The idle connections of all backends.
#[derive(Default)]
pub(crate) struct Pools {
    pools: Mutex<HashMap<BackendId, Arc<Pool>>>,
}

/// The idle connections of one backend, at one address.
pub(crate) struct Pool {
    /// Where they lead.
    origin: Arc<Origin>,
    /// What its `Host` is.
    host: HeaderValue,
    /// What its agent wants to see, as it is told and as it is sent.
    bearer: Option<(Arc<str>, HeaderValue)>,
    idle: Mutex<Idle>,
}

/// Connections that nobody uses, and since when; the last one that was used is the last.
#[derive(Default)]
struct Idle {
    connections: Vec<(SendRequest<Rope>, Instant)>,
    /// Whether somebody lets go of those that are old.
    is_swept: bool,
}

/// A connection in use. Dropping it closes it, which is how a backend learns that its client left.
pub(crate) struct Link {
    sender: SendRequest<Rope>,
    pool: Arc<Pool>,
}

impl Pools {
    /// The pool of a backend. One that moved, or whose agent was started anew, gets a new one: what is connected to where
    /// it was is let go of as soon as nobody uses it.
    pub(crate) fn of(&self, backend: &Backend) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&backend.id).filter(|pool| pool.is_of(backend)) {
            return Arc::clone(pool);
        }
        // Backends come and go; a pool without a connection is not worth its memory.
        pools.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.is_empty());
        let pool = Arc::new(Pool::new(backend));
        pools.insert(backend.id, Arc::clone(&pool));
        pool
    }
}

/// Sends a request over an idle connection, else over a new one. `request` makes it, as often as it takes.
///
/// There is no limit on how long the answer may take to begin: Ollama is silent while it waits, loads and reads the
/// prompt, and hanging up would abort the load.
pub(crate) async fn send(
    pool: &Arc<Pool>,
    origin: &Origin,
    request: impl Fn() -> Request<Rope>,
    connect: Duration,
) -> Result<(Response<Incoming>, Link), Failure> {
    while let Some(mut sender) = pool.take() {
        let sent = Instant::now();
        match sender.try_send_request(request()).await {
            Ok(response) => return Ok((response, Link { sender, pool: Arc::clone(pool) })),
            // An idle connection may have been closed by the other side at this very moment: then the request goes
            // there once more, and the backend is not to blame (RFC 9110 §9.2.2 lets a client do so when it knows
            // that the request is safe to repeat, as ours are before an answer).
            Err(error) if error.message().is_some() => {}
            Err(error) if sent.elapsed() <= STALE_WITHIN && !error.error().is_parse() => break,
            Err(error) => return Err(Failure::Send(error.into_error())),
        }
    }
    let mut sender = open(origin, connect).await?;
    let response = sender.send_request(request()).await.map_err(Failure::Send)?;
    Ok((response, Link { sender, pool: Arc::clone(pool) }))
}

impl Pool {
    fn new(backend: &Backend) -> Self {
        let bearer = |bearer: &Arc<str>| Some((Arc::clone(bearer), headers::bearer(bearer)?));
        Self {
            origin: Arc::clone(&backend.origin),
            host: headers::text(&backend.origin.authority()),
            bearer: backend.bearer.as_ref().and_then(bearer),
            idle: Mutex::default(),
        }
    }

    /// Whether its connections lead to where the backend is now, for whoever speaks for it now.
    fn is_of(&self, backend: &Backend) -> bool {
        let bearer = self.bearer.as_ref().map(|(told, _)| told);
        // Nearly always the very same text, which needs no look at its letters.
        (Arc::ptr_eq(&self.origin, &backend.origin) || self.origin == backend.origin)
            && bearer == backend.bearer.as_ref()
    }

    fn is_empty(&self) -> bool {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.connections.is_empty() && !idle.is_swept
    }

    /// What the backend is called in requests to it.
    pub(crate) fn host(&self) -> HeaderValue {
        self.host.clone()
    }

    /// What requests to it carry, where its agent passes them on.
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        self.bearer.as_ref().map(|(_, sent)| sent.clone())
    }

    /// The connection that was used last and can take a request now. One that cannot yet stays: its backend may still
    /// read what it answered already.
    fn take(&self) -> Option<SendRequest<Rope>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.sweep();
        let ready = idle.connections.iter().rposition(|(sender, _)| sender.is_ready())?;
        Some(idle.connections.remove(ready).0)
    }

    /// Lets go of connections that nobody used for long, for as long as there are any.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(IDLE_FOR).await;
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.sweep();
            if idle.connections.is_empty() {
                idle.is_swept = false;
                return;
            }
        }
    }
}

impl Idle {
    fn sweep(&mut self) {
        let now = Instant::now();
        let old = |since: &Instant| now.saturating_duration_since(*since) > IDLE_FOR;
        self.connections.retain(|(sender, since)| !sender.is_closed() && !old(since));
    }
}

impl Link {
    /// The answer was read to its end: the connection can take another request. Bytes that came with the answer and do
    /// not belong to it end the connection; such that come after the next request was sent nobody can tell from its
    /// answer, which is the price of using a connection twice (HTTP/1.1 has no names for requests).
    pub(crate) fn give_back(self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.connections.len() >= IDLE || self.sender.is_closed() {
            return;
        }
        idle.connections.push((self.sender, Instant::now()));
        if !std::mem::replace(&mut idle.is_swept, true) {
            tokio::spawn(Arc::clone(&self.pool).sweep());
        }
    }
}

async fn open(origin: &Origin, patience: Duration) -> Result<SendRequest<Rope>, Failure> {
    let address = (origin.host.as_str(), origin.port);
    let stream = timeout(patience, TcpStream::connect(address))
        .await
        .map_err(|_| Failure::ConnectTimeout(patience))?
        .map_err(Failure::Connect)?;
    // A request is one write; waiting for more would only delay it.
    stream.set_nodelay(true).map_err(Failure::Connect)?;
    watch_over(&stream).map_err(Failure::Connect)?;
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Failure::Send)?;
    // Once per connection, not per request. Its end shows in the sender; there is nothing to do with its error.
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender)
}

/// Lets the system notice a machine that is gone.
fn watch_over(stream: &TcpStream) -> std::io::Result<()> {
    let (idle, interval, retries) = KEEPALIVE;
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new().with_time(idle).with_interval(interval);
    socket.set_tcp_keepalive(&keepalive.with_retries(retries))?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use herdwick_fleet::{Fleet, Origin};

    use super::*;

    #[test]
    fn a_backend_that_moved_or_has_another_bearer_has_another_pool() {
        let mut fleet = Fleet::default();
        fleet.add("studio", Origin { host: "10.0.0.5".into(), port: 11_434 }, 1);
        let backend = (*fleet.snapshot().backends()[0]).clone();
        let pools = Pools::default();
        let first = pools.of(&backend);
        assert!(Arc::ptr_eq(&first, &pools.of(&backend)));
        let same = Backend { origin: Arc::new((*backend.origin).clone()), ..backend.clone() };
        assert!(Arc::ptr_eq(&first, &pools.of(&same)), "the same address in other letters");
        let origin = Arc::new(Origin { host: "10.0.0.6".into(), port: 11_434 });
        let moved = pools.of(&Backend { origin, ..backend.clone() });
        assert!(!Arc::ptr_eq(&first, &moved));
        assert_eq!(moved.host(), "10.0.0.6:11434");
        let bearer = Some("of-this-start".into());
        let behind = pools.of(&Backend { bearer, ..backend });
        assert_eq!(behind.bearer().as_ref().map(HeaderValue::as_bytes), Some(&b"Bearer of-this-start"[..]));
        assert_eq!(pools.pools.lock().unwrap().len(), 1, "one backend, one pool");
    }
}
