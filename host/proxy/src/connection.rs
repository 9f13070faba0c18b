//! One connection, from the accepted socket to its end: hyper's HTTP/1.1, and the three ways in which it ends early.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::ending::Followed;
use crate::peer::Peer;
use crate::pipeline;
use crate::router::Router;
use crate::server::Phase;

/// One connected client.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) peer: Arc<Peer>,
    pub(crate) phases: watch::Receiver<Phase>,
    /// Given back at the connection's end.
    pub(crate) _seat: OwnedSemaphorePermit,
    /// The router does not end while this is held.
    pub(crate) _running: Option<mpsc::Sender<()>>,
}

/// Serves one connection.
pub(crate) async fn serve(router: Arc<Router>, client: Client) {
    let Client { stream, peer, mut phases, _seat, _running } = client;
    // Tokens are small writes; holding them back would make a stream stutter.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("cannot set TCP_NODELAY: {error}");
    }
    let service = {
        let (router, peer) = (Arc::clone(&router), Arc::clone(&peer));
        service_fn(move |request: Request<Incoming>| {
            let (router, peer) = (Arc::clone(&router), Arc::clone(&peer));
            async move { Ok::<_, Infallible>(answer(&router, &peer, request).await) }
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(router.limits.head_patience)
        // A client that comes when the end has begun gets one answer.
        .keep_alive(!peer.is_draining())
        // A client that closes its side has left: its request is cancelled.
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = reached(&mut phases, Phase::Draining), if !peer.is_draining() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = reached(&mut phases, Phase::Cut) => {
                    peer.cut();
                    connection.await
                }
            }
        }
    };
    if let Err(error) = ended {
        // The client left or spoke no HTTP; either is its own business.
        tracing::debug!("connection ended: {error}");
    }
}

/// Answers one request. One that waits for its answer's beginning when the time is over hears so.
async fn answer(router: &Router, peer: &Arc<Peer>, request: Request<Incoming>) -> Response<Followed> {
    pipeline::serve(router, peer, request).await
}

/// Returns when the router's end has come that far. One whose door is gone never gets further.
async fn reached(phases: &mut watch::Receiver<Phase>, phase: Phase) {
    if phases.wait_for(|now| *now >= phase).await.is_err() {
        std::future::pending().await
    }
}
