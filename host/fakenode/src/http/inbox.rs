//! What the peer sends: heads, bodies, and the moment it leaves.

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

use super::head::{Framing, Malformed};

/// Longest head; Go's `DefaultMaxHeaderBytes`.
const MAX_HEAD: usize = 1 << 20;
/// Longest body; eight times what the router lets through, so that a leak shows as a logged request.
const MAX_BODY: u64 = 256 << 20;
/// Bytes of a next request read while the present one is being answered. Beyond that we stop looking, and
/// so stop noticing that the client left, as Go does after one byte.
const MAX_AHEAD: usize = 64 << 10;

/// How often a peer whose body we refuse to read is looked at.
const GLANCE: Duration = Duration::from_millis(5);
/// Room made for each read, so that a usual head takes one.
const MIN_READ: usize = 8 << 10;

/// Why no request could be read.
#[derive(Debug)]
pub(crate) enum Trouble {
    Malformed(Malformed),
    TooLarge,
    /// The peer left, in the middle of something or with an error.
    Gone,
}

/// The reading half of a connection, with what was read ahead.
pub(crate) struct Inbox {
    half: OwnedReadHalf,
    buffer: Vec<u8>,
}

impl Inbox {
    pub(crate) fn new(half: OwnedReadHalf) -> Inbox {
        Inbox { half, buffer: Vec::new() }
    }

    /// The raw head of the next request with its blank line; `None` when the peer ended cleanly between two.
    /// May be dropped and called again without losing bytes.
    pub(crate) async fn head(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(self.take(end + 4)));
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(Trouble::TooLarge);
            }
            if !self.fill().await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(Trouble::Gone) };
            }
        }
    }

    /// The body behind the head that was just taken.
    pub(crate) async fn body(&mut self, framing: Framing) -> Result<Vec<u8>, Trouble> {
        match framing {
            Framing::Length(length) if length > MAX_BODY => Err(Trouble::TooLarge),
            Framing::Length(length) => self.exactly(length as usize).await,
            Framing::Chunked => self.chunks().await,
        }
    }

    /// Resolves when the peer closes or resets its side; meanwhile reads a little ahead.
    pub(crate) async fn gone(&mut self) {
        while self.buffer.len() < MAX_AHEAD {
            if !matches!(self.fill().await, Ok(true)) {
                return;
            }
        }
        pending().await
    }

    /// Resolves when the peer leaves, without ever taking a byte from the kernel.
    pub(crate) async fn gone_unread(&self) {
        loop {
            // Readiness with unread bytes returns at once, hence the pause between two looks.
            match self.half.ready(tokio::io::Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => tokio::time::sleep(GLANCE).await,
                _ => return,
            }
        }
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = chunk_size(&line)?;
            if size + body.len() as u64 > MAX_BODY {
                return Err(Trouble::TooLarge);
            }
            if size == 0 {
                break;
            }
            body.extend(self.exactly(size as usize).await?);
            if self.exactly(2).await? != b"\r\n" {
                return Err(Trouble::Malformed(Malformed("chunk without its end")));
            }
        }
        // Trailers are read and dropped.
        while !self.line().await?.is_empty() {}
        Ok(body)
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Trouble> {
        while self.buffer.len() < length {
            if !self.fill().await? {
                return Err(Trouble::Gone);
            }
        }
        Ok(self.take(length))
    }

    async fn line(&mut self) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let mut line = self.take(end + 2);
                line.truncate(end);
                return Ok(line);
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(Trouble::TooLarge);
            }
            if !self.fill().await? {
                return Err(Trouble::Gone);
            }
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// False at the end of the stream.
    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(MIN_READ);
        Ok(self.half.read_buf(&mut self.buffer).await? > 0)
    }
}

impl From<io::Error> for Trouble {
    fn from(_: io::Error) -> Trouble {
        // Every error of a read means that nobody is there to be told.
        Trouble::Gone
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, Trouble> {
    let malformed = || Trouble::Malformed(Malformed("malformed chunk size"));
    let text = std::str::from_utf8(line).map_err(|_| malformed())?;
    let digits = text.split(';').next().unwrap_or_default();
    if digits.is_empty() || digits.len() > 15 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(malformed());
    }
    u64::from_str_radix(digits, 16).map_err(|_| malformed())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
