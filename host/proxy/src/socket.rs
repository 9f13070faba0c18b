//! A client's socket as hyper uses it, and beside it the question whether the client has left. It knows no HTTP.
//!
//! hyper notices a client that closes its side only when it reads, and it does not read while an unused byte is left in
//! its buffer: one stray line end or a pipelined request, and the work for a client that is gone goes on (hyper 1.12,
//! `proto/h1/conn.rs`, `mid_message_detect_eof`). The system tells on its own, whoever has read what: `EPOLLRDHUP`.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use crate::peer::Peer;

/// How long a client may go on sending after its last answer, and how much of it is heard: enough for a body as large as
/// may be that was refused at its beginning.
const LINGER: Duration = Duration::from_secs(2);
const UNHEARD: usize = 64 << 20;

/// The socket while somebody else looks at it too. Reading is tokio's own, which asks the system no more often than
/// needed; writing goes through the shared reference.
pub(crate) struct Socket<'a> {
    read: ReadHalf<'a>,
    stream: &'a TcpStream,
    peer: &'a Peer,
}

impl<'a> Socket<'a> {
    /// Both halves of one stream; the second stays with the caller, who watches it.
    pub(crate) fn new(read: ReadHalf<'a>, write: &'a WriteHalf<'a>, peer: &'a Peer) -> Self {
        Self { read, stream: write.as_ref(), peer }
    }

    /// Writes what the system takes without waiting.
    fn poll_try(
        &self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match write(self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

/// Returns when the client closed its side, whether orderly or not.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) async fn left(stream: &TcpStream) {
    use tokio::io::Interest;
    // Of all interests this one is not woken by plain data, and every one is told of the end (tokio 1.54,
    // `io/interest.rs`, `Ready::from_interest`).
    while let Ok(ready) = stream.ready(Interest::PRIORITY).await {
        if ready.is_read_closed() {
            return;
        }
        // Urgent data, which HTTP has not: it is taken as seen, and the wait goes on.
        let seen: io::Result<()> =
            stream.try_io(Interest::PRIORITY, || Err(io::ErrorKind::WouldBlock.into()));
        debug_assert!(seen.is_err());
    }
    // Without a driver nobody is told anything any more; the end is near, and not this one's to begin.
    std::future::pending().await
}

/// Never returns: elsewhere the system tells of the end only together with data, and hyper has to notice.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) async fn left(_: &TcpStream) {
    std::future::pending().await
}

/// Hears out a client after its last answer: closing while bytes of it are unread would reset the connection, and it would
/// never read why.
pub(crate) async fn hear_out(stream: &TcpStream) {
    let rest = async {
        let mut buffer = vec![0; 16 << 10];
        let mut heard = 0;
        while heard < UNHEARD && stream.readable().await.is_ok() {
            match stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => heard += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    // However it ends, the connection is closed.
    let _ = timeout(LINGER, rest).await;
}

/// Lets closing look like what it is: the answer breaks off. Without this an HTTP/1.0 client, to which the end of the
/// connection is the end of the answer, would take it for whole.
pub(crate) fn break_off(stream: &TcpStream) {
    if let Err(error) = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
        tracing::debug!("cannot break off a connection: {error}");
    }
}

impl AsyncRead for Socket<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.read).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.peer.hear();
        }
        read
    }
}

impl AsyncWrite for Socket<'_> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_try(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_try(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing is held back here.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(self.stream).shutdown(Shutdown::Write))
    }
}
