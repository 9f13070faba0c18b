//! One connection: read a request, note it, answer it while watching whether the client is still there.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::gate::Wish;
use crate::http::{Head, Inbox, Malformed, Next, TEXT, Trouble, Wire};
use crate::journal::{ExchangeId, Outcome};
use crate::node::Node;
use crate::route::{self, Request};

/// How long a peer may go on sending after our FIN before we drop its bytes with a RST.
const LINGER: Duration = Duration::from_millis(200);

/// Serves until either side closes.
pub(crate) async fn run(stream: TcpStream, node: Arc<Node>) {
    let id = node.next_connection();
    // Declared first, dropped last: the note is made when the socket is closed.
    let _note = ClosingNote { node: Arc::clone(&node), id };
    let loopback = stream.local_addr().is_ok_and(|address| address.ip().is_loopback());
    // Each token is a write of its own and must not wait for the next one; failing only costs time.
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let mut connection = Connection {
        inbox: Inbox::new(read),
        wire: Wire::new(write, Arc::clone(&node.journal), node.kind.server()),
        node,
        id,
        loopback,
        controlling: false,
    };
    loop {
        match connection.exchange().await {
            Next::Keep => {}
            Next::Close => return connection.close().await,
            Next::Reset => return connection.wire.reset(),
        }
    }
}

struct Connection {
    inbox: Inbox,
    wire: Wire,
    node: Arc<Node>,
    id: u64,
    loopback: bool,
    /// The last request was for the control port; such a connection survives `refuse`.
    controlling: bool,
}

impl Connection {
    async fn exchange(&mut self) -> Next {
        let refused = async {
            if self.controlling {
                std::future::pending().await
            }
            self.node.gate.until(|wish| wish != Wish::Accept).await
        };
        let raw = tokio::select! {
            biased;
            raw = self.inbox.head() => raw,
            _ = refused => return Next::Close,
        };
        let raw = match raw {
            Ok(Some(raw)) => raw,
            Ok(None) | Err(Trouble::Gone) => return Next::Close,
            Err(trouble) => return self.reject(&trouble).await,
        };
        match Head::parse(&raw) {
            Ok(head) if route::is_control(&head) => self.control(&head).await,
            Ok(head) => self.serve(head).await,
            Err(malformed) => {
                self.node.journal.malformed(self.id, &raw);
                self.reject(&Trouble::Malformed(malformed)).await
            }
        }
    }

    async fn control(&mut self, head: &Head) -> Next {
        self.controlling = true;
        self.wire.begin(None, head);
        let framing = match head.framing() {
            Ok(framing) => framing,
            Err(malformed) => return self.reject(&Trouble::Malformed(malformed)).await,
        };
        let body = match self.inbox.body(framing).await {
            Ok(body) => body,
            Err(trouble) => return self.reject(&trouble).await,
        };
        tokio::select! {
            biased;
            next = route::control(&self.node, head, &body, &mut self.wire) => next.unwrap_or(Next::Close),
            () = self.inbox.gone() => Next::Close,
        }
    }

    async fn serve(&mut self, head: Head) -> Next {
        self.controlling = false;
        let inference = route::is_inference(&head);
        let exchange = self.node.journal.open(self.id, &head, inference);
        self.wire.begin(Some(exchange), &head);
        if inference && self.node.script.take_noread() {
            self.node.journal.verb(exchange, "noread");
            self.inbox.gone_unread().await;
            self.node.journal.end(exchange, Outcome::ClientGone);
            return Next::Close;
        }
        let arrived = Instant::now();
        let body = match self.body(&head).await {
            Ok(body) => body,
            Err(trouble) => {
                let gone = matches!(trouble, Trouble::Gone);
                self.node.journal.end(exchange, if gone { Outcome::ClientGone } else { Outcome::Malformed });
                return self.reject(&trouble).await;
            }
        };
        self.node.journal.body(exchange, &body);
        self.answer(Request { head, body, exchange, arrived, loopback: self.loopback }, exchange).await
    }

    async fn body(&mut self, head: &Head) -> Result<Vec<u8>, Trouble> {
        let framing = head.framing().map_err(Trouble::Malformed)?;
        if head.header("expect").is_some_and(|expect| expect.eq_ignore_ascii_case("100-continue")) {
            self.wire.raw(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        self.inbox.body(framing).await
    }

    /// Whichever comes first: the end of the answer, or the end of the client's interest. Dropping the
    /// answer gives back its slot and aborts its load.
    async fn answer(&mut self, request: Request, exchange: ExchangeId) -> Next {
        let answered = tokio::select! {
            biased;
            answered = route::answer(&self.node, &request, &mut self.wire) => answered.ok(),
            () = self.inbox.gone() => None,
        };
        let outcome = match answered {
            Some(Next::Reset) => Outcome::Fault,
            Some(_) => Outcome::Complete,
            None => Outcome::ClientGone,
        };
        self.node.journal.end(exchange, outcome);
        answered.unwrap_or(Next::Close)
    }

    /// Go's answer to what it cannot read.
    async fn reject(&mut self, trouble: &Trouble) -> Next {
        let (status, text) = match trouble {
            Trouble::Malformed(Malformed(why)) => (400, format!("400 Bad Request: {why}")),
            Trouble::TooLarge => (431, "431 Request Header Fields Too Large".to_owned()),
            Trouble::Gone => return Next::Close,
        };
        // A peer that does not want to hear it has left.
        let _ = self.wire.whole_with(status, &[("Content-Type", TEXT)], text.as_bytes()).await;
        Next::Close
    }

    /// FIN, then a little patience: closing with unread bytes would reset the answer away.
    async fn close(mut self) {
        self.wire.fin().await;
        // Too late is as good as gone.
        let _ = timeout(LINGER, self.inbox.gone()).await;
    }
}

struct ClosingNote {
    node: Arc<Node>,
    id: u64,
}

impl Drop for ClosingNote {
    fn drop(&mut self) {
        self.node.journal.socket_closed(self.id);
    }
}
