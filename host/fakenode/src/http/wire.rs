//! What we send: whole answers, chunked streams, and raw bytes for the answers HTTP forbids.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use super::head::Head;
use crate::clock;
use crate::journal::{ExchangeId, Journal};

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Ready for another request.
    Keep,
    /// Closed with a FIN.
    Close,
    /// Closed with a RST.
    Reset,
}

/// The writing half of a connection. Counts every byte into the journal.
pub(crate) struct Wire {
    half: OwnedWriteHalf,
    journal: Arc<Journal>,
    /// What `Server` says; empty = nothing.
    server: &'static str,
    exchange: Option<ExchangeId>,
    http10: bool,
    bodiless: bool,
    keep: bool,
    /// Head of a stream that has not sent its first frame: nothing leaves before the first token.
    held_head: Option<Vec<u8>>,
    /// Bytes per second; `None` is as fast as the peer reads.
    pace: Option<u64>,
    /// Leaves in one write with the end of the answer.
    behind: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(half: OwnedWriteHalf, journal: Arc<Journal>, server: &'static str) -> Wire {
        Wire {
            half,
            journal,
            server,
            exchange: None,
            http10: false,
            bodiless: false,
            keep: false,
            held_head: None,
            pace: None,
            behind: Vec::new(),
        }
    }

    /// Starts the answer to one request.
    pub(crate) fn begin(&mut self, exchange: Option<ExchangeId>, head: &Head) {
        self.exchange = exchange;
        self.http10 = head.http10;
        self.bodiless = head.method == "HEAD";
        self.keep = head.keep_alive();
        self.held_head = None;
        self.pace = None;
        self.behind.clear();
    }

    /// Limits the rest of this answer.
    pub(crate) fn trickle(&mut self, bytes_per_second: u64) {
        self.pace = Some(bytes_per_second.max(1));
    }

    /// Lets these bytes follow the answer in the same write, as of a server that miscounts: a reader that took them
    /// later could not tell them from the next answer.
    pub(crate) fn follow_with(&mut self, bytes: Vec<u8>) {
        self.behind = bytes;
    }

    /// A complete answer in one write.
    pub(crate) async fn whole(&mut self, status: u16, kind: &str, body: &[u8]) -> io::Result<Next> {
        self.whole_with(status, &[("Content-Type", kind)], body).await
    }

    /// The same with headers of the caller's choice.
    pub(crate) async fn whole_with(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Next> {
        let length = body.len().to_string();
        let mut bytes = self.head(status, headers, ("Content-Length", &length));
        if !self.bodiless {
            bytes.extend_from_slice(body);
        }
        bytes.append(&mut self.behind);
        self.raw(&bytes).await?;
        Ok(self.next())
    }

    /// Prepares a stream; its head leaves together with the first frame.
    pub(crate) fn open(&mut self, kind: &str) {
        // HTTP/1.0 knows no chunks: the end of the connection ends the body.
        let framing = if self.http10 { ("Connection", "close") } else { ("Transfer-Encoding", "chunked") };
        self.keep &= !self.http10;
        if let Some(exchange) = self.exchange {
            self.journal.status(exchange, 200);
        }
        self.held_head = Some(self.head(200, &[("Content-Type", kind)], framing));
    }

    /// One frame of a stream: one chunk, one write.
    pub(crate) async fn frame(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut bytes = self.held_head.take().unwrap_or_default();
        if self.http10 {
            bytes.extend_from_slice(payload);
        } else {
            bytes.extend(chunk(payload));
        }
        self.raw(&bytes).await
    }

    /// The proper end of a stream.
    pub(crate) async fn end(&mut self) -> io::Result<Next> {
        let mut bytes = self.held_head.take().unwrap_or_default();
        if !self.http10 {
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
        bytes.append(&mut self.behind);
        self.raw(&bytes).await?;
        Ok(self.next())
    }

    /// Any bytes at all; none leave no trace.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Timers have millisecond grain, so a fast trickle sends more than one byte at a time.
        let step = self.pace.map_or(usize::MAX, |pace| (pace / 1000).max(1) as usize);
        for piece in bytes.chunks(step) {
            self.half.write_all(piece).await?;
            self.sent(piece.len());
            if let Some(pace) = self.pace {
                tokio::time::sleep(Duration::from_secs_f64(piece.len() as f64 / pace as f64)).await;
            }
        }
        Ok(())
    }

    /// The head a normal answer would have; for answers that continue it in an abnormal way.
    pub(crate) fn head(&self, status: u16, headers: &[(&str, &str)], framing: (&str, &str)) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.server.is_empty() {
            text.push_str(&format!("Server: {}\r\n", self.server));
        }
        text.push_str(&format!(
            "Date: {}\r\n{}: {}\r\n",
            clock::http_date(SystemTime::now()),
            framing.0,
            framing.1
        ));
        if !self.keep && framing.0 != "Connection" {
            text.push_str("Connection: close\r\n");
        }
        text.push_str("\r\n");
        if let Some(exchange) = self.exchange {
            self.journal.status(exchange, status);
        }
        text.into_bytes()
    }

    /// What a normal answer does with the connection.
    pub(crate) fn next(&self) -> Next {
        if self.keep { Next::Keep } else { Next::Close }
    }

    /// Tells the peer that nothing more comes.
    pub(crate) async fn fin(&mut self) {
        // A peer that is gone has no use for the FIN.
        let _ = self.half.shutdown().await;
    }

    /// Leaves so that the kernel sends a RST once both halves are dropped.
    pub(crate) fn reset(self) {
        // Failing means that the peer was faster; then there is nothing to reset.
        let _ = AsRef::<TcpStream>::as_ref(&self.half).set_zero_linger();
        // Dropping the half would send a FIN first.
        self.half.forget();
    }

    fn sent(&self, bytes: usize) {
        if let Some(exchange) = self.exchange {
            self.journal.sent(exchange, bytes);
        }
    }
}

/// One chunk of a chunked body.
pub(crate) fn chunk(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}
