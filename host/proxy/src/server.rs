//! Listens, accepts, and ends in order: stop accepting, let answers finish, close.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::pipeline;
use crate::router::Router;

/// How long accepting rests after the system refused a socket, which it does when file handles run out.
const REST: Duration = Duration::from_millis(100);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    #[source]
    pub source: std::io::Error,
}

/// Binds the address.
///
/// # Errors
/// Somebody else listens there, or we may not.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, source })
}

/// Serves until `stop` turns true, then lets running answers end, at most for as long as the limits say.
/// Returns how many connections were cut.
pub async fn serve(router: Arc<Router>, listener: TcpListener, stop: watch::Receiver<bool>) -> usize {
    let most = router.limits.connections;
    let seats = Arc::new(Semaphore::new(most));
    let accepting = accept(&router, listener, &seats, &stop);
    tokio::select! {
        () = accepting => {}
        () = stopped(stop.clone()) => {}
    }
    // The listener is closed by now: new clients are refused by the system, at once.
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    let drained = tokio::time::timeout(router.limits.drain, seats.acquire_many(all)).await;
    if drained.is_ok() { 0 } else { most - seats.available_permits() }
}

async fn accept(
    router: &Arc<Router>,
    listener: TcpListener,
    seats: &Arc<Semaphore>,
    stop: &watch::Receiver<bool>,
) {
    loop {
        // Never closed, so the only result is a permit. Past the cap, clients wait in the system's backlog.
        let Ok(seat) = Arc::clone(seats).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let client = Client { stream, peer: peer.ip(), _seat: seat };
                tokio::spawn(connection(Arc::clone(router), client, stop.clone()));
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// One connected client.
struct Client {
    stream: TcpStream,
    peer: IpAddr,
    /// Given back at the connection's end.
    _seat: OwnedSemaphorePermit,
}

/// Serves one connection.
async fn connection(router: Arc<Router>, client: Client, stop: watch::Receiver<bool>) {
    let Client { stream, peer, _seat } = client;
    // Tokens are small writes; holding them back would make a stream stutter.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("cannot set TCP_NODELAY: {error}");
    }
    let head_patience = router.limits.head_patience;
    let service = service_fn(move |request: Request<Incoming>| {
        let router = Arc::clone(&router);
        async move { Ok::<_, Infallible>(pipeline::serve(&router, peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_patience)
        // A client that closes its side has left: its request is cancelled.
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The client left or spoke no HTTP; either is its own business.
        tracing::debug!("connection ended: {error}");
    }
}

/// Returns when the router shall stop, which it shall too when whoever could say so is gone.
async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("nobody is left who could say stop");
    }
}
