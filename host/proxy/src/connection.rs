//! One connection, from the accepted socket to its end: hyper's HTTP/1.1, and the three ways in which it ends early.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::peer::Peer;
use crate::pipeline;
use crate::router::Router;
use crate::server::Phase;
use crate::socket::{self, Socket};

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
    let Client { mut stream, peer, mut phases, _seat, _running } = client;
    // Tokens are small writes; holding them back would make a stream stutter.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("cannot set TCP_NODELAY: {error}");
    }
    let service = {
        let (router, peer) = (Arc::clone(&router), Arc::clone(&peer));
        service_fn(move |request: Request<Incoming>| {
            let (router, peer) = (Arc::clone(&router), Arc::clone(&peer));
            async move { Ok::<_, Infallible>(pipeline::serve(&router, &peer, request).await) }
        })
    };
    let (read, write) = stream.split();
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(router.limits.head_patience)
        // A client that comes when the end has begun gets one answer.
        .keep_alive(!peer.is_draining())
        // A client that closes its side has left: its request is cancelled.
        .half_close(false)
        .serve_connection(TokioIo::new(Socket::new(read, &write)), service);
    let mut life =
        Life { http: pin!(http), leaving: pin!(socket::left(write.as_ref())), left: false, peer: &peer };
    let ended = tokio::select! {
        biased;
        ended = life.end() => ended,
        () = reached(&mut phases, Phase::Draining), if !peer.is_draining() => {
            life.http.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = life.end() => ended,
                () = reached(&mut phases, Phase::Cut) => {
                    peer.cut();
                    life.end().await
                }
            }
        }
    };
    if let Err(error) = ended {
        // The client left or spoke no HTTP; either is its own business.
        tracing::debug!("connection ended: {error}");
    }
}

/// A connection under way. Dropping it ends every request on it, and with them their connections to backends.
struct Life<'a, H, L> {
    http: Pin<&'a mut H>,
    leaving: Pin<&'a mut L>,
    /// Whether `leaving` has ended: it may not be asked again, and the answer stays true.
    left: bool,
    peer: &'a Peer,
}

impl<H, L> Life<'_, H, L>
where
    H: Future<Output = hyper::Result<()>>,
    L: Future<Output = ()>,
{
    /// Goes on until the connection is over, or the client has left work behind that nobody wants any more.
    async fn end(&mut self) -> hyper::Result<()> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        // Only here requests begin and end, so that asking whether one is under way right afterwards misses none.
        if let Poll::Ready(ended) = self.http.as_mut().poll(context) {
            return Poll::Ready(ended);
        }
        self.left = self.left || self.leaving.as_mut().poll(context).is_ready();
        if self.left && self.peer.is_busy() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// Returns when the router's end has come that far. One whose door is gone never gets further.
async fn reached(phases: &mut watch::Receiver<Phase>, phase: Phase) {
    if phases.wait_for(|now| *now >= phase).await.is_err() {
        std::future::pending().await
    }
}
