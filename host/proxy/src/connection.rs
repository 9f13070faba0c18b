//! One connection, from the accepted socket to its end: hyper's HTTP/1.1, and the ways in which it ends.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use crate::patience::Patience;
use crate::peer::Peer;
use crate::pipeline;
use crate::router::Router;
use crate::seats::Seat;
use crate::server::Phase;
use crate::socket::{self, Socket};

/// Bytes of a request's head, and lines of it. Cookies and traces of a whole company fit; what is longer is made to harm.
const HEAD: (usize, usize) = (64 << 10, 100);
/// Bytes of one connection that are held between two waits, in each direction: what a client did not read yet, and what it
/// sent and nobody read. As much as a system sends at once.
const BUFFER: usize = 64 << 10;

/// One connected client.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) peer: Arc<Peer>,
    pub(crate) phases: watch::Receiver<Phase>,
    /// Given back at the connection's end.
    pub(crate) seat: Seat,
    /// The router does not end while this is held.
    pub(crate) running: Option<mpsc::Sender<()>>,
}

/// Serves one connection.
pub(crate) async fn serve(router: Arc<Router>, client: Client) {
    let Client { mut stream, peer, mut phases, seat: _seat, running } = client;
    let service = {
        let (router, peer) = (Arc::clone(&router), Arc::clone(&peer));
        service_fn(move |request: Request<Incoming>| {
            let (router, peer) = (Arc::clone(&router), Arc::clone(&peer));
            async move { Ok::<_, Infallible>(pipeline::serve(&router, &peer, request).await) }
        })
    };
    let (read, write) = stream.split();
    let (bytes, lines) = HEAD;
    let http = http1::Builder::new()
        // Its one time for heads and idle connections is replaced by `patience`.
        .header_read_timeout(None)
        .max_header_size(bytes)
        .max_headers(lines)
        .max_buf_size(BUFFER)
        // A client that comes when the end has begun gets one answer.
        .keep_alive(!peer.is_draining())
        // A client that closes its side has left: its request is cancelled.
        .half_close(false)
        .serve_connection(TokioIo::new(Socket::new(read, &write, &peer)), service);
    let mut life = Life {
        http: pin!(http),
        leaving: pin!(socket::left(write.as_ref())),
        left: false,
        patience: Patience::new(router.limits.head_patience, router.limits.idle),
        peer: &peer,
    };
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
    let left = life.left;
    drop(running);
    match ended {
        End::Over if !left => socket::hear_out(write.as_ref()).await,
        End::Over | End::Left | End::Late => {}
        End::Broken(error) => {
            // The client spoke no HTTP, or an answer broke off.
            tracing::debug!("connection ended: {error}");
            if error.is_user() {
                socket::break_off(write.as_ref());
            } else if !left {
                socket::hear_out(write.as_ref()).await;
            }
        }
    }
}

/// A connection under way. Dropping it ends every request on it, and with them their connections to backends.
struct Life<'a, H, L> {
    http: Pin<&'a mut H>,
    leaving: Pin<&'a mut L>,
    /// Whether `leaving` has ended: it may not be asked again, and the answer stays true.
    left: bool,
    patience: Patience,
    peer: &'a Peer,
}

/// How a connection ended.
enum End {
    /// Everything was said.
    Over,
    /// The client left work behind that nobody wants any more.
    Left,
    /// The client asked nothing for too long.
    Late,
    /// Something is wrong with what one of the sides sent.
    Broken(hyper::Error),
}

impl<H, L> Life<'_, H, L>
where
    H: Future<Output = hyper::Result<()>>,
    L: Future<Output = ()>,
{
    /// Goes on until the connection ends.
    async fn end(&mut self) -> End {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        // Only here bytes come and requests begin and end, so that asking about them right afterwards misses nothing.
        let http = self.http.as_mut().poll(context);
        self.left = self.left || self.leaving.as_mut().poll(context).is_ready();
        if let Poll::Ready(ended) = http {
            return Poll::Ready(ended.map_or_else(End::Broken, |()| End::Over));
        }
        if self.left && self.peer.is_busy() {
            return Poll::Ready(End::Left);
        }
        self.patience.poll(context, self.peer.happened()).map(|()| End::Late)
    }
}

/// Returns when the router's end has come that far. One whose door is gone never gets further.
async fn reached(phases: &mut watch::Receiver<Phase>, phase: Phase) {
    if phases.wait_for(|now| *now >= phase).await.is_err() {
        std::future::pending().await
    }
}
